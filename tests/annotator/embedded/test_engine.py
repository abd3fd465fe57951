"""A map as a provider: calls, answers as canonical JSON, provenance, refusals, and maps that come and go."""

import asyncio
import json
import shutil
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import rfc8785

from annotator.errors import (
    InputError,
    MapBuildError,
    NotFoundError,
    StorageError,
    UnsupportedError,
    UpstreamFormatError,
)
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.engine import EmbeddedMap, EmbeddedTransport
from annotator.maps.embedded.library import MapLibrary
from annotator.maps.embedded.stages import Workshop
from annotator.maps.params import PARAMS, ToolName, ToolParams
from annotator.maps.providers.embedded import TOOLS, Embedded
from annotator.maps.results import PlaceList, PlaceResult, Result

HERE, THERE = {"lat": 50.0009, "lon": 10.0014}, {"lat": 50.0081, "lon": 10.0126}

ASKED: dict[ToolName, dict[str, Any]] = {
    "text_search": {"query": "café", "limit": 3},
    "place_details": {"place_id": "osm:n246"},
    "reverse_geocode": HERE,
    "nearby_search": {**HERE, "type": "cafe", "travel_mode": "walk"},
    "compute_routes": {"origin": HERE, "destination": THERE, "alternatives": 1},
    "travel_matrix": {"origins": [HERE, THERE], "destinations": [THERE, {"lat": 40, "lon": 10}]},
    "search_along_route": {"origin": HERE, "destination": THERE, "type": "cafe"},
}


def params_of(tool: ToolName, **changes: Any) -> ToolParams:
    return PARAMS[tool].model_validate(ASKED[tool] | changes)


@pytest.fixture
def library(island_data: Path) -> Any:
    found = MapLibrary(island_data)
    yield found
    found.close()


@pytest.fixture
def provider(island: EmbeddedMap) -> Embedded:
    return Embedded(island.manifest)


def ask(library: MapLibrary, provider: Embedded, tool: ToolName, params: ToolParams) -> Result:
    (call,) = provider.build(tool, params)
    response = asyncio.run(EmbeddedTransport(library).send(call))
    assert provider.build(tool, params, [response]) == ()
    assert provider.is_answer(tool, response)
    return provider.parse(tool, params, [response])


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_is_answered_the_same_by_the_map_and_through_its_provider(
    library: MapLibrary, provider: Embedded, island: EmbeddedMap, tool: ToolName
) -> None:
    params = params_of(tool)
    assert ask(library, provider, tool, params) == island.answer(tool, params)


@pytest.mark.parametrize("tool", TOOLS)
def test_answers_are_canonical_json_and_say_what_they_come_from(
    library: MapLibrary, provider: Embedded, tool: ToolName
) -> None:
    (call,) = provider.build(tool, params_of(tool))
    assert call.url == f"osm://{provider.manifest.build_sha}/{tool}"
    assert call.json == params_of(tool).canonical()
    response = asyncio.run(EmbeddedTransport(library).send(call))
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.body == rfc8785.dumps(json.loads(response.body))
    assert b"null" not in response.body
    vintage = response.data_vintage or ""
    assert provider.manifest.build_sha[:12] in vintage
    assert "valhalla 3.9.1" in vintage
    assert provider.manifest.tiles_sha256[:12] in vintage
    assert "2026-01-02" in vintage


def test_a_provider_says_on_what_terms_it_answers(provider: Embedded) -> None:
    info = provider.info
    assert (info.key, info.namespace, info.licence) == ("probstadt", "osm", "ODbL-1.0")
    assert info.attribution == "© OpenStreetMap contributors"
    assert (info.policy.storage, info.policy.export) == ("keep", "full")
    assert provider.tools == TOOLS
    assert not info.is_commercial
    assert not info.secret_envs


def test_nearby_places_say_how_long_the_way_is(island: EmbeddedMap) -> None:
    found = island.answer("nearby_search", params_of("nearby_search"))
    assert isinstance(found, PlaceList)
    assert len(found.places) > 5
    for place in found.places:
        assert place.travel is not None
        assert place.travel.mode == "walk"
        assert (place.travel.distance_m or 0) >= (place.distance_m or 0) - 60
    without = island.answer("nearby_search", params_of("nearby_search", travel_mode=None))
    assert isinstance(without, PlaceList)
    assert [place.pid for place in without.places] == [place.pid for place in found.places]
    assert all(place.travel is None for place in without.places)


