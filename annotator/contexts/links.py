"""Map links, codes and coordinates that people paste, read here: no request is ever sent for them.

Known are the links of Google Maps, OpenStreetMap, Apple Maps, Bing Maps, HERE WeGo and Waze, `geo:` addresses
(RFC 5870), plus codes and written coordinates. Shortened links hold nothing but a number that only their server knows.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from pydantic import BaseModel, ConfigDict

from annotator.contexts.codes import geohash, is_short_plus_code, osm_short_link, plus_code
from annotator.contexts.coordinates import checked, read_coordinates
from annotator.errors import InputError
from annotator.geo import LatLon

MAX_CHARACTERS = 4000

_ADVICE = (
    "paste a link of Google Maps, OpenStreetMap, Apple Maps, Bing Maps, HERE or Waze, a geo: address, a full plus code "
    "or coordinates such as 45.39265, -65.32871"
)
_SHORTENED = ("goo.gl", "maps.app.goo.gl", "g.co", "g.page", "maps.apple", "her.is", "binged.it", "aka.ms", "bit.ly")
_OSM_KINDS = {"node": "n", "way": "w", "relation": "r"}
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_AT = re.compile(rf"@({_NUMBER}),({_NUMBER})(?:,(\d+(?:\.\d+)?)z)?")
_GOOGLE_PIN = re.compile(rf"!3d({_NUMBER})!4d({_NUMBER})")
_PAIR = re.compile(rf"\s*({_NUMBER})\s*[,~]\s*({_NUMBER})\s*")
_OSM_MAP = re.compile(rf"(?:^|&)map=(\d+(?:\.\d+)?)/({_NUMBER})/({_NUMBER})")


class Link(BaseModel):
    """What a pasted text points to.

    Args:
        kind: `place` has a provider's id, `point` a position, `search` words to search for.
        lat: of the point; of where to search near.
        zoom: of the map in the link.
        place_id: namespace and id.
        query: words to search for; a point's or place's name where the link has one.
        source: whose link or notation it is.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["point", "place", "search"]
    lat: float | None = None
    lon: float | None = None
    zoom: float | None = None
    place_id: str | None = None
    query: str | None = None
    source: str


def read_link(text: str) -> Link:
    """What a text points to.

    Raises:
        InputError: nothing that can be read without asking somebody; the message says what to do instead.
    """
    text = text.strip().strip("<>").strip()
    if not text or len(text) > MAX_CHARACTERS:
        raise InputError(f"there is nothing to read; {_ADVICE}", param="text")
    if text.lower().startswith("geo:"):
        return _geo(text[4:])
    if re.match(r"(?:https?:)?//", text, re.IGNORECASE) or re.match(
        r"(?:[\w-]+\.)+[a-z]{2,}[/?#]", text, re.IGNORECASE
    ):
        return _from_url(text)
    return _from_text(text, "coordinates")


def _from_text(text: str, source: str) -> Link:
    if found := read_coordinates(text):
        return _point(found, source)
    if found := plus_code(text):
        return _point(found, "plus code")
    if is_short_plus_code(text):
        raise InputError(
            "this plus code is short for one near some town; paste the full code, which has 8 characters before the +",
            param="text",
        )
    raise InputError(f"this is no map link and no coordinates; {_ADVICE}", param="text")


def _from_url(text: str) -> Link:
    try:
        url = urlsplit(text if "//" in text[:8] else f"https://{text}")
        host = (url.hostname or "").removeprefix("www.").removeprefix("m.")
    except ValueError:
        raise InputError(f"this address cannot be read; {_ADVICE}", param="text") from None
    query = {name.lower(): value for name, value in parse_qsl(url.query)}
    if host in _SHORTENED:
        raise InputError(
            "a shortened link says nothing by itself, and MapQaTor asks nobody what it stands for: open it in a "
            "browser and paste the long address that it leads to",
            param="text",
        )
    path = unquote_plus(url.path)
    for is_theirs, read in _SITES:
        if is_theirs(host):
            found = read(path, query, unquote(url.fragment))
            break
    else:
        found = _anybody(path, query, unquote(url.fragment))
    if found is None:
        raise InputError(f"there is no place, position or search in this link; {_ADVICE}", param="text")
    return found


