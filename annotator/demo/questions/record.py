"""One context with its questions as a line of the file `mapqator.map_questions/1`; see docs/map-questions.md."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from annotator.demo.questions.compose import Composed, Composer
from annotator.demo.questions.grounding import forms_of
from annotator.demo.questions.lines import SCHEMA
from annotator.demo.questions.scene import Written
from annotator.demo.questions.splits import split_of
from annotator.demo.questions.town import OpenTown
from annotator.demo.questions.writers import write_questions
from annotator.demo.questions.writers.form import formed
from annotator.demo.questions.writers.tools import tool_questions
from annotator.demo.stream import Stream
from annotator.maps.params import PARAMS

FEWEST_QUESTIONS = 4
"""Contexts that give fewer are made again, about something else."""
_MAX_ATTEMPTS = 8
_TOOL_SHARE = 3
"""One question in tool mode for as many about the context, where there are any."""
_ID = re.compile(r"[a-z]+-[0-9]+-(?P<number>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make the contexts of a town.

    Args:
        size: of the town.
        tokens: how long a context's text is, estimated: at least and at most.
        questions: how many questions a context has at most.
        has_tools: whether there are questions in tool mode too.
    """

    size: str
    tokens: tuple[int, int]
    questions: int
    has_tools: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, with its line end."""

    text: bytes
    num_questions: int


def write_line(composer: Composer, recipe: Recipe, number: int) -> Line | None:
    """A town's context of a number as a line of JSON; None if too few questions can be asked about it.

    Args:
        composer: of the town.
        number: from 0; every number gives another context, whatever others are made.
    """
    town = composer.town
    id = f"{recipe.size}-{town.seed}-{number:02d}"
    for attempt in range(_MAX_ATTEMPTS):
        concern = f"context {number} {attempt}"
        composed = composer.compose(concern, recipe.tokens)
        stream = Stream(town.seed, f"questions about {concern}")
        written = write_questions(composed.scene, stream, recipe.questions)
        if len(written) >= min(FEWEST_QUESTIONS, recipe.questions):
            asked: list[Written] = list(written)
            if recipe.has_tools:
                asked += tool_questions(town, stream, max(1, recipe.questions // _TOOL_SHARE))
            questions = [
                formed(question, stream, f"{id}-q{index:02d}", composed.scene) for index, question in enumerate(asked)
            ]
            return Line(_encoded(_line(id, composed, town, recipe, questions)), len(questions))
    return None


def _line(
    id: str, composed: Composed, town: OpenTown, recipe: Recipe, questions: list[dict[str, Any]]
) -> dict[str, Any]:
    context = json.loads(composed.forms["json"])
    return {
        "schema": SCHEMA,
        "id": id,
        "split": split_of(town.seed),
        "town": {"seed": town.seed, "size": town.size, "name": town.name, "country_code": town.country_code},
        "recipe": asdict(recipe),
        "contexts": dict(composed.forms),
        "num_tokens": dict(composed.num_tokens),
        **({"tools": tools()} if recipe.has_tools else {}),
        "questions": [question | {"forms": forms_of(question, context)} for question in questions],
    }


@cache
def tools() -> list[dict[str, Any]]:
    """Every map tool with the JSON Schema of its parameters, as the annotator's API lists them."""
    return [
        {"name": tool, "description": (model.__doc__ or "").strip(), "parameters": model.model_json_schema()}
        for tool, model in PARAMS.items()
    ]


def number_of(id: str) -> int | None:
    """The number of a context within its town; None for what is no id."""
    found = _ID.fullmatch(id)
    return None if found is None else int(found["number"])


def recipe_of(line: Mapping[str, Any]) -> Recipe:
    """How a line was made.

    Raises:
        KeyError, TypeError, ValueError: the line does not say.
    """
    recipe = line["recipe"]
    low, high = recipe["tokens"]
    return Recipe(str(recipe["size"]), (int(low), int(high)), int(recipe["questions"]), bool(recipe["has_tools"]))


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
