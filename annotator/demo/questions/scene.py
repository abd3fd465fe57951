"""What question writers are given: a context taken apart into the calls behind it, and the town to ask more."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from annotator.contexts.words import clean
from annotator.demo.questions.town import OpenTown
from annotator.maps.params import ToolName


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call whose answer stands in the context.

    Args:
        index: which item of the context it is.
        params: canonical parameters.
        result: canonical result as JSON values, without what is None.
        heading: the item's own heading; empty where it has none.
        shown: names of the fields that the rendering tells, see `annotator.contexts.fields`.
        show_steps: whether routes tell their single instructions.
    """

    index: int
    tool: ToolName
    params: Mapping[str, Any]
    result: Mapping[str, Any]
    heading: str
    shown: frozenset[str]
    show_steps: bool


@dataclass(frozen=True)
class Scene:
    """What a context shows.

    Args:
        town: answers further calls; what they say may decide only what is computed, such as opening hours.
        asked: the calls in the order of the context's items.
        text: the context as text, which replies quote.
    """

    town: OpenTown
    asked: tuple[Asked, ...]
    text: str

    def names(self) -> list[str]:
        """Names of all places that are shown, each once, in the context's order."""
        return list(self._names)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        places = [place for asked in self.asked for place in places_of(asked.result)]
        return tuple(dict.fromkeys(name for place in places if (name := clean(place["name"]))))


def places_of(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The places of a result, in its order; none for routes, matrices and what is computed."""
    if result["kind"] == "place":
        return [result["place"]] if "place" in result else []
    return list(result.get("places", ()))


@dataclass(frozen=True, slots=True)
class Written:
    """A question as a writer makes it; `writers/form.py` adds the wording of its request, letters and their order.

    Args:
        type: `yes_no`, `single_choice`, `multiple_choice`, `open_ended` or `unanswerable`.
        category: `poi`, `nearby`, `routing` or `trip`.
        skill: what answering takes, such as `comparison`.
        wording: `verbatim` where it repeats the context's own words, otherwise `paraphrase`.
        body: the question itself.
        right: texts of the right options, or of the open answer.
        wrong: texts of the wrong options; empty for open questions.
        said: the reply's first line: what decides it, as the context writes it; empty for none.
        answer: for open questions, in the file's form.
        evidence: index of the context's item, and JSON Pointer into its result.
        quote: a piece of the text where the first value that decides it stands; empty if none.
    """

    type: str
    category: str
    skill: str
    wording: str
    body: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    said: str
    answer: Mapping[str, Any] | None
    evidence: tuple[tuple[int, str], ...]
    quote: str
