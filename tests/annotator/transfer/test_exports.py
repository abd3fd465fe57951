"""Exports: what each format holds, that equal questions give equal bytes, and that files come back."""

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import jinja2
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.contexts import store as contexts
from annotator.datasets import items as native_items
from annotator.datasets.exports.registry import EXPORTS
from annotator.datasets.formulas import defused, restored
from annotator.datasets.imports.model import text_context
from annotator.datasets.selection import ItemFilter
from annotator.errors import MapqatorError
from annotator.people.local import local_actor
from annotator.people.projects import ProjectSettings, create, settings_json
from annotator.questions import store as questions
from annotator.questions.answers import NumberAnswer, SetAnswer, TextAnswer
from annotator.questions.model import Option, QuestionContent
from annotator.store.tables import project
from annotator.store.times import utc_now

ACTOR = local_actor()


def export(place, key, folder, name="out", **what):
    """The exported file or folder, and the job's result."""
    target = folder / name
    job = place.take(key, target, **what)
    assert job.state == "done", job.message
    return target, job.result


def files_of(path: Path) -> dict[str, bytes]:
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in found if file.is_file()}


@pytest.mark.parametrize("key", EXPORTS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["folder", "packed"])
def test_every_format_gives_equal_bytes_for_equal_questions(town_place, tmp_path, key, is_packed):
    """The contract: every question is in it or left out with a reason, and a second export is the first."""
    first, result = export(town_place, key, tmp_path, "out", is_packed=is_packed)
    before = files_of(first)
    again, second = export(town_place, key, tmp_path, "again", is_packed=is_packed)
    assert list(before.values()) == list(files_of(again).values())
    assert result["num_items"] + result["num_left_out"] == 6
    assert all(row["reason"] for row in result["left_out"])
    assert second["size_bytes"] == result["size_bytes"] == sum(len(body) for body in before.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "out", "town"]


def test_mapeval_comes_back_as_equal_questions(town_place, place, tmp_path):
    target, result = export(town_place, "mapeval", tmp_path)
    assert (result["num_items"], result["num_left_out"]) == (3, 3)
    assert place.bring(target).result["num_bad"] == 0
    back = [(content.type, content.body, content.gold_keys) for _, content in place.contents()]
    assert back == [
        (content.type, content.body, content.gold_keys)
        for _, content in town_place.contents()
        if content.type in ("yes_no", "single_choice", "unanswerable")
    ]
    again, _ = export(place, "mapeval", tmp_path, "again")
    drop = {"id"}
    assert [{k: v for k, v in row.items() if k not in drop} for row in json.loads(again.read_text())] == [
        {k: v for k, v in row.items() if k not in drop} for row in json.loads(target.read_text())
    ]


def test_mapeval_textual_survives_a_round_trip(place, new_place, shared_data, tmp_path):
    rows = json.loads((shared_data / "mapeval" / "textual.json").read_text())
    place.bring(rows[:15])
    target, _ = export(place, "mapeval", tmp_path)
    other = new_place()
    other.bring(target)
    assert other.contents() == place.contents()
    for row in rows:
        row["answer"]["options"] = [text for text in row["answer"]["options"] if text.strip()]
    assert [row | {"id": 0} for row in json.loads(target.read_text())] == [row | {"id": 0} for row in rows[:15]]


def test_mapqator_json_comes_back(town_place, place, tmp_path):
    target, result = export(town_place, "mapqator", tmp_path)
    assert result["num_items"] == 6
    place.bring(target)
    back = [(content.type, content.body, content.gold_keys) for _, content in place.contents()]
    assert back == [(content.type, content.body, content.gold_keys) for _, content in town_place.contents()]


def test_parquet_has_a_typed_column_for_every_field(town_place, tmp_path):
    target, _ = export(town_place, "parquet", tmp_path)
    table = pq.read_table(target)
    rows = table.to_pylist()
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert str(table.schema.field("created_at").type) == "timestamp[ms, tz=UTC]"
    assert rows[1]["options"][0]["pid"].startswith("town:")
    assert rows[2]["gold_keys"] == ["B", "C"]
    assert json.loads(rows[3]["answer_spec_json"])["kind"] == "distance"
    assert len(rows[3]["evidence"][0]["body_sha"]) == 64
    assert rows[0]["places"][0]["lat"] is not None


