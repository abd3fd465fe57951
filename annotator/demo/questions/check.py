"""Looks a file of map questions over: counts what is in it, makes some lines again and compares the bytes."""

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotator.demo.questions.lines import SCHEMA, read_lines
from annotator.demo.questions.record import Recipe, number_of, recipe_of
from annotator.demo.questions.write import town_lines
from annotator.errors import InputError

COUNTED = ("type", "category", "skill", "wording")
"""Fields of questions that are counted."""
SIZES = (500, 1_000, 2_000, 4_000, 8_000, 16_000)
"""Bounds of contexts' lengths, in tokens, between which they are counted."""


@dataclass
class Counts:
    """What is in a file.

    Args:
        by_field: numbers of questions by field and value; `mode` says whether they are asked with tools.
        by_tokens: numbers of contexts by how many of `SIZES` their text is longer than.
    """

    contexts: int = 0
    questions: int = 0
    towns: set[int] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)
    by_field: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_tokens: Counter[int] = field(default_factory=Counter)
    num_tokens: Counter[str] = field(default_factory=Counter)

    def add(self, line: Mapping[str, Any]) -> None:
        """Counts a line."""
        self.contexts += 1
        self.questions += len(line["questions"])
        self.towns.add(line["town"]["seed"])
        self.splits[line["split"]] += 1
        self.num_tokens.update(line["num_tokens"])
        size = line["num_tokens"]["text"]
        self.by_tokens[bisect_left(SIZES, size)] += 1
        for question in line["questions"]:
            self.by_field["mode"]["tools" if question["calls"] else "context"] += 1
            for name in COUNTED:
                self.by_field[name][question[name]] += 1


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it.

    Args:
        remade: ids of the lines that were made again.
        different: those of them that became other bytes.
    """

    counts: Counts
    remade: tuple[str, ...]
    different: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    seed: int
    number: int
    recipe: Recipe
    text: bytes


def check_file(path: Path, *, remake: int) -> Checked:
    """Counts what is in a file, and makes lines of it again, as many towns as `remake` says, spread over the file.

    Raises:
        InputError: it cannot be read, or is no file of map questions; the line is named.
    """
    counts = Counts()
    chosen: dict[int, _Line] = {}
    for number, text in enumerate(read_lines(path), 1):
        try:
            line = json.loads(text)
            if line["schema"] != SCHEMA:
                raise InputError(f"line {number} of {path.name} is of '{str(line['schema'])[:60]}', not of {SCHEMA}")
            counts.add(line)
            place = number_of(line["id"])
            if place is None:
                raise InputError(f"line {number} of {path.name} has no id such as small-1234-07")
            seed = int(line["town"]["seed"])
            chosen.setdefault(seed, _Line(line["id"], seed, place, recipe_of(line), text))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"line {number} of {path.name} is no line of {SCHEMA}") from None
    if not counts.contexts:
        raise InputError(f"{path.name} holds no line of {SCHEMA}")
    found = list(chosen.values())
    count = min(remake, len(found))
    again = [found[index * len(found) // count] for index in range(count)]
    different = [line.id for line in again if _made_again(line) != line.text]
    return Checked(counts, tuple(line.id for line in again), tuple(different))


def _made_again(line: _Line) -> bytes | None:
    made = town_lines(line.seed, line.recipe, [line.number])
    return made[0].text if made else None
