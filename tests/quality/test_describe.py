"""Descriptions of places: references state every fact, splits share no name, and figures are those of libraries."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ConfigError
from server.finetune.examples import read_examples
from server.quality.items import Course, Prompt, Record, Reply
from server.quality.overlap import PACKAGES, is_installed, overlap
from server.quality.places import SPLITS, describe, draw_place, write_examples
from server.quality.plan import TaskSettings
from server.quality.summary import break_down, summarise
from server.quality.tasks.describe import NUM_REFERENCES, describe_items

seeds = st.integers(0, 10**6).map(str)


class Counter:
    """Counts words as tokens; all that the task asks of a model before it runs."""

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]


@given(seeds, st.sampled_from(SPLITS), seeds)
def test_every_description_states_every_fact(seed, split, other):
    facts = draw_place(seed, split)
    assert 6 <= len(facts) <= 10
    text = describe(facts, random.Random(other))
    assert all(value.casefold() in text.casefold() for value in facts.values())
    assert "{" not in text


def test_no_name_is_in_two_splits_and_the_same_seed_gives_the_same_place():
    names = {split: {draw_place(str(n), split)["name"] for n in range(600)} for split in SPLITS}
    assert sum(map(len, names.values())) == len(set.union(*names.values()))
    assert min(map(len, names.values())) > 20
    assert draw_place("7", "test") == draw_place("7", "test")


def answered(text: str, number: int = 0) -> Record:
    course = Course(describe_items(Counter(), number + 1, seed=3)[number], "full")
    course.take(Reply(text=text))
    return course.record()


def test_an_item_is_right_if_the_reply_states_every_fact():
    (item,) = describe_items(Counter(), 1, seed=3)
    ask = Course(item, "full").ask
    assert isinstance(ask, Prompt)
    references = item.facts["references"]
    assert len(references) == NUM_REFERENCES
    assert answered(references[0]).outcome == "right"
    facts = dict(line.split(": ", 1) for line in ask.messages[0]["content"].split("\n\n")[1].splitlines())
    assert len(facts) == item.facts["num_facts"]
    poorer = answered(references[0].replace(facts["name"], "It"))
    assert (poorer.outcome, poorer.score) == ("wrong", pytest.approx(1 - 1 / len(facts)))
    assert answered(" ").outcome == "invalid"


def test_figures_of_a_run_hold_the_share_of_facts_and_where_they_depend_on_their_number():
    records = [answered(describe_items(Counter(), 2, 3)[0].facts["references"][1]), answered("A pub.", 1)]
    (row,) = summarise(records, seed=0)
    assert row["measure"] == "describe"
    assert row["accuracy"] == 0.5
    assert row["stated"] == pytest.approx((1 + records[1].score) / 2)
    assert ("bleu" in row) == ("rouge_l" in row) == is_installed()
    assert {each["by"] for each in break_down(records)} == {"num_facts"}


def test_without_the_packages_there_are_no_figures_of_overlap(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert overlap(["a"], [["a"]]) == {}


def test_overlap_is_what_the_packages_say():
    for name in PACKAGES:
        pytest.importorskip(name)
    references = [["the cat sat on the mat today", "a cat was on the mat"], ["it rains in the town", "rain falls here"]]
    same = overlap(["the cat sat on the mat today", "rain falls here"], references)
    assert same == {"bleu": pytest.approx(100), "rouge_l": pytest.approx(100)}
    # Five of six words in order, in a text of six and the first reference of seven; three of four, of four and five.
    part = overlap(["the cat sat on my mat", "it rains here in"], references)
    assert part["rouge_l"] == pytest.approx(50 * (2 * 5 / 13 + 2 * 3 / 9))
    assert 0 < part["bleu"] < 100


def test_examples_to_learn_from_are_conversations_that_fine_tuning_reads(tmp_path):
    write_examples(tmp_path / "train.jsonl", "train", 5)
    examples = read_examples([tmp_path / "train.jsonl"], "train")
    assert [example.messages[-1]["role"] for example in examples] == ["assistant"] * 5
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert lines[3]["messages"][0]["content"].startswith("Describe this place")
    with pytest.raises(ConfigError, match="cannot write"):
        write_examples(tmp_path / "none" / "x.jsonl", "train", 1)


def test_the_task_is_asked_only_where_it_is_named():
    assert "describe" not in TaskSettings().chosen_tasks()
    assert TaskSettings(tasks="describe").chosen_tasks() == ["describe"]
