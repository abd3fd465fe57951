"""Names are right in every language: tables are complete, French contracts as it should, nothing is left in braces."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opening_hours import OpeningHours

from annotator.demo.anchors import ANCHORS, Projection, choose_anchor, filled
from annotator.demo.names.words import LANGUAGES, brands, fill, of_french, of_street, plain, shown, tables
from annotator.demo.places.catalogue import KINDS
from annotator.demo.places.details import contact, slug
from annotator.demo.places.hours import STYLES, hours
from annotator.demo.stream import Stream


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("(la) Vieille Ville", "de la Vieille Ville"),
        ("(le) Quartier du Port", "du Quartier du Port"),
        ("les Hauts-du-Moulin", "des Hauts-du-Moulin"),
        ("l'Allée-des-Ormes", "de l'Allée-des-Ormes"),
        ("(l') Aulne", "de l'Aulne"),
        ("Anse-des-Bergers", "d'Anse-des-Bergers"),
        ("Havre-des-Aulnes", "de Havre-des-Aulnes"),
        ("Port-Fougère", "de Port-Fougère"),
    ],
)
def test_french_contracts_de_with_articles_and_before_vowels(name: str, of: str) -> None:
    assert of_french(name) == of


@pytest.mark.parametrize(
    ("street", "of"),
    [
        ("Rue du Port", "de la rue du Port"),
        ("Quai du Port", "du quai du Port"),
        ("Avenue du Parc", "de l'avenue du Parc"),
        ("Grand-Rue", "de la Grand-Rue"),
    ],
)
def test_french_streets_take_the_article_of_their_kind(street: str, of: str) -> None:
    assert of_street(street) == of


def test_an_article_in_brackets_is_not_shown_and_another_is() -> None:
    assert plain("(la) Vieille Ville") == "Vieille Ville"
    assert plain("le Mont") == "Le Mont"
    names = {"en": "Old Town", "fr": "(la) Vieille Ville", "de": "Altstadt"}
    assert shown(names, ("en", "fr")) == {"name": "Old Town", "name:en": "Old Town", "name:fr": "Vieille Ville"}


def test_every_row_of_every_table_is_there_in_all_languages_with_the_same_braces() -> None:
    known = {"first", "last", "district", "street", "town", "river", "stem"}
    for table, rows in tables().items():
        assert rows, table
        for row in rows:
            assert all(row.names[language].strip() for language in LANGUAGES), (table, row)
            used = [
                {part.partition("}")[0].removeprefix("of ") for part in row.names[language].split("{")[1:]}
                for language in LANGUAGES
            ]
            assert used[0] == used[1] == used[2], (table, row)
            assert used[0] <= known, (table, row)


def test_every_kind_of_place_has_names_and_hours_that_exist() -> None:
    for kind in KINDS:
        assert kind.key in tables() or kind.key in brands(), kind.key
        assert kind.hours == "-" or kind.hours in STYLES, kind.key
    assert set(brands()) <= {kind.key for kind in KINDS}
    assert 470 <= sum(kind.number for kind in KINDS) <= 530


def test_filling_a_template_leaves_nothing_in_braces() -> None:
    words = {
        "district": {"en": "Millfield", "fr": "le Champ-du-Moulin", "de": "Mühlenfeld"},
        "street": {"en": "Harbour Street", "fr": "Rue du Port", "de": "Hafenstraße"},
    }
    template = {
        "en": "{district} Nursery in {street}",
        "fr": "Garderie {of district} {of street}",
        "de": "Kita {district}",
    }
    assert fill(template, words) == {
        "en": "Millfield Nursery in Harbour Street",
        "fr": "Garderie du Champ-du-Moulin de la rue du Port",
        "de": "Kita Mühlenfeld",
    }


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: anchor.key)
def test_all_opening_hours_of_all_trades_are_understood_where_the_towns_are(anchor: object) -> None:
    assert anchor in ANCHORS
    where = ANCHORS[ANCHORS.index(anchor)]
    stream = Stream(3, "hours")
    coords = Projection(where).degrees((0.0, 200.0))
    for style in STYLES:
        for _ in range(8):
            OpeningHours(hours(style, stream), coords=coords)
    holiday = {"CA": datetime.date(2025, 7, 1), "FR": datetime.date(2025, 7, 14), "DE": datetime.date(2025, 10, 3)}
    noon = datetime.datetime.combine(holiday[where.country_code], datetime.time(12))
    assert not OpeningHours("Mo-Su 08:00-18:00; PH off", coords=coords).is_open(noon)


@given(name=st.text(min_size=1, max_size=30))
def test_web_addresses_are_ascii_and_belong_to_nobody(name: str) -> None:
    assert slug(name).isascii()
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    tags = contact(ANCHORS[0], "Café Jolicœur", Stream(len(name), name))
    if "website" in tags:
        assert tags["website"] in [f"https://cafe-jolicoeur.example.{end}" for end in ("com", "org", "net")]


@given(seed=st.integers(0, 10**9))
def test_phone_numbers_have_the_digits_of_their_country_and_no_pattern_left(seed: int) -> None:
    anchor = choose_anchor(seed)
    phone = filled(anchor.phone, Stream(seed, "phone"))
    assert phone[:4] == anchor.phone[:4]
    assert "#" not in phone
    assert len(phone) == len(anchor.phone)
