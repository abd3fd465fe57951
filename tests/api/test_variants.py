"""Variants over HTTP: `model:variant` names one, and `/v1/models` says what each is."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from server.kv.patterns import HeadPattern, write_pattern
from tests.api.wire import LiveServer


@pytest.fixture(scope="module")
def client(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    pattern = tmp_path_factory.mktemp("patterns") / "my-heads"
    write_pattern(pattern, HeadPattern(torch.arange(8).view(4, 2) / 8, sinks=2, recent=6), {})
    strict = f"strict=duo(pattern={pattern}, sparsity=1, prefill=strict)"
    engine = {"variants": (f"full, duo=duo(pattern={pattern}), {strict}",), "page_size": 4, "num_pages": 61}
    live = LiveServer(tiny_llama, engine)
    with live.client() as client:
        yield client
    live.stop()


def answer(client: httpx.Client, model: str, num_prompt: int = 24, num_tokens: int = 8) -> httpx.Response:
    body = {"model": model, "prompt": list(range(5, 5 + num_prompt)), "max_tokens": num_tokens, "temperature": 0}
    return client.post("/v1/completions", json=body | {"ignore_eos": True, "timings": True, "logprobs": 1})


def test_every_variant_answers_under_its_name_and_takes_the_pages_that_it_says(client: httpx.Client) -> None:
    found = {name: answer(client, name).json() for name in ("tiny", "tiny:full", "tiny:duo", "tiny:strict")}
    assert [reply["model"] for reply in found.values()] == list(found)
    texts = {name: reply["choices"][0]["logprobs"]["token_logprobs"] for name, reply in found.items()}
    assert texts["tiny"] == texts["tiny:full"]
    # The prompt is dense for the second, so that the first token is the same, and the next ones are not.
    assert texts["tiny:duo"][0] == pytest.approx(texts["tiny"][0], abs=1e-4)
    assert texts["tiny:duo"][-1] != pytest.approx(texts["tiny"][-1], abs=1e-4)
    assert texts["tiny:strict"][0] != pytest.approx(texts["tiny"][0], abs=1e-4)
    # Of 31 computed positions, eight pages in full; in a window of six and two sinks, three.
    pages = {name: reply["timings"]["kv_bytes"] // (4 * 2 * 2 * 16 * 4) for name, reply in found.items()}
    assert pages == {"tiny": 4 * 8, "tiny:full": 4 * 8, "tiny:duo": 2 * 8 + 2 * 3, "tiny:strict": 4 * 3}


def test_models_are_listed_with_what_they_are_and_how_long_a_context_fits(client: httpx.Client) -> None:
    cards = {card["id"]: card for card in client.get("/v1/models").json()["data"]}
    assert list(cards) == ["tiny", "tiny:full", "tiny:duo", "tiny:strict"]
    assert (
        cards["tiny"]["description"]
        == cards["tiny:full"]["description"]
        == "every head keeps what the model itself sees"
    )
    what = "4 of 8 KV heads stream by pattern my-heads, 2 sinks, 6 recent, prefill dense (2 of 4 page groups)"
    assert cards["tiny:duo"]["description"] == f"DuoAttention: {what}"
    # Sixty pages for four groups, a copy for each set aside.
    assert cards["tiny"]["max_model_len"] == cards["tiny:duo"]["max_model_len"] == 56
    assert cards["tiny:strict"] == client.get("/v1/models/tiny:strict").json()


def test_each_variant_has_the_limit_that_its_card_tells(client: httpx.Client) -> None:
    limit = client.get("/v1/models/tiny:duo").json()["max_model_len"]
    assert answer(client, "tiny:duo", limit - 8).status_code == 200
    refused = answer(client, "tiny:duo", limit - 7)
    assert refused.status_code == 400
    assert f"maximum context length is {limit} tokens" in refused.json()["error"]["message"]
    missing = answer(client, "tiny:alisa")
    assert missing.status_code == 404
    assert "tiny:strict" in missing.json()["error"]["message"]
