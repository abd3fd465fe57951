"""Text search on a town of our own: what a person types, and what they expect to come first."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import TextSearchParams

FIRST = [
    # Names, whole and in part, in any language, case and spelling.
    ("Musée de la Mer", "Musée de la Mer"),
    ("musee de la mer", "Musée de la Mer"),
    ("Museum of the Sea", "Musée de la Mer"),
    ("Meeresmuseum", "Musée de la Mer"),
    ("mer musée", "Musée de la Mer"),
    ("musée de la m", "Musée de la Mer"),
    ("Zampa and Figli", "Trattoria Zampa & Figli"),
    ("zampa figli", "Trattoria Zampa & Figli"),
    ("フェアウィンド", "Hôtel Fairwind"),
    ("fairwind hotel", "Hôtel Fairwind"),
    ("Hotel Fairwnd", "Hôtel Fairwind"),
    ("fair wind", "Hôtel Fairwind"),
    ("banque du large", "Banque du Large"),
    # Kinds, in five languages, plural, misspelt, asked for in a sentence.
    ("casino", "Casino des Embruns"),
    ("Casno", "Casino des Embruns"),
    ("gare", "Port-Sel-Ville"),
    ("train station", "Port-Sel-Ville"),
    ("Bahnhof", "Port-Sel-Ville"),
    ("stazione", "Port-Sel-Ville"),
    ("estación de tren", "Port-Sel-Ville"),
    ("church", "Église Saint-Elme"),
    ("museums", "Musée de la Mer"),
    ("musem", "Musée de la Mer"),
    ("where is the nearest museum?", "Musée de la Mer"),
    ("wo ist das Museum", "Musée de la Mer"),
    ("plage", "Plage des Mouettes"),
    ("harbor", "Port du Sel"),
    # A kind and another word.
    ("seafood restaurant", "Chez Ondine"),
    ("cash machine banque", "Banque du Large"),
    # Relations.
    ("pharmacy near the harbour", "Pharmacie du Quai"),
    ("pharmcy near the harbor", "Pharmacie du Quai"),
    ("pharmacie près du port", "Pharmacie du Quai"),
    ("Apotheke in der Nähe des Hafens", "Pharmacie du Quai"),
    ("farmacia cerca del puerto", "Pharmacie du Quai"),
    ("farmacia vicino al porto", "Pharmacie du Quai"),
    ("pharmacie port du sel", "Pharmacie du Quai"),
    ("parking near beach", "Parking des Mouettes"),
    ("parking by the station", "Parking de la Gare"),
    ("pharmacy in Old Town", "Pharmacie Ancienne"),
    ("Apotheke in der Altstadt", "Pharmacie Ancienne"),
    ("pharmacie dans la vieille ville", "Pharmacie Ancienne"),
    ("pharmacy ville neuve", "Pharmacie Neuve"),
    ("cafe on Boulevard Saint-Elme", "Le Phare Bleu"),
    # A name that sounds like a relation is a name.
    ("Café de la Gare", "Café de la Gare"),
    # Addresses and streets.
    ("12 Rue de l'Écluse", "12 Rue de l'Écluse"),
    ("rue de l'ecluse 12", "12 Rue de l'Écluse"),
    ("12 rue ecluse port-sel", "12 Rue de l'Écluse"),
    ("7bis bd st elme", "7 bis Boulevard Saint-Elme"),
    ("Rue de l'Écluse", "Rue de l'Écluse"),
    ("rue ecluse", "Rue de l'Écluse"),
    ("99 Rue de l'Écluse", "Rue de l'Écluse"),
    ("blvd saint elme", "Boulevard Saint-Elme"),
    ("Rue du Phare & Rue de l'Écluse", "Rue du Phare & Rue de l'Écluse"),
    ("corner of rue du phare and rue de l'ecluse", "Rue du Phare & Rue de l'Écluse"),
    # Towns and districts.
    ("Port-Sel", "Port-Sel"),
    ("Salt Harbour", "Port-Sel"),
    ("Altstadt", "Vieille Ville"),
]


def names(index: PlaceIndex, query: str, **options: object) -> list[str]:
    """Names of the results, and addresses of those that have none."""
    params = TextSearchParams.model_validate({"query": query, "language": "fr"} | options)
    return [place.name or (place.address or "").partition(",")[0] for place in index.text_search(params).places]


@pytest.mark.parametrize(("query", "first"), FIRST, ids=[query for query, _ in FIRST])
def test_what_is_meant_comes_first(port_sel_index: PlaceIndex, query: str, first: str) -> None:
    assert names(port_sel_index, query)[:1] == [first]


@pytest.mark.parametrize(
    "query",
    ["casino in Ville Neuve", "charging station", "zzyzx", "?!", "*", '"" OR NEAR(', "aquarium near the harbour"],
)
def test_what_the_map_does_not_have_is_not_made_up(port_sel_index: PlaceIndex, query: str) -> None:
    assert names(port_sel_index, query) == []


def test_a_shop_named_like_a_kind_is_found_beside_the_kind(port_sel_index: PlaceIndex) -> None:
    assert names(port_sel_index, "casino")[:2] == ["Casino des Embruns", "Casino"]


def test_a_town_that_is_only_a_point_holds_what_is_nearest_to_it(new_world: Any, index_of: Any) -> None:
    world = new_world()
    world.node(10.0, 20.0, place="town", name="Aville")
    world.node(10.1, 20.0, place="town", name="Beville")
    for north in (0.001, 0.03, 0.045, 0.06, 0.099):
        world.node(10.0 + north, 20.0, amenity="cafe", name=f"Café {north}")
    index = index_of(world)
    assert sorted(names(index, "café in Aville")) == ["Café 0.001", "Café 0.03", "Café 0.045"]
    assert sorted(names(index, "café Beville")) == ["Café 0.06", "Café 0.099"]


def test_results_near_a_relation_come_by_distance(port_sel_index: PlaceIndex) -> None:
    assert names(port_sel_index, "pharmacy near the station") == [
        "Pharmacie Neuve",
        "Pharmacie du Quai",
    ]


def test_a_position_leans_results_to_itself(port_sel_index: PlaceIndex) -> None:
    west, east = {"lat": 45.005, "lon": 5.008}, {"lat": 45.0155, "lon": 5.025}
    assert names(port_sel_index, "pharmacie", **west)[0] == "Pharmacie Ancienne"
    assert names(port_sel_index, "pharmacie", **east)[0] == "Pharmacie Neuve"


def test_a_radius_leaves_out_what_is_farther(port_sel_index: PlaceIndex) -> None:
    found = port_sel_index.text_search(TextSearchParams(query="pharmacie", lat=45.005, lon=5.008, radius_m=300))
    assert [place.name for place in found.places] == ["Pharmacie Ancienne"]
    assert found.places[0].distance_m == pytest.approx(11.1, abs=0.2)


def test_names_come_in_the_asked_for_language(port_sel_index: PlaceIndex) -> None:
    assert names(port_sel_index, "musée", language="de")[0] == "Meeresmuseum"
    assert names(port_sel_index, "musée", language="pt-BR")[0] == "Musée de la Mer"


def test_typed_coordinates_give_what_is_there(port_sel_index: PlaceIndex) -> None:
    assert names(port_sel_index, "45.00511, 5.01201", limit=1) == ["12 Rue de l'Écluse"]


def test_the_limit_cuts_the_list_and_keeps_its_order(port_sel_index: PlaceIndex) -> None:
    everything = names(port_sel_index, "pharmacie")
    assert names(port_sel_index, "pharmacie", limit=2) == everything[:2]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(min_size=1, max_size=60),
        st.lists(
            st.sampled_from(
                ["pharmacy", "near", "the", "NOT", "AND", "OR", '"', "'", "*", "(", ")", ":", "-", "^", "name", "{",
                 "harbour", "rue", "12", "in", "é", "\u0301", "ß", "東京", "--", ";", "DROP TABLE place", "%", "_", "}"]
            ),
            min_size=1,
            max_size=12,
        ).map(" ".join),
    )
)  # fmt: skip
def test_no_text_breaks_the_search(port_sel_index: PlaceIndex, text: str) -> None:
    clean = "".join(
        character for character in text if character.isprintable() and not "\ud800" <= character <= "\udfff"
    )
    if not clean.strip():
        return
    params = TextSearchParams(query=clean)
    assert port_sel_index.text_search(params) == port_sel_index.text_search(params)


def test_every_place_and_street_is_found_by_each_of_its_names(port_sel: Any, port_sel_index: PlaceIndex) -> None:
    for objects in (port_sel.nodes, port_sel.ways, port_sel.relations):
        for *_, tags in objects:
            for name in (value for key, value in tags.items() if key.partition(":")[0] == "name"):
                assert tags["name"] in names(port_sel_index, name), name
