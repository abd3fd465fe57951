"""A town opened in memory answers as the annotator does, and no split shares one with another."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.assembly import open_service
from annotator.cache.json_text import canonical
from annotator.cache.stored_results import load_results
from annotator.contexts.model import ContextContent, Item, View
from annotator.contexts.render import render_context
from annotator.demo.questions.compose import Composed, Composer
from annotator.demo.questions.splits import SPLITS, split_of, town_seed
from annotator.demo.questions.town import PROVIDER, OpenTown
from annotator.demo.sizes import SMALL
from annotator.demo.town import DEFAULT_SEED, build_town
from annotator.errors import ConfigError, InputError
from annotator.maps.embedded.build import build_map
from annotator.maps.params import PARAMS
from annotator.settings import Settings
from annotator.store.times import utc_now


@pytest.fixture(scope="module")
def data_dir_of_town(town: OpenTown, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of the annotator with the same town, built the usual way."""
    folder = tmp_path_factory.mktemp("annotator")
    build_town(town.seed, folder / "town.osm.pbf", size=SMALL)
    build_map(str(folder / "town.osm.pbf"), data_dir=folder, name=PROVIDER)
    return folder


def _recorded(folder: Path, composed: Composed, title: str) -> dict[str, str]:
    """The annotator's renderings of the same calls, recorded in its database and read back."""

    async def record() -> dict[str, str]:
        async with open_service(Settings(data_dir=folder)) as service:
            items = []
            for asked in composed.scene.asked:
                params = PARAMS[asked.tool].model_validate(asked.params)
                local = asked.tool in ("distance_bearing", "open_at")
                answer = await service.call(asked.tool, params, provider=None if local else PROVIDER)
                view = View(fields=tuple(sorted(asked.shown)), show_steps=asked.show_steps)
                items.append(
                    Item(
                        key=f"k{asked.index}",
                        kind=json.loads(composed.forms["json"])["items"][asked.index]["kind"],
                        tool_call_id=answer.id,
                        title=asked.heading,
                        view=view,
                    )
                )
            content = ContextContent(title=title, items=tuple(items))
            with service.store.database.reading() as connection:
                stored = load_results(connection, content.tool_call_ids, utc_now())
                for item, asked in zip(content.items, composed.scene.asked, strict=True):
                    assert stored[item.tool_call_id].params == asked.params
                    assert stored[item.tool_call_id].result == asked.result
                rendered = render_context(connection, content, utc_now())
            return {name: rendered[name].text for name in ("text", "json")}

    return asyncio.run(record())


def test_contexts_are_byte_for_byte_what_the_annotator_renders_of_the_same_calls(
    town: OpenTown, data_dir_of_town: Path
) -> None:
    composer = Composer(town)
    tools = set()
    for tokens in ((300, 600), (5000, 6500)):
        composed = composer.compose("as the annotator", tokens)
        title = json.loads(composed.forms["json"])["title"]
        assert _recorded(data_dir_of_town, composed, title) == dict(composed.forms)
        tools |= {asked.tool for asked in composed.scene.asked}
    assert tools == set(PARAMS)


def test_answers_are_kept_and_come_as_canonical_json_values(town: OpenTown) -> None:
    square = {"lat": town.summary.lat, "lon": town.summary.lon}
    params, result = town.answer("nearby_search", {**square, "radius_m": 500})
    assert params["limit"] == 20
    assert json.loads(canonical(dict(result))) == result
    assert town.answer("nearby_search", {"radius_m": 500, **square})[1] is result
    assert town.ask("distance_bearing", {"origin": square, "destination": square})["distance_m"] == 0


def test_what_cannot_be_asked_or_made_is_said_in_a_line(town: OpenTown) -> None:
    with pytest.raises(InputError, match="lat: is missing"):
        town.ask("nearby_search", {"lon": 1.0})
    with pytest.raises(ConfigError, match="'huge' is no size of towns; the sizes are small, medium"):
        OpenTown(1, "huge")


@given(st.integers(0, 10**6), st.sampled_from(SPLITS))
def test_every_town_of_a_split_is_of_that_split_and_no_other(number: int, split: str) -> None:
    assert split_of(town_seed(split, number)) == split


@pytest.mark.parametrize("split", SPLITS)
def test_every_number_gives_another_town(split: str) -> None:
    seeds = [town_seed(split, number) for number in range(2000)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 0


def test_the_town_that_comes_with_the_package_is_never_trained_on() -> None:
    assert split_of(DEFAULT_SEED) == "test"
