"""Contexts of a wanted size, made by asking a town's map tools about the same few things again and again.

Each context turns around one place and a few types of places, so that whatever is asked about stands among others that
are near in name, type or position. Its items stand in random order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from annotator.cache.json_text import canonical
from annotator.cache.stored_results import StoredResult
from annotator.contexts.fields import shown_fields
from annotator.contexts.model import ITEM_KIND_OF_TOOL, ContextContent, Item, View
from annotator.contexts.render import Format, render_all
from annotator.contexts.tokens import estimate
from annotator.demo.questions import menu_places as places
from annotator.demo.questions import menu_ways as ways
from annotator.demo.questions.draft import Draft, Piece
from annotator.demo.questions.landmarks import Landmarks
from annotator.demo.questions.scene import Asked, Scene, places_of
from annotator.demo.questions.town import OpenTown
from annotator.demo.questions.views import title_of
from annotator.demo.stream import Stream
from annotator.errors import ConfigError

_MENU: tuple[tuple[float, Callable[[Draft], Piece | None]], ...] = (
    (2.0, places.text_search),
    (3.0, places.place_details),
    (5.0, places.nearby_search),
    (0.7, places.reverse_geocode),
    (3.0, ways.compute_routes),
    (1.3, ways.travel_matrix),
    (1.2, ways.search_along_route),
    (0.8, ways.distance_bearing),
    (1.0, ways.open_at),
)
_CALLS = [call for _, call in _MENU]
_WEIGHTS = [weight for weight, _ in _MENU]

_MAX_MISSES = 24
"""Calls in a row that do not fit before a context is taken as it is."""
_MAX_REPAIRS = 12
"""Renderings after which a context is taken though its size is out of bounds."""
_SLACK = 1.05
"""How far above its target a context may end, within the bounds."""
_ENOUGH = 0.96
"""Of its target a context has at least so much, where anything is left to ask."""
_TOKENS_A_TYPE, _MAX_MORE_TYPES = 1_000, 8
"""A context turns around one more type of places for as many tokens."""
_FOREIGN = 0.12
"""Share of contexts in the other one of a town's languages."""
_ASKED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Composed:
    """A context.

    Args:
        forms: its renderings, `text` and `json`.
        num_tokens: of each, estimated.
    """

    scene: Scene
    forms: Mapping[str, str]
    num_tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A piece with its answer, as an item of the context to be."""

    piece: Piece
    params: Mapping[str, Any]
    result: Mapping[str, Any]
    num_tokens: int


@dataclass
class _Gathered:
    """Items of a context so far.

    Args:
        num_tokens: that they take together, about.
        keys: canonical calls that were asked, so that none comes twice.
    """

    num_tokens: int
    shown: list[_Shown] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)


class Composer:
    """Makes contexts about one town.

    Args:
        town: is asked.
    """

    def __init__(self, town: OpenTown) -> None:
        self.town = town

    def compose(self, concern: str, tokens: tuple[int, int]) -> Composed:
        """A context; the same for the same town, concern and bounds.

        Args:
            concern: names the context; another word gives another one.
            tokens: how long its text is, estimated: at least and at most. Its size is drawn log-uniformly from there.
        """
        low, high = tokens
        stream = Stream(self.town.seed, f"{concern} {low}-{high}")
        target = int(math.exp(stream.uniform(math.log(low), math.log(high))))
        draft = self._begin(stream, target)
        title = title_of(stream, self.town.name, draft.home["name"], draft.focus)
        enough = max(low, int(_ENOUGH * target))
        gathered = _Gathered(estimate(title))
        self._gather(draft, gathered, target, int(min(high, _SLACK * target)))
        for _ in range(_MAX_REPAIRS):
            order = stream.shuffled(gathered.shown)
            # What an item takes alone differs a little from what it takes among others, which give its places names.
            gathered.num_tokens = self._num_tokens(title, order)
            if gathered.num_tokens > high and len(order) > 1:
                # What was asked last is what nothing else refers to.
                gathered.num_tokens -= gathered.shown.pop().num_tokens
            elif gathered.num_tokens >= enough or not self._gather(draft, gathered, enough, high):
                break
        return self._rendered(title, order)

    def _begin(self, stream: Stream, target: int) -> Draft:
        town = self.town
        foreign = [language for language in town.summary.languages if language != "en"]
        language = stream.pick(foreign) if foreign and stream.chance(_FOREIGN) else "en"
        landmarks = Landmarks(town, language)
        num_types = stream.integer(1, 4) + min(_MAX_MORE_TYPES, target // _TOKENS_A_TYPE)
        focus = tuple(dict.fromkeys(landmarks.crowded_type(stream) for _ in range(num_types)))
        return Draft(landmarks, language, stream, landmarks.any_place(stream), focus)

    def _gather(self, draft: Draft, gathered: _Gathered, target: int, most: int) -> bool:
        """Adds items until there are `target` tokens, but not more than `most`; tells whether it added any."""
        stream = draft.stream
        before, misses = len(gathered.shown), 0
        while misses < _MAX_MISSES and gathered.num_tokens < target:
            draft.room = target - gathered.num_tokens
            is_first = not gathered.shown and not misses and stream.chance(0.85)
            piece = places.home_first(draft) if is_first else stream.pick_weighted(_CALLS, _WEIGHTS)(draft)
            found = self._ask(piece, gathered.keys) if piece is not None else None
            if found is None or gathered.num_tokens + found.num_tokens > most:
                misses += 1
                continue
            misses = 0
            gathered.num_tokens += found.num_tokens
            gathered.shown.append(found)
            draft.show(places_of(found.result))
        if not gathered.shown:
            raise ConfigError(f"no context of at most {most} tokens can be made; ask for longer ones")
        return len(gathered.shown) > before

    def _ask(self, piece: Piece, asked: set[bytes]) -> _Shown | None:
        """The piece with its answer; None for what was asked before or says nothing."""
        params, result = self.town.answer(piece.tool, piece.params)
        key = canonical({"tool": piece.tool, "params": dict(params)})
        if key in asked or (not piece.may_be_empty and _is_empty(result)):
            return None
        found = _Shown(piece, params, result, 0)
        num_tokens = self._num_tokens("", [found])
        if not num_tokens:
            return None
        asked.add(key)
        return _Shown(piece, params, result, num_tokens)

    def _num_tokens(self, title: str, shown: Sequence[_Shown]) -> int:
        """What a context takes as text."""
        return estimate(render_all(*self._content(title, shown), ("text",))["text"].text)

    def _rendered(self, title: str, shown: Sequence[_Shown]) -> Composed:
        content, stored = self._content(title, shown)
        formats: tuple[Format, ...] = ("text", "json")
        rendered = render_all(content, stored, formats)
        forms: dict[str, str] = {name: rendered[name].text for name in formats}
        asked = tuple(
            Asked(
                index=index,
                tool=one.piece.tool,
                params=one.params,
                result=one.result,
                heading=one.piece.heading,
                shown=frozenset(shown_fields(item, one.piece.tool)),
                show_steps=one.piece.show_steps,
            )
            for index, (one, item) in enumerate(zip(shown, content.items, strict=True))
        )
        num_tokens: dict[str, int] = {name: rendered[name].tokens for name in formats}
        return Composed(Scene(self.town, asked, forms["text"]), forms, num_tokens)

    def _content(self, title: str, shown: Sequence[_Shown]) -> tuple[ContextContent, dict[str, StoredResult]]:
        items, stored = [], {}
        for index, one in enumerate(shown):
            call_id = f"{index:026d}"
            view = View(fields=one.piece.fields, show_steps=one.piece.show_steps)
            kind = ITEM_KIND_OF_TOOL[one.piece.tool]
            items.append(Item(key=f"i{index + 1}", kind=kind, tool_call_id=call_id, title=one.piece.heading, view=view))
            stored[call_id] = StoredResult(
                tool_call_id=call_id,
                tool=one.piece.tool,
                provider=self.town.provider(one.piece.tool),
                adapter_version=1,
                params=dict(one.params),
                result=dict(one.result),
                result_sha="",
                exchanges=(),
                created_at=_ASKED_AT,
                expires_at=None,
            )
        return ContextContent(title=title, items=tuple(items)), stored


def _is_empty(result: Mapping[str, Any]) -> bool:
    """Whether an answer has no row."""
    match result["kind"]:
        case "places" | "along_route":
            return not result["places"]
        case "routes":
            return not result["routes"]
        case "place":
            return "place" not in result
        case _:
            return False
