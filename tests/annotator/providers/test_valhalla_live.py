"""Valhalla's adapter against a real Valhalla on the loopback: on Monaco where the data is, and on a town made here."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import osmium
import pytest
import valhalla
from monaco import CASINO, GARDEN, HARBOUR, PALACE, stop
from osmium.osm.mutable import Node, Way

from annotator.errors import UpstreamError
from annotator.geo import LatLon, decode_shape, haversine_m, shape_length_m
from annotator.maps.calls import HttpResponse
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.valhalla import Valhalla
from annotator.maps.results import Matrix, Route, RouteList
from tests.ports import free_port

PROGRAMS = Path(valhalla.__file__).parent / "bin"

SIZE = 9
"""Streets of a block of the town in each direction; Valhalla distrusts networks of fewer than 50 corners."""

SPACING_DEG = 0.003


@dataclass(frozen=True)
class Block:
    """A grid of residential streets, 330 m apart."""

    south: float
    west: float
    first_id: int

    def corner(self, row: int, column: int) -> LatLon:
        return round(self.south + row * SPACING_DEG, 6), round(self.west + column * SPACING_DEG, 6)

    def node(self, row: int, column: int) -> int:
        return self.first_id + row * SIZE + column


MAINLAND = Block(10.0, 20.0, 1)
FERRY_ISLAND = Block(10.0, 20.06, 1001)
LONELY_ISLAND = Block(10.06, 20.0, 2001)


def write_town(path: Path) -> None:
    """Three blocks: a mainland with a toll motorway along its diagonal, an island with a ferry, and one without."""
    with osmium.SimpleWriter(str(path)) as writer:
        for block in (MAINLAND, FERRY_ISLAND, LONELY_ISLAND):
            for row, column in itertools.product(range(SIZE), repeat=2):
                lat, lon = block.corner(row, column)
                writer.add_node(Node(id=block.node(row, column), location=(lon, lat)))
        ways = [
            ([block.node(*pair) for pair in line], {"highway": "residential", "name": name})
            for block in (MAINLAND, FERRY_ISLAND, LONELY_ISLAND)
            for name, line in [
                *((f"Street {row}", [(row, column) for column in range(SIZE)]) for row in range(SIZE)),
                *((f"Avenue {column}", [(row, column) for row in range(SIZE)]) for column in range(SIZE)),
            ]
        ]
        ends = [MAINLAND.node(0, 0), MAINLAND.node(SIZE - 1, SIZE - 1)]
        motorway = {"highway": "motorway", "name": "Toll Road", "oneway": "yes", "toll": "yes", "maxspeed": "120"}
        ways += [(ends, motorway), (ends[::-1], motorway)]
        crossing = [MAINLAND.node(0, SIZE - 1), FERRY_ISLAND.node(0, 0)]
        ways.append((crossing, {"route": "ferry", "name": "Island Ferry", "motor_vehicle": "yes", "foot": "yes"}))
        for way_id, (nodes, tags) in enumerate(ways, start=1):
            writer.add_way(Way(id=way_id, nodes=nodes, tags=tags))


@dataclass(frozen=True)
class Service:
    """A running Valhalla, asked as the adapter would have it asked."""

    provider: Valhalla
    client: httpx.Client

    def send(self, tool: ToolName, params: dict[str, Any]) -> tuple[Any, list[HttpResponse]]:
        parsed = PARAMS[tool].model_validate(params)
        responses: list[HttpResponse] = []
        while calls := self.provider.build(tool, parsed, responses):
            for call in calls:
                answer = self.client.request(call.method, call.url, params=call.query or None, json=call.json)
                responses.append(HttpResponse(answer.status_code, answer.content))
        return parsed, responses

    def ask(self, tool: ToolName, params: dict[str, Any]) -> Any:
        parsed, responses = self.send(tool, params)
        assert all(self.provider.is_answer(tool, response) for response in responses)
        return self.provider.parse(tool, parsed, responses)

    def route(self, origin: LatLon, destination: LatLon, **more: Any) -> Route:
        found: RouteList = self.ask("compute_routes", {"origin": stop(origin), "destination": stop(destination)} | more)
        return found.routes[0]


def start(folder: Path, pbf: Path) -> Iterator[Service]:
    """Builds tiles of an extract, serves them until the tests are done, and stops."""
    tiles = folder / "tiles"
    tiles.mkdir()
    config = valhalla.get_config(tile_extract="", tile_dir=str(tiles))
    port = free_port()
    config["httpd"]["service"] |= {
        "listen": f"tcp://127.0.0.1:{port}",
        "loopback": f"ipc://{folder}/loopback",
        "interrupt": f"ipc://{folder}/interrupt",
        "drain_seconds": 0,
        "shutdown_seconds": 0,
    }
    for stage in ("loki", "thor", "odin"):
        config[stage]["service"]["proxy"] = f"ipc://{folder}/{stage}"
    config_path = folder / "valhalla.json"
    config_path.write_text(json.dumps(config))
    subprocess.run([PROGRAMS / "valhalla_build_tiles", "-c", config_path, pbf], check=True, capture_output=True)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([PROGRAMS / "valhalla_service", config_path, "1"], stdout=log, stderr=log)
    try:
        with httpx.Client(timeout=60) as client:
            deadline = time.monotonic() + 60
            while not ready(client, port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "Valhalla is not ready after a minute"
                time.sleep(0.01)
            yield Service(Valhalla(f"http://127.0.0.1:{port}"), client)
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()


def ready(client: httpx.Client, port: int) -> bool:
    try:
        return client.get(f"http://127.0.0.1:{port}/status").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("town")
    write_town(folder / "town.osm.pbf")
    yield from start(folder, folder / "town.osm.pbf")


@pytest.fixture(scope="module")
def monaco(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Service]:
    extracts = sorted((shared_data / "osm").glob("monaco-*.osm.pbf"))
    if not extracts:
        pytest.skip(f"needs an extract of Monaco in {shared_data / 'osm'}, which is not here")
    yield from start(tmp_path_factory.mktemp("monaco"), extracts[0])


def assert_sane(route: Route, stops: list[LatLon]) -> None:
    """The shape is as long as the route says, the legs and steps add up to it, and it goes from stop to stop."""
    shape = decode_shape(route.geometry)
    assert shape_length_m(shape) == pytest.approx(route.distance_m, rel=0.01, abs=5)
    assert sum(leg.distance_m for leg in route.legs) == pytest.approx(route.distance_m, abs=len(route.legs))
    assert sum(leg.duration_s for leg in route.legs) == pytest.approx(route.duration_s, abs=1)
    for leg in route.legs:
        assert sum(step.distance_m for step in leg.steps) == pytest.approx(leg.distance_m, abs=len(leg.steps))
        assert all(step.text for step in leg.steps)
        assert leg.steps[0].maneuver
        assert leg.steps[-1].distance_m == 0
    assert len(route.legs) == len(stops) - 1
    assert haversine_m(shape[0], stops[0]) < 100
    assert haversine_m(shape[-1], stops[-1]) < 100
    assert route.distance_m >= sum(haversine_m(a, b) for a, b in itertools.pairwise(stops)) * 0.9 - 100


@pytest.mark.parametrize("mode", ["drive", "walk", "bicycle", "motorcycle"])
def test_every_mode_has_a_way_whose_parts_add_up(monaco: Service, mode: str) -> None:
    route = monaco.route(CASINO, PALACE, mode=mode, intermediates=[stop(GARDEN)])
    assert_sane(route, [CASINO, GARDEN, PALACE])
    assert route.mode == mode
    assert route.summary


def test_alternatives_are_other_ways_between_the_same_ends(monaco: Service) -> None:
    found: RouteList = monaco.ask(
        "compute_routes", {"origin": stop(CASINO), "destination": stop(PALACE), "alternatives": 2}
    )
    assert 2 <= len(found.routes) <= 3
    for route in found.routes:
        assert_sane(route, [CASINO, PALACE])
    assert len({route.geometry for route in found.routes}) == len(found.routes)


@pytest.mark.parametrize("mode", ["drive", "walk"])
def test_a_matrix_says_what_the_routes_say(monaco: Service, mode: str) -> None:
    origins, destinations = [CASINO, HARBOUR], [PALACE, GARDEN, CASINO]
    matrix: Matrix = monaco.ask(
        "travel_matrix",
        {
            "origins": [stop(point) for point in origins],
            "destinations": [stop(point) for point in destinations],
            "mode": mode,
        },
    )
    for origin, row in zip(origins, matrix.cells, strict=True):
        for destination, cell in zip(destinations, row, strict=True):
            route = monaco.route(origin, destination, mode=mode)
            # The two services search differently and may settle for ways that cost almost the same.
            assert cell.duration_s == pytest.approx(route.duration_s, rel=0.05, abs=2)
            assert cell.distance_m == pytest.approx(route.distance_m, rel=0.05, abs=5)


def test_instructions_come_in_the_language_asked_for(monaco: Service) -> None:
    german = monaco.route(CASINO, PALACE, language="de-AT")
    assert "fahren" in german.legs[0].steps[0].text
    assert german.warnings == ()
    elsewhere = monaco.route(CASINO, PALACE, language="zh-CN")
    assert elsewhere.warnings == ("the instructions are in en-US, because this Valhalla has none in zh-CN",)


def test_the_streets_of_a_grid_are_as_long_as_they_were_drawn(town: Service) -> None:
    origin, destination = MAINLAND.corner(1, 1), MAINLAND.corner(1, 6)
    route = town.route(origin, destination, mode="walk")
    assert_sane(route, [origin, destination])
    assert route.summary == "Street 1"
    assert route.distance_m == pytest.approx(haversine_m(origin, destination), rel=0.01)
    assert (route.has_toll, route.has_highway, route.has_ferry) == (False, False, False)


def test_avoiding_tolls_leaves_the_motorway_for_the_streets(town: Service) -> None:
    ends = MAINLAND.corner(0, 0), MAINLAND.corner(SIZE - 1, SIZE - 1)
    fast = town.route(*ends)
    assert fast.summary == "Toll Road"
    assert (fast.has_toll, fast.has_highway) == (True, True)
    free = town.route(*ends, avoid=["tolls"])
    assert free.has_toll is False
    assert "Toll Road" not in free.summary
    assert free.duration_s > fast.duration_s
    matrix = {"origins": [stop(ends[0])], "destinations": [stop(ends[1])]}
    for route, avoid in ((fast, []), (free, ["tolls"])):
        ((cell,),) = town.ask("travel_matrix", matrix | {"avoid": avoid}).cells
        assert cell.distance_m == pytest.approx(route.distance_m, rel=0.01)


def test_a_way_that_needs_what_was_to_be_avoided_says_so(town: Service) -> None:
    ends = MAINLAND.corner(4, 4), FERRY_ISLAND.corner(4, 4)
    assert town.route(*ends).has_ferry is True
    assert "no way was found without ferries" in town.route(*ends, avoid=["ferries"]).warnings


def test_an_optimized_order_is_the_quickest_of_all_orders(town: Service) -> None:
    origin, destination = MAINLAND.corner(0, 1), MAINLAND.corner(7, 0)
    between = [MAINLAND.corner(6, 6), MAINLAND.corner(1, 3), MAINLAND.corner(5, 1), MAINLAND.corner(2, 7)]
    best = town.route(
        origin, destination, mode="walk", intermediates=[stop(point) for point in between], optimize_order=True
    )
    assert_sane(best, [origin, *(between[index] for index in best.waypoint_order), destination])
    durations_s = {
        order: town.route(
            origin, destination, mode="walk", intermediates=[stop(between[index]) for index in order]
        ).duration_s
        for order in itertools.permutations(range(len(between)))
    }
    assert best.duration_s == pytest.approx(min(durations_s.values()), abs=1)
    assert durations_s[best.waypoint_order] == pytest.approx(best.duration_s, abs=1)


def test_an_island_without_a_ferry_is_an_answer_without_a_way(town: Service) -> None:
    ends = {"origin": stop(MAINLAND.corner(4, 4)), "destination": stop(LONELY_ISLAND.corner(4, 4))}
    found: RouteList = town.ask("compute_routes", ends)
    assert found.routes == ()
    assert found.reason == "there is no way between the stops for this mode of travel"


def test_a_matrix_knows_some_ways_where_others_are_missing(town: Service) -> None:
    matrix: Matrix = town.ask(
        "travel_matrix",
        {
            "origins": [stop(MAINLAND.corner(4, 4))],
            "destinations": [stop(MAINLAND.corner(1, 1)), stop(LONELY_ISLAND.corner(4, 4))],
        },
    )
    ((there, nowhere),) = matrix.cells
    assert there.duration_s
    assert (nowhere.duration_s, nowhere.distance_m) == (None, None)


def test_a_point_off_the_map_is_an_answer_for_a_route_and_an_error_for_a_matrix(town: Service) -> None:
    off_map = {"lat": 12.0, "lon": 25.0}
    found: RouteList = town.ask("compute_routes", {"origin": stop(MAINLAND.corner(0, 0)), "destination": off_map})
    assert found.routes == ()
    assert found.reason is not None
    assert "no road near" in found.reason
    _, (response,) = town.send("travel_matrix", {"origins": [stop(MAINLAND.corner(0, 0))], "destinations": [off_map]})
    assert not town.provider.is_answer("travel_matrix", response)
    assert town.provider.error_message(response)


def test_a_stop_in_the_sea_is_moved_to_a_road_with_a_warning(town: Service) -> None:
    at_sea = MAINLAND.corner(0, 0)[0] - 0.02, MAINLAND.corner(0, 0)[1]
    route = town.route(at_sea, MAINLAND.corner(4, 4), mode="walk")
    (warning,) = [text for text in route.warnings if text.startswith("the origin")]
    assert warning == "the origin is 2224 m from the road that the way takes"


def test_too_many_stops_are_an_error_in_valhallas_words(town: Service) -> None:
    corners = [MAINLAND.corner(row, column) for row, column in itertools.product(range(3), range(SIZE))]
    parsed, (response,) = town.send(
        "compute_routes",
        {
            "origin": stop(corners[0]),
            "destination": stop(corners[-1]),
            "intermediates": [stop(point) for point in corners[1:24]],
        },
    )
    assert not town.provider.is_answer("compute_routes", response)
    with pytest.raises(UpstreamError, match="Exceeded max locations"):
        town.provider.parse("compute_routes", parsed, [response])
