"""Nearby searches, judged by a scan of everything with the formula of the sphere."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.errors import InputError
from annotator.geo import haversine_m, round_degrees
from annotator.maps.embedded.index import build_index
from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import NearbySearchParams

type Opener = Callable[..., PlaceIndex]

TYPES = {"cafe": ("amenity", "cafe"), "pharmacy": ("amenity", "pharmacy"), "bakery": ("shop", "bakery")}
WORDS = ("blue", "royal", "corner", "olive")
CUISINES = ("pizza", "sushi;ramen", "ice_cream")

CENTRES = {
    "at home": (47.0, 8.5),
    "on the equator": (0.0, -3.0),
    "by the pole": (89.9, 40.0),
    "far south": (-78.5, 166.6),
    "on the antimeridian": (-16.8, 179.999),
}


@dataclass(frozen=True)
class Scattered:
    pid: str
    lat: float
    lon: float
    tags: Mapping[str, str]


@pytest.fixture(scope="module")
def scattered(
    new_world: type, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PlaceIndex, list[Scattered]]]:
    """Seventy places around each of five positions, some in the same spot, with tags at random."""
    random = Random(7)
    world = new_world()
    places = []
    for lat, lon in CENTRES.values():
        for number in range(70):
            # Every tenth stands where the one before it does.
            if number % 10 or not places:
                where = (
                    round_degrees(max(-90.0, min(90.0, lat + random.gauss(0, 0.01)))),
                    round_degrees((lon + random.gauss(0, 0.01) + 180.0) % 360.0 - 180.0),
                )
            key, value = TYPES[random.choice(sorted(TYPES))]
            tags = {key: value, "name": " ".join(random.sample(WORDS, random.randint(1, 2)))}
            if random.random() < 0.4:
                tags["wheelchair"] = random.choice(["yes", "no", "limited", "designated"])
            if random.random() < 0.4:
                tags["cuisine"] = random.choice(CUISINES)
            number = world.node(*where, **tags)
            places.append(Scattered(f"osm:n{number}", *where, tags))
    folder = tmp_path_factory.mktemp("scattered")
    build_index(world.write(folder / "scattered.osm.pbf"), folder / "places")
    with PlaceIndex(folder / "places") as index:
        yield index, places


def scan(places: list[Scattered], params: NearbySearchParams) -> list[tuple[float, Scattered]]:
    """The slow, obvious answer: everything that passes the filters, by distance."""
    found = []
    for place in places:
        distance_m = haversine_m((params.lat, params.lon), (place.lat, place.lon))
        cuisines = place.tags.get("cuisine", "").replace("_", " ").split(";")
        passes = (
            distance_m <= params.radius_m
            and (params.type is None or place.tags.get(TYPES[params.type][0]) == TYPES[params.type][1])
            and (params.keyword is None or params.keyword in place.tags["name"].split())
            and (not params.wheelchair or place.tags.get("wheelchair") in ("yes", "designated"))
            and (params.cuisine is None or params.cuisine in cuisines)
        )
        if passes:
            found.append((distance_m, place))
    return sorted(found, key=lambda item: item[0])


searches = st.builds(
    lambda centre, north, east, **rest: NearbySearchParams(
        lat=max(-90.0, min(90.0, centre[0] + north)), lon=(centre[1] + east + 180.0) % 360.0 - 180.0, **rest
    ),
    centre=st.sampled_from(sorted(CENTRES.values())),
    north=st.floats(-0.02, 0.02),
    east=st.floats(-0.02, 0.02),
    radius_m=st.one_of(st.floats(1.0, 3_000.0), st.sampled_from([10.0, 1_000.0, 50_000.0])),
    type=st.sampled_from([None, *sorted(TYPES)]),
    keyword=st.sampled_from([None, None, *WORDS]),
    wheelchair=st.sampled_from([None, None, True, False]),
    cuisine=st.sampled_from([None, None, "pizza", "ramen", "ice cream"]),
    limit=st.integers(1, 50),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(searches)
def test_nearby_is_what_a_scan_of_everything_finds(
    scattered: tuple[PlaceIndex, list[Scattered]], params: NearbySearchParams
) -> None:
    index, places = scattered
    expected = scan(places, params)
    found = index.nearby_search(params)
    assert found.total == len(expected)
    assert [place.distance_m for place in found.places] == [
        pytest.approx(distance_m, abs=0.051) for distance_m, _ in expected[: params.limit]
    ]
    distances = {place.pid: distance_m for distance_m, place in expected}
    assert len({place.pid for place in found.places}) == len(found.places)
    for place in found.places:
        assert place.distance_m == pytest.approx(distances[place.pid], abs=0.051)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(searches)
def test_prominence_orders_the_same_places_by_prominence_and_then_distance(
    scattered: tuple[PlaceIndex, list[Scattered]], params: NearbySearchParams
) -> None:
    index, _ = scattered
    everything = index.nearby_search(params.model_copy(update={"limit": 50}))
    ranked = index.nearby_search(params.model_copy(update={"rank": "prominence", "limit": 50}))
    assert ranked.total == everything.total
    keys = [(-(place.prominence or 0.0), place.distance_m or 0.0) for place in ranked.places]
    assert keys == sorted(keys)


def test_a_place_on_the_very_edge_is_in_and_a_centimetre_less_leaves_it_out(new_world: type, index_of: Opener) -> None:
    world = new_world()
    world.node(10.0, 20.0, amenity="cafe", name="Edge")
    index = index_of(world)
    edge_m = haversine_m((10.003, 20.004), (10.0, 20.0))
    inside = index.nearby_search(NearbySearchParams(lat=10.003, lon=20.004, radius_m=edge_m + 1e-6))
    outside = index.nearby_search(NearbySearchParams(lat=10.003, lon=20.004, radius_m=edge_m - 0.01))
    assert (inside.total, outside.total) == (1, 0)


def test_equally_far_places_come_by_id(new_world: type, index_of: Opener) -> None:
    world = new_world()
    for name in "abcdef":
        # The later ones are the better known, which must not matter.
        world.node(10.0, 20.0, amenity="cafe", name=name, **({"website": "https://x.example"} if name > "c" else {}))
    index = index_of(world)
    for limit in (2, 6):
        found = index.nearby_search(NearbySearchParams(lat=10.0, lon=20.001, limit=limit))
        assert [place.name for place in found.places] == list("abcdef")[:limit]


def test_an_area_is_as_far_as_the_point_that_is_shown_for_it(new_world: type, index_of: Opener) -> None:
    world = new_world()
    world.box(10.0, 20.0, 10.01, 20.02, leisure="park", name="Green")
    index = index_of(world)
    center = (10.001, 20.001)
    (park,) = index.nearby_search(NearbySearchParams(lat=center[0], lon=center[1], radius_m=5_000)).places
    assert (park.lat, park.lon) == (10.005, 20.01)
    assert park.distance_m == pytest.approx(haversine_m(center, (park.lat, park.lon)), abs=0.05)


def test_open_at_knows_days_zones_and_what_cannot_be_read(port_sel_index: PlaceIndex) -> None:
    def open_at(time: str) -> list[str]:
        params = {"lat": 45.01, "lon": 5.015, "radius_m": 3000, "open_at": time, "language": "fr"}
        return sorted(place.name for place in port_sel_index.nearby_search(NearbySearchParams(**params)).places)

    museum, pharmacy, cafe = "Musée de la Mer", "Pharmacie du Quai", "Café de la Gare"
    assert open_at("2024-05-13T11:00:00") == [cafe, pharmacy]  # a Monday
    assert open_at("2024-05-14T11:00:00") == [cafe, museum, pharmacy]
    assert open_at("2024-05-14T21:00:00") == [cafe]
    # The town lies in France: 19 hours in UTC are 21 there, in summer.
    assert open_at("2024-05-14T19:00:00Z") == [cafe]
    assert open_at("2024-05-14T09:00:00+02:00") == [cafe, pharmacy]


def test_hours_that_say_nothing_are_not_open(new_world: type, index_of: Opener) -> None:
    world = new_world()
    for hours in ("whenever", "Mo-Su unknown", "off", ""):
        world.node(10.0, 20.0, amenity="cafe", name="A", opening_hours=hours)
    found = index_of(world).nearby_search(NearbySearchParams(lat=10.0, lon=20.0, open_at="2024-05-13T11:00:00"))
    assert found.total == 0


def test_keywords_are_whole_words_of_names_kinds_and_tags_in_any_spelling(port_sel_index: PlaceIndex) -> None:
    def with_keyword(keyword: str) -> list[str]:
        params = NearbySearchParams(lat=45.01, lon=5.015, radius_m=3000, keyword=keyword, language="fr")
        return [place.name for place in port_sel_index.nearby_search(params).places]

    assert with_keyword("MUSEE") == ["Musée de la Mer"]
    assert with_keyword("meeresmuseum") == ["Musée de la Mer"]
    assert with_keyword("terrasse") == ["Le Phare Bleu"]
    assert sorted(with_keyword("italian restaurants")) == ["Chez Ondine", "Trattoria Zampa & Figli"]
    assert with_keyword("muse") == []
    assert with_keyword("écluse") == []  # streets are no places of interest, and addresses do not count


def test_a_keyword_without_letters_is_refused(port_sel_index: PlaceIndex) -> None:
    with pytest.raises(InputError, match="letters or digits"):
        port_sel_index.nearby_search(NearbySearchParams(lat=45.0, lon=5.0, keyword="***"))


def test_places_carry_provider_namespace_and_no_rating(port_sel_index: PlaceIndex) -> None:
    found = port_sel_index.nearby_search(NearbySearchParams(lat=45.01, lon=5.015, radius_m=3000))
    assert {place.provider for place in found.places} == {"port-sel"}
    assert all(place.pid.startswith("town:") for place in found.places)
    assert all(place.rating is None and place.price_level is None for place in found.places)
    assert all(0.0 <= (place.prominence or 0.0) <= 1.0 for place in found.places)
