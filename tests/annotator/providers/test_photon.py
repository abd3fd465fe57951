"""Photon: what is asked, what is refused, and what its answers mean."""

from typing import Any

import pytest
from cases_photon import PAGE, UNKNOWN_LANGUAGE
from monaco import HARBOUR

from annotator.errors import UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.osm_answers import kilometres
from annotator.maps.providers.photon import Photon

PUBLIC = "https://photon.komoot.io"
HERE: dict[str, Any] = {"lat": HARBOUR[0], "lon": HARBOUR[1]}
AT = (("lat", "43.734700"), ("lon", "7.420600"))


def built(tool: ToolName, params: dict[str, Any], base_url: str | None = None) -> HttpCall:
    (call,) = Photon(base_url).build(tool, PARAMS[tool].model_validate(params))
    return call


def refused(params: dict[str, Any]) -> str:
    with pytest.raises(UnsupportedError) as error:
        built("nearby_search", params)
    return error.value.message


def test_a_search_of_the_world_is_a_word_and_a_language() -> None:
    assert built("text_search", {"query": "Tête de Chien", "limit": 7, "language": "fr-CH"}) == HttpCall(
        "GET", f"{PUBLIC}/api", query=(("q", "Tête de Chien"), ("limit", "7"), ("lang", "fr"))
    )


def test_a_position_leans_results_and_a_radius_bounds_them() -> None:
    assert built("text_search", HERE | {"query": "café"}).query[-2:] == AT
    bounded = dict(built("text_search", HERE | {"query": "café", "radius_m": 500}).query)
    assert bounded["limit"] == "50"
    west, south, east, north = (float(edge) for edge in bounded["bbox"].split(","))
    assert south < HARBOUR[0] < north
    assert west < HARBOUR[1] < east
    assert north - south == pytest.approx(2 * 500 / 111_195, rel=1e-3)


def test_what_is_nearby_is_asked_for_by_all_main_tags_of_a_type() -> None:
    asked = HERE | {"type": "newsagent", "radius_m": 750, "limit": 3}
    assert built("nearby_search", asked, "http://127.0.0.1:2322") == HttpCall(
        "GET",
        "http://127.0.0.1:2322/reverse",
        query=(
            *AT,
            ("radius", "0.75"),
            ("osm_tag", "shop:newsagent"),
            ("osm_tag", "shop:kiosk"),
            ("limit", "3"),
            ("dedupe", "0"),
            ("lang", "en"),
        ),
    )
    assert ("osm_tag", "office") in built("nearby_search", HERE | {"type": "office"}).query


def test_the_places_at_a_position_are_as_many_as_asked_for() -> None:
    assert built("reverse_geocode", HERE | {"limit": 4}) == HttpCall(
        "GET", f"{PUBLIC}/reverse", query=(*AT, ("limit", "4"), ("lang", "en"))
    )


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "give a type"),
        ({"type": "subway_station"}, "cannot tell subway_station from others"),
        ({"type": "cafe", "keyword": "anchor"}, "takes no words around a point"),
        ({"type": "cafe", "min_rating": 4}, "no ratings"),
        ({"type": "cafe", "price_levels": [1]}, "no price levels"),
        ({"type": "cafe", "open_at": "2026-05-05T12:00"}, "open at a given time"),
        ({"type": "cafe", "wheelchair": True}, "wheelchair access"),
        ({"type": "cafe", "cuisine": "pizza"}, "by cuisine"),
        ({"type": "cafe", "rank": "prominence"}, "by distance"),
        ({"type": "cafe", "travel_mode": "walk"}, "no routes"),
    ],
)
def test_what_it_cannot_honour_is_refused_with_the_reason(params: dict[str, Any], why: str) -> None:
    assert why in refused(HERE | params)


def test_nearly_every_type_can_be_searched_for() -> None:
    refusals = [
        key
        for key in CATEGORIES
        if Photon().refusals("nearby_search", PARAMS["nearby_search"].model_validate(HERE | {"type": key}))
    ]
    assert refusals == ["subway_station"]


@pytest.mark.parametrize(("metres", "text"), [(1000.0, "1"), (50_000.0, "50"), (0.5, "0.0005"), (1e-9, "0.000001")])
def test_kilometres_are_written_to_the_millimetre_and_are_more_than_nothing(metres: float, text: str) -> None:
    assert kilometres(metres) == text


def test_a_user_reads_photons_own_words() -> None:
    provider = Photon()
    assert "Supported are" in provider.error_message(
        HttpResponse(400, str(UNKNOWN_LANGUAGE).replace("'", '"').encode())
    )
    assert provider.error_message(HttpResponse(502, PAGE.encode())) == ""
