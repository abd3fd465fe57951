"""A slow reader, which sees only a row's text, gives the answers that choices and comparisons say are right."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from server.assets.train import parser, run
from server.assets.training import wordings
from server.assets.training.batch import Batch
from server.assets.training.choices import TEXTS, choose
from server.assets.training.comparisons import ASKS, compare, distance_strings, duration_strings
from server.assets.training.curriculum import Part, Plan, Stage, default_plan, plan_to_json
from server.assets.training.curves import read_history
from server.assets.training.emphasis import stress_answers
from server.assets.training.sources import Sources
from server.assets.training.symbols import Symbols, plain_symbols, symbols_of
from server.assets.training.tasks import Draw
from server.assets.training.wordings import Measure

SYMBOLS = plain_symbols(420, has_wordings=True)
SEEDS = st.integers(0, 2**40)


def _texts(symbols: Symbols) -> dict[int, str]:
    """What each id of plain symbols stands for."""
    texts = {int(ids): text for text, ids in symbols.wordings.items()}
    texts |= {token: str(digit) for digit, token in enumerate(symbols.digits.tolist())}
    for number, word in enumerate(symbols.words.tolist()):
        texts[word], texts[int(symbols.at_line_start[word])] = f" w{number}", f"w{number}"
    turns = {"user_open": "<user>\n", "user_close": "<answer>\n", "end": "<end>"}
    return texts | {int(symbols.turns[name]): text for name, text in turns.items()} | {0: ""}


TEXT_OF = _texts(SYMBOLS)


@dataclass
class Block:
    """One question: what was asked, its options, the reply, and which characters of the reply are to be predicted."""

    ask: str
    options: dict[str, str]
    reply: str
    weights: list[float]

    @property
    def quotes(self) -> list[tuple[str, str]]:
        quoted = self.reply.partition("\nAnswer:")[0]
        return [tuple(quote.strip().split(": ", 1)) for quote in quoted.split(";")]

    @property
    def answer(self) -> str:
        return self.reply.partition("\nAnswer:")[2].strip()

    @property
    def letters(self) -> list[str]:
        return self.answer.split(", ")

    @property
    def is_asked(self) -> bool:
        """Whether it counts; then every character of the reply does."""
        assert all(self.weights) or not any(self.weights)
        return any(self.weights)


def read(batch: Batch, has_turns: bool) -> Iterator[tuple[dict[str, list[str]], list[Block]]]:
    """Facts, by name, and all questions of each row that were not cut."""
    closing = "<end>" if has_turns else "\n\n"
    for ids, weights in zip(batch.ids.tolist(), batch.weights.tolist(), strict=True):
        parts = [TEXT_OF[token] for token in ids]
        text = "".join(parts)
        of_characters = [weight for part, weight in zip(parts, weights, strict=True) for _ in part]
        facts: dict[str, list[str]] = {}
        told, _, _ = text.partition("\nQuestion:")
        for line in told.removeprefix("<user>\n").splitlines():
            if (found := re.fullmatch(r"- ([^:]+): (.+)", line)) is not None:
                facts.setdefault(found[1], []).append(found[2])
        blocks = []
        for begin in [found.end() for found in re.finditer("Question:", text)]:
            end = text.find(closing, begin)
            if end < 0:
                assert "Question:" not in text[begin:]
                break
            lines = text[begin:end].splitlines()
            listed = [line for line in lines if re.match(r"[A-D]\. ", line)]
            options = dict(line.split(". ", 1) for line in listed)
            assert list(options) == list("ABCD")[: len(options)]
            reply_at = begin + text[begin:end].rindex("\n", 0, text[begin:end].rindex("\nAnswer:")) + 1
            if has_turns:
                assert lines[1 + len(options)] in (f"{wordings.ONE}<answer>", f"{wordings.SEVERAL}<answer>") or (
                    not options and lines[1] == f"{wordings.OPEN}<answer>"
                )
            assert not any(of_characters[begin:reply_at])
            closed = end + len(closing)
            blocks.append(Block(lines[0].strip(), options, text[reply_at:end], of_characters[reply_at:closed]))
        yield facts, blocks


def check_quotes(block: Block, facts: dict[str, list[str]], names: list[str]) -> None:
    """The quotes are of these names, in their order, and say what the facts say."""
    assert [name for name, _ in block.quotes] == names
    # A name that begins a line has another first word than one after a space.
    assert [quote[0] == " " for quote in block.reply.split(";")] == [False] + [True] * (len(names) - 1)
    for name, value in block.quotes:
        assert facts[name] == [value]


@settings(deadline=None, max_examples=40)
@given(
    seed=SEEDS,
    asks=st.sampled_from(list(TEXTS)),
    length=st.integers(100, 300),
    longest=st.integers(1, 3),
    near_share=st.sampled_from([0.0, 0.25, 0.5]),
    has_turns=st.booleans(),
)
def test_the_letter_is_that_of_the_option_that_the_facts_speak_for(
    seed: int, asks: str, length: int, longest: int, near_share: float, has_turns: bool
) -> None:
    options = {"longest_key": longest, "longest_value": longest, "near_share": near_share}
    batch = choose(Draw(SYMBOLS, 4, length, seed), alphabet=140, asks=asks, has_turns=has_turns, **options)
    assert batch.ids.shape == batch.weights.shape == (4, length)
    for facts, blocks in read(batch, has_turns):
        for block in blocks:
            asked = re.fullmatch(r".*?((?: w\d+)+)\?", f" {block.ask}")
            assert asked is not None
            asked_for = asked[1].strip()
            if not block.is_asked:
                continue
            if asks == "value_of":
                right = [letter for letter, value in block.options.items() if facts[asked_for] == [value]]
                check_quotes(block, facts, [asked_for])
            else:
                right = [letter for letter, name in block.options.items() if facts[name] == [asked_for]]
                quoted = list(block.options.values())
                check_quotes(block, facts, quoted if asks == "names_of" else [block.options[right[0]]])
            assert block.letters == right
            assert len(right) == 1 or asks == "names_of"


@pytest.mark.parametrize("has_turns", [False, True])
@pytest.mark.parametrize("asks", [*TEXTS, *ASKS])
def test_most_questions_count(asks: str, has_turns: bool) -> None:
    task = choose if asks in TEXTS else compare
    batch = task(Draw(SYMBOLS, 16, 300, 3), alphabet=140, asks=asks, has_turns=has_turns)
    found = [block.is_asked for _, blocks in read(batch, has_turns) for block in blocks]
    assert len(found) >= 16
    assert sum(found) > len(found) / 2


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_options_are_alike_where_facts_are_and_any_letter_can_be_right(seed: int) -> None:
    batch = choose(Draw(SYMBOLS, 24, 300, seed), alphabet=140, longest_key=3, near_share=0.5, asks="value_of")
    found = [block for _, blocks in read(batch, False) for block in blocks if block.is_asked]
    assert {block.answer for block in found} == set("ABCD")
    pairs = [
        (first.split(), second.split())
        for block in found
        for first in block.options.values()
        for second in block.options.values()
        if first < second
    ]
    assert any(len(a) == len(b) > 1 and sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in pairs)


def metres(amount: str) -> int:
    """The distance of an amount, of a journey's the one in brackets."""
    number, unit = re.findall(r"([\d.]+) (m|km)\b", amount)[-1]
    return round(float(number) * (1000 if unit == "km" else 1))


