"""Overpass: what is asked, that no word from outside can change the question, and what its answers mean."""

import re
from typing import Any

import pytest
from cases_overpass import BAD_QUERY, BUSY
from hypothesis import given, settings
from hypothesis import strategies as st
from monaco import HARBOUR

from annotator.errors import InputError, UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.osm_words import called, has_cuisine, holds_words
from annotator.maps.providers.overpass import Overpass
from annotator.maps.providers.overpass_ql import pattern

HERE: dict[str, Any] = {"lat": HARBOUR[0], "lon": HARBOUR[1]}
AROUND = "(around:500.000,43.734700,7.420600)"
HEAD, TAIL = "[out:json][timeout:15];(", ");out tags center 5001;"
STRING = re.compile(r'"[^"]*"')


def built(tool: ToolName, params: dict[str, Any], base_url: str | None = None) -> HttpCall:
    (call,) = Overpass(base_url).build(tool, PARAMS[tool].model_validate(params))
    return call


def query(tool: ToolName, params: dict[str, Any]) -> str:
    call = built(tool, params)
    assert call.form is not None
    ((name, text),) = call.form
    assert name == "data"
    return text


def refused(tool: ToolName, params: dict[str, Any]) -> str:
    with pytest.raises(UnsupportedError) as error:
        built(tool, params)
    return error.value.message


def test_a_query_is_posted_as_a_form() -> None:
    assert built("place_details", {"place_id": "osm:r6"}, "http://127.0.0.1:12345") == HttpCall(
        "POST",
        "http://127.0.0.1:12345/api/interpreter",
        form=(("data", f"{HEAD}relation(6);{TAIL}"),),
    )


def test_all_tags_of_a_type_are_asked_for_around_the_point() -> None:
    assert query("nearby_search", HERE | {"type": "ice_cream", "radius_m": 500}) == (
        f'{HEAD}nwr["amenity"="ice_cream"]{AROUND};nwr["shop"="ice_cream"]{AROUND};{TAIL}'
    )
    assert query("nearby_search", HERE | {"type": "office", "radius_m": 500}) == f'{HEAD}nwr["office"]{AROUND};{TAIL}'


def test_filters_are_part_of_the_question() -> None:
    asked = HERE | {"type": "cafe", "radius_m": 500, "wheelchair": True, "cuisine": "ice cream"}
    asked["open_at"] = "2026-05-05T12:00"
    assert query("nearby_search", asked) == (
        f'{HEAD}nwr["amenity"="cafe"]["cuisine"~"ice.cream",i]["wheelchair"~"^(yes|designated)$"]["opening_hours"]{AROUND};{TAIL}'
    )


def test_without_a_type_named_places_of_any_kind_are_asked_for() -> None:
    asked = query("nearby_search", HERE | {"radius_m": 500})
    assert '[~"^(amenity|shop|tourism|leisure|office|historic|healthcare|craft|natural)$"~"."]["name"]' in asked
    assert "highway" not in asked


def test_every_word_of_a_keyword_must_be_held() -> None:
    asked = query("text_search", HERE | {"query": "Quai Été", "radius_m": 500})
    assert asked.count(",i]") == 2
    assert '~"Quai",i]' in asked
    assert '~"(É|é)t(É|é)",i]' in asked
    assert asked.endswith(f"{AROUND};{TAIL}")


@settings(deadline=None)
@given(st.sampled_from(sorted(CATEGORIES)))
def test_every_type_has_a_query(place_type: str) -> None:
    asked = query("nearby_search", HERE | {"type": place_type})
    assert asked.count("nwr") == len(CATEGORIES[place_type].osm_tags)


NASTY = st.text(
    alphabet=st.sampled_from("abÄß\"\\'[](){};:|~^$.*+?/<>=!,&%\u201d\u0301 \u2028-_0"), min_size=1, max_size=40
)


def _is_text(text: str) -> bool:
    try:
        PARAMS["text_search"].model_validate({"query": text})
    except ValueError:
        return False
    return True


