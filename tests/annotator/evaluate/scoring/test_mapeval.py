"""MapEval-Textual from its own file."""

import json

import pytest
from typer.testing import CliRunner

from annotator.commands.evaluate import app
from annotator.errors import InputError, UpstreamError
from annotator.evaluate.config import RunConfig
from annotator.evaluate.interchange.mapeval import paper_rows, read_items, read_replies, score
from annotator.evaluate.interchange.mapeval_ask import ask_all
from annotator.evaluate.replies import Reply, ReplyError

ROWS = [
    {
        "id": 479,
        "question": "Which café is nearest?",
        "answer": {"type": "mcq", "options": ["Lumen", "Mole", "Quay", ""], "correct": 1},
        "context": "Two cafés.",
        "classification": "nearby",
    },
    {
        "id": 480,
        "question": "Is it open?",
        "answer": {"type": "mcq", "options": ["Yes", "No", "", ""], "correct": 0},
        "context": "Two cafés.",
        "classification": "poi",
    },
    {
        "id": 497,
        "question": "Who paints?",
        "answer": {"type": "mcq", "options": ["Ann", "Bob", "Cy", "Di"], "correct": -1},
        "context": "A studio.",
        "classification": None,
    },
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "textual.json"
    path.write_text(json.dumps(ROWS))
    return path


def test_its_rows_are_items_and_its_own_way_to_answer_is_read(file) -> None:
    items = read_items(file)
    assert [(one.id, one.category, one.type) for one in items] == [
        ("479", "nearby", "single_choice"),
        ("480", "poi", "yes_no"),
        ("497", "unanswerable", "unanswerable"),
    ]
    assert items[0].context.id == items[1].context.id
    right = {"479": '{"option_no": 2, "explanation": "near"}', "480": '{"answer": "yes"}', "497": "Answer: 0"}
    scored = score(items, right)
    assert (scored.summary.overall.accuracy, scored.missing) == (1.0, ())
    wrong = score(items, {"479": '{"option_no": 3}', "480": "I found 1 place", "497": '{"option_no": 1}'})
    assert [one.judgement.verdict for one in wrong.results] == ["wrong", "invalid", "wrong"]
    assert score(items, {"480": "1"}).missing == ("479", "497")


def test_the_papers_table_is_quoted_with_the_intervals_that_300_questions_have() -> None:
    rows = paper_rows()
    assert all(row.is_quoted and "2025" in row.source for row in rows)
    best = next(row for row in rows if (row.model, row.task) == ("Claude-3.5-Sonnet", "textual"))
    assert best.share == pytest.approx(0.6633)
    assert best.wilson == pytest.approx((0.608, 0.714), abs=1e-3)
    assert best.by_category["unanswerable"] == 0.40


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": 1}', "line 1 of replies.jsonl is no"),
        ("nonsense", "line 1"),
        (
            '{"id": 1, "reply": "A"}\n{"id": "1", "reply": "B"}',
            "line 2 of replies.jsonl is a second reply to question 1",
        ),
    ],
)
def test_files_of_replies_that_are_none_are_refused_in_one_line(tmp_path, content, words) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_replies(path)
    assert "\n" not in caught.value.message


def test_replies_to_another_file_are_refused(file, tmp_path) -> None:
    items = read_items(file)
    with pytest.raises(InputError, match="there is no question 7 in the file"):
        score(items, {"7": "A"})
    with pytest.raises(InputError, match="no replies to score"):
        score(items, {})
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps([*ROWS, ROWS[0]]))
    with pytest.raises(InputError, match="has the id 479, as another does"):
        read_items(broken)


def test_the_published_file_has_the_papers_300_questions(shared_data, tmp_path) -> None:
    items = read_items(shared_data / "mapeval" / "textual.json")
    path = tmp_path / "replies.jsonl"
    path.write_text("".join(f"{json.dumps({'id': int(one.id), 'reply': 'Answer: 1'})}\n" for one in items))
    scored = score(items, read_replies(path))
    overall = scored.summary.overall
    assert (overall.num, overall.num_contexts, overall.verdicts["right"]) == (300, 215, 74)
    assert {group.name: group.num for group in scored.summary.groups["category"]} == {
        "nearby": 83,
        "trip": 67,
        "routing": 66,
        "poi": 64,
        "unanswerable": 20,
    }


class Scripted:
    """A model that says what it is told to, or fails."""

    def __init__(self, says: dict[str, object]) -> None:
        self.says = says
        self.asked: list[str] = []

    async def ask(self, model, messages, **_) -> Reply:
        words = messages[-1]["content"]
        (question,) = [text for text in self.says if text in words]
        self.asked.append(question)
        said = self.says[question]
        if isinstance(said, ReplyError):
            raise said
        return Reply(str(said))


async def test_a_model_is_asked_only_what_has_no_reply_yet(file, tmp_path) -> None:
    items, path = read_items(file), tmp_path / "replies.jsonl"
    # Half a surrogate pair, which no file in UTF-8 can hold.
    says = {"nearest": "Near.\nAnswer: B", "open?": ReplyError("the server hung"), "paints": "unanswerable \ud800"}
    failed = await ask_all(Scripted(says), "tiny", items, RunConfig(concurrency=2), path)
    assert failed == {"480": "the server hung"}
    assert set(read_replies(path)) == {"479", "497"}
    left = [item for item in items if item.id not in read_replies(path)]
    again = Scripted({"open?": "Answer: A"})
    assert await ask_all(again, "tiny", left, RunConfig(), path) == {}
    assert again.asked == ["open?"]
    scored = score(items, read_replies(path), labels="letters")
    assert [one.judgement.verdict for one in scored.results] == ["right"] * 3


async def test_asking_ends_where_nobody_answers(file, tmp_path) -> None:
    down = Scripted(dict.fromkeys(("nearest", "open?", "paints"), ReplyError("cannot reach the server", is_down=True)))
    with pytest.raises(UpstreamError, match="cannot reach the server; ask again to go on"):
        await ask_all(down, "tiny", read_items(file), RunConfig(concurrency=1, max_failures=2), tmp_path / "replies")
    assert len(down.asked) == 2
    assert not (tmp_path / "replies").exists()


async def test_questions_that_are_too_long_do_not_end_the_asking(file, tmp_path) -> None:
    too_long = ReplyError("the prompt is too long")
    says = {"nearest": too_long, "open?": too_long, "paints": "unanswerable"}
    failed = await ask_all(
        Scripted(says), "tiny", read_items(file), RunConfig(concurrency=1, max_failures=1), tmp_path / "replies"
    )
    assert set(failed) == {"479", "480"}
    assert read_replies(tmp_path / "replies") == {"497": "unanswerable"}


def test_the_command_shows_the_replies_beside_the_papers_table(file, tmp_path) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text('{"id": 479, "reply": "Answer: B"}\n{"id": 480, "reply": "hm"}\n')
    shown = CliRunner().invoke(app, ["mapeval", str(file), str(path)])
    assert shown.exit_code == 0, shown.output
    assert "1 of 3 questions have no reply" in shown.output
    assert "these replies" in shown.output
    assert "quoted: GPT-4o" in shown.output
    made = json.loads(CliRunner().invoke(app, ["mapeval", str(file), str(path), "--json"]).output)
    assert made["summary"]["overall"]["verdicts"]["right"] == 1
    assert all(row["is_quoted"] for row in made["paper"])
