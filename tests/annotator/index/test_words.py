"""Folding, kinds, relations and spelling: what words become before anything is looked up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.maps.categories import CATEGORIES
from annotator.maps.embedded.folding import MAX_WORD_CHARACTERS, STOP_WORDS, fold, telling
from annotator.maps.embedded.query_text import Relation, kinds_meant, splits, without_asking
from annotator.maps.embedded.synonyms import KIND_PHRASES, kinds_of, kinds_of_phrase


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L'Hôtel-Dieu (A.B.C.)", "l hotel dieu abc"),
        ("Straße Łódź Øst Œuvre", "strasse lodz ost oeuvre"),
        ("Salt & Pepper\u2019s", "salt pepper s"),
        ("東京タワー", "東 京 タ ワ ー"),
        ("Ⅻ ½ ﬁsh", "xii 1 2 fish"),
        ("  \t ", ""),
    ],
)
def test_text_folds_to_plain_words(text: str, words: str) -> None:
    assert " ".join(fold(text)) == words


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once(text: str) -> None:
    words = fold(text)
    assert fold(" ".join(words)) == words
    assert all(0 < len(word) <= MAX_WORD_CHARACTERS and word.isalnum() for word in words)


@given(st.lists(st.sampled_from([*sorted(STOP_WORDS), "rue", "mer"]), max_size=6))
def test_there_are_telling_words_wherever_there_are_words(words: list[str]) -> None:
    kept = telling(words)
    assert bool(kept) == bool(words)
    assert kept == tuple(words) or not STOP_WORDS.intersection(kept)


def test_every_type_is_found_by_its_own_name_and_every_phrase_means_its_kind() -> None:
    for key, category in CATEGORIES.items():
        assert key in kinds_of_phrase(telling(fold(category.title)))
    for kind, phrases in KIND_PHRASES.items():
        assert phrases
        assert all(phrase and kind in kinds_of_phrase(phrase) for phrase in phrases)


def test_every_type_is_a_kind_of_its_tags() -> None:
    for key, category in CATEGORIES.items():
        tag, _, value = category.osm_tags[0].partition("=")
        assert kinds_of({tag: value})[0] == key


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [
        ("pharmacies", "pharmacy"),
        ("Apotheken", "pharmacy"),
        ("cafés", "cafe"),
        ("train stations", "train_station"),
        ("stations de métro", "subway_station"),
        ("hôpitaux", "hospital"),
        ("musei", "museum"),
        ("salons de thé", "cafe"),
        ("churches", "religion=christian"),
    ],
)
def test_plurals_mean_what_singulars_mean(phrase: str, kind: str) -> None:
    assert kind in kinds_meant(fold(phrase))


@pytest.mark.parametrize(
    ("query", "what", "relation", "where"),
    [
        ("pharmacy near the harbour", "pharmacy", Relation.NEAR, "the harbour"),
        ("café près de la gare", "cafe", Relation.NEAR, "la gare"),
        ("Hotel in der Nähe des Bahnhofs", "hotel", Relation.NEAR, "bahnhofs"),
        ("bar cerca de la playa", "bar", Relation.NEAR, "la playa"),
        ("bar vicino alla spiaggia", "bar", Relation.NEAR, "spiaggia"),
        ("restaurants in Old Town", "restaurants", Relation.IN, "old town"),
        ("bank on Main Street", "bank", Relation.ON, "main street"),
        ("coffee at the museum", "coffee", Relation.AT, "the museum"),
    ],
)
def test_relations_part_a_query(query: str, what: str, relation: Relation, where: str) -> None:
    split = next(splits(fold(query)))
    assert (" ".join(split.what), split.relation, " ".join(split.where)) == (what, relation, where)


@given(st.lists(st.sampled_from(["near", "in", "the", "rue", "me", "where", "is", "by"]), min_size=1, max_size=7))
def test_readings_are_made_of_the_query_alone(words: list[str]) -> None:
    every = tuple(words)
    for split in splits(every):
        assert split.what
        assert split.where
        assert every[: len(split.what)] == split.what
        assert every[-len(split.where) :] == split.where
    asked = without_asking(every)
    assert asked
    assert " ".join(asked) in " ".join(every)


def test_the_question_around_the_words_goes() -> None:
    assert without_asking(fold("Where is the nearest pharmacy near me?")) == ("pharmacy",)
    assert without_asking(fold("où se trouve la plus proche boulangerie")) == ("boulangerie",)
    assert without_asking(fold("near me")) == ("near", "me")
