"""A context as a language model reads it: text, Markdown or JSON, made by rules alone.

The same content and results give the same bytes, on any machine and at any time. Whenever a rule changes what some
context looks like, `TEMPLATE_VERSION` goes up: frozen datasets name the version that made them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import ValidationError
from sqlalchemy import Connection

from annotator.cache.json_text import sha256_hex
from annotator.cache.stored_results import StoredResult, load_results
from annotator.contexts.describe import answer_section, gone_section, note_section
from annotator.contexts.document import Document, Section
from annotator.contexts.fields import shown_fields
from annotator.contexts.gazetteer import Gazetteer
from annotator.contexts.json_form import answer_json, gone_json, note_json, write_json
from annotator.contexts.markdown import write_markdown
from annotator.contexts.model import ContextContent, Item
from annotator.contexts.recorded import RESULT
from annotator.contexts.seen import Seen
from annotator.contexts.text import write_text
from annotator.contexts.tokens import estimate
from annotator.contexts.words import clean
from annotator.geo import LatLon
from annotator.maps.results import AlongRoute, Place, PlaceList, PlaceResult, Result

TEMPLATE_VERSION = 1

Format = Literal["text", "json", "markdown"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A context in one format.

    Args:
        sha: sha256 of the text's UTF-8 bytes.
        chars: Unicode code points.
    """

    text: str
    sha: str
    chars: int

    @property
    def tokens(self) -> int:
        """An estimate, made when it is asked for; see `tokens`."""
        return estimate(self.text)


@dataclass(frozen=True, slots=True)
class _Part:
    """An item ready to be told: its call and result, None for a note; `result` is None for what has expired."""

    item: Item
    stored: StoredResult | None
    result: Result | None
    seen: Seen


def render(content: ContextContent, results: Mapping[str, StoredResult], *, format: Format) -> Rendered:
    """A context in one format; see `render_all`."""
    return render_all(content, results, (format,))[format]


def render_all(
    content: ContextContent, results: Mapping[str, StoredResult], formats: Sequence[Format] = FORMATS
) -> dict[Format, Rendered]:
    """A context in several formats, whose results are read once for all of them.

    A note of role `rewrite` takes the place of all other items in text and Markdown; JSON holds it beside them. An
    answer whose storage has ended says so in its place.

    Args:
        results: of the calls that `content` names.

    Raises:
        InputError: a text holds what JSON cannot, such as half a surrogate pair.
    """
    parts = [_part(item, results) for item in content.items]
    document = None if set(formats) == {"json"} else Document(clean(content.title), tuple(_sections(parts)))
    found: dict[Format, Rendered] = {}
    for format in formats:
        if document is None or format == "json":
            text = write_json(content, _json_items(parts))
        else:
            text = write_text(document) if format == "text" else write_markdown(document)
        found[format] = Rendered(text, sha256_hex(text.encode(errors="surrogatepass")), len(text))
    return found


def render_context(connection: Connection, content: ContextContent, now: datetime) -> dict[Format, Rendered]:
    """A context in every format, with its results read from their recordings.

    Raises:
        NotFoundError: a call was not recorded.
        TamperedError: a result is not what was stored.
    """
    results = load_results(connection, content.tool_call_ids, now)
    return render_all(content, results)


def shown_places(content: ContextContent, results: Mapping[str, StoredResult]) -> list[Place]:
    """The places that a context shows, in its order, each id once."""
    found = _places([_part(item, results) for item in content.items])
    return list({place.pid: place for place in reversed(found)}.values())[::-1]


def _part(item: Item, results: Mapping[str, StoredResult]) -> _Part:
    stored = None if item.tool_call_id is None else results.get(item.tool_call_id)
    if stored is None or stored.result is None:
        return _Part(item, stored, None, Seen(None, ()))
    try:
        result = RESULT.validate_python(stored.result)
    except ValidationError:
        # Recorded by a version whose results had another shape: as good as gone.
        return _Part(item, stored, None, Seen(None, ()))
    return _Part(item, stored, result, Seen(stored.result, item.view.hidden))


def _places(parts: Sequence[_Part]) -> list[Place]:
    found: list[Place] = []
    for part in parts:
        if part.seen.is_empty:
            continue
        match part.result:
            case PlaceResult(place=place):
                found += [] if place is None else [place]
            case PlaceList(places=places) | AlongRoute(places=places):
                found += [place for _, place in part.seen.rows(places, "places")]
    return found


def _inside(parts: Sequence[_Part]) -> list[tuple[LatLon, Place]]:
    """Positions that were looked up and found to lie inside a place that is seen, such as a square."""
    found = []
    for part in parts:
        if part.stored is None or part.stored.tool != "reverse_geocode" or part.seen.is_empty:
            continue
        if isinstance(part.result, PlaceList):
            where = (part.stored.params["lat"], part.stored.params["lon"])
            seen = part.seen.rows(part.result.places, "places")
            found += [(where, place) for _, place in seen if place.distance_m == 0 and place.name]
    return found


def _sections(parts: Sequence[_Part]) -> list[Section]:
    if rewrites := [part for part in parts if part.item.kind == "note" and part.item.role == "rewrite"]:
        return [note_section(part.item) for part in rewrites]
    names = Gazetteer(_places(parts), _inside(parts))
    sections = [_section(part, names) for part in parts]
    return [section for section in sections if section is not None]


def _section(part: _Part, names: Gazetteer) -> Section | None:
    if part.item.kind == "note":
        return note_section(part.item)
    if part.stored is None or part.result is None:
        return gone_section(part.item)
    return answer_section(
        part.item,
        part.stored.tool,
        part.stored.params,
        part.result,
        part.seen,
        shown_fields(part.item, part.stored.tool),
        names,
    )


def _json_items(parts: Sequence[_Part]) -> list[dict[str, Any]]:
    names = Gazetteer(())
    items = []
    for part in parts:
        if part.item.kind == "note":
            items.append(note_json(part.item))
        elif part.stored is None or part.result is None:
            tool, provider = ("", "") if part.stored is None else (part.stored.tool, part.stored.provider)
            items.append(gone_json(part.item, tool, provider))
        elif _section(part, names) is not None:
            stored = part.stored
            fields = shown_fields(part.item, stored.tool)
            items.append(answer_json(part.item, stored.tool, stored.provider, stored.params, part.seen, fields))
    return items
