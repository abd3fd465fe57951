"""Random requests, drawn from the server's own description of itself, never break it or its description."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from server.api.app import build_app
from server.config import EngineConfig
from server.engine.clients import ThreadEngine
from server.settings import ServerSettings
from tests.api.wire import LiveServer

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, missing_required_header, negative_data_rejection, unsupported_method,
]  # fmt: skip


@pytest.fixture(scope="module")
def live(tiny_llama: Path) -> Iterator[LiveServer]:
    """A short context and few choices: what a request may cost is no concern here."""
    server = LiveServer(tiny_llama, {"max_model_len": 96, "num_pages": 1024}, max_choices=4)
    yield server
    server.stop()


ALIASES = ["/v1/tokenize", "/v1/detokenize"]
# Described before there is a model: the description does not depend on it.
schema = schemathesis.openapi.from_dict(build_app(ThreadEngine(EngineConfig("none")), ServerSettings()).openapi())
routes = schema.exclude(path=ALIASES)


@routes.parametrize()
@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_requests_get_answers_as_described(case: schemathesis.Case, live: LiveServer) -> None:
    case.call_and_validate(base_url=live.url, checks=CHECKS, timeout=30)
    assert live.state.failure is None


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Mostly within the limits, and also at them and a little beyond."""
    return st.floats(low, high) | st.sampled_from([low, high, low - 1, high + 1])


TEXTS = st.text(max_size=20) | st.sampled_from(["The ship", "<|im_end|>", "🙂", " "])
TOKENS = st.lists(st.integers(0, 399), min_size=1, max_size=100)
SCHEMAS = st.sampled_from([{}, {"type": "object"}, {"type": "array", "items": {"type": "integer"}}, {"enum": [1, "a"]}])
SAMPLING: dict[str, st.SearchStrategy[Any]] = {
    "n": st.integers(0, 4),
    "max_tokens": st.integers(0, 97),
    "min_tokens": st.integers(0, 8),
    "temperature": numbers(0, 2),
    "top_p": numbers(0, 1),
    "top_k": st.integers(-2, 500),
    "min_p": numbers(0, 1),
    "repetition_penalty": numbers(0, 10),
    "presence_penalty": numbers(-2, 2),
    "frequency_penalty": numbers(-2, 2),
    "logit_bias": st.dictionaries(st.integers(0, 399).map(str), numbers(-100, 100), max_size=3),
    "allowed_token_ids": TOKENS,
    "stop": TEXTS | st.lists(TEXTS, max_size=5),
    "stop_token_ids": TOKENS,
    "seed": st.integers(),
    "ignore_eos": st.booleans(),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans(), "continuous_usage_stats": st.booleans()}),
    "truncate_prompt_tokens": st.integers(1, 50),
    "prompt_logprobs": st.integers(0, 21),
    "return_token_ids": st.booleans(),
    "return_tokens_as_token_ids": st.booleans(),
    "include_stop_str_in_output": st.booleans(),
    "skip_special_tokens": st.booleans(),
    "cache_salt": TEXTS,
    "priority": st.integers(-3, 3),
    "timings": st.booleans(),
    "structured_outputs": st.sampled_from([{"regex": "[ab]{3}"}, {"choice": ["yes", "no"]}, {"json_object": True}])
    | SCHEMAS.map(lambda schema: {"json": schema}),
}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXTS})
COMPLETION: dict[str, st.SearchStrategy[Any]] = {
    "prompt": TEXTS | TOKENS | st.lists(TEXTS, max_size=5) | st.lists(TOKENS, max_size=5)
}
CHAT: dict[str, st.SearchStrategy[Any]] = {"messages": st.lists(MESSAGE, max_size=3)}
COMPLETION_FIELDS = SAMPLING | {"echo": st.booleans(), "logprobs": st.integers(0, 21)}
CHAT_FIELDS = SAMPLING | {
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 21),
    "tools": st.just([TOOL]),
    "tool_choice": st.sampled_from(["none", "auto", "required"]),
    "continue_final_message": st.booleans(),
    "add_generation_prompt": st.booleans(),
}


@st.composite
def bodies(draw: st.DrawFn, needed: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A body with a few of the optional fields: with all of them, some would always be at odds."""
    names = draw(st.sets(st.sampled_from(sorted(fields)), max_size=5))
    chosen = needed | {name: fields[name] for name in sorted(names)}
    return {name: draw(strategy) for name, strategy in chosen.items()}


@pytest.mark.parametrize(
    ("path", "strategy"),
    [("/v1/completions", bodies(COMPLETION, COMPLETION_FIELDS)), ("/v1/chat/completions", bodies(CHAT, CHAT_FIELDS))],
    ids=["completions", "chat"],
)
def test_nearly_right_requests_are_answered_or_refused_and_never_fail(
    live: LiveServer, path: str, strategy: st.SearchStrategy[dict[str, Any]]
) -> None:
    statuses: Counter[int] = Counter()

    @settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def check(body: dict[str, Any]) -> None:
        response = client.post(path, json=body)
        statuses[response.status_code] += 1
        assert response.status_code in {200, 400}, response.text
        if response.headers["content-type"].startswith("text/event-stream"):
            *chunks, last = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: ")]
            assert last == "[DONE]"
            assert chunks
            assert not any("error" in json.loads(chunk) for chunk in chunks)
        else:
            schema[path]["POST"].validate_response(response)

    with live.client() as client:
        check()
    # A strategy whose every body were refused would show nothing, and one without refusals little.
    assert statuses[200] >= 25
    assert statuses[400] >= 10
