"""The Python client against a real annotator: its own example, and the way from a project to an exported dataset."""

import textwrap

import pytest

import annotator.client
from annotator.client import ApiError, JobError, MapQaTor
from tests.annotator.program import Annotator


@pytest.fixture
def mq(annotator_server: Annotator):
    with MapQaTor(annotator_server.url) as client:
        yield client


def example() -> str:
    """The code of the package's docstring."""
    lines = (annotator.client.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line.strip()))


def test_the_example_of_the_docstring_works(annotator_server: Annotator, mq: MapQaTor):
    code = example().replace("http://127.0.0.1:8100", annotator_server.url)
    names: dict = {}
    exec(code, names)
    question = mq.project(names["harbour"].slug).question(names["question"]["id"])
    assert question["status"] == "submitted"
    assert question["content"]["evidence"][0]["pointer"] == "/places/0/name"


def test_from_a_project_to_a_frozen_dataset_and_back(mq: MapQaTor, tmp_path):
    project = mq.create_project("Client's own", min_reviews=1)
    assert project.slug in [item["slug"] for item in mq.projects()]
    assert project.about()["settings"]["min_reviews"] == 1
    found = project.call("nearby_search", lat=45.3957, lon=-65.33, radius_m=3000, type="cafe", limit=3)
    context = project.create_context("Cafés", calls=[found], notes=["A note."])
    assert "A note." in project.render(context)
    evidence = project.evidence(found, "/places/0/name")
    question = project.create_question(
        context,
        type="single_choice",
        body="Which café is nearest?",
        options=[{"key": "A", "text": evidence["value"]}, {"key": "B", "text": "None of them"}],
        gold_keys=["A"],
        evidence=[evidence],
        category="nearby",
    )
    question["content"]["explanation"] = "It stands first."
    question = project.save_question(question)
    project.submit(question)
    question = project.question(question["id"])
    checklist = project.about()["settings"]["checklist"]
    project.review(question, "approve", checklist=checklist)
    assert [item["status"] for item in project.questions()] == ["approved"]
    project.create_dataset("Cafés", slug="cafes")
    shares = {"splits": {"by": "none", "shares": {"test": 1}}}
    project.freeze("cafes", "1.0.0", **shares)
    assert project.verify("cafes", "1.0.0")["is_ok"]

    job = project.export("native", tmp_path / "cafes.tar.zst", dataset="cafes")
    assert job["result"]["num_items"] == 1
    other = mq.create_project("Another")
    came = other.import_file(tmp_path / "cafes.tar.zst")
    assert came["result"]["num_questions"] == 1
    (back,) = other.questions()
    assert other.question(back["id"])["content"]["body"] == "Which café is nearest?"
    assert other.undo_import(came)["num_questions"] == 1
    assert list(other.questions()) == []


def test_errors_say_what_to_do(mq: MapQaTor, tmp_path):
    with pytest.raises(ApiError, match="there is no project 'nowhere'") as caught:
        mq.project("nowhere").about()
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    project = mq.create_project("Errors")
    (tmp_path / "bad.bin").write_bytes(b"\x00\x01")
    with pytest.raises(JobError, match="begins like none of the formats") as failed:
        project.import_file(tmp_path / "bad.bin")
    assert failed.value.job["state"] == "failed"
    with pytest.raises(JobError, match="no question fits"):
        project.export("csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