def test_a_hugging_face_folder_has_a_card_that_names_its_files(town_place, tmp_path):
    target, _ = export(town_place, "hf", tmp_path)
    card = (target / "README.md").read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    (files,) = [config["data_files"] for config in header["configs"]]
    assert [file["split"] for file in files] == ["test"]
    assert sum(pq.read_table(target / file["path"]).num_rows for file in files) == 6
    assert header["license"] == "other" or header["license"].startswith("cc")
    assert header["task_categories"] == ["question-answering", "multiple-choice"]
    packed, _ = export(town_place, "hf", tmp_path, "packed", is_packed=True)
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == sorted(
            str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()
        )


def rendered(task, row):
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(task["doc_to_text"])
    return template.render(**row)


@pytest.mark.parametrize("abstain", ["always", "never"])
def test_an_lm_eval_task_offers_abstaining_to_every_question_or_to_none(town_place, tmp_path, abstain):
    place = with_settings(town_place, abstain_option=abstain)
    target, result = export(place, "lm-eval", tmp_path)
    group = yaml.safe_load((target / "mapqator_harbour.yaml").read_text())
    assert group["task"] == ["mapqator_harbour_choice", "mapqator_harbour_open"]
    for name in group["task"]:
        task = yaml.safe_load((target / f"{name}.yaml").read_text())
        rows = [
            json.loads(line)
            for line in (target / task["dataset_kwargs"]["data_files"]["test"]).read_text().splitlines()
        ]
        assert rows
        for row in rows:
            text = rendered(task, row)
            assert row["question"] in text
            assert row["context"] in text
            if "choices" in row:
                assert f"{row['letters'][row['target']]}. {row['choices'][row['target']]}" in text
                assert (row["choices"][-1] == "This cannot be answered from the context.") == (abstain == "always")
    numbers = {row["number"] for row in result["left_out"]}
    assert numbers == ({3} if abstain == "always" else {3, 6})


def test_inspect_samples_have_input_choices_and_target(town_place, tmp_path):
    target, _ = export(town_place, "inspect", tmp_path)
    samples = [json.loads(line) for line in target.read_text().splitlines()]
    assert [sample.get("target") for sample in samples[:3]] == ["A", "A", ["B", "C"]]
    assert samples[5]["target"] == "C"
    assert samples[5]["choices"][-1] == "This cannot be answered from the context."
    assert all("Question: " in sample["input"] for sample in samples)
    assert samples[3]["target"].endswith(" m")


def test_geojson_places_are_features_with_their_questions(town_place, tmp_path):
    target, _ = export(town_place, "geojson", tmp_path)
    found = json.loads(target.read_text())
    assert found["type"] == "FeatureCollection"
    assert len({feature["id"] for feature in found["features"]}) == len(found["features"]) >= 4
    lon, lat = found["features"][0]["geometry"]["coordinates"]
    assert (-180 <= lon <= 180, -90 <= lat <= 90) == (True, True)
    assert found["features"][0]["properties"]["questions"] == [1, 2, 3, 4, 5, 6]


def test_no_cell_of_a_csv_runs_as_a_formula(town_place, tmp_path):
    target, _ = export(town_place, "csv", tmp_path)
    with target.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[3][rows[0].index("options")].startswith("'-1+1")
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@given(st.text())
def test_defusing_a_cell_is_undone_by_restoring_it(cell):
    assert restored(defused(cell)) == cell
    assert not defused(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


# What JSON, CSV and databases can hold: no NUL, no halves of pairs. A lone \\r is no line that CSV readers agree on.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(str.strip)
OPTIONS = st.lists(TEXT, min_size=2, max_size=5)


@st.composite
def questions_of_any_type(draw):
    common = {
        "body": draw(TEXT),
        "explanation": draw(st.one_of(st.just(""), TEXT)),
        "category": draw(st.sampled_from(["", "poi", "=1"])),
        "difficulty": draw(st.sampled_from(["", "easy"])),
        "tags": tuple(draw(st.lists(st.sampled_from(["a", "b c", "=d"]), unique=True))),
    }
    kind = draw(st.sampled_from(["yes_no", "single_choice", "multiple_choice", "unanswerable", "open_ended"]))
    if kind == "open_ended":
        gold = draw(
            st.one_of(
                st.builds(TextAnswer, value=TEXT, aliases=st.lists(TEXT, max_size=2).map(tuple)),
                st.builds(
                    NumberAnswer, value=st.integers(-1000, 1000).map(float), unit=TEXT.map(lambda text: text[:9])
                ),
                st.builds(SetAnswer, items=st.lists(TEXT, max_size=3).map(tuple)),
            )
        )
        return QuestionContent(type=kind, gold=gold, **common)
    if kind == "yes_no":
        options = (Option(key="yes", text=draw(TEXT)), Option(key="no", text=draw(TEXT)))
    else:
        keys = draw(st.permutations("ABCDE"))
        texts = draw(OPTIONS)
        options = tuple(
            Option(key=key, text=text, pid=draw(st.sampled_from([None, "osm:n1"])))
            for key, text in zip(keys, texts, strict=False)
        )
    given_keys = [option.key for option in options]
    num_right = {"unanswerable": 0, "multiple_choice": draw(st.integers(1, len(options)))}.get(kind, 1)
    right = draw(st.permutations(given_keys))[:num_right]
    gold_keys = [key for key in given_keys if key in right]
    return QuestionContent(type=kind, options=options, gold_keys=tuple(gold_keys), **common)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=st.lists(st.tuples(TEXT, questions_of_any_type()), min_size=1, max_size=6))