def test_a_place_that_is_not_on_the_map_is_none(library: MapLibrary, provider: Embedded) -> None:
    params = params_of("place_details", place_id="osm:w123456789")
    assert ask(library, provider, "place_details", params) == PlaceResult(place=None)


@pytest.mark.parametrize(
    ("tool", "changes", "says"),
    [
        ("nearby_search", {"min_rating": 4}, "no ratings"),
        ("nearby_search", {"price_levels": [1, 2]}, "no price levels"),
        ("nearby_search", {"travel_mode": "transit"}, "timetables"),
        ("search_along_route", {"min_rating": 3}, "no ratings"),
        ("search_along_route", {"mode": "transit"}, "timetables"),
        ("compute_routes", {"mode": "transit"}, "timetables"),
        ("travel_matrix", {"mode": "transit"}, "timetables"),
    ],
)
def test_what_openstreetmap_does_not_know_is_refused_by_provider_and_map(
    provider: Embedded, island: EmbeddedMap, tool: ToolName, changes: dict[str, Any], says: str
) -> None:
    params = params_of(tool, **changes)
    with pytest.raises(UnsupportedError, match=says):
        provider.build(tool, params)
    with pytest.raises(UnsupportedError, match=says):
        island.answer(tool, params)


@pytest.mark.parametrize(
    ("tool", "changes"),
    [
        ("place_details", {"place_id": "google:abc"}),
        ("compute_routes", {"origin": {"place_id": "town:n1"}}),
        ("search_along_route", {"destination": {"place_id": "google:abc"}}),
        ("travel_matrix", {"destinations": [HERE, {"place_id": "google:abc"}]}),
    ],
)
def test_places_of_other_providers_are_refused(provider: Embedded, tool: ToolName, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="only ids that begin with 'osm:'"):
        provider.build(tool, params_of(tool, **changes))


SWAPPED = {"lat": HERE["lon"], "lon": HERE["lat"]}


@pytest.mark.parametrize(
    ("tool", "changes"),
    [
        ("text_search", SWAPPED),
        ("reverse_geocode", SWAPPED),
        ("nearby_search", SWAPPED),
        ("compute_routes", {"destination": SWAPPED}),
        ("compute_routes", {"intermediates": [SWAPPED], "alternatives": 0}),
        ("travel_matrix", {"origins": [HERE, SWAPPED]}),
        ("search_along_route", {"origin": SWAPPED}),
    ],
)
def test_swapped_coordinates_are_refused_with_a_hint(
    provider: Embedded, tool: ToolName, changes: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="did you swap lat and lon"):
        provider.build(tool, params_of(tool, **changes))


def test_places_far_away_are_an_empty_answer(library: MapLibrary, provider: Embedded) -> None:
    found = ask(library, provider, "nearby_search", params_of("nearby_search", lat=-33.0, lon=151.0))
    assert isinstance(found, PlaceList)
    assert found.places == ()


def test_tools_that_maps_do_not_answer_are_not_found(island: EmbeddedMap) -> None:
    asked = {"origin": HERE, "destination": THERE}
    with pytest.raises(NotFoundError, match="distance_bearing"):
        island.answer("distance_bearing", PARAMS["distance_bearing"].model_validate(asked))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"kind":"places"}', b'{"kind":"routes","routes":[{}]}'])
def test_a_recording_that_is_no_result_is_said_to_be_none(provider: Embedded, body: bytes) -> None:
    with pytest.raises(UpstreamFormatError, match="is no result"):
        provider.parse("text_search", params_of("text_search"), [HttpResponse(200, body)])


def test_a_build_that_is_not_here_any_more_says_what_to_do(library: MapLibrary) -> None:
    call = HttpCall("POST", f"osm://{'0' * 64}/text_search", json={"query": "x"})
    with pytest.raises(NotFoundError, match="replay"):
        asyncio.run(EmbeddedTransport(library).send(call))


def test_parameters_are_checked_however_they_come(library: MapLibrary, provider: Embedded) -> None:
    base = f"osm://{provider.manifest.build_sha}"
    with pytest.raises(InputError, match="lat"):
        asyncio.run(EmbeddedTransport(library).send(HttpCall("POST", f"{base}/reverse_geocode", json={"lat": 999})))
    with pytest.raises(NotFoundError, match="no tool"):
        asyncio.run(EmbeddedTransport(library).send(HttpCall("POST", f"{base}/drop_table", json={})))