def seconds(amount: str) -> int:
    """The time of an amount."""
    number, unit = re.findall(r"(\d+) (s|min)\b", amount)[0]
    return int(number) * (60 if unit == "min" else 1)


def is_worded(ask: str, texts: dict[Measure, tuple[str, ...]]) -> Measure | None:
    """What is compared, if the question is worded in one of these ways."""
    found = [m for m, some in texts.items() if any(text.strip() in ask for text in some)]
    return found[0] if found else None


def bounded(ask: str, measure: Measure, texts: tuple[str, str]) -> int | None:
    """The number of a question of this wording, in metres or seconds."""
    pattern = "".join(("", re.escape(texts[0].strip()), r" ([\d.]+ \w+)", re.escape(texts[1].rstrip("\n"))))
    found = re.fullmatch(pattern, ask)
    return None if found is None else (seconds if measure is Measure.TIME else metres)(found[1])


def answers_to(ask: str, names: list[str], facts: dict[str, list[str]], of: Measure) -> list[bool] | int | None:
    """Which of the names are right, or a difference, if the question compares this measure; None if it does not."""
    values = [(seconds if of is Measure.TIME else metres)(facts[name][0]) for name in names]
    for texts, best in ((wordings.LEAST[of], min), (wordings.MOST[of], max)):
        if ask in [text.strip() for text in texts]:
            return [value == best(values) for value in values]
    for first, is_right in (
        *((texts, int.__le__) for texts in wordings.AT_MOST[of]),
        *((texts, int.__gt__) for texts in wordings.OVER[of]),
        (wordings.EXACTLY[of], int.__eq__),
    ):
        if (bound := bounded(ask, of, first)) is not None:
            return [is_right(value, bound) for value in values]
    return None


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS,
    asks=st.sampled_from(ASKS),
    length=st.integers(160, 400),
    near_share=st.sampled_from([0.0, 0.25, 0.5]),
    has_turns=st.booleans(),
)
def test_what_follows_from_amounts_is_what_the_slow_reader_makes_of_them(
    seed: int, asks: str, length: int, near_share: float, has_turns: bool
) -> None:
    draw = Draw(SYMBOLS, 4, length, seed)
    batch = compare(draw, alphabet=140, near_share=near_share, km_share=0.3, asks=asks, has_turns=has_turns)
    for facts, blocks in read(batch, has_turns):
        facts = {name: [amount.removesuffix(" away") for amount in told] for name, told in facts.items()}
        is_journey = any("(" in told[0] for told in facts.values())
        for block in filter(lambda block: block.is_asked, blocks):
            block.reply = block.reply.replace(" away", "")
            asked = re.findall(r"w\d+(?: w\d+)*", block.ask)
            if asks in ("than", "difference"):
                check_quotes(block, facts, asked)
                more = is_worded(block.ask, wordings.MORE_THAN)
                less = is_worded(block.ask, wordings.LESS_THAN)
                of = less or more
                assert (of is Measure.AWAY) == (not is_journey)
                first, second = ((seconds if of is Measure.TIME else metres)(facts[name][0]) for name in asked)
                assert first != second
                if asks == "difference":
                    assert block.answer == f"{first - second} m"
                    assert not block.options
                else:
                    assert block.options == {"A": "Yes", "B": "No"}
                    assert block.answer == ("A" if (first < second if less else first > second) else "B")
                continue
            names = list(block.options.values())
            ways = [Measure.LENGTH, Measure.TIME] if is_journey else [Measure.AWAY]
            found = [right for way in ways if (right := answers_to(block.ask, names, facts, way)) is not None]
            assert len(found) == 1, block.ask
            right = [letter for letter, is_right in zip(block.options, found[0], strict=True) if is_right]
            assert block.letters == right
            assert asks == "within" or len(right) == 1
            check_quotes(block, facts, [block.options[right[0]]] if asks == "exactly" else names)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 9999), min_size=1, max_size=6))