@pytest.mark.parametrize("key", ["csv", "native"])
def test_questions_of_any_kind_come_back_equal(place, tmp_path_factory, key, made):
    first, second = another_project(place), another_project(place)
    with first.database.writing() as connection:
        for text, content in made:
            about = contexts.create(connection, ACTOR, first.project, content=text_context(text), now=utc_now())
            questions.create(connection, ACTOR, first.project, about.id, content=content, now=utc_now())
    target, _ = export(first, key, tmp_path_factory.mktemp("round"))
    job = second.bring(target / "items.jsonl" if target.is_dir() else target)
    assert job.result["bad"] == []
    assert second.contents() == first.contents()


def another_project(place):
    """The same installation with a new project in it."""
    made = place.change(lambda connection: create(connection, ACTOR, name="Another", now=utc_now()))
    return replace(place, project=made)


def test_what_must_not_leave_is_refused_by_name_and_what_may_leave_as_ids_is_reduced(town_place, tmp_path, monkeypatch):
    real = native_items.unfrozen

    def with_policy(policy):
        def items(*arguments):
            for item in real(*arguments):
                yield item.model_copy(update={"export": policy}) if item.number == 2 else item

        monkeypatch.setattr(native_items, "unfrozen", items)

    with_policy("forbidden")
    job = town_place.take("csv", tmp_path / "out")
    assert job.state == "failed"
    assert "question 2 must not leave" in job.message
    assert not (tmp_path / "out").exists()
    with_policy("ids_only")
    for key in EXPORTS:
        target, result = export(town_place, key, tmp_path, f"ids-{key}")
        text = b"".join(files_of(target).values())
        assert result["num_items"] + result["num_left_out"] == 6
        if key in ("mapeval", "mapqator", "lm-eval", "inspect"):
            assert {"number": 2, "reason": "its context must not leave by its provider's terms"} in result["left_out"]
        assert text
    rows = pq.read_table(tmp_path / "ids-parquet").to_pylist()
    assert (rows[1]["context"], rows[1]["context_json"], rows[1]["evidence"][0]["value_json"]) == (None, None, "null")
    assert rows[1]["places"][0]["lat"] is None
    assert rows[0]["context"] is not None


def test_an_export_that_holds_nothing_or_cannot_be_is_refused(town_place, tmp_path):
    job = town_place.take("csv", tmp_path / "out", filter=ItemFilter(tag=("no such tag",)))
    assert (job.state, "no question fits" in job.message) == ("failed", True)
    job = town_place.take("csv", tmp_path / "missing" / "out")
    assert (job.state, "cannot write" in job.message) == ("failed", True)
    with pytest.raises(MapqatorError, match="there is no export format 'docx'"):
        town_place.take("docx", tmp_path / "out")


def with_settings(place, **changes):
    """The same installation with other settings of the project."""
    wanted = ProjectSettings(**changes)
    place.change(
        lambda connection: connection.execute(
            project.update().where(project.c.id == place.project.id).values(settings_json=settings_json(wanted))
        )
    )
    return replace(place, project=replace(place.project, settings=wanted))