def _google(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    source = "Google Maps"
    if path.startswith("/maps/dir") or "daddr" in query or "destination" in query:
        raise InputError("this link is of directions; paste links of their ends, and use the route tool", param="text")
    at = _AT.search(path)
    zoom = float(at[3]) if at and at[3] else _zoom(query.get("z") or query.get("zoom"))
    steps = [step for step in path.split("/") if step]
    name = steps[2] if len(steps) > 2 and steps[1] in ("place", "search") and not steps[2].startswith("@") else None
    words = query.get("q") or query.get("query") or name
    if place_id := query.get("query_place_id") or _after(words, "place_id:") or query.get("place_id"):
        seen = _words(words) if words and not words.startswith("place_id:") else None
        return _place(f"google:{place_id}", source, seen, zoom)
    if pin := _GOOGLE_PIN.search(path):
        return _point(_checked(pin), source, zoom, name)
    if words:
        # In `/maps/search/cafes/@…` the position is where the map was, in a place's link it is near the place.
        is_place = len(steps) > 1 and steps[1] == "place"
        near = _pair(query.get("ll") or query.get("center") or "") or (_checked(at) if at else None)
        return _point(near, source, zoom, _words(words)) if is_place and near else _found(words, source, near, zoom)
    for key in ("ll", "center", "viewpoint", "sll"):
        if found := _pair(query.get(key, "")):
            return _point(found, source, zoom)
    return _point(_checked(at), source, zoom) if at else None


def _osm(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    source = "OpenStreetMap"
    seen = _OSM_MAP.search(fragment)
    zoom = float(seen[1]) if seen else _zoom(query.get("zoom"))
    view = checked(float(seen[2]), float(seen[3])) if seen else None
    if place := re.match(r"/(?:browse/)?(node|way|relation)/(\d+)", path):
        return _place(f"osm:{_OSM_KINDS[place[1]]}{place[2]}", source, None, zoom)
    for kind, letter in _OSM_KINDS.items():
        if query.get(kind, "").isdigit():
            return _place(f"osm:{letter}{query[kind]}", source, None, zoom)
    if short := re.match(r"/go/(?:[a-z]{2}/)?([^/?]+)", path):
        found = osm_short_link(short[1])
        return None if found is None else _point(found[0], source, found[1])
    if words := query.get("query"):
        return _found(words, source, view, zoom)
    for lat, lon in (("mlat", "mlon"), ("lat", "lon")):
        if position := _pair(f"{query.get(lat, '')},{query.get(lon, '')}"):
            return _point(position, source, zoom)
    if marked := _pair(query.get("marker", "")):
        return _point(marked, source, zoom)
    return None if view is None else _point(view, source, zoom)


def _apple(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    if "daddr" in query or "destination" in query:
        raise InputError("this link is of directions; paste links of their ends, and use the route tool", param="text")
    zoom = _zoom(query.get("z"))
    name = query.get("q") or query.get("name")
    for key in ("ll", "coordinate"):
        if position := _pair(query.get(key, "")):
            return _point(position, "Apple Maps", zoom, name)
    near = next((found for key in ("near", "sll", "center") if (found := _pair(query.get(key, "")))), None)
    if words := name or query.get("address"):
        return _found(words, "Apple Maps", near, zoom)
    return None if near is None else _point(near, "Apple Maps", zoom)


def _bing(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    zoom = _zoom(query.get("lvl"))
    if pin := re.match(rf"point\.({_NUMBER})_({_NUMBER})(?:_([^_~]*))?", query.get("sp", "")):
        return _point(_checked(pin), "Bing Maps", zoom, pin[3] or None)
    view = _pair(query.get("cp", ""))
    if words := query.get("where1") or query.get("q") or query.get("ss"):
        return _found(words, "Bing Maps", view, zoom)
    return None if view is None else _point(view, "Bing Maps", zoom)


def _here(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    if shared := re.match(rf"/l/({_NUMBER}),({_NUMBER})(?:,([^/]*))?", path):
        return _point(_checked(shared), "HERE", _zoom(query.get("z")), shared[3] or None)
    if packed := re.search(r"/p/[a-z]-([A-Za-z0-9+_=-]+)", path):
        fields = _packed_fields(packed[1])
        if position := _pair(f"{fields.get('lat', '')},{fields.get('lon', '')}"):
            return _point(position, "HERE", None, fields.get("n"))
    view = re.match(rf"({_NUMBER}),({_NUMBER})(?:,(\d+(?:\.\d+)?))?", query.get("map", ""))
    zoom = float(view[3]) if view and view[3] else None
    near = _checked(view) if view else None
    if words := re.match(r"/search/([^/]+)", path):
        return _found(words[1], "HERE", near, zoom)
    return None if near is None else _point(near, "HERE", zoom)


def _waze(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    zoom = _zoom(query.get("z") or query.get("zoom"))
    if hashed := re.match(r"/ul/h([0-9a-z]+)", path):
        found = geohash(hashed[1])
        return None if found is None else _point(found, "Waze", zoom)
    for key in ("ll", "latlng", "to"):
        if position := _pair(query.get(key, "").removeprefix("ll.")):
            return _point(position, "Waze", zoom, query.get("q"))
    if position := _pair(f"{query.get('lat', '')},{query.get('lon', '')}"):
        return _point(position, "Waze", zoom)
    return _found(query["q"], "Waze", None, zoom) if query.get("q") else None


def _plus_codes(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    return _from_text(path.strip("/").replace(" ", "+"), "plus code")


def _anybody(path: str, query: Mapping[str, str], fragment: str) -> Link | None:
    """A link of some other site: coordinates that are named so, or written as everybody writes them."""
    for lat, lon in (("lat", "lon"), ("lat", "lng"), ("latitude", "longitude"), ("mlat", "mlon"), ("y", "x")):
        if position := _pair(f"{query.get(lat, '')},{query.get(lon, '')}"):
            return _point(position, "link", _zoom(query.get("zoom") or query.get("z")))
    if at := _AT.search(path):
        return _point(_checked(at), "link", float(at[3]) if at[3] else None)
    if seen := _OSM_MAP.search(fragment):
        return _point(checked(float(seen[2]), float(seen[3])), "link", float(seen[1]))
    if seen := re.fullmatch(rf"(\d+(?:\.\d+)?)/({_NUMBER})/({_NUMBER})(?:/.*)?", fragment):
        return _point(checked(float(seen[2]), float(seen[3])), "link", float(seen[1]))
    return None


def _geo(text: str) -> Link:
    where, _, asked = text.partition("?")
    query = dict(parse_qsl(asked))
    found = re.match(rf"({_NUMBER}),({_NUMBER})(?:,{_NUMBER})?(?:;.*)?$", unquote(where))
    if found is None:
        raise InputError(
            "a geo: address begins with latitude and longitude, such as geo:45.39265,-65.32871", param="text"
        )
    if (crs := re.search(r";crs=([\w-]+)", where, re.IGNORECASE)) and crs[1].lower() != "wgs84":
        raise InputError(f"this geo: address is in {crs[1][:40]}; only WGS 84 is read", param="text")
    position, zoom = _checked(found), _zoom(query.get("z"))
    # Android writes `geo:0,0?q=…` for searches, and a label in brackets behind a pin.
    if words := query.get("q"):
        pin = re.fullmatch(rf"({_NUMBER}),({_NUMBER})(?:\s*\((.*)\))?", words)
        if pin:
            return _point(_checked(pin), "geo:", zoom, pin[3] or None)
        return _found(words, "geo:", None if position == (0, 0) else position, zoom)
    return _point(position, "geo:", zoom)


_SITES: tuple[tuple[Callable[[str], bool], Callable[[str, Mapping[str, str], str], Link | None]], ...] = (
    (lambda host: re.fullmatch(r"(?:maps\.)?google(?:\.[a-z]{2,3}){1,2}", host) is not None, _google),
    (lambda host: host in ("openstreetmap.org", "osm.org", "openstreetmap.de"), _osm),
    (lambda host: host == "maps.apple.com", _apple),
    (lambda host: host == "bing.com" or host.endswith(".bing.com"), _bing),
    (lambda host: host in ("wego.here.com", "share.here.com", "here.com", "maps.here.com"), _here),
    (lambda host: host in ("waze.com", "ul.waze.com", "embed.waze.com"), _waze),
    (lambda host: host == "plus.codes", _plus_codes),
)


def _point(position: LatLon, source: str, zoom: float | None = None, name: str | None = None) -> Link:
    lat, lon = position
    return Link(kind="point", lat=lat, lon=lon, zoom=zoom, query=_words(name) if name else None, source=source)


def _place(place_id: str, source: str, name: str | None, zoom: float | None) -> Link:
    if not re.fullmatch(r"[a-z]+:[\w-]{1,300}", place_id):
        raise InputError("the place's id in this link cannot be read", param="text")
    return Link(kind="place", place_id=place_id, zoom=zoom, query=name, source=source)


def _found(words: str, source: str, near: LatLon | None, zoom: float | None) -> Link:
    """What words in a link mean: a position where they are coordinates or a plus code, else a search."""
    if position := read_coordinates(words) or plus_code(words):
        return _point(position, source, zoom)
    lat, lon = near or (None, None)
    return Link(kind="search", query=_words(words), lat=lat, lon=lon, zoom=zoom, source=source)


def _words(text: str) -> str:
    return " ".join(text.split())[:256]


def _pair(text: str) -> LatLon | None:
    found = _PAIR.fullmatch(text)
    return None if found is None else _checked(found)


def _checked(found: re.Match[str]) -> LatLon:
    return checked(float(found[1]), float(found[2]))


def _zoom(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,2}(?:\.\d+)?", text) else None


def _after(text: str | None, start: str) -> str | None:
    return text.removeprefix(start) if text and text.startswith(start) else None


def _packed_fields(packed: str) -> dict[str, str]:
    """What HERE packs into a place's link: `lat=…;lon=…;n=…` in base64."""
    try:
        text = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return dict(part.split("=", 1) for part in text.split(";") if "=" in part)
