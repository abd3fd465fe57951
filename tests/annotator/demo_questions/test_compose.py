"""Contexts have the size that was asked for, and whatever they are about stands among what is near to it."""

import json
from collections import Counter

import pytest

from annotator.contexts.tokens import estimate
from annotator.demo.questions.compose import Composed, Composer
from annotator.demo.questions.scene import places_of
from annotator.demo.questions.town import OpenTown
from annotator.errors import ConfigError


@pytest.fixture(scope="module")
def composer(town: OpenTown) -> Composer:
    """Composes about the town."""
    return Composer(town)


@pytest.fixture(scope="module")
def several(composer: Composer) -> list[Composed]:
    """Contexts of middle length."""
    return [composer.compose(f"several {number}", (300, 1500)) for number in range(24)]


@pytest.mark.parametrize(("low", "high"), [(200, 240), (200, 2000), (3000, 3600), (15000, 18000)])
def test_the_text_is_as_long_as_was_asked_for(composer: Composer, low: int, high: int) -> None:
    for number in range(8 if high < 3000 else 1):
        composed = composer.compose(f"sizes {number}", (low, high))
        assert low <= composed.num_tokens["text"] <= high
        assert composed.num_tokens == {name: estimate(text) for name, text in composed.forms.items()}


def test_short_contexts_are_as_frequent_as_long_ones(several: list[Composed]) -> None:
    sizes = [composed.num_tokens["text"] for composed in several]
    # Half of a log-uniform draw from 300 to 1500 is below 671.
    assert 6 <= sum(size < 671 for size in sizes) <= 18


def test_a_context_depends_on_its_name_and_bounds_alone(town: OpenTown, composer: Composer) -> None:
    first = composer.compose("a", (300, 600))
    assert Composer(town).compose("a", (300, 600)).forms == first.forms
    assert composer.compose("b", (300, 600)).forms != first.forms


def test_a_scene_holds_every_item_with_the_call_behind_it(several: list[Composed]) -> None:
    for composed in several:
        items = json.loads(composed.forms["json"])["items"]
        assert [item["tool"] for item in items] == [asked.tool for asked in composed.scene.asked]
        assert [item.get("title", "") for item in items] == [asked.heading for asked in composed.scene.asked]
        assert composed.scene.text == composed.forms["text"]
        for asked in composed.scene.asked:
            if asked.heading:
                assert asked.heading in composed.scene.text
        names = composed.scene.names()
        assert len(set(names)) == len(names)
        assert all(name in composed.scene.text for name in names)


def test_no_call_stands_in_a_context_twice(several: list[Composed]) -> None:
    for composed in several:
        calls = [(asked.tool, json.dumps(asked.params, sort_keys=True)) for asked in composed.scene.asked]
        assert len(set(calls)) == len(calls)


def test_places_stand_among_others_of_their_type(several: list[Composed]) -> None:
    crowded = 0
    for composed in several:
        places = {place["pid"]: place for asked in composed.scene.asked for place in places_of(asked.result)}
        types = Counter(kind for place in places.values() for kind in place["categories"])
        crowded += bool(types) and max(types.values()) > 1
    assert crowded > len(several) / 2


def test_contexts_differ_in_looks(several: list[Composed]) -> None:
    documents = [json.loads(composed.forms["json"]) for composed in several]
    shown = {(asked.tool, asked.shown) for composed in several for asked in composed.scene.asked}
    assert {bool(document["title"]) for document in documents} == {True, False}
    assert {"title" in item for document in documents for item in document["items"]} == {True, False}
    assert len(shown) > 40
    assert {asked.show_steps for composed in several for asked in composed.scene.asked} == {True, False}
    tools = Counter(asked.tool for composed in several for asked in composed.scene.asked)
    assert len(tools) == 9


def test_a_context_that_no_call_fits_into_is_refused(composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"no context of at most [0-9]+ tokens can be made; ask for longer ones"):
        composer.compose("tiny", (8, 12))