def test_the_event_loop_runs_on_while_a_map_answers(library: MapLibrary, provider: Embedded) -> None:
    (call,) = provider.build("travel_matrix", params_of("travel_matrix"))
    threads: set[str] = set()
    original = EmbeddedTransport._answer

    class Watched(EmbeddedTransport):
        def _answer(self, call: HttpCall) -> HttpResponse:
            import threading

            threads.add(threading.current_thread().name)
            return original(self, call)

    asyncio.run(Watched(library).send(call))
    assert "MainThread" not in threads
    assert len(threads) == 1


@pytest.fixture
def data_dir(island_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(island_data, tmp_path / "data"))


def test_the_library_passes_over_what_is_no_map(data_dir: Path) -> None:
    maps = data_dir / "maps"
    (maps / "notes.txt").write_text("mine")
    (maps / "empty").mkdir()
    (maps / "broken").mkdir()
    (maps / "broken" / "manifest.json").write_text("{")
    (maps / ".building-half").mkdir()
    shutil.copy(maps / "probstadt" / "manifest.json", maps / ".building-half" / "manifest.json")
    # A copy under another name would answer in the name of the first.
    shutil.copytree(maps / "probstadt", maps / "copy")
    assert [manifest.name for manifest in MapLibrary(data_dir).manifests()] == ["probstadt"]
    assert MapLibrary(data_dir / "nowhere").manifests() == []


def test_a_map_that_was_built_meanwhile_is_found_and_a_replaced_one_is_gone(data_dir: Path, sketchbook: Any) -> None:
    library = MapLibrary(data_dir)
    old = library.open("probstadt")
    assert library.open("probstadt") is old
    book = sketchbook()
    book.node(50.0, 10.0, {"amenity": "cafe", "name": "Hut"})
    extract = book.write(data_dir / "hut.osm.pbf")
    build_map(str(extract), data_dir=data_dir, name="hut")
    assert [manifest.name for manifest in library.manifests()] == ["hut", "probstadt"]
    built = build_map(str(extract), data_dir=data_dir, name="probstadt")
    assert library.open("probstadt").manifest == built
    with pytest.raises(NotFoundError, match="not on this machine any more"):
        library.open_build(old.manifest.build_sha)
    # Whoever still holds the old map gets the old answers or an error, never a mixture.
    found = old.answer("text_search", params_of("text_search"))
    assert isinstance(found, PlaceList)
    assert found.places[0].name.startswith("Café")
    library.close()
    old.close()


def test_removing_a_map_takes_all_of_it_and_nothing_else(data_dir: Path) -> None:
    library = MapLibrary(data_dir)
    library.open("probstadt")
    library.remove("probstadt")
    assert list((data_dir / "maps").iterdir()) == []
    with pytest.raises(NotFoundError, match="there is no map 'probstadt'"):
        library.open("probstadt")
    with pytest.raises(NotFoundError):
        library.remove("probstadt")


@pytest.mark.parametrize("name", ["..", "../data", "/etc", ".building-x", "", "probstadt/../probstadt"])
def test_only_maps_are_removed(data_dir: Path, name: str) -> None:
    with pytest.raises(NotFoundError):
        MapLibrary(data_dir).remove(name)
    assert (data_dir / "maps" / "probstadt" / "manifest.json").is_file()


def test_a_map_that_is_being_built_is_not_removed(data_dir: Path) -> None:
    library = MapLibrary(data_dir)
    with Workshop(data_dir / "maps", "probstadt"), pytest.raises(MapBuildError, match="another process"):
        library.remove("probstadt")
    assert library.manifest("probstadt").name == "probstadt"


@pytest.mark.parametrize("part", ["index.sqlite", "basemap.sqlite", "valhalla/tiles.tar"])
def test_a_map_with_a_part_missing_or_cut_off_is_not_opened(data_dir: Path, part: str) -> None:
    path = data_dir / "maps" / "probstadt" / part
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StorageError, match=f"{Path(part).name}.*build it again"):
        MapLibrary(data_dir).open("probstadt")
    path.unlink()
    with pytest.raises(StorageError, match="build it again"):
        MapLibrary(data_dir).open("probstadt")


def test_a_folder_without_a_map_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="mapqator map build"):
        EmbeddedMap(tmp_path)


def test_many_threads_open_a_map_once(data_dir: Path) -> None:
    library = MapLibrary(data_dir)
    opened: list[EmbeddedMap] = []
    threads = [Thread(target=lambda: opened.append(library.open("probstadt"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in opened}) == 1
    assert len(opened) == 6
    library.close()
