"""Completions through real HTTP: shapes, batches, echo, log probabilities, streams."""

from typing import Any

import httpx
import pytest

from server.api.protocol.completions import Completion
from tests.api.wire import stream_chunks


def complete(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/completions", json={"model": "tiny", "temperature": 0} | body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    Completion.model_validate(answer)
    return answer


def test_a_completion_has_the_shape_of_openai(client: httpx.Client) -> None:
    answer = complete(client, prompt="Once upon a time", max_tokens=8, ignore_eos=True)
    assert answer["id"].startswith("cmpl-")
    assert answer["object"] == "text_completion"
    assert isinstance(answer["created"], int)
    assert answer["model"] == "tiny"
    (choice,) = answer["choices"]
    assert choice.keys() == {"index", "text", "logprobs", "finish_reason"}
    assert choice["finish_reason"] == "length"
    usage = answer["usage"]
    assert usage["completion_tokens"] == 8
    assert usage["total_tokens"] == usage["prompt_tokens"] + 8


def test_max_tokens_is_16_when_left_out_and_less_when_the_context_ends(client: httpx.Client) -> None:
    assert complete(client, prompt=[5, 6], ignore_eos=True)["usage"]["completion_tokens"] == 16
    assert complete(client, prompt=[7] * 509, ignore_eos=True)["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("extra", [{}, {"logprobs": 3}, {"echo": True}, {"echo": True, "logprobs": 2}])
def test_a_stream_joined_is_the_answer_without_one(client: httpx.Client, extra: dict[str, Any]) -> None:
    body = {"prompt": ["The ship left", "Alice was"], "n": 2, "max_tokens": 12, "seed": 11, "temperature": 1, **extra}
    whole = complete(client, **body)
    joined: dict[int, dict[str, Any]] = {}
    for chunk in stream_chunks(client, "/v1/completions", body):
        for choice in chunk["choices"]:
            state = joined.setdefault(choice["index"], {"text": "", "logprobs": None, "finish_reason": None})
            state["text"] += choice["text"]
            assert state["finish_reason"] is None
            state["finish_reason"] = choice["finish_reason"]
            if choice["logprobs"] is not None:
                arrays = state["logprobs"] or {name: [] for name in choice["logprobs"]}
                state["logprobs"] = {name: arrays[name] + choice["logprobs"][name] for name in arrays}
    assert list(joined) == [0, 1, 2, 3]
    for choice in whole["choices"]:
        expected = {name: choice[name] for name in ("text", "logprobs", "finish_reason")}
        assert joined[choice["index"]] == expected


def test_choices_are_numbered_by_prompt_then_sample(client: httpx.Client) -> None:
    prompts = ["The ship", "Alice was", "What is"]
    alone = [complete(client, prompt=prompt, max_tokens=6)["choices"][0]["text"] for prompt in prompts]
    answer = complete(client, prompt=prompts, n=2, max_tokens=6)
    assert [choice["index"] for choice in answer["choices"]] == list(range(6))
    assert [choice["text"] for choice in answer["choices"]] == [text for text in alone for _ in range(2)]


def test_each_prompt_counts_once_in_usage_however_many_samples(client: httpx.Client) -> None:
    one = complete(client, prompt="The ship left the harbour", max_tokens=2, ignore_eos=True)["usage"]
    four = complete(client, prompt="The ship left the harbour", n=4, max_tokens=2, ignore_eos=True)["usage"]
    assert four["prompt_tokens"] == one["prompt_tokens"]
    assert four["completion_tokens"] == 4 * one["completion_tokens"]


def test_echo_with_logprobs_scores_the_prompt(client: httpx.Client) -> None:
    prompt = "The ship left the harbour at dawn"
    answer = complete(client, prompt=prompt, echo=True, logprobs=2, max_tokens=0)
    (choice,) = answer["choices"]
    assert choice["text"] == prompt
    assert choice["finish_reason"] == "length"
    scores = choice["logprobs"]
    assert scores["token_logprobs"][0] is None
    assert scores["top_logprobs"][0] is None
    assert all(isinstance(value, float) and value <= 0 for value in scores["token_logprobs"][1:])
    assert "".join(scores["tokens"]) == prompt
    ends = [*scores["text_offset"][1:], len(prompt)]
    pieces = [prompt[start:end] for start, end in zip(scores["text_offset"], ends, strict=True)]
    assert pieces == scores["tokens"]
    assert answer["usage"]["completion_tokens"] == 0
    assert all(2 <= len(top) <= 3 for top in scores["top_logprobs"][1:])


def test_prompt_logprobs_are_those_of_echo(client: httpx.Client) -> None:
    prompt = "Alice was beginning"
    echoed = complete(client, prompt=prompt, echo=True, logprobs=0, max_tokens=0)["choices"][0]["logprobs"]
    ids = client.post("/tokenize", json={"prompt": prompt}).json()["tokens"]
    shown = complete(client, prompt=prompt, prompt_logprobs=0, max_tokens=1)["choices"][0]["prompt_logprobs"]
    assert shown[0] is None
    values = [position[str(token_id)]["logprob"] for position, token_id in zip(shown[1:], ids[1:], strict=True)]
    assert values == pytest.approx(echoed["token_logprobs"][1:])


def test_the_same_seed_gives_the_same_text_and_no_seed_another(client: httpx.Client) -> None:
    body = {"prompt": "The", "max_tokens": 24, "temperature": 2.0, "ignore_eos": True}
    assert len({complete(client, **body, seed=3)["choices"][0]["text"] for _ in range(3)}) == 1
    assert len({complete(client, **body)["choices"][0]["text"] for _ in range(4)}) > 1


def test_usage_comes_last_and_only_when_asked(client: httpx.Client) -> None:
    body = {"prompt": "The ship", "max_tokens": 5, "temperature": 0}
    plain = stream_chunks(client, "/v1/completions", body)
    assert all("usage" not in chunk for chunk in plain)
    asked = stream_chunks(client, "/v1/completions", body | {"stream_options": {"include_usage": True}})
    assert all(chunk["usage"] is None for chunk in asked[:-1])
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"] == complete(client, **body)["usage"] | {
        "prompt_tokens_details": asked[-1]["usage"]["prompt_tokens_details"]
    }
    options = {"include_usage": True, "continuous_usage_stats": True}
    always = stream_chunks(client, "/v1/completions", body | {"stream_options": options})
    counts = [chunk["usage"]["completion_tokens"] for chunk in always]
    assert counts == sorted(counts)
    assert counts[-1] == 5


def test_token_ids_are_returned_on_request(client: httpx.Client) -> None:
    body = {"prompt": [10, 11, 12], "max_tokens": 6, "temperature": 0, "return_token_ids": True, "ignore_eos": True}
    (choice,) = complete(client, **body)["choices"]
    assert choice["prompt_token_ids"] == [10, 11, 12]
    assert len(choice["token_ids"]) == 6
    chunks = stream_chunks(client, "/v1/completions", body)
    streamed = [token for chunk in chunks for item in chunk["choices"] for token in item["token_ids"]]
    assert streamed == choice["token_ids"]
    assert chunks[0]["choices"][0]["prompt_token_ids"] == [10, 11, 12]


def test_timings_and_usage_end_with_the_token_that_completes_a_stop_string(client: httpx.Client) -> None:
    body = {"prompt": "Once upon", "max_tokens": 30, "temperature": 0, "ignore_eos": True}
    text = complete(client, **body)["choices"][0]["text"]
    answer = complete(client, **body, stop=[text[6:9]], timings=True)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["timings"]["predicted_n"] == answer["usage"]["completion_tokens"] < 30


def test_timings_come_by_field_or_header_in_the_last_chunk(client: httpx.Client) -> None:
    body = {"prompt": "The ship left", "max_tokens": 4, "temperature": 0, "ignore_eos": True}
    assert "timings" not in complete(client, **body)
    timings = complete(client, **body, timings=True)["timings"]
    assert timings["predicted_n"] == 4
    assert timings["mean_depth_layers"] == 4
    headed = client.post("/v1/completions", json=body, headers={"x-rhumb-timings": "1"}).json()
    assert headed["timings"].keys() == timings.keys()
    for options in ({}, {"stream_options": {"include_usage": True}}):
        chunks = stream_chunks(client, "/v1/completions", body | {"timings": True} | options)
        assert ["timings" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_stop_string_ends_the_text_before_it(client: httpx.Client) -> None:
    body = {"prompt": "The ship left", "max_tokens": 40, "ignore_eos": True}
    text = complete(client, **body)["choices"][0]["text"]
    stop = text[5:8]
    (choice,) = complete(client, **body, stop=[stop])["choices"]
    assert choice["text"] == text[: text.index(stop)]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)
    kept = complete(client, **body, stop=stop, include_stop_str_in_output=True)["choices"][0]["text"]
    assert kept == text[: text.index(stop) + len(stop)]


def test_truncation_keeps_the_end_of_the_prompt(client: httpx.Client) -> None:
    ids = list(range(20, 40))
    body = {"max_tokens": 1, "return_token_ids": True}
    (choice,) = complete(client, prompt=ids, truncate_prompt_tokens=3, **body)["choices"]
    assert choice["prompt_token_ids"] == ids[-3:]


def test_tokens_can_be_shown_by_id(client: httpx.Client) -> None:
    (choice,) = complete(client, prompt="The", max_tokens=3, logprobs=1, return_tokens_as_token_ids=True)["choices"]
    assert all(token.startswith("token_id:") for token in choice["logprobs"]["tokens"])


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"prompt": []}, "prompt", "invalid_value"),
        ({"prompt": [384]}, "prompt", "invalid_value"),
        ({"prompt": [-1]}, "prompt", "invalid_value"),
        ({"prompt": [2**63]}, "prompt", "invalid_value"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": [1] * 512}, "prompt", "context_length_exceeded"),
        ({"prompt": "x " * 100_000}, "prompt", "context_length_exceeded"),
        ({"prompt": [1] * 500, "max_tokens": 13}, "prompt", "context_length_exceeded"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens", None),
        ({"prompt": "a", "best_of": 3}, "best_of", "unsupported_parameter"),
        ({"prompt": "a", "n": 129}, "n", "invalid_value"),
        ({"prompt": ["a"] * 100, "n": 100}, "prompt", "invalid_value"),
        ({"prompt": "a", "logprobs": 21}, "logprobs", "invalid_value"),
        ({"prompt": "a", "logit_bias": {"x": 1}}, "logit_bias", "invalid_value"),
        ({"prompt": "a", "logit_bias": {"384": 1}}, "logit_bias", "invalid_value"),
        ({"prompt": "a", "logit_bias": {"1": 101}}, "logit_bias.1", "invalid_value"),
        ({"prompt": "a", "stop_token_ids": [384]}, "stop_token_ids", "invalid_value"),
        ({"prompt": "a", "allowed_token_ids": []}, "allowed_token_ids", "invalid_value"),
        ({"prompt": "a", "min_tokens": 5, "max_tokens": 4}, "min_tokens", "invalid_value"),
        ({"prompt": "a", "stream_options": {"include_usage": True}}, "stream_options", None),
        ({"prompt": "a", "stream": True, "prompt_logprobs": 1}, "prompt_logprobs", None),
        ({"prompt": "a", "cache_salt": "x" * 129}, "cache_salt", "invalid_value"),
        ({"prompt": "a", "structured_outputs": {}}, "structured_outputs", None),
        ({"prompt": "a", "response_format": {"type": "json_schema"}}, "response_format.json_schema", None),
        ({"prompt": "a", "response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_runs(
    client: httpx.Client, body: dict[str, Any], param: str, code: str | None
) -> None:
    response = client.post("/v1/completions", json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert response.headers["x-should-retry"] == "false"
    assert len(response.content) < 3000


def test_the_longest_prompts_that_fit_are_served(client: httpx.Client) -> None:
    assert complete(client, prompt=[1] * 511, max_tokens=1)["usage"]["prompt_tokens"] == 511
    assert complete(client, prompt=[1] * 512, max_tokens=0, echo=True)["usage"]["completion_tokens"] == 0


def test_an_unknown_model_is_404_and_a_variant_is_served(client: httpx.Client) -> None:
    for model in ("gpt-4", "tiny:", "tiny:none", "Tiny", "", "a/b"):
        response = client.post("/v1/completions", json={"model": model, "prompt": "a"})
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"
    answer = complete(client, model="tiny:full", prompt="a", max_tokens=1)
    assert answer["model"] == "tiny:full"
