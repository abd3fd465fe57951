"""Details, ids, positions, lines and threads."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.geo import haversine_m
from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.results import Place


def one(index: PlaceIndex, query: str) -> Place:
    return index.text_search(TextSearchParams(query=query, language="fr")).places[0]


def at(index: PlaceIndex, lat: float, lon: float, limit: int = 1) -> tuple[Place, ...]:
    return index.reverse_geocode(ReverseGeocodeParams(lat=lat, lon=lon, limit=limit, language="fr")).places


def test_details_are_all_that_the_search_shows(port_sel_index: PlaceIndex) -> None:
    for query in (
        "musée de la mer",
        "12 rue de l'écluse",
        "rue du phare",
        "port-sel",
        "rue du phare & rue de l'écluse",
    ):
        found = one(port_sel_index, query)
        details = port_sel_index.place_details(PlaceDetailsParams(place_id=found.pid, language="fr")).place
        assert details == found
        assert port_sel_index.resolve(found.pid) == (found.lat, found.lon)


def test_details_hold_what_the_tags_say(port_sel_index: PlaceIndex) -> None:
    hotel = one(port_sel_index, "fairwind")
    assert (hotel.kind, hotel.categories, hotel.phone) == ("tourism=hotel", ("hotel",), "+99 1 23 45")
    assert hotel.names == {"ja": "フェアウィンド"}
    assert hotel.address_parts == {"city": "Port-Sel", "district": "Ville Neuve"}
    assert one(port_sel_index, "zampa").attributes == {"cuisine": ["italian"], "stars": "1"}
    assert one(port_sel_index, "phare bleu").attributes == {"outdoor_seating": "yes"}


@pytest.mark.parametrize(
    "pid",
    [
        "osm:n1",
        "town:n999999",
        "town:x1",
        "town:n",
        "town:n-1",
        "town:n1e3",
        "town:n٣",
        "town",
        "",
        "town:n" + "9" * 30,
    ],
)
def test_ids_that_are_not_here_give_nothing(port_sel_index: PlaceIndex, pid: str) -> None:
    assert port_sel_index.resolve(pid) is None
    if ":" in pid and pid != "town:n":
        assert port_sel_index.place_details(PlaceDetailsParams(place_id=pid)).place is None


def test_a_corner_names_its_streets_and_where_they_meet(port_sel_index: PlaceIndex) -> None:
    corner = one(port_sel_index, "rue de l'écluse / rue du phare")
    assert (corner.lat, corner.lon) == (45.005, 5.01)
    streets = [one(port_sel_index, "rue de l'écluse").pid, one(port_sel_index, "rue du phare").pid]
    assert corner.attributes == {"intersection_of": streets}


def test_streets_that_do_not_meet_have_no_corner(port_sel_index: PlaceIndex) -> None:
    found = port_sel_index.text_search(TextSearchParams(query="rue du phare & boulevard saint-elme")).places
    assert [place.name for place in found] == ["Rue du Phare", "Boulevard Saint-Elme"]


def test_a_position_is_at_its_address_then_in_its_area_then_in_its_street(port_sel_index: PlaceIndex) -> None:
    assert at(port_sel_index, 45.00508, 5.01203)[0].address == "12 Rue de l'Écluse, 99001 Port-Sel"
    # Inside the museum, which has no address; the nearest house is far.
    assert at(port_sel_index, 45.0065, 5.0030)[0].name == "Musée de la Mer"
    assert at(port_sel_index, 45.0080, 5.0101)[0].name == "Rue du Phare"
    assert at(port_sel_index, 45.0120, 5.0290)[0].name == "Ville Neuve"
    assert at(port_sel_index, -45.0, 5.0) == ()


def test_areas_around_a_position_come_smallest_first(port_sel_index: PlaceIndex) -> None:
    names = [place.name for place in at(port_sel_index, 45.00508, 5.01203, limit=10)]
    assert names.index("Vieille Ville") < names.index("Port-Sel")


lines = st.lists(
    st.tuples(st.floats(44.998, 45.022), st.floats(4.998, 5.032)), min_size=1, max_size=10
)  # degrees around the town


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, st.sampled_from([30.0, 150.0, 600.0]), st.sampled_from([None, "pharmacy", "cafe"]))
def test_places_along_a_line_are_those_within_the_buffer(
    port_sel_index: PlaceIndex, line: list[tuple[float, float]], buffer_m: float, type: str | None
) -> None:
    found = {place.pid: place for place in port_sel_index.places_along(line, buffer_m, type=type)}
    everything = NearbySearchParams(lat=45.01, lon=5.015, radius_m=5_000, type=type, limit=50)
    for place in port_sel_index.nearby_search(everything).places:
        # The slow, obvious distance: many points of the line, each by the formula of the sphere.
        dense = [line[0]]
        for a, b in pairwise(line):
            steps = max(1, int(haversine_m(a, b) / 5))
            dense += [
                (a[0] + (b[0] - a[0]) * step / steps, a[1] + (b[1] - a[1]) * step / steps)
                for step in range(1, steps + 1)
            ]
        away_m = min(haversine_m(point, (place.lat, place.lon)) for point in dense)
        if place.pid in found:
            assert found[place.pid].distance_m == pytest.approx(away_m, abs=3.0)
        else:
            assert away_m > buffer_m - 0.5
    offsets = [place.offset_m for place in port_sel_index.places_along(line, buffer_m, type=type)]
    assert offsets == sorted(offsets)
    length_m = sum(haversine_m(a, b) for a, b in pairwise(line))
    assert all(-0.01 <= offset <= length_m + 0.01 for offset in offsets)


def test_an_offset_is_the_way_to_the_nearest_point(port_sel_index: PlaceIndex) -> None:
    start, end = (45.0105, 5.0100), (45.0105, 5.0300)
    (pharmacy,) = port_sel_index.places_along([start, (45.0105, 5.0150), end], 20.0, type="pharmacy")
    assert pharmacy.distance_m == pytest.approx(0.0, abs=0.1)
    assert pharmacy.offset_m == pytest.approx(haversine_m(start, (45.0105, 5.0160)), abs=0.5)
    (place,) = port_sel_index.places([pharmacy.pid, "town:n999999"], "fr")
    assert place.name == "Pharmacie du Quai"


def test_many_threads_get_the_answers_of_one(port_sel_index: PlaceIndex) -> None:
    queries = [
        "pharmacy near the harbour",
        "musée",
        "12 rue de l'écluse",
        "casno",
        "rue du phare & rue de l'écluse",
    ] * 20

    def ask(query: str) -> object:
        return port_sel_index.text_search(TextSearchParams(query=query))

    alone = [ask(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, queries)) == alone


def test_the_index_file_is_only_read(port_sel_index: PlaceIndex) -> None:
    # Anything that wrote would fail: the file is opened immutable and read-only.
    with port_sel_index._index.connection() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute("DELETE FROM place")


def test_shapes_are_kept_to_a_metre(port_sel_index: PlaceIndex) -> None:
    beach = one(port_sel_index, "plage")
    with port_sel_index._index.connection() as connection:
        place = port_sel_index._index.place_of(connection, port_sel_index._index.osm(beach.pid) or 0)
        outline = shapely.from_wkb(port_sel_index._index.shapes(connection, [place or 0])[place or 0])
    assert outline.bounds == pytest.approx((5.0200, 45.0010, 5.0280, 45.0030), abs=1e-5)
