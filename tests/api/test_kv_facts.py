"""Wherever the server speaks of its KV cache, it names the format and counts the bytes that this really takes."""

import asyncio
from pathlib import Path

import pytest

from server.api.check import describe, facts
from server.config import EngineConfig
from server.settings import ServerSettings
from tests.api.wire import LiveServer

TOKEN_BYTES = 4 * 2 * 2 * (16 // 2 + 4)
"""Of the tiny Llama in int4: four layers, two KV heads, K and V, 16 numbers of half a byte and their params."""


def test_a_server_with_quantised_kv_says_so_in_usage_metrics_and_status(tiny_llama: Path) -> None:
    live = LiveServer(tiny_llama, {"kv_format": "int4", "page_size": 4, "num_pages": 100})
    try:
        with live.client() as client:
            body = {"prompt": [5, 6, 7, 8, 9], "max_tokens": 4, "ignore_eos": True, "timings": True}
            timings = client.post("/v1/completions", json=body).json()["timings"]
            # Eight computed positions are two pages in each of the four layers.
            assert timings["kv_bytes"] == 8 * TOKEN_BYTES
            assert 'cache_dtype="int4"' in client.get("/metrics").text
            status = client.get("/status.json").json()
            assert (status["kv_format"], status["kv_token_bytes"]) == ("int4", TOKEN_BYTES)
            assert f"int4, {TOKEN_BYTES} bytes a position" in client.get("/").text
    finally:
        live.stop()


@pytest.mark.parametrize(("kv_format", "line"), [("auto", "as float32, 1,024 bytes"), ("int4", "as int4, 192 bytes")])
def test_check_says_what_a_position_costs(tiny_llama: Path, kv_format: str, line: str) -> None:
    config = EngineConfig(model=str(tiny_llama), kv_format=kv_format, num_pages=64)
    found = asyncio.run(facts(config, ServerSettings()))
    assert f"{line} a position" in describe(found)
