"""How well questions can be answered without their contexts: by chance, and by a guesser that was trained to.

Whatever it gets above chance would make a model look as if it read contexts. Intervals are Wilson's (1927), at 95 %.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotator.demo.questions.guesser import Case, Guesser, Likely, option_features, plain_features
from annotator.demo.questions.lines import SCHEMA, read_lines
from annotator.errors import InputError
from annotator.evaluate.statistics import wilson

_MAX_TRAINING = 40_000


@dataclass(frozen=True, slots=True)
class Row:
    """How often guesses about one sort of questions were right.

    Args:
        name: the sort.
        chance: the share that is right without looking at the question.
        guessed: the trained guesser's share.
        low, high: the guesser's interval.
    """

    name: str
    num: int
    chance: float
    guessed: float
    low: float
    high: float

    @property
    def is_leak(self) -> bool:
        """Whether the guesser is surely better than chance."""
        return self.low > self.chance


@dataclass(frozen=True, slots=True)
class Report:
    """What can be had without contexts.

    Args:
        num_train, num_test: questions that were learned from, and that were guessed.
        letters: how often each letter is right, of four.
    """

    num_train: int
    num_test: int
    rows: tuple[Row, ...]
    letters: Mapping[str, int]

    def table(self) -> list[str]:
        """Lines for people."""
        lines = [f"{'':34}{'questions':>10}{'chance':>9}{'guessed':>9}  95 % interval"]
        for row in self.rows:
            share = f"{row.name:34}{row.num:>10}{row.chance:>9.1%}{row.guessed:>9.1%}"
            lines.append(f"{share}  {row.low:.1%} to {row.high:.1%}{'  above chance' if row.is_leak else ''}")
        letters = ", ".join(f"{letter} {count}" for letter, count in sorted(self.letters.items()))
        return [*lines, f"right one of four: {letters}"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question without its context."""

    type: str
    skill: str
    question: str
    options: tuple[str, ...]
    answer: Mapping[str, Any]
    words: str

    @property
    def keys(self) -> frozenset[int]:
        """Indexes of the right options."""
        return frozenset("ABCDEFGH".index(key) for key in self.answer.get("keys", ()))


def floor(train_path: Path, test_path: Path) -> Report:
    """Learns from one file of questions and guesses another's.

    Args:
        train_path, test_path: files of `mapqator demo questions`, of different towns.

    Raises:
        InputError: a file cannot be read, or holds too little.
    """
    train, test = list(read_questions(train_path))[:_MAX_TRAINING], list(read_questions(test_path))
    if len(train) < 100 or len(test) < 100:
        raise InputError("a floor needs at least 100 questions in each file")
    outcomes: list[tuple[str, str, float, bool]] = []
    outcomes += _choices(train, test, "yes_no")
    outcomes += _choices(train, test, "single_choice")
    outcomes += _multiple(train, test)
    outcomes += _open(train, test)
    rows = [_row(type, of_type) for type, of_type in _grouped(outcomes, lambda one: one[0])]
    rows += [_row(name, of_skill) for name, of_skill in _grouped(outcomes, lambda one: f"{one[1]} ({_way(one[0])})")]
    rows.insert(4, _suspected(train, test))
    letters = Counter(key for one in test if len(one.options) == 4 and len(one.keys) == 1 for key in one.answer["keys"])
    return Report(len(train), len(test), tuple(rows), dict(letters))


