"""Replay: with every provider unreachable and every map gone, the same bytes again."""

import json
import shutil

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from annotator.cli import app
from annotator.datasets.replay import rebuild
from annotator.datasets.report import Finding
from annotator.errors import NotFoundError
from annotator.maps.modes import Mode
from annotator.maps.params import NearbySearchParams
from annotator.store.tables import cache_head


class NoNetworkError(Exception):
    """Somebody reached for the network or for a map."""


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transport raises."""

    async def send(self, call):
        raise NoNetworkError(call.url)

    for where in (
        "annotator.maps.transport.HttpTransport",
        "annotator.maps.embedded.engine.EmbeddedTransport",
        "annotator.maps.providers.local.LocalTransport",
    ):
        monkeypatch.setattr(f"{where}.send", send)


async def test_a_frozen_dataset_is_rebuilt_byte_for_byte_without_network_and_without_maps(
    world, cut, service_of, tmp_path
) -> None:
    frozen = world.freeze()
    told = []
    async with service_of(world, tmp_path / "no-maps") as service:
        assert service.library.manifests() == []
        with pytest.raises(NotFoundError):
            await service.call("nearby_search", NearbySearchParams(lat=0, lon=0), provider="town", mode=Mode.REPLAY)
        replay = await rebuild(service, frozen, lambda done, total: told.append((done, total)))
    assert replay.findings == ()
    assert (replay.num_calls, replay.num_contexts, replay.num_withheld) == (5, 4, 0)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_replay_answers_from_the_snapshot_and_not_from_what_was_recorded_later(world, cut, service_of) -> None:
    frozen = world.freeze()
    world.change(lambda connection: connection.execute(cache_head.delete().where(cache_head.c.namespace == "live")))
    async with service_of(world) as service:
        assert (await rebuild(service, frozen)).is_ok


async def test_a_recording_that_is_gone_from_the_snapshot_is_named(world, cut, service_of) -> None:
    frozen = world.freeze()
    world.change(
        lambda connection: connection.execute(
            update(cache_head).where(cache_head.c.namespace == frozen.namespace).values(namespace="elsewhere")
        )
    )
    async with service_of(world) as service:
        replay = await rebuild(service, frozen)
    assert not replay.is_ok
    assert all(isinstance(finding, Finding) and "replay" in finding.code for finding in replay.findings)
    assert {finding.context for finding in replay.findings} == {1, 2, 3, 4}


def test_the_command_line_freezes_verifies_replays_and_says_why_not(world, data_dir) -> None:
    world.database.truncate_log()
    shutil.copy(world.settings.resolved_database_url.removeprefix("sqlite:///"), data_dir / "mapqator.sqlite")
    runner = CliRunner()

    def run(*arguments: str):
        return runner.invoke(app, ["--data-dir", str(data_dir), *arguments])

    asked = run("freeze", "harbour", "saltmere", "1.0.0", "--dry-run", "--split", "test=1")
    assert asked.exit_code == 0
    assert "6 questions about 4 contexts" in asked.output
    done = run("freeze", "harbour", "saltmere", "1.0.0", "--by", "place", "--json")
    assert json.loads(done.output)["counts"]["items"] == 6
    refused = run("freeze", "harbour", "saltmere", "1.0.0")
    assert refused.exit_code == 1
    assert "does not come after 1.0.0" in refused.output
    made = run("freeze", "harbour", "another", "0.1.0", "--number", "1", "--create")
    assert made.exit_code == 0
    shutil.rmtree(data_dir / "maps")
    for command, words in (("verify", "intact: saltmere 1.0.0, 6 questions"), ("replay", "the same bytes: 5 calls")):
        found = run(command, "harbour/saltmere@1.0.0")
        assert (found.exit_code, found.exception) == (0, None)
        assert words in found.output
    unknown = run("verify", "harbour/saltmere@9.9.9")
    assert isinstance(unknown.exception, NotFoundError)
    assert "has no version '9.9.9'" in str(unknown.exception)
