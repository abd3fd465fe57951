"""The official client when things go wrong: its exceptions, its retries, its timeouts."""

import math
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.api.wire import LiveServer
from tests.conformance.world import KEY, MAX_ROWS, MAX_WAITING, MODEL, NAN_ID
from tests.faults.program import until

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
IGNORES_END: dict[str, Any] = {"extra_body": {"ignore_eos": True}}
LONG: dict[str, Any] = {"max_tokens": 500} | IGNORES_END


class Counted:
    """The official client, with the statuses of all answers that it really gets and a hook on them."""

    def __init__(self, server: LiveServer, **options: Any) -> None:
        self.statuses: list[int] = []
        self.on_answer = lambda: None
        hooks = {"response": [self._answered]}
        self.client = OpenAI(
            base_url=f"{server.url}/v1", http_client=DefaultHttpxClient(event_hooks=hooks), **{"api_key": KEY} | options
        )

    def _answered(self, response: Any) -> None:
        self.statuses.append(response.status_code)
        self.on_answer()


@pytest.fixture
def counted(server: LiveServer) -> Iterator[Counted]:
    counted = Counted(server)
    with counted.client:
        yield counted


def is_idle(server: LiveServer) -> bool:
    return server.state.num_in_flight == 0 and server.engine.stats.pages_used == 0


@pytest.mark.parametrize(
    ("body", "kind", "param", "code"),
    [
        ({"model": "gpt-none"}, openai.NotFoundError, "model", "model_not_found"),
        ({"n": 129}, openai.BadRequestError, "n", "invalid_value"),
        ({"max_tokens": 10**6}, openai.BadRequestError, "messages", "context_length_exceeded"),
        ({"top_logprobs": 2}, openai.BadRequestError, "top_logprobs", None),
        ({"functions": []}, openai.BadRequestError, "functions", "unsupported_parameter"),
        ({"extra_body": {"colour": "red"}}, openai.BadRequestError, "colour", "unknown_parameter"),
        ({"extra_body": {"structured_outputs": {"regex": "("}}}, openai.BadRequestError, None, "invalid_grammar"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "no"}}}},
         openai.BadRequestError, None, "invalid_grammar"),
        ({"tool_choice": "required"}, openai.BadRequestError, "tool_choice", None),
    ],
)  # fmt: skip
def test_refusals_are_the_clients_own_exceptions(
    counted: Counted, body: dict[str, Any], kind: type[openai.APIStatusError], param: str | None, code: str | None
) -> None:
    with pytest.raises(kind) as caught:
        counted.client.chat.completions.create(**{"model": MODEL, "messages": HELLO} | body)
    error = caught.value
    assert error.type == "invalid_request_error"
    assert error.code == code
    assert param is None or error.param == param
    assert isinstance(error.message, str)
    assert error.request_id
    assert len(counted.statuses) == 1


def test_a_wrong_key_is_an_authentication_error(server: LiveServer) -> None:
    counted = Counted(server, api_key="sk-wrong")
    with counted.client, pytest.raises(openai.AuthenticationError) as caught:
        counted.client.models.list()
    assert caught.value.code == "invalid_api_key"
    assert counted.statuses == [401]


def test_a_request_that_is_too_large_is_a_413(counted: Counted) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        counted.client.completions.create(model=MODEL, prompt="x" * (17 * 2**20))
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
    assert counted.statuses == [413]


def test_a_failure_that_would_repeat_is_not_retried(impossible: LiveServer) -> None:
    counted = Counted(impossible)
    with counted.client, pytest.raises(openai.InternalServerError) as caught:
        counted.client.completions.create(model=MODEL, prompt=[NAN_ID])
    assert (caught.value.status_code, caught.value.type, caught.value.code) == (500, "server_error", "engine_error")
    assert counted.statuses == [500]


def test_a_failure_within_a_stream_is_an_error_with_its_message(impossible: LiveServer) -> None:
    counted = Counted(impossible)
    with counted.client:
        stream = counted.client.completions.create(model=MODEL, prompt=[NAN_ID], stream=True)
        with pytest.raises(openai.APIError, match="no valid probabilities") as caught:
            list(stream)
    assert caught.value.code == "engine_error"
    assert counted.statuses == [200]


def test_a_full_queue_is_a_rate_limit_error_that_retries_overcome(
    counted: Counted, lenient_client: OpenAI, server: LiveServer
) -> None:
    prompts = ["a"] * (MAX_ROWS + MAX_WAITING)
    with server.held():
        hog = lenient_client.completions.create(model=MODEL, prompt=prompts, stream=True, **LONG)
        next(iter(hog))
        with pytest.raises(openai.RateLimitError) as caught:
            counted.client.with_options(max_retries=0).completions.create(model=MODEL, prompt="a")
        counted.on_answer = hog.close
        started_s = time.monotonic()
        answer = counted.client.completions.create(model=MODEL, prompt="a", max_tokens=1)
        ended_s = time.monotonic()
    assert (caught.value.type, caught.value.code) == ("rate_limit_error", "server_overloaded")
    wait_s = float(caught.value.response.headers["retry-after-ms"]) / 1000
    assert 1 <= wait_s <= int(caught.value.response.headers["retry-after"]) == math.ceil(wait_s)
    assert answer.choices
    assert counted.statuses == [429, 429, 200]
    assert ended_s - started_s >= wait_s


def test_a_server_that_is_stopping_is_tried_again(counted: Counted, server: LiveServer) -> None:
    server.state.is_draining = True
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            counted.client.with_options(max_retries=0).models.list()
        assert (caught.value.status_code, caught.value.code) == (503, "engine_unavailable")
        assert caught.value.response.headers["retry-after"] == "1"

        def resume() -> None:
            server.state.is_draining = False

        counted.on_answer = resume
        assert counted.client.models.list().data
    finally:
        server.state.is_draining = False
    assert counted.statuses == [503, 503, 200]


def test_a_timeout_ends_the_request_on_the_server_too(openai_client: OpenAI, server: LiveServer) -> None:
    num_before = server.engine.stats.generated_tokens
    impatient = openai_client.with_options(timeout=0.3)
    with server.held():
        with pytest.raises(openai.APITimeoutError):
            impatient.completions.create(model=MODEL, prompt=["a"] * MAX_ROWS, **LONG)
        until(lambda: is_idle(server))
    assert server.engine.stats.generated_tokens - num_before < MAX_ROWS * LONG["max_tokens"]


def test_leaving_a_stream_ends_the_request_on_the_server_too(openai_client: OpenAI, server: LiveServer) -> None:
    num_before = server.engine.stats.generated_tokens
    body: dict[str, Any] = {"model": MODEL, "messages": HELLO, "n": 8, "max_tokens": 480} | IGNORES_END
    with server.held():
        with openai_client.chat.completions.create(**body, stream=True) as stream:
            next(iter(stream))
            assert not is_idle(server)
        until(lambda: is_idle(server))
    assert server.engine.stats.generated_tokens - num_before < 8 * 480