def read_questions(path: Path) -> Iterator[Asked]:
    """The questions of a file that are about contexts.

    Raises:
        InputError: it cannot be read, or is no such file.
    """
    try:
        for text in read_lines(path):
            line = json.loads(text)
            if line["schema"] != SCHEMA:
                raise InputError(f"{path.name} is not of {SCHEMA}")
            yield from (_asked(question) for question in line["questions"] if not question["calls"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path.name} is no file of map questions") from None


def _asked(question: Mapping[str, Any]) -> Asked:
    # The last line says how to answer, the same for all.
    first, *rest = question["ask"].split("\n")[:-1]
    options = tuple(line.partition(". ")[2] for line in rest)
    words = question["reply"].rpartition("Answer: ")[2]
    return Asked(question["type"], question["skill"], first, options, question["answer"], words)


def _choices(train: Sequence[Asked], test: Sequence[Asked], type: str) -> list[tuple[str, str, float, bool]]:
    """Questions of which one option is right: type, skill, chance, and whether the guess is right."""
    guesser = Guesser()
    guesser.learn([_case(one) for one in train if one.type == type])
    found = []
    for one in test:
        if one.type == type:
            case = _case(one)
            is_right = int(guesser.shares(case.options).argmax()) == case.right
            found.append((type, one.skill, 1 / len(one.options), is_right))
    return found


def _multiple(train: Sequence[Asked], test: Sequence[Asked]) -> list[tuple[str, str, float, bool]]:
    """Questions of which several options may be right: each option against itself being wrong."""
    guesser = Guesser()
    guesser.learn([case for one in train if one.type == "multiple_choice" for case in _each(one)])
    found = []
    for one in test:
        if one.type != "multiple_choice":
            continue
        shares = [float(guesser.shares(case.options)[0]) for case in _each(one)]
        chosen = {index for index, share in enumerate(shares) if share > 0.5}
        chosen = chosen or {shares.index(max(shares))}
        if len(chosen) == len(shares):
            chosen.remove(shares.index(min(shares)))
        # All sets are as likely but none of them and all of them.
        chance = 1 / (2 ** len(one.options) - 2)
        found.append((one.type, one.skill, chance, chosen == one.keys))
    return found


def _open(train: Sequence[Asked], test: Sequence[Asked]) -> list[tuple[str, str, float, bool]]:
    """Open questions; chance is the answer that is right most often for the skill."""
    by_skill: defaultdict[str, list[Asked]] = defaultdict(list)
    for one in train:
        if one.type == "open_ended":
            by_skill[one.skill].append(one)
    found = []
    for skill, learned in by_skill.items():
        likely = Likely()
        likely.learn([(one.question, one.words) for one in learned])
        by_words = {one.words: one.answer for one in learned}
        usual = Counter(one.words for one in learned).most_common(1)[0][0]
        asked = [one for one in test if one.type == "open_ended" and one.skill == skill]
        chance = sum(fits(one.answer, by_words[usual], usual) for one in asked) / max(1, len(asked))
        for one in asked:
            guess = likely.guess(one.question)
            found.append((one.type, skill, chance, fits(one.answer, by_words[guess], guess)))
    return found


def fits(wanted: Mapping[str, Any], guess: Mapping[str, Any], words: str) -> bool:
    """Whether another question's answer is right here."""
    if wanted["kind"] != guess["kind"]:
        return False
    match wanted["kind"]:
        case "number":
            return wanted["unit"] == guess["unit"] and abs(wanted["value"] - guess["value"]) <= wanted["abs_tol"]
        case "text":
            return words in wanted["accepted"]
        case _:
            return bool(wanted.get("items") == guess.get("items"))


def _suspected(train: Sequence[Asked], test: Sequence[Asked]) -> Row:
    """Of the questions that look most unanswerable, as many as there are such, how many are."""
    guesser = Guesser()
    nothing = plain_features("")
    cases = [Case((plain_features(_whole(one)), nothing), int(one.type != "unanswerable")) for one in train]
    guesser.learn(cases)
    marked = [
        (float(guesser.shares((plain_features(_whole(one)), nothing))[0]), one.type == "unanswerable") for one in test
    ]
    num = max(1, sum(is_so for _, is_so in marked))
    right = sum(is_so for _, is_so in sorted(marked, key=lambda one: -one[0])[:num])
    return Row("unanswerable, where suspected", num, num / len(test), right / num, *wilson(right, num))


def _whole(one: Asked) -> str:
    return f"{one.question} {' '.join(one.options)} {len(one.options)} options"


def _case(one: Asked) -> Case:
    return Case(option_features(one.question, one.options), min(one.keys))


def _each(one: Asked) -> list[Case]:
    """A case for each option: whether it is among the right ones."""
    nothing = plain_features("")
    return [
        Case((features, nothing), int(index not in one.keys))
        for index, features in enumerate(option_features(one.question, one.options))
    ]


def _way(type: str) -> str:
    return "open" if type == "open_ended" else "options"


def _grouped(
    outcomes: Iterable[tuple[str, str, float, bool]], key: Any
) -> Iterator[tuple[str, list[tuple[str, str, float, bool]]]]:
    found: defaultdict[str, list[tuple[str, str, float, bool]]] = defaultdict(list)
    for outcome in outcomes:
        found[key(outcome)].append(outcome)
    yield from found.items()


def _row(name: str, outcomes: Sequence[tuple[str, str, float, bool]]) -> Row:
    right, num = sum(one[3] for one in outcomes), len(outcomes)
    return Row(name, num, sum(one[2] for one in outcomes) / num, right / num, *wilson(right, num))
