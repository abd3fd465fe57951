"""Real servers: a random Llama under an awkward id, one with impossible numbers, a trained one."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import httpx
import openai
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.api.wire import LiveServer
from tests.conformance.world import CERTAIN_ID, IMPOSSIBLE_ID, KEY, MAX_ROWS, MAX_WAITING, MODEL, NAN_ID

STORY_TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A model that only continues stories needs no roles."""


def _start(model: Path, **settings: object) -> LiveServer:
    engine = {"served_name": MODEL, "max_rows": MAX_ROWS, "max_waiting": MAX_WAITING}
    # A busy machine may take seconds between two requests, and a connection must not close just then.
    return LiveServer(model, engine, api_keys=(KEY,), keep_alive_s=60, **settings)


@pytest.fixture(scope="session")
def server(tiny_llama: Path) -> Iterator[LiveServer]:
    """The random Llama, few rows, a short queue, and a key."""
    live = _start(tiny_llama)
    yield live
    live.stop()


@pytest.fixture(scope="session")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with server.client(headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


@pytest.fixture(scope="session")
def impossible_llama(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random Llama with its layers silenced, so that every position ends in the same hidden state.

    After it, `CERTAIN_ID` has all the probability, `IMPOSSIBLE_ID` minus infinity as its log probability, and all
    others numbers no client should see. After `NAN_ID` there are no probabilities at all.
    """
    folder = tmp_path_factory.mktemp("impossible") / "llama"
    copytree(tiny_llama, folder)
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.zero_()
    hidden_size = weights["model.norm.weight"].shape[0]
    weights["model.norm.weight"].fill_(1.0)
    weights["model.embed_tokens.weight"].fill_(1.0)
    weights["model.embed_tokens.weight"][NAN_ID] = torch.nan
    head = weights["lm_head.weight"].zero_()
    # Each logit is a number, but the difference of the two is more than float32 holds.
    head[CERTAIN_ID] = 3e38 / hidden_size
    head[IMPOSSIBLE_ID] = -3e38 / hidden_size
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def impossible(impossible_llama: Path) -> Iterator[LiveServer]:
    live = _start(impossible_llama)
    yield live
    live.stop()


@pytest.fixture(scope="session")
def impossible_client(impossible: LiveServer) -> Iterator[httpx.Client]:
    with impossible.client(headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


@pytest.fixture(scope="session")
def stories(stories260k: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A trained model, whose text is English."""
    template = tmp_path_factory.mktemp("template") / "story.jinja"
    template.write_text(STORY_TEMPLATE)
    live = _start(stories260k, chat_template=template)
    yield live
    live.stop()


@pytest.fixture(scope="session")
def stories_client(stories: LiveServer) -> Iterator[httpx.Client]:
    with stories.client(headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


@pytest.fixture(scope="session")
def openai_client(server: LiveServer) -> Iterator[openai.OpenAI]:
    """The official client, told to complain about whatever is not of its declared types."""
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=KEY, timeout=60, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="session")
def lenient_client(server: LiveServer) -> Iterator[openai.OpenAI]:
    """The same as it usually is: for `/v1/completions`, its types know of no null that OpenAI itself sends.

    Those are the finish_reason of all chunks but the last, and the scores of a prompt's first token.
    """
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, timeout=60, max_retries=0) as client:
        yield client
