"""Reduced depth over HTTP: answers say so, `/v1/models` says how much, and the metrics count it."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.wire import LiveServer

SCHEDULE = "skip(max_layers=3, min_layers=2, warmup=1, horizon=4, origin=generation, decay=linear)"
PROMPT = list(range(5, 25))


@pytest.fixture(scope="module")
def client(tiny_llama: Path) -> Iterator[httpx.Client]:
    variants = ("full", "shallow=skip(max_layers=3, min_layers=2, horizon=4)")
    live = LiveServer(tiny_llama, {"variants": variants, "force_skip": True, "align_ms": 1.0})
    with live.client() as client:
        yield client
    live.stop()


def test_answers_of_fewer_layers_say_so_whatever_they_show(client: httpx.Client) -> None:
    body = {"max_tokens": 6, "temperature": 0, "ignore_eos": True}
    completion = {"prompt": PROMPT, "echo": True, "logprobs": 1}
    chat = {"messages": [{"role": "user", "content": "Hello"}], "logprobs": True}
    for path, request in (("/v1/completions", completion), ("/v1/chat/completions", chat)):
        for model, schedule in (("tiny", None), ("tiny:full", None), ("tiny:shallow", SCHEDULE)):
            answer = client.post(path, json=body | request | {"model": model}).raise_for_status().json()
            assert answer.get("exit_schedule") == schedule
            assert ("exit_schedule" in answer) is (schedule is not None)
            streamed = client.post(path, json=body | request | {"model": model, "stream": True}).text
            chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
            assert {chunk.get("exit_schedule") for chunk in chunks} == {schedule}


def test_the_prompt_is_scored_by_every_layer_and_so_is_the_first_token(client: httpx.Client) -> None:
    body = {"prompt": PROMPT, "echo": True, "logprobs": 0, "max_tokens": 6, "temperature": 0, "ignore_eos": True}
    full, shallow = (
        client.post("/v1/completions", json=body | {"model": model}).json()["choices"][0]["logprobs"]["token_logprobs"]
        for model in ("tiny", "tiny:shallow")
    )
    same = len(PROMPT) + 1
    assert shallow[1:same] == pytest.approx(full[1:same], abs=1e-4)
    assert shallow[same:] != pytest.approx(full[same:], abs=1e-2)


def test_models_say_how_many_layers_a_variant_runs(client: httpx.Client) -> None:
    card = client.get("/v1/models/tiny:shallow").json()
    assert card["description"].endswith(
        "SkipDecode: 3 of 4 layers, falling to 2 over 4 generated tokens (linear), 1.45 times fewer on average; "
        "the lowest 1 always"
    )


def test_metrics_count_layers_and_depths(client: httpx.Client) -> None:
    def metrics() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] != "#"}

    before = metrics()
    body = {"model": "tiny:shallow", "prompt": [7, 8, 9], "max_tokens": 9, "temperature": 0, "ignore_eos": True}
    client.post("/v1/completions", json=body).raise_for_status()
    after = metrics()

    def risen(name: str, bucket: str = "") -> float:
        labels = f'le="{bucket}",model_name="tiny"' if bucket else 'model_name="tiny"'
        return after[f"{name}{{{labels}}}"] - before[f"{name}{{{labels}}}"]

    # Three tokens of the prompt; then eight, of which three run three layers and the others two.
    assert risen("rhumb:layers_run_total") == 3 * 4 + 3 * 3 + 5 * 2
    assert risen("rhumb:layers_skipped_total") == 3 * 1 + 5 * 2
    assert risen("rhumb:layers_read_total") == 4 + 3 * 3 + 5 * 2
    assert risen("rhumb:token_depth_layers_count") == 8
    assert risen("rhumb:token_depth_layers_sum") == 3 * 3 + 5 * 2
    assert risen("rhumb:token_depth_layers_bucket", "2.0") == 5
    assert risen("rhumb:token_depth_layers_bucket", "+Inf") == 8
    # Nobody was there to wait for.
    assert risen("rhumb:cohort_wait_seconds_count") == 0