WORDS = (st.text(min_size=1, max_size=40) | NASTY).filter(_is_text)


@settings(deadline=None)
@given(WORDS)
def test_no_keyword_can_change_the_question(keyword: str) -> None:
    """Take the strings away, and what is left is the same for every keyword of so many words."""
    num_words = len(keyword.split())
    plain = {"type": "cafe", "radius_m": 500, "keyword": " ".join(["x"] * num_words), "cuisine": "x"}
    asked = query("nearby_search", HERE | plain | {"keyword": keyword, "cuisine": keyword})
    assert "\\" not in asked
    assert STRING.sub('""', asked) == STRING.sub('""', query("nearby_search", HERE | plain))


@settings(deadline=None)
@given(WORDS, st.text(max_size=10), st.text(max_size=10))
def test_what_a_server_is_asked_for_holds_all_that_is_wanted(word: str, before: str, after: str) -> None:
    """The expression finds the word in any of its cases, so that nothing is lost before it is judged here."""
    for part in word.split():
        for case in (part, part.lower(), part.upper()):
            if len(case) == len(part):
                assert re.search(pattern(part), before + case + after, re.IGNORECASE | re.DOTALL)


def test_words_are_looked_for_in_names_and_kinds_and_not_in_numbers_of_wikidata() -> None:
    tags = {"name:fr": "Café", "brand:wikidata": "Q42", "amenity": "fast_food", "addr:street": "Rue X"}
    assert called(tags, ("name", "brand", "amenity")) == ["Café", "fast_food"]
    assert holds_words("FOOD café", ["Café", "fast_food"])
    assert not holds_words("food thé", ["Café", "fast_food"])
    assert has_cuisine({"cuisine": "pizza; Ice_Cream"}, "ice cream")
    assert not has_cuisine({"cuisine": "ice_cream_cake"}, "ice cream")
    assert not has_cuisine({}, "ice cream")


def test_names_are_looked_for_within_a_circle_only() -> None:
    assert "give lat, lon and radius_m" in refused("text_search", {"query": "Anchor"})
    assert "give lat, lon and radius_m" in refused("text_search", HERE | {"query": "Anchor"})


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"min_rating": 4}, "no ratings"),
        ({"price_levels": [1]}, "no price levels"),
        ({"open_at": "1776-07-04T12:00"}, "between the years 1900 and 9900"),
        ({"rank": "prominence"}, "what is prominent"),
        ({"travel_mode": "walk"}, "no routes"),
    ],
)
def test_what_it_cannot_honour_is_refused_with_the_reason(extra: dict[str, Any], why: str) -> None:
    assert why in refused("nearby_search", HERE | {"type": "cafe"} | extra)


def test_it_has_no_routes() -> None:
    way = {"origin": HERE, "destination": {"lat": 43.73, "lon": 7.42}, "type": "cafe"}
    assert (
        "Overpass has no search_along_route"
        in Overpass().refusals("search_along_route", PARAMS["search_along_route"].model_validate(way))[0]
    )


def test_an_id_that_is_no_object_is_the_callers_mistake() -> None:
    with pytest.raises(InputError, match="n, w or r and a number"):
        built("place_details", {"place_id": "osm:n1);out;"})


def test_a_user_reads_overpass_own_words() -> None:
    provider = Overpass()
    assert provider.error_message(HttpResponse(400, BAD_QUERY.encode())) == (
        "line 1: parse error: Key expected - '%' found."
    )
    assert provider.error_message(HttpResponse(504, BUSY.encode())).startswith("runtime error: open64")
    assert provider.error_message(HttpResponse(502, b"<html>\xff</html>")) == ""


def test_an_answer_says_how_old_its_data_is() -> None:
    dated = HttpResponse(200, b'{"osm3s": {"timestamp_osm_base": "2026-11-20T10:00:00Z"}, "elements": []}')
    assert Overpass().data_vintage(dated) == "OpenStreetMap as of 2026-11-20T10:00:00Z"
    assert Overpass().data_vintage(HttpResponse(200, b'{"elements": []}')) is None