def test_amounts_are_written_as_on_our_maps(values: list[int]) -> None:
    def written(strings: torch.Tensor, keep: torch.Tensor) -> str:
        return "".join(TEXT_OF[int(token)] for token in strings[keep])

    drawn = torch.tensor([values])
    shown = distance_strings(drawn, SYMBOLS)
    for index, value in enumerate(values):
        expected = f"{value} m" if value < 1000 else f"{value // 10 / 100:g} km"
        assert written(shown.ids[0, index], shown.keep[0, index]) == expected
    shown = duration_strings(drawn % 3600, SYMBOLS)
    for index, value in enumerate(value % 3600 for value in values):
        expected = f"{value} s" if value < 60 else f"{value // 60} min"
        assert written(shown.ids[0, index], shown.keep[0, index]) == expected


@pytest.mark.parametrize("task", [choose, compare])
def test_equal_seeds_give_equal_batches_and_others_do_not(task: type[choose]) -> None:
    first, again, other = (task(Draw(SYMBOLS, 4, 160, seed), alphabet=140) for seed in (5, 5, 6))
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.ids, other.ids)


@pytest.mark.parametrize("asks", [*TEXTS, *ASKS])
def test_rows_are_the_tokens_of_their_text(training_data: Path, asks: str) -> None:
    tokenizer = Tokenizer.from_file(str(training_data / "tokenizer.json"))
    symbols = symbols_of(tokenizer)
    task, options = (choose, {"longest_value": 1}) if asks in TEXTS else (compare, {})
    draw = Draw(symbols, 2, 900, 7)
    batch = task(draw, alphabet=4096, longest_key=1, asks=asks, has_turns=True, **options)
    for ids in batch.ids.tolist():
        text = tokenizer.decode(ids, skip_special_tokens=False)
        # Only where facts end and questions begin, two line breaks stand that would otherwise be one token.
        facts, _, questions = text.partition("\n\nQuestion:")
        parts = [f"{facts}\n", "\n", f"Question:{questions}"]
        again = [token for part in parts for token in tokenizer.encode(part, add_special_tokens=False).ids]
        # What was cut may have been the beginning of a token.
        assert again[: len(ids) - 4] == ids[: len(ids) - 4]


