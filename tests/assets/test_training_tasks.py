"""A slow reader, which sees only a row's tokens, finds the answers that the synthetic tasks say are right."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.assets.training.batch import Batch, Piece, compose, find_targets
from server.assets.training.symbols import Symbols, plain_symbols
from server.assets.training.tasks import Draw, copying, lookup, records, smallest

VOCAB = 96
SYMBOLS = plain_symbols(VOCAB)
SEEDS = st.integers(0, 2**40)
STYLES = st.sampled_from(["bare", "list", "json", "prose"])


def rows_of(batch: Batch) -> Iterator[tuple[list[int], list[float]]]:
    return zip(batch.ids.tolist(), batch.weights.tolist(), strict=True)


def parted(ids: list[int], mark: torch.Tensor) -> tuple[list[int], list[int]]:
    """What stands before and after the first `mark`, which is one token."""
    at = ids.index(int(mark))
    return ids[:at], ids[at + 1 :]


def facts_in(tokens: list[int], symbols: Symbols, style: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Reads facts one after the other; every mark is one token or none."""
    opening, joint, end = (part.tolist() for part in symbols.styles[style])
    facts, at = [], 0
    while at < len(tokens):
        at += len(opening)
        middle = tokens.index(joint[0], at)
        stop = tokens.index(end[0], middle)
        facts.append((tuple(tokens[at:middle]), tuple(tokens[middle + 1 : stop])))
        at = stop + 1
    return facts


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(8, 60), st.integers(2, 64))
def test_the_copy_equals_the_string_and_nothing_else_is_asked(seed: int, length: int, alphabet: int) -> None:
    for ids, weights in rows_of(copying(Draw(SYMBOLS, 3, length, seed), alphabet=alphabet)):
        string, rest = parted(ids, SYMBOLS.copy_mark)
        copied = [token for token, weight in zip(ids, weights, strict=True) if weight == 1]
        assert len(string) >= 2
        assert copied == string == rest[: len(string)]
        assert set(rest[len(string) :]) <= {0}
        assert set(string) <= set(SYMBOLS.words[:alphabet].tolist())


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS,
    style=STYLES,
    length=st.integers(24, 160),
    alphabet=st.integers(4, 64),
    longest_key=st.integers(1, 3),
    longest_value=st.integers(1, 3),
    near_share=st.sampled_from([0.0, 0.3, 0.5]),
)
def test_every_query_of_a_lookup_is_answered_by_the_only_fact_of_its_key(
    seed: int,
    style: str,
    length: int,
    alphabet: int,
    longest_key: int,
    longest_value: int,
    near_share: float,
) -> None:
    batch = lookup(
        Draw(SYMBOLS, 4, length, seed),
        style=style,
        alphabet=alphabet,
        longest_key=longest_key,
        longest_value=longest_value,
        near_share=near_share,
    )
    opening, joint, end = (part.tolist() for part in SYMBOLS.styles[style])
    for ids, weights in rows_of(batch):
        # Few tokens can hold facts only, when all keys happen to be long.
        if int(SYMBOLS.question_mark) not in ids:
            assert not any(weights)
            continue
        told, _ = parted(ids, SYMBOLS.question_mark)
        facts = facts_in(told, SYMBOLS, style)
        at = len(told) + 1
        assert not any(weights[:at])
        while at < length and any(weights[at:]):
            at += len(opening)
            stop = next((i for i in range(at, length) if ids[i] == joint[0]), length)
            key = tuple(ids[at:stop])
            answers = [value for name, value in facts if name == key]
            value_at = stop + 1
            if value_at >= length:
                break
            value_end = next((i for i in range(value_at, length) if ids[i] == end[0]), length)
            said = tuple(ids[value_at:value_end])
            is_cut = value_end == length
            assert any(answer == said or (is_cut and answer[: len(said)] == said) for answer in answers)
            assert set(weights[value_at:value_end]) == ({1.0} if len(answers) == 1 else {0.0})
            at = value_end + 1


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_near_keys_differ_from_another_key_in_one_token(seed: int) -> None:
    batch = lookup(Draw(SYMBOLS, 16, 160, seed), alphabet=64, longest_key=3, near_share=0.5, style="list")
    num_near = 0
    for ids, _ in rows_of(batch):
        keys = [key for key, _ in facts_in(parted(ids, SYMBOLS.question_mark)[0], SYMBOLS, "list")]
        pairs = zip(keys[::2], keys[1::2], strict=False)
        num_near += sum(len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) <= 1 for a, b in pairs)
    assert num_near >= 16


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 2), st.integers(1, 3), st.integers(2, 3))
def test_a_record_is_asked_by_name_and_attribute(seed: int, key: int, value: int, num_attributes: int) -> None:
    draw = Draw(SYMBOLS, 4, 150, seed)
    batch = records(draw, alphabet=60, longest_key=key, longest_value=value, num_attributes=num_attributes)
    opening, joint, end = (int(part) for part in SYMBOLS.styles["list"])
    newline = int(SYMBOLS.styles["bare"][2])
    is_right = {"name first": [], "attribute first": []}
    for ids, weights in rows_of(batch):
        told, _ = parted(ids, SYMBOLS.question_mark)
        found: dict[tuple[str, str], list[str]] = {}
        for block in "".join(map(chr, told)).split(chr(int(SYMBOLS.heading)))[1:]:
            name, *lines = block.split(chr(newline))
            for line in filter(None, lines):
                attribute, said = line.removeprefix(chr(opening)).split(chr(joint))
                for order, question in zip(is_right, (name + attribute, attribute + name), strict=True):
                    found.setdefault((order, question), []).append(said)
        at = len(told) + 1
        asked = "".join(map(chr, ids[at:])).rstrip(chr(0)).split(chr(end))
        for query in asked:
            if chr(joint) in query:
                question, said = query.removeprefix(chr(opening)).split(chr(joint))
                value_at = at + query.index(chr(joint)) + 1
                if any(weights[value_at : value_at + len(said)]):
                    for order, judged in is_right.items():
                        answers = found.get((order, question), [])
                        is_cut = query is asked[-1]
                        judged.append(
                            answers == [said] or (is_cut and len(answers) == 1 and answers[0].startswith(said))
                        )
            at += len(query) + 1
    # One order is a batch's, and in that order every query has one answer, the right one.
    assert any(judged and all(judged) for judged in is_right.values())


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 4), st.integers(2, 6))
def test_the_answer_is_the_smallest_or_the_largest_of_its_list(seed: int, longest_number: int, most: int) -> None:
    draw = Draw(SYMBOLS, 4, 120, seed)
    batch = smallest(draw, alphabet=60, longest_key=2, longest_number=longest_number, most=most)
    digit = {token: str(value) for value, token in enumerate(SYMBOLS.digits.tolist())}
    for ids, weights in rows_of(batch):
        lists = "".join(map(chr, ids)).rstrip(chr(0)).split(chr(int(SYMBOLS.copy_mark)))
        assert any(weights)
        # The last list may have been cut.
        for part in lists[:-1]:
            best, mark = (max, SYMBOLS.largest) if chr(int(SYMBOLS.largest)) in part else (min, SYMBOLS.smallest)
            told, answer = part.split(chr(int(mark)))
            facts = [
                (int("".join(digit[t] for t in value)), name, value)
                for name, value in facts_in(list(map(ord, told)), SYMBOLS, "list")
            ]
            assert len({number for number, _, _ in facts}) == len(facts)
            _, name, value = best(facts)
            joint, end = int(SYMBOLS.styles["list"][1]), int(SYMBOLS.styles["list"][2])
            assert list(map(ord, answer)) == [*name, joint, *value, end]


