"""Equal questions have equal keys, different ones different keys, and no secret is in a key."""

import hashlib
import json
import math
import random
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from annotator.cache.keys import normalised, request_key
from annotator.errors import InputError
from annotator.maps.calls import HttpCall, Secret

SECRET = "kR7-very-secret-value"

words = st.text(string.ascii_letters + string.digits + " äß,|&=?%/", min_size=1, max_size=12)
names = st.text(string.ascii_lowercase, min_size=1, max_size=4)
pairs = st.lists(st.tuples(names, words), max_size=5).map(tuple)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | words
bodies = st.dictionaries(
    names | st.sampled_from(["lat", "lng", "points", "coordinates"]),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)),
    max_size=4,
)
calls = st.one_of(
    st.builds(HttpCall, st.just("GET"), st.just("https://atlas.example/search"), query=pairs),
    st.builds(HttpCall, st.just("POST"), st.just("https://atlas.example/search"), query=pairs, json=bodies),
    st.builds(HttpCall, st.just("POST"), st.just("https://atlas.example/search"), form=pairs),
)


def key_of(call: HttpCall) -> str:
    return request_key("atlas", call).sha256


def shuffled_by_name(items: tuple[tuple[str, str], ...], rng: random.Random) -> tuple[tuple[str, str], ...]:
    """Another order in which the values of each name come as before."""
    order = [name for name, _ in items]
    rng.shuffle(order)
    values = {name: [value for other, value in items if other == name] for name in order}
    return tuple((name, values[name].pop(0)) for name in order)


def reordered(value: Any, rng: random.Random) -> Any:
    """Equal JSON whose objects have another order, with members that are null here and there."""
    if isinstance(value, dict):
        items = [(name, reordered(item, rng)) for name, item in value.items()]
        rng.shuffle(items)
        return dict(items) | ({"zzzzz": None} if rng.random() < 0.5 else {})
    return [reordered(item, rng) for item in value] if isinstance(value, list) else value


@given(calls, st.randoms(use_true_random=False))
def test_the_order_of_names_and_members_that_are_null_are_irrelevant(call: HttpCall, rng: random.Random) -> None:
    other = replace(
        call,
        query=shuffled_by_name(call.query, rng),
        json=reordered(call.json, rng),
        form=None if call.form is None else shuffled_by_name(call.form, rng),
    )
    assert request_key("atlas", other) == request_key("atlas", call)


def test_the_order_of_values_of_one_name_matters() -> None:
    there = HttpCall("GET", "https://atlas.example/route", query=(("point", "1,2"), ("point", "3,4")))
    assert key_of(there) != key_of(replace(there, query=there.query[::-1]))


@given(calls, pairs, names)
def test_secrets_and_session_tokens_neither_matter_nor_appear(
    call: HttpCall, volatile: tuple[tuple[str, str], ...], secret_name: str
) -> None:
    taken = {name for name, _ in call.query}
    assume(secret_name not in taken and not taken & {name for name, _ in volatile})
    loaded = replace(
        call,
        url=call.url.replace("https://", f"HTTPS://me:{SECRET}@").replace("example/", "EXAMPLE:443/"),
        query=(*volatile, (secret_name, SECRET), *call.query),
        headers={"X-Api-Key": SECRET, "authorization": f"Bearer {SECRET}", "cookie": SECRET, "user-agent": "us"},
        secrets=(Secret("ATLAS_KEY", secret_name, "query"), Secret("ATLAS_KEY", "x-api-key")),
        volatile=frozenset(name for name, _ in volatile),
    )
    key = request_key("atlas", loaded)
    assert key == request_key("atlas", call)
    assert SECRET not in repr(key)


