"""Endpoints: where requests may go, and that no secret of this machine goes with them."""

from types import SimpleNamespace

import pytest

from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.evaluate import endpoints, wire
from annotator.evaluate.endpoints import Endpoint, check_url
from annotator.settings import Settings
from annotator.store.times import utc_now
from tests.annotator.evaluate.runs.conftest import ACTOR, Town


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000/v1/",
        "http://[::1]:8000/v1",
        "https://api.example.org/v1",
        "http://gpu-box:8000/v1",
        "https://10.1.2.3/v1",
    ],
)
def test_addresses_that_may_be_asked(url: str) -> None:
    assert check_url(url, ("gpu-box", "10.1.2.3")) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://gpu-box:8000/v1",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/v1",
        "https://10.1.2.3/v1",
        "https://user:secret@example.org/v1",
        "https://example.org/v1?key=1",
        "https://example.org/v1#x",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/v1",
        "https://exa mple.org/v1",
        "127.0.0.1:8000",
        "",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_url(url)
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message


def test_a_key_comes_from_a_variable_made_for_it_and_from_no_other(town: Town) -> None:
    with town.database.writing() as connection:
        for name in ("PATH", "MAPQATOR_DATABASE_URL", "MAPQATOR_MODEL_KEYS", "mapqator_model_key", ""):
            with pytest.raises(InputError, match="MAPQATOR_MODEL_KEY"):
                endpoints.add(
                    connection, ACTOR, Endpoint("one", "https://example.org/v1", secret_env=name), (), now=utc_now()
                )
    asked = Endpoint("one", "https://example.org/v1", secret_env="MAPQATOR_MODEL_KEY_ONE")
    assert asked.headers({"MAPQATOR_MODEL_KEY_ONE": "sk-1"}) == {"authorization": "Bearer sk-1"}
    with pytest.raises(InputError, match="MAPQATOR_MODEL_KEY_ONE"):
        asked.headers({})
    assert Endpoint("two", "https://example.org/v1").headers({"MAPQATOR_MODEL_KEY": "sk-1"}) == {}


def test_endpoints_are_added_listed_and_removed(town: Town) -> None:
    made = Endpoint("one", "https://example.org/v1", "big", "MAPQATOR_MODEL_KEY", "react", {"top_k": 1})
    with town.database.writing() as connection:
        endpoints.add(connection, ACTOR, made, (), now=utc_now())
        with pytest.raises(ConflictError):
            endpoints.add(connection, ACTOR, made, (), now=utc_now())
        for name in ("local", "Two", "", "a b"):
            with pytest.raises(InputError, match="no name"):
                endpoints.add(connection, ACTOR, Endpoint(name, made.base_url), (), now=utc_now())
        with pytest.raises(InputError, match="decided by each run"):
            endpoints.add(connection, ACTOR, Endpoint("two", made.base_url, params={"seed": 1}), (), now=utc_now())
        assert [one.name for one in endpoints.listing(connection, town.settings)] == ["local", "one"]
        assert endpoints.find(connection, town.settings, "one") == made
        endpoints.remove(connection, ACTOR, "one", now=utc_now())
        for name in ("one", "local"):
            with pytest.raises(NotFoundError):
                endpoints.remove(connection, ACTOR, name, now=utc_now())
    without = town.settings.model_copy(update={"assist_url": ""})
    with town.database.reading() as connection, pytest.raises(NotFoundError, match="endpoints add"):
        endpoints.find(connection, without, "local")


def test_the_server_that_make_up_starts_is_the_local_endpoint_wherever_it_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, port in (("9000", "9000"), ("", "8000"), ("none", "8000")):
        monkeypatch.setenv("RHUMB_PORT", name)
        found = endpoints.local_endpoint(Settings(town=False))
        assert found is not None
        assert found.base_url == f"http://127.0.0.1:{port}/v1"


async def test_requests_keep_their_pace_and_a_pause_that_a_server_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, gone = [100.0], []

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(wire, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(wire, "asyncio", SimpleNamespace(sleep=sleep))
    pace = wire.Pace(4.0)
    for number in range(5):
        if number == 3:
            pace.hold(10.0)
        await pace.turn()
        gone.append(clock[0] - 100.0)
    assert gone == [0.0, 0.25, 0.5, 10.5, 10.75]
