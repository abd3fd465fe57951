"""Files of map questions, `mapqator.map_questions/1`: JSON Lines, plain or zstandard, one line a context."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import ConfigError
from server.quality.lines import SCHEMA, read_lines
from server.quality.scoring import score

_FACTS = ("category", "type", "skill", "wording")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what surrounds it.

    Args:
        context_id: of the line it stands in.
        contexts: form -> text; every question of a line shares it.
        tools: in the file's own shape, empty if the file was made without.
        fields: the question as the file has it.
    """

    context_id: str
    contexts: dict[str, str]
    tools: list[dict[str, Any]]
    fields: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def ask(self) -> str:
        return str(self.fields["ask"])

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = self.fields["answer"]
        return found

    @property
    def forms(self) -> tuple[str, ...]:
        """In which forms of its context it can be asked."""
        return tuple(self.fields["forms"])

    @property
    def facts(self) -> dict[str, Any]:
        """What accuracy is broken down by, with the fifth of the context in which the deciding value stands."""
        facts = {name: self.fields[name] for name in _FACTS if self.fields.get(name) is not None}
        position = self.fields.get("position")
        if position is not None:
            fifth = min(int(5 * position), 4)
            facts["position"] = f"{20 * fifth}-{20 * fifth + 20} %"
        return facts


def read_questions(paths: list[Path], split: str) -> list[Question]:
    """All questions of the wanted split, in the files' order.

    Args:
        split: "train", "validation", "test", or "all".

    Raises:
        ConfigError: a file cannot be read, is not of this schema, or holds nothing of the split.
    """
    questions = []
    for path in paths:
        found, splits = [], set()
        for number, line in enumerate(read_lines(path), 1):
            context = _checked(line, f"{path}, line {number}")
            splits.add(context.get("split"))
            if split in ("all", context.get("split")):
                found += [
                    Question(str(context["id"]), context["contexts"], context.get("tools") or [], fields)
                    for fields in context["questions"]
                ]
        if not splits:
            raise ConfigError(f"{path} is empty: give a file of map questions")
        if not found:
            has = ", ".join(sorted(map(str, splits)))
            raise ConfigError(f"{path} holds no question of the split {split}; it has {has}: choose with --split")
        questions += found
    return questions


def _checked(line: str, place: str) -> dict[str, Any]:
    """One context with everything that is read later; raises `ConfigError`."""
    try:
        context = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{place} is not JSON: {error}") from None
    if not isinstance(context, dict) or context.get("schema") != SCHEMA:
        raise ConfigError(f"{place} is not of the schema {SCHEMA}: give a file that `mapqator demo questions` made")
    try:
        is_good = all(isinstance(text, str) for text in context["contexts"].values()) and bool(context["id"])
        for fields in context["questions"]:
            score(fields["answer"], "Answer: 0")
            calls = fields.get("calls") or []
            is_good = is_good and all(isinstance(fields[name], str) for name in ("id", "ask"))
            is_good = is_good and all(isinstance(form, str) for form in fields["forms"])
            is_good = is_good and all(isinstance(call["arguments"], dict) and call["content"] for call in calls)
        is_good = is_good and all(isinstance(tool["name"], str) for tool in context.get("tools") or [])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{place} lacks something or is damaged: {type(error).__name__}: {error}") from None
    if not is_good:
        raise ConfigError(f"{place} is damaged: ids, asks, contexts, and arguments of calls have other types")
    return context
