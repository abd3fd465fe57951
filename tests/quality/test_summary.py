"""Figures made of records: they add up, and agree with counting by hand."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.quality.filler import Haystack, sentences_of
from server.quality.items import Course, Item, Record, Reply
from server.quality.plots import draw
from server.quality.result import Run
from server.quality.summary import break_down, compare, compare_variants, length_of, summarise
from server.quality.tables import print_run
from server.quality.tasks.copying import copy_items
from server.quality.tasks.passkey import passkey_items

COUNTED = ("right", "wrong", "invalid", "abstained")


def record(number: int, outcome: str, variant: str = "full", **changes: object) -> Record:
    fields = {
        "id": f"q{number}",
        "task": "map",
        "variant": variant,
        "cluster": f"c{number // 3}",
        "outcome": outcome,
        "score": float(outcome == "right"),
        "reply": "",
        "reason": "too long" if outcome == "skipped" else "",
        "prompt_tokens": 100 << number % 4,
        "completion_tokens": 4,
        "ms": 1.0,
        "facts": {"form": "text", "skill": ("route", "count")[number % 2], "position": f"{number % 5 * 20}-100 %"},
    }
    return Record(**(fields | changes))


outcomes = st.lists(st.sampled_from((*COUNTED, "skipped", "failed")), min_size=1, max_size=30)


@settings(max_examples=30, deadline=None)
@given(outcomes)
def test_everything_asked_is_accounted_for(outcomes):
    records = [record(number, outcome) for number, outcome in enumerate(outcomes)]
    [row] = summarise(records, seed=0)
    assert row["outcomes"] == {outcome: outcomes.count(outcome) for outcome in set(outcomes)}
    num_counted = sum(outcome in COUNTED for outcome in outcomes)
    assert row.get("num_counted", 0) == num_counted
    if num_counted:
        assert row["accuracy"] == outcomes.count("right") / num_counted
        assert row["interval"]["low"] <= row["accuracy"] <= row["interval"]["high"]
    for name in ("length", "skill", "position"):
        rows = [each for each in break_down(records) if each["by"] == name]
        assert sum(each["num_counted"] for each in rows) == num_counted
        assert sum(round(each["accuracy"] * each["num_counted"]) for each in rows) == outcomes.count("right")
    assert [each["value"] for each in break_down(records) if each["by"] == "length"] == sorted(
        {length_of(each) for each in records if each.outcome in COUNTED}
    )


@settings(max_examples=30, deadline=None)
@given(outcomes, st.randoms())
def test_pairs_are_found_by_id_and_what_counts_once_is_left_out(outcomes, random):
    first = [record(number, outcome) for number, outcome in enumerate(outcomes)]
    other = [random.choice(COUNTED) for _ in outcomes]
    second = [record(number, outcome, "duo") for number, outcome in enumerate(other)]
    random.shuffle(second)
    [row] = compare_variants([*first, *second], ["full", "duo"], seed=0)
    pairs = [(a, b) for a, b in zip(outcomes, other, strict=True) if a in COUNTED]
    assert (row["num_pairs"], row["num_left_out"]) == (len(pairs), len(outcomes) - len(pairs))
    if pairs:
        assert row["only_second_right"] == sum(b == "right" != a for a, b in pairs)
        assert row["only_first_right"] == sum(a == "right" != b for a, b in pairs)
        assert row["difference"] * len(pairs) == pytest.approx(row["only_second_right"] - row["only_first_right"])


def window(number: int, variant: str, nats: float, num_bytes: int = 200) -> Record:
    facts = {"text": "prose", "nats": nats, "num_tokens": 50, "num_bytes": num_bytes}
    return record(number, "scored", variant, task="perplexity", cluster=f"w{number}", score=None, facts=facts)


def test_perplexity_adds_up_over_windows_and_is_compared_on_equal_text_only():
    first = [window(number, "full", 100 + number) for number in range(10)]
    [row] = summarise(first, seed=0)
    assert row["perplexity"] == pytest.approx(math.exp(1045 / 500))
    assert row["bits_per_byte"] == pytest.approx(1045 / 2000 / math.log(2))
    assert row["perplexity_interval"]["low"] < row["perplexity"] < row["perplexity_interval"]["high"]
    second = [window(number, "duo", 120 + number, 200 if number else 190) for number in range(10)]
    [compared] = compare(first, second, seed=0)
    assert (compared["num_pairs"], compared["num_left_out"]) == (9, 1)
    assert compared["bits_per_byte_difference"] == pytest.approx(20 / 200 / math.log(2))


def test_a_run_of_three_variants_is_printed_and_drawn(tmp_path: Path, capsys):
    variants = ("full", "duo", "alisa")
    records = [record(number, COUNTED[number * k % 4], name) for k, name in enumerate(variants) for number in range(24)]
    for name in variants:
        for length in (512, 1024):
            for depth in (0, 50):
                facts = {"length": length, "depth": depth}
                outcome = "skipped" if (name, length) == ("alisa", 1024) else "right" if depth else "wrong"
                records.append(record(length + depth, outcome, name, task="passkey", facts=facts))
    run = Run("rhumb-tiny", variants, {}, {}, records, is_complete=True, seed=0)
    print_run(run)
    printed = capsys.readouterr().out
    assert "alisa, paired with full" in printed
    assert "2 of passkey with alisa skipped: too long" in printed
    paths = draw(run, tmp_path, "svg")
    assert {path.name for path in paths} == {
        *(f"passkey-{name}.svg" for name in variants),
        *("map-text-by-length.svg", "passkey-by-length.svg", "map-text-by-skill.svg"),
    }
    picture = (tmp_path / "passkey-alisa.svg").read_text()
    assert all(f">{text}<" in picture for text in ("100", "0", "\u2013", "1,024", "50 %"))
    again = draw(run, tmp_path / "again", "svg")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


class Words:
    """A model that counts words, for tasks that are only built."""

    max_model_len = None

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def content(item: Item) -> str:
    ask = Course(item, "full").ask
    return ask.messages[0]["content"]


def answered(item: Item, text: str) -> Record:
    course = Course(item, "full")
    course.take(Reply(text))
    return course.record()


def test_pass_keys_stand_where_they_should_in_texts_of_the_right_length():
    items = passkey_items(Words(), Haystack([]), [300, 600], [0, 50, 100], 2, seed=3)
    assert len({item.id for item in items}) == len(items) == 12
    for item in items:
        text = content(item)
        length, depth = item.facts["length"], item.facts["depth"]
        assert length - 100 < len(text.split()) <= length
        place = text.index("The pass key is ") / text.index("What is the pass key?")
        assert place == pytest.approx(depth / 100, abs=0.07)
        [key] = {part.strip(".") for part in text.split() if part.strip(".").isdigit()}
        assert answered(item, f"The pass key is {key}.").outcome == "right"
        assert answered(item, f"{key} or {int(key) + 1}").outcome == "wrong"
        assert answered(item, "I do not know.").outcome == "invalid"
    again = passkey_items(Words(), Haystack([]), [300, 600], [0, 50, 100], 2, seed=3)
    assert list(map(content, again)) == list(map(content, items))
    other = passkey_items(Words(), Haystack([]), [300, 600], [0, 50, 100], 2, seed=4)
    assert not set(map(content, other)) & set(map(content, items))


def test_what_is_to_be_copied_stands_in_the_text_and_scores_by_resemblance():
    items = copy_items(Words(), Haystack([]), [20], [60], 5, seed=0)
    assert [item.facts["kind"] for item in items] == ["passage"] * 5 + ["begins", "numbered"] * 5
    for item in items:
        text, _, instruction = content(item).rpartition("\n\n")
        sentences = sentences_of(text)
        targets = {"passage": [text], "begins": sentences, "numbered": sentences[:5]}[item.facts["kind"]]
        [target] = [target for target in targets if answered(item, target).outcome == "right"]
        assert answered(item, f"  {target}\n").outcome == "right"
        close = answered(item, target[:-2])
        assert close.outcome == "wrong"
        assert 0.9 < close.score < 1
        if item.facts["kind"] == "begins":
            assert target.startswith(instruction.split('"')[1])
            assert sum(sentence.startswith(instruction.split('"')[1]) for sentence in sentences) == 1
        assert answered(item, "").outcome == "invalid"
