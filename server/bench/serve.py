"""Measures a running server over HTTP, as its users would see it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import numpy as np

from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID
from server.bench.client import RequestResult, StreamClient, error_message
from server.bench.datasets import Prompt
from server.bench.load import Arrivals, drive
from server.bench.shares import ServeRun, Share, Target, make_client, run_share, run_shares
from server.bench.texts import Tokenizer, load_tokenizer
from server.errors import ConfigError

READY_POLL_S = 0.25
PROFILER_S = 600.0
"""Writing a trace may take minutes."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A line of `/v1/models`: the id to ask for and, where the server tells, the checkpoint behind it."""

    name: str
    root: str | None


def find_model(target: Target, timeout_s: float = 0.0) -> ServedModel:
    """The wanted model, or the first that the server lists.

    Args:
        timeout_s: how long to wait for a server that does not answer or still loads.

    Raises:
        ConfigError: no server answers, or it lists no model and none was named.
    """
    listing = _list_models(target, time.perf_counter() + timeout_s)
    if listing.status_code != 200:
        if target.model is not None:
            return ServedModel(target.model, None)
        raise ConfigError(
            f"{target.base_url}/v1/models answers HTTP {listing.status_code} "
            f"({error_message(listing.content)}): give --model"
        )
    try:
        listed = [ServedModel(str(entry["id"]), entry.get("root")) for entry in listing.json()["data"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{target.base_url}/v1/models is not a list of models: is this an OpenAI server?") from None
    for model in listed:
        if target.model in (None, model.name):
            return model
    if target.model is None:
        raise ConfigError(f"{target.base_url} lists no model: give --model")
    raise ConfigError(f"--model {target.model} is not served; served are {', '.join(model.name for model in listed)}")


def _list_models(target: Target, deadline_s: float) -> httpx.Response:
    while True:
        try:
            listing = httpx.get(f"{target.base_url}/v1/models", headers=target.headers, timeout=30.0)
            # A server that still loads its model says so with a 503.
            if listing.status_code < 500 or time.perf_counter() >= deadline_s:
                return listing
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ConfigError(f"--base-url {target.base_url} is no address of a server: {error}") from None
        except httpx.HTTPError as error:
            if time.perf_counter() >= deadline_s:
                raise ConfigError(f"no server answers at {target.base_url}: {error}") from None
        time.sleep(READY_POLL_S)


def load_served_tokenizer(name: str | None, served: ServedModel) -> Tokenizer:
    """The named tokenizer, else that of the checkpoint the server tells of, else that of the hub model so called."""
    name = name or served.root or served.name
    return load_tokenizer(str(EMBEDDED_MODEL) if name == EMBEDDED_MODEL_ID else name)


def recount(results: Sequence[RequestResult], tokenizer: Tokenizer) -> int:
    """Tokenise the answers again and return the sum: a check on the counts that the server reports.

    Where the server reported none, the number of chunks gives way to this count.
    """
    total = 0
    for result in results:
        if result.error is None:
            num_tokens = len(tokenizer.encode(result.text, add_special_tokens=False))
            total += num_tokens
            if not result.has_usage:
                result.output_len = num_tokens
    return total


async def run_serve(
    target: Target,
    model: str,
    prompts: Sequence[Prompt],
    arrivals: Arrivals,
    *,
    warmups: Sequence[Prompt],
    seed: int = 0,
    max_concurrency: int | None = None,
    ready_timeout_s: float = 0.0,
    profile: bool = False,
    num_processes: int = 1,
    on_done: Callable[[], None] = lambda: None,
) -> ServeRun:
    """Wait for the server, warm it up, send every prompt at its time and collect the answers.

    Args:
        warmups: untimed requests, at least one; the first is the one that asks whether the server is ready.
            Their prompts should not be among `prompts`, or the prefix cache would know those already.
        num_processes: client processes that share the prompts, and `max_concurrency`, among them.

    Raises:
        ConfigError: the server does not answer a single request, or offers no profiler.
    """
    client = make_client(target, model)
    await check_ready(client, warmups[0], ready_timeout_s)
    await drive(client.send, warmups[1:], np.zeros(len(warmups) - 1), max_concurrency=max_concurrency)
    times_s = arrivals.times_s(len(prompts), np.random.default_rng(seed))
    if profile:
        await switch_profiler(target, "start")
    share = Share(target, model, list(prompts), times_s.tolist(), max_concurrency)
    run = await (run_share(share, on_done) if num_processes == 1 else run_shares(share.split(num_processes), on_done))
    if profile:
        await switch_profiler(target, "stop")
    return run


async def check_ready(client: StreamClient, prompt: Prompt, timeout_s: float) -> None:
    """Send one short request until it succeeds; with a timeout of 0, send none and trust the server."""
    if timeout_s <= 0:
        return
    probe = Prompt(prompt.text, prompt.token_ids, output_len=1)
    deadline_s = time.perf_counter() + timeout_s
    while True:
        result = await client.send(probe)
        if result.error is None:
            return
        # A request that the server understood and refused will be refused again.
        if result.error.startswith("HTTP 4") and not result.error.startswith("HTTP 429"):
            raise ConfigError(f"the server refuses the first request: {result.error}")
        if time.perf_counter() > deadline_s:
            raise ConfigError(f"the server was not ready within {timeout_s:g} s: {result.error}")
        await asyncio.sleep(READY_POLL_S)


async def switch_profiler(target: Target, action: str) -> None:
    """Start or stop the server's own profiler."""
    try:
        async with httpx.AsyncClient(headers=target.headers, timeout=PROFILER_S) as http:
            response = await http.post(f"{target.base_url}/{action}_profile")
    except httpx.HTTPError as error:
        raise ConfigError(f"--profile: the server does not answer: {error}") from None
    if response.status_code != 200:
        raise ConfigError(
            f"--profile: this server has no profiler (/{action}_profile answers HTTP {response.status_code}); "
            "leave the flag out or start the server with its profiler on"
        )