def test_equal_seeds_give_equal_batches_and_others_do_not() -> None:
    for task in (copying, lookup, records, smallest):
        first, again, other = (task(Draw(SYMBOLS, 4, 80, seed)) for seed in (5, 5, 6))
        assert torch.equal(first.ids, again.ids)
        assert torch.equal(first.weights, again.weights)
        assert not torch.equal(first.ids, other.ids)


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    rows = draw(st.integers(1, 3))
    found = []
    for _ in range(draw(st.integers(1, 4))):
        width = draw(st.integers(0, 4))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
        keep = torch.rand(rows, width, generator=generator) < 0.6 if draw(st.booleans()) else None
        weight = (
            torch.rand(rows, width, generator=generator) if draw(st.booleans()) else draw(st.sampled_from([0.0, 1.0]))
        )
        found.append(Piece(torch.randint(1, 50, (rows, width), generator=generator), keep, weight))
    return found


@settings(deadline=None, max_examples=60)
@given(pieces(), st.integers(1, 12))
def test_composing_equals_joining_lists(parts: list[Piece], length: int) -> None:
    batch = compose(parts, length, pad_id=0)
    for row in range(len(parts[0].ids)):
        ids, weights = [], []
        for part in parts:
            for column in range(part.ids.shape[1]):
                if part.keep is None or bool(part.keep[row, column]):
                    ids.append(int(part.ids[row, column]))
                    is_one = isinstance(part.weight, torch.Tensor)
                    weights.append(float(part.weight[row, column]) if is_one else float(part.weight))
        padding = [0] * (length - len(ids))
        assert batch.ids[row].tolist() == (ids + padding)[:length]
        assert batch.weights[row].tolist() == pytest.approx((weights + padding)[:length])


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 4), st.integers(2, 8), st.integers(1, 40))
def test_targets_are_listed_in_order_as_far_as_there_is_room(seed: int, rows: int, length: int, room: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 90, (rows, length), generator=generator)
    weights = torch.rand(rows, length, generator=generator) * (torch.rand(rows, length, generator=generator) < 0.5)
    targets = find_targets(Batch(ids, weights), room)
    expected = [
        (row * length + column - 1, int(ids[row, column]), float(weights[row, column]))
        for row in range(rows)
        for column in range(1, length)
        if weights[row, column] > 0
    ][:room]
    count = len(expected)
    assert targets.places.shape == targets.ids.shape == targets.weights.shape == (room,)
    listed = zip(targets.places.tolist(), targets.ids.tolist(), targets.weights.tolist(), strict=True)
    assert list(listed)[:count] == expected
    assert not targets.weights[count:].any()
    assert 0 <= int(targets.places.min()) <= int(targets.places.max()) < rows * length
