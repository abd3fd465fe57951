"""Results leave in formats of others, and ours come back."""

import json

import pyarrow.parquet as pq
import pytest

from annotator.errors import InputError
from annotator.evaluate.interchange import jsonl
from annotator.evaluate.interchange.model import file_name
from annotator.evaluate.interchange.registry import RESULT_FORMATS, result_format
from annotator.questions.answers import DistanceAnswer
from tests.annotator.evaluate.scoring.made import facts, item, open_item, sample

SECRET = "Two places stand at the mole."

SAMPLES = [
    sample(item(1), "Answer: B", shuffle_seed=1, tools={"nearby_search": 2}, completion_tokens=7),
    sample(item(2, type="multiple_choice", gold=("A", "C")), '{"answer": ["A", "C"]}', shuffle_seed=2),
    sample(item(3, type="unanswerable"), "Unanswerable"),
    sample(open_item(4, DistanceAnswer(value_m=1200)), "Answer: 1.2 km"),
    sample(item(5, type="yes_no", gold=("yes",)), "hm"),
    sample(item(6), "Answer: E"),
]


@pytest.fixture
def written(tmp_path):
    """Writes the samples in a format; gives the path."""

    def write(key, samples=SAMPLES, name="out"):
        found = result_format(key)
        path = tmp_path / f"{name}{found.suffix}"
        assert found.write(facts(), iter(samples), path) == len(samples)
        return path

    return write


@pytest.mark.parametrize("key", RESULT_FORMATS)
def test_equal_results_give_equal_bytes_and_none_give_a_whole_file(written, key) -> None:
    first, second = written(key, name="first"), written(key, name="second")
    files = sorted(first.iterdir()) if first.is_dir() else [first]
    others = sorted(second.iterdir()) if second.is_dir() else [second]
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in others]
    assert written(key, samples=[], name="none").exists()


@pytest.mark.parametrize("key", RESULT_FORMATS)
@pytest.mark.parametrize(("export", "leaves"), [("full", True), ("ids_only", False), ("forbidden", False)])
def test_what_terms_keep_does_not_leave(written, key, export, leaves) -> None:
    path = written(key, samples=[sample(item(1, export=export, text=SECRET), f"{SECRET}\nAnswer: B")])
    files = list(path.iterdir()) if path.is_dir() else [path]
    words = [str(pq.read_table(path).to_pylist())] if key == "parquet" else [file.read_text() for file in files]
    assert any(SECRET in text for text in words) == leaves
    assert any("item1" in text for text in words)


def test_json_lines_come_back_whole(written) -> None:
    back = jsonl.read(written("jsonl"))
    assert back.facts == facts()
    assert back.results == [one.result for one in SAMPLES]


@pytest.mark.parametrize(
    "content",
    ["", "{}\n", "[" * 5000, '{"schema": "mapqator.run/1"}\n', "no json", b"\xff\xfe".decode("latin-1")],
)
def test_other_files_are_refused_in_one_line(tmp_path, content) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"results\.jsonl is no file of results"):
        jsonl.read(path)
    with pytest.raises(InputError, match="cannot read absent"):
        jsonl.read(tmp_path / "absent")


def test_parquet_has_a_typed_row_for_every_sample(written) -> None:
    table = pq.read_table(written("parquet"))
    assert json.loads(table.schema.metadata[b"mapqator.run"])["run_id"] == "run1"
    rows = table.to_pylist()
    assert [row["verdict"] for row in rows] == [one.result.judgement.verdict for one in SAMPLES]
    assert [row["verdict"] for row in rows][2:] == ["right", "right", "invalid", "abstained"]
    assert json.loads(rows[0]["tools_json"]) == {"nearby_search": 2}
    assert rows[3]["target"] == ["1200 m"]
    assert rows[3]["answer"] == "1200 m"


def test_inspect_logs_hold_what_its_reader_needs(written) -> None:
    log = json.loads(written("inspect").read_text())
    assert (log["version"], log["status"], log["eval"]["dataset"]["samples"]) == (2, "success", 6)
    assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] == pytest.approx(
        sum(one.result.judgement.score for one in SAMPLES) / 6
    )
    for made, one in zip(log["samples"], SAMPLES, strict=True):
        verdict = one.result.judgement.verdict
        assert made["scores"]["mapqator"]["value"] == {"right": "C", "wrong": "I"}.get(verdict, "N")
        assert made["epoch"] == 1
        if one.item.options:
            shown = dict(zip("ABCDEFGH", made["choices"], strict=False))
            wanted = [made["target"]] if isinstance(made["target"], str) else made["target"]
            texts = {option.key: option.text for option in one.item.options}
            right = [texts[key] for key in one.item.gold or ()] or ["This cannot be answered from the context."]
            assert sorted(shown[label] for label in wanted) == sorted(right)


def test_tool_calls_reach_inspect_also_where_their_arguments_are_nonsense(written) -> None:
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "nearby_search", "arguments": arguments}}
        for n, arguments in enumerate(('{"radius_m": 5}', "{bad", "[1]"))
    ]
    messages = (
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c0", "content": "{}"},
    )
    log = json.loads(written("inspect", [SAMPLES[0].model_copy(update={"messages": messages})]).read_text())
    made = log["samples"][0]["messages"][1]["tool_calls"]
    assert made[0]["arguments"] == {"radius_m": 5}
    assert [("parse_error" in call, call["arguments"] == {}) for call in made[1:]] == [(True, True)] * 2


def test_lm_eval_results_add_up_to_their_samples(written) -> None:
    folder = written("lm-eval")
    (results,), (lines,) = list(folder.glob("results_*.json")), list(folder.glob("samples_*.jsonl"))
    made = json.loads(results.read_text())
    samples = [json.loads(line) for line in lines.read_text().splitlines()]
    task = "mapqator_harbour_cafes_1_0_0_text_context"
    assert lines.name.startswith(f"samples_{task}_")
    assert made["results"][task]["acc,none"] == pytest.approx(sum(one["acc"] for one in samples) / 6)
    assert made["n-samples"][task]["effective"] == len({one["doc_id"] for one in samples}) == 6
    assert all({"doc", "target", "arguments", "resps", "filtered_resps", "doc_hash"} <= one.keys() for one in samples)


def test_names_of_files_begin_with_a_time_as_inspect_wants_it() -> None:
    assert file_name(facts(), result_format("inspect")) == "2026-01-01T10-00-00_text_context_run1.json"
    with pytest.raises(InputError, match="there is no format 'xml'; there are jsonl, parquet, inspect, lm-eval"):
        result_format("xml")
