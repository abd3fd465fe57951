"""Nominatim: what is asked, what is refused, and what its answers mean."""

from typing import Any

import pytest
from cases_nominatim import FORBIDDEN
from monaco import HARBOUR

from annotator.errors import InputError, UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.provider import RateLimit
from annotator.maps.providers.nominatim import Nominatim

PUBLIC = "https://nominatim.openstreetmap.org"
DETAILS = (("format", "jsonv2"), ("addressdetails", "1"), ("extratags", "1"), ("namedetails", "1"))


def built(tool: ToolName, params: dict[str, Any], base_url: str | None = None) -> HttpCall:
    (call,) = Nominatim(base_url).build(tool, PARAMS[tool].model_validate(params))
    return call


def test_a_search_of_the_world_asks_for_names_tags_and_address() -> None:
    assert built("text_search", {"query": "Tête de Chien", "limit": 7, "language": "fr"}) == HttpCall(
        "GET",
        f"{PUBLIC}/search",
        query=(("q", "Tête de Chien"), *DETAILS, ("accept-language", "fr"), ("limit", "7")),
    )


def test_a_position_leans_results_and_a_radius_bounds_them() -> None:
    here = {"query": "café", "lat": HARBOUR[0], "lon": HARBOUR[1]}
    assert built("text_search", here).query[-2:] == (
        ("viewbox", "7.171670,43.554836,7.669530,43.914564"),
        ("bounded", "0"),
    )
    bounded = dict(built("text_search", here | {"radius_m": 500}).query)
    assert bounded["bounded"] == "1"
    assert bounded["limit"] == "40"
    west, south, east, north = (float(edge) for edge in bounded["viewbox"].split(","))
    assert south < HARBOUR[0] < north
    assert west < HARBOUR[1] < east
    assert north - south == pytest.approx(2 * 500 / 111_195, rel=1e-3)


@pytest.mark.parametrize(("place_id", "osm_ids"), [("osm:n1", "N1"), ("osm:w45", "W45"), ("osm:r6", "R6")])
def test_details_are_looked_up_by_object_and_never_by_place_id(place_id: str, osm_ids: str) -> None:
    assert built("place_details", {"place_id": place_id}, "http://127.0.0.1:8088/") == HttpCall(
        "GET",
        "http://127.0.0.1:8088/lookup",
        query=(("osm_ids", osm_ids), *DETAILS, ("accept-language", "en")),
    )


@pytest.mark.parametrize("place_id", ["google:ChIJx", "osm:x1", "osm:n0", "osm:n-4", "osm:N12", "osm:n1,N2", "osm:n१"])
def test_what_is_no_object_of_openstreetmap_is_not_asked_about(place_id: str) -> None:
    with pytest.raises(InputError) as error:
        built("place_details", {"place_id": place_id})
    assert error.value.param == "place_id"


def test_a_position_has_one_address() -> None:
    assert built("reverse_geocode", {"lat": 43.7347, "lon": 7.4206}) == HttpCall(
        "GET",
        f"{PUBLIC}/reverse",
        query=(("lat", "43.734700"), ("lon", "7.420600"), ("zoom", "18"), *DETAILS, ("accept-language", "en")),
    )
    with pytest.raises(UnsupportedError, match="one place for a position, not 5"):
        built("reverse_geocode", {"lat": 43.7347, "lon": 7.4206, "limit": 5})


def test_there_is_no_search_around_a_point() -> None:
    reasons = Nominatim().refusals("nearby_search", PARAMS["nearby_search"].model_validate({"lat": 1, "lon": 2}))
    assert reasons == ["Nominatim has no nearby_search; it has text_search, place_details, reverse_geocode"]


def test_the_usage_policy_is_kept() -> None:
    info = Nominatim.info
    assert info.rate_limit == RateLimit(interval_s=1.0, burst=1)
    assert info.needs_contact
    assert info.is_public_service
    assert not info.policy.autocomplete


def test_a_user_reads_nominatims_own_words() -> None:
    provider = Nominatim()
    assert provider.error_message(HttpResponse(400, b'{"error": {"code": 400, "message": "Nope"}}')) == "Nope"
    assert provider.error_message(HttpResponse(400, b'{"error": "Nope"}')) == "Nope"
    assert provider.error_message(HttpResponse(403, FORBIDDEN.encode())) == ""