@given(calls, calls, st.sampled_from(["atlas", "other"]))
def test_different_requests_have_different_keys(one: HttpCall, two: HttpCall, provider: str) -> None:
    def meaning(call: HttpCall) -> str:
        tidy = normalised(call)
        query = sorted(tidy.query, key=lambda pair: pair[0])
        # 7 and 7.0 are one number in JSON, and so are all whole floats and their integers.
        return json.dumps([call.method, query, whole(tidy.json), tidy.form], sort_keys=True)

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: whole(item) for name, item in value.items()}
        if isinstance(value, list):
            return [whole(item) for item in value]
        return float(value) + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value

    same = meaning(one) == meaning(two) and provider == "atlas"
    assert (request_key("atlas", one).sha256 == request_key(provider, two).sha256) == same


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"url": "http://atlas.example/search"},
        {"url": "https://atlas.example:8443/search"},
        {"url": "https://atlas.example/Search"},
        {"url": "https://other.example/search"},
        {"query": (("q", "bar"),)},
        {"query": (("Q", "cafe"),)},
        {"query": (("q", "cafe"), ("q", "cafe"))},
        {"headers": {"accept-language": "fr"}},
        {"headers": {"x-goog-fieldmask": "places.id"}},
        {"json": {}},
        {"form": ()},
    ],
)
def test_everything_that_changes_the_answer_is_in_the_key(change: dict[str, Any]) -> None:
    call = HttpCall("GET", "https://atlas.example/search", query=(("q", "cafe"),))
    assert key_of(replace(call, **change)) != key_of(call)


def test_field_masks_are_sets_and_header_names_have_no_case() -> None:
    call = HttpCall("GET", "https://atlas.example/", headers={"x-goog-fieldmask": "places.id,places.name"})
    assert key_of(call) == key_of(replace(call, headers={"X-Goog-FieldMask": "places.name, places.id,places.id"}))


def test_a_query_in_the_address_counts_as_query() -> None:
    one = HttpCall("GET", "https://atlas.example/search?q=a%20b&lang=", query=(("limit", "3"),))
    two = HttpCall("GET", "https://atlas.example/search", query=(("limit", "3"), ("lang", ""), ("q", "a b")))
    assert request_key("atlas", one) == request_key("atlas", two)
    assert request_key("atlas", one).redacted_url == "https://atlas.example/search?lang=&limit=3&q=a+b"


@pytest.mark.parametrize(("one", "two"), [(7.0, 7), (-0.0, 0), (1e3, 1000), (0.1, 1e-1), (1e21, 10**3 * 1e18)])
def test_how_a_number_is_written_is_irrelevant(one: float, two: float) -> None:
    def key(value: float) -> str:
        return key_of(HttpCall("POST", "https://atlas.example/", json={"radius": value}))

    assert key(one) == key(two)


coordinates = st.floats(-180, 180)


@given(coordinates, coordinates)
def test_coordinates_that_differ_beyond_six_decimals_are_one_question_and_are_sent_as_hashed(
    lat: float, lon: float
) -> None:
    def call(y: float, x: float) -> HttpCall:
        body = {
            "lat": y,
            "center": [x, y],
            "locations": [{"lat": y, "lon": x}, [x, y]],
            "area": {"type": "Polygon", "coordinates": [[[x, y], [y, x]]]},
            "circle": {"center": {"latitude": y, "longitude": x}},
            "radius": y,
        }
        return HttpCall("POST", "https://atlas.example/", json=body)

    exact, sent = call(lat, lon), normalised(call(lat, lon))
    x, y = round(lon, 6), round(lat, 6)
    assert sent.json == {**call(y, x).json, "radius": lat}
    assert normalised(sent) == sent
    assert key_of(sent) == key_of(exact)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, "\ud800", {1, 2}])
def test_what_json_cannot_hold_is_refused_in_one_line(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        request_key("atlas", HttpCall("POST", "https://atlas.example/", json={"value": value}))
    assert "\n" not in caught.value.message


def test_the_key_of_a_known_request_never_changes() -> None:
    # Recordings are found by this hash; another one would orphan every recording there is.
    call = HttpCall(
        "POST",
        "https://atlas.example/search",
        query=(("limit", "5"), ("key", "x")),
        headers={"accept-language": "en"},
        json={"lat": 43.73841761, "name": "Café", "open": None},
        secrets=(Secret("ATLAS_KEY", "key", "query"),),
    )
    key = request_key("atlas", call)
    text = (
        '{"headers":{"accept-language":"en"},"json":{"lat":43.738418,"name":"Café"},"method":"POST",'
        '"provider":"atlas","query":[["limit","5"]],"url":"https://atlas.example/search","v":1}'
    )
    assert key.canonical_json == text
    assert key.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert key.body_sha == hashlib.sha256('{"lat":43.738418,"name":"Café"}'.encode()).hexdigest()
    assert key.redacted_url == "https://atlas.example/search?limit=5"
