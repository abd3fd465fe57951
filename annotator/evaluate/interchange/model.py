"""What an export of results is given: the run, and its items one by one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from annotator.datasets.exports.answers import CANNOT, answer_texts, open_texts, right_indices
from annotator.datasets.native import NativeItem
from annotator.evaluate.model import Given, ItemResult, RunFacts, Shown


class Sample(BaseModel):
    """One item as it was asked and answered.

    Args:
        shown: its options as the model saw them; None shows them as they were frozen.
        messages: in the shape of chat completions, the prompt first, as sent and as received.
        reply: the last words of the model; empty where it said nothing.
    """

    model_config = ConfigDict(frozen=True)

    item: NativeItem
    result: ItemResult
    shown: Shown | None = None
    messages: tuple[dict[str, Any], ...] = ()
    reply: str = ""

    @property
    def may_leave(self) -> bool:
        """Whether the words of the conversation may leave, which hold what providers answered."""
        return self.item.export == "full"

    def conversation(self) -> list[dict[str, Any]]:
        """The messages that may leave: all, or none."""
        return [dict(message) for message in self.messages] if self.may_leave else []

    def words(self) -> str:
        """The reply, where it may leave."""
        return self.reply if self.may_leave else ""

    def choices(self) -> list[str]:
        """The texts of the options in the order shown."""
        if self.shown is not None:
            return [option.text for option in self.shown.options]
        return [option.text for option in self.item.options]

    def labels(self) -> list[str]:
        """Labels of `choices`."""
        if self.shown is not None:
            return [option.label for option in self.shown.options]
        return [option.key for option in self.item.options]

    def right_labels(self) -> list[str]:
        """Labels of what would be right; none for open questions, and where abstaining would be and is not offered."""
        if self.shown is None:
            return [self.item.options[index].key for index in right_indices(self.item)]
        keys: list[str | None] = [self.item.options[index].key for index in right_indices(self.item)]
        if self.item.type == "unanswerable":
            keys = [None]
        return [option.label for option in self.shown.options if option.key in keys]

    def target(self) -> list[str]:
        """What would be right: labels, or the words of an open answer, the best first."""
        if self.item.type == "unanswerable":
            return self.right_labels() or [CANNOT]
        return self.right_labels() if self.item.options else open_texts(self.item)

    def answer(self) -> str:
        """What the model answered, in the words of `target`; empty where nothing could be read."""
        given = self.result.judgement.given
        return "" if given is None else self._said(given)

    def _said(self, given: Given) -> str:
        if given.open is not None:
            return answer_texts(given.open)[0]
        if given.abstains:
            offered = (
                [] if self.shown is None else [option.label for option in self.shown.options if option.key is None]
            )
            return offered[0] if offered else CANNOT
        keys = given.option_keys or ()
        if self.shown is None:
            return ", ".join(keys)
        return ", ".join(option.label for option in self.shown.options if option.key in keys)


type Write = Callable[[RunFacts, Iterable[Sample], Path], int]
"""Writes an export to a path, a file's or, where the format is a folder, a folder's that is made; gives how many
samples it wrote."""


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """A format in which results leave.

    Args:
        key: names it in flags and addresses.
        sentence: what it is for, in one sentence.
        suffix: of its file's name; empty for a folder.
    """

    key: str
    title: str
    sentence: str
    write: Write
    suffix: str


def file_name(run: RunFacts, format: ResultFormat) -> str:
    """A name for an export: begin of the run, mode and id. Inspect lists only logs whose names begin with a time."""
    began = (run.started_at or "1970-01-01T00:00:00")[:19].replace(":", "-")
    return f"{began}_{run.mode}_{run.run_id}{format.suffix}"
