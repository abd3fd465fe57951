"""Text search on a real town: what somebody there would expect, first or among the first three."""

import pytest

from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import TextSearchParams

FIRST = [
    # Names in several languages, misspelt, without accents, unfinished.
    ("Prince's Palace", "Prince's Palace of Monaco"),
    ("Fürstenpalast", "Prince's Palace of Monaco"),
    ("furstenpalast", "Prince's Palace of Monaco"),
    ("princess palace", "Prince's Palace of Monaco"),
    ("oceanografic museum", "Oceanographic Museum"),
    ("musee oceano", "Oceanographic Museum"),
    ("japanese garden", "Japanese Garden"),
    ("hotel fairmont", "Fairmont"),
    ("hermitage hotel", "Hermitage"),
    ("Hôtel de Paris", "Hôtel de Paris"),
    ("cafe de paris", "Café de Paris"),
    ("stars n bars", "Stars \u2019n\u2019 Bars"),
    ("mcdonalds", "McDonald's"),
    ("yacht club", "Yacht Club de Monaco"),
    ("port hercule", "Port Hercule de Monaco"),
    ("stade louis 2", "Stade Louis-II"),
    ("rose garden", "Princess Grace Rose Garden"),
    ("st devote church", "Chapelle Sainte-Dévote"),
    ("Le Rocher", "Monaco-Ville"),
    ("montecarlo", "Monte-Carlo"),
    ("Monaco", "Monaco"),
    ("モナコ", "Monaco"),
    ("Larvotto", "Larvotto"),
    # Kinds.
    ("casino", "Monte-Carlo Casino and Opera House"),
    ("Casno", "Monte-Carlo Casino and Opera House"),
    ("train station", "Monaco - Monte Carlo"),
    ("gare", "Monaco - Monte Carlo"),
    ("Bahnhof", "Monaco - Monte Carlo"),
    ("museum", "Oceanographic Museum"),
    ("musem", "Oceanographic Museum"),
    ("ospedale", "Princess Grace Hospital"),
    ("heliport", "Héliport de Monaco"),
    ("cathedral", "Saint Nicholas Cathedral"),
    ("synagogue", "Synagogue de Monaco"),
    ("beach", "Larvotto beach"),
    ("ferry", "Terminal Croisiere"),
    ("university", "International University of Monaco"),
    ("town hall", "Mairie de Monaco"),
    # Relations.
    ("supermarket near casino", "Spar"),
    ("cafés near casino square", "Café de Paris"),
    ("hotels by the beach", "Le Meridien Beach Plaza"),
    ("hotel près de la gare", "Novotel"),
    ("bakery on rue grimaldi", "L'Épi d'Or"),
    # Streets, squares, addresses, corners.
    ("Avenue Princesse Grace", "Avenue Princesse Grace"),
    ("princess grace avenue", "Avenue Princesse Grace"),
    ("bvd des moulins", "Boulevard des Moulins"),
    ("bd albert 1er", "Boulevard Albert 1er"),
    ("place du casino", "Casino Square"),
    ("10, rue de la Turbie, Monaco", "Mickey\u2019s Pizza"),
    ("rue grimaldi 6", "L'Épi d'Or"),
    ("Rue Grimaldi & Rue Princesse Caroline", "Rue Grimaldi & Rue Princesse Caroline"),
]

TYPES = [
    ("Apotheke", "pharmacy"),
    ("pharmacie port hercule", "pharmacy"),
    ("pharmcy near the harbor", "pharmacy"),
    ("farmacia cerca del puerto", "pharmacy"),
    ("resturant", "restaurant"),
    ("restaurants in Monte-Carlo", "restaurant"),
    ("ristorante vicino al casino", "restaurant"),
    ("super market", "supermarket"),
    ("bus stop", "bus_stop"),
    ("parking near beach", "parking"),
    ("gym", "gym"),
    ("cash machine near rue grimaldi", "atm"),
    ("playground in fontvieille", "playground"),
    ("where is the nearest pharmacy", "pharmacy"),
]

AMONG_FIRST = [
    ("pizza", "Pizza Boutique"),
    ("casino", "Casino"),
    ("grimaldi", "Rue Grimaldi"),
    ("opera", "Opéra de Monaco"),
    ("jardin exotique", "Jardin Exotique"),
    ("supermarché", "Carrefour"),
]


@pytest.mark.parametrize(("query", "name"), FIRST, ids=[query for query, _ in FIRST])
def test_the_place_that_is_meant_comes_first(monaco_index: PlaceIndex, query: str, name: str) -> None:
    assert [place.name for place in monaco_index.text_search(TextSearchParams(query=query)).places[:1]] == [name]


@pytest.mark.parametrize(("query", "type"), TYPES, ids=[query for query, _ in TYPES])
def test_all_the_first_are_of_the_kind_that_is_meant(monaco_index: PlaceIndex, query: str, type: str) -> None:
    places = monaco_index.text_search(TextSearchParams(query=query, limit=2)).places
    assert len(places) == 2
    assert all(type in place.categories for place in places)


@pytest.mark.parametrize(("query", "name"), AMONG_FIRST, ids=[query for query, _ in AMONG_FIRST])
def test_the_place_is_among_the_first(monaco_index: PlaceIndex, query: str, name: str) -> None:
    places = monaco_index.text_search(TextSearchParams(query=query, limit=4)).places
    assert name in [place.name for place in places]


@pytest.mark.parametrize("query", ["casino in Fontvieille", "nail salon", "asdfghjkl", "McMurdo research station"])
def test_what_monaco_does_not_have_is_not_made_up(monaco_index: PlaceIndex, query: str) -> None:
    assert monaco_index.text_search(TextSearchParams(query=query)).places == ()


def test_restaurants_in_a_district_are_all_in_it(monaco_index: PlaceIndex) -> None:
    found = monaco_index.text_search(TextSearchParams(query="restaurants in Monte-Carlo", limit=20)).places
    assert len(found) == 20
    parts = [place.address_parts for place in found]
    # Some addresses give the district as their city.
    assert {said.get("district", said["city"]) for said in parts} == {"Monte-Carlo"}