def test_a_checkpoint_of_a_plan_without_these_tasks_goes_on_with_one_that_has_them(
    training_data: Path, tmp_path: Path
) -> None:
    parts = (Part("choose", 128, options={"alphabet": 64}), Part("compare", 256, options={"alphabet": 64}))
    lookup = Part("lookup", 128, options={"alphabet": 64})
    before = Plan((Stage("facts", (lookup,), 256, max_steps=None),), record_every=2, window=1)
    after = replace(before, stages=(replace(before.stages[0], parts=(lookup, *parts)),))
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, plan in zip(paths, (before, after), strict=True):
        path.write_text(plan_to_json(plan))
    given = ["--data", str(training_data), "--device", "cpu", "--smoke", "--no-evaluate"]
    run(parser().parse_args([*given, "--out", str(tmp_path / "a"), "--plan", str(paths[0]), "--steps", "4"]))
    resumed = ["--resume", str(tmp_path / "a" / "checkpoint"), "--plan", str(paths[1]), "--steps", "12"]
    run(parser().parse_args([*given, "--out", str(tmp_path / "b"), *resumed]))
    history = read_history(tmp_path / "b" / "history.json")
    first, later = set(), set()
    for record in history["records"]:
        (first if record["step"] <= 4 else later).update(record["parts"])
    assert first == {lookup.name}
    assert later == {part.name for part in (lookup, *parts)}
    assert history["evaluations"] == []
    # It is exported all the same.
    for folder in ("a", "b"):
        assert (tmp_path / folder / "model" / "model.safetensors").is_file()


def test_parts_of_these_tasks_are_left_out_where_there_are_no_words_for_them() -> None:
    parts = [part for stage in default_plan().stages for part in stage.parts if part.task in ("choose", "compare")]
    assert {part.task for part in parts} == {"choose", "compare"}
    assert all(Sources(SYMBOLS, 0).has(part) for part in parts)
    assert not any(Sources(plain_symbols(96), 0).has(part) for part in parts)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(["Answer", ":", ": ", "w", "end"]), min_size=14, max_size=14), min_size=1), SEEDS
)
def test_only_what_follows_answer_in_its_turn_gets_more_weight(rows: list[list[str]], seed: int) -> None:
    """The oracle walks from left to right; a mark is two tokens here, as it is for the embedded model."""
    answer, colon, colon_space, end = 40, 41, 42, 43
    symbols = replace(
        SYMBOLS,
        turns=SYMBOLS.turns | {"end": torch.tensor([end])},
        wordings={
            "\nAnswer:": torch.tensor([4, answer, colon]),
            " away\nAnswer: ": torch.tensor([answer, colon_space]),
        },
    )
    token_of = {"Answer": answer, ":": colon, ": ": colon_space, "w": 50, "end": end}
    ids = torch.tensor([[token_of[word] for word in row] for row in rows])
    weights = torch.randint(0, 3, ids.shape, generator=torch.Generator().manual_seed(seed)) / 2
    found = stress_answers(Batch(ids, weights), symbols, 4.0)
    assert torch.equal(found.ids, ids)
    for row, before, after in zip(rows, weights.tolist(), found.weights.tolist(), strict=True):
        is_answer = False
        for at, weight in enumerate(before):
            is_answer = is_answer and row[at - 1] != "end"
            is_answer = is_answer or (at >= 2 and row[at - 2] == "Answer" and row[at - 1] in (":", ": "))
            assert after[at] == (weight * 4 if is_answer and weight == 1 else weight)
