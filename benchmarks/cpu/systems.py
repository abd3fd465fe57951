"""What the CPU comparison compares: each system generates for a crowd of prompts that arrive together."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import torch

from benchmarks.cpu.checkpoint import ids_of, text_of
from server.bench.client import StreamClient
from server.bench.datasets import Prompt
from server.bench.local import LocalEngine
from server.config import EngineConfig
from server.engine.loop import load_core
from server.errors import RhumbError

START_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """What one crowd of prompts gave.

    Args:
        duration_s: from the moment all prompts are handed over to the last token.
        token_ids: per prompt.
        first_token_s: per prompt, where the system tells.
    """

    duration_s: float
    token_ids: list[list[int]]
    first_token_s: list[float] = field(default_factory=list)


class System(Protocol):
    """One way to serve the checkpoint. `open` and `close` are not timed."""

    name: str

    def open(self) -> None: ...

    def run(self, prompts: list[list[int]], output_len: int) -> Crowd: ...

    def close(self) -> None: ...


class RhumbOffline:
    """Our engine core in this process."""

    name = "rhumb, offline"

    def __init__(self, checkpoint: Path, num_threads: int) -> None:
        self._config = EngineConfig(model=str(checkpoint), num_threads=num_threads)

    def open(self) -> None:
        self._core = load_core(self._config)
        self._engine = LocalEngine(self._core, self._core.info.default_variant)

    def run(self, prompts: list[list[int]], output_len: int) -> Crowd:
        run = self._engine.run([Prompt("", prompt, output_len) for prompt in prompts])
        return Crowd(run.duration_s, run.token_ids, run.first_token_s)

    def close(self) -> None:
        self._core.close()


class RhumbHttp:
    """Our server in a process of its own, asked over HTTP with streaming by a client in this process."""

    name = "rhumb, HTTP streaming"

    def __init__(self, checkpoint: Path, num_threads: int) -> None:
        self._checkpoint = checkpoint
        self._num_threads = num_threads

    def open(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (lives as long as the process)
        program = "from server.cli import main; main()"
        arguments = ["serve", str(self._checkpoint), "--port", str(port), "--num-threads", str(self._num_threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(self._num_threads)},
        )
        self._runner = asyncio.Runner()
        base_url = f"http://127.0.0.1:{port}"
        self._client = StreamClient(
            base_url,
            "openai",
            "/v1/completions",
            self._wait_for_model(base_url),
            ignore_eos=True,
            # So that every token has a text and the tokens can be compared with those of the others.
            extra_body={"skip_special_tokens": False},
        )

    def _wait_for_model(self, base_url: str) -> str:
        deadline_s = time.perf_counter() + START_LIMIT_S
        while time.perf_counter() < deadline_s:
            if self._process.poll() is not None:
                break
            try:
                response = httpx.get(f"{base_url}/v1/models")
                if response.status_code == 200:
                    return str(response.json()["data"][0]["id"])
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        self._log.seek(0)
        last = self._log.read().strip().splitlines()[-1:]
        self.close()
        raise RhumbError(f"the server did not start: {' '.join(last) or 'it said nothing'}")

    def run(self, prompts: list[list[int]], output_len: int) -> Crowd:
        asked = [Prompt(text_of(prompt), prompt, output_len) for prompt in prompts]

        async def ask() -> list[Any]:
            return await asyncio.gather(*(self._client.send(prompt) for prompt in asked))

        start_s = time.perf_counter()
        results = self._runner.run(ask())
        duration_s = time.perf_counter() - start_s
        for result in results:
            if result.error is not None:
                raise RhumbError(f"a request failed: {result.error}")
            if result.output_len != output_len:
                raise RhumbError(f"a request ended after {result.output_len} of {output_len} tokens")
        return Crowd(duration_s, [ids_of(result.text) for result in results], [result.ttft_s for result in results])

    def close(self) -> None:
        self._runner.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


def load_transformers(checkpoint: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


class TransformersGenerate:
    """`model.generate` of transformers on one padded batch."""

    name = "transformers generate"

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint

    def open(self) -> None:
        from transformers import GenerationConfig

        self._model = load_transformers(self._checkpoint)
        # Without an end token every row runs to the full length.
        self._model.generation_config = GenerationConfig(do_sample=False, eos_token_id=None, pad_token_id=2)

    def run(self, prompts: list[list[int]], output_len: int) -> Crowd:
        longest = max(map(len, prompts))
        padding = [longest - len(prompt) for prompt in prompts]
        start_s = time.perf_counter()
        ids = torch.tensor([[2] * pad + prompt for pad, prompt in zip(padding, prompts, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * len(prompt) for pad, prompt in zip(padding, prompts, strict=True)])
        with torch.inference_mode():
            output = self._model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=output_len)
        token_ids = output[:, longest:].tolist()
        duration_s = time.perf_counter() - start_s
        if any(len(row) != output_len for row in token_ids):
            raise RhumbError("transformers generate ended early")
        return Crowd(duration_s, token_ids)

    def close(self) -> None:
        del self._model


class TransformersContinuous:
    """The continuous batching of transformers: a manager thread over a paged cache.

    Its own defaults take 90 % of the memory and are no faster. Of the sizes tried (blocks of 32 and 256, 128
    to 4,096 tokens a step) these were the fastest: on CPU its attention masks all tokens of a step against all
    keys of the step, so longer steps are not better.
    """

    name = "transformers continuous batching"

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint

    def open(self) -> None:
        from transformers import GenerationConfig
        from transformers.generation.configuration_utils import ContinuousBatchingConfig

        self._model = load_transformers(self._checkpoint)
        self._generation = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=2)
        self._batching = ContinuousBatchingConfig(block_size=32, num_blocks=1024, max_batch_tokens=512)

    def run(self, prompts: list[list[int]], output_len: int) -> Crowd:
        # A manager polls while it lives, so it lives for one crowd only; its start and first step are not timed.
        with self._model.continuous_batching_context_manager(
            generation_config=self._generation, continuous_batching_config=self._batching
        ) as manager:
            self._collect(manager, [prompts[0][:2]], 2)
            start_s = time.perf_counter()
            token_ids = self._collect(manager, prompts, output_len)
            duration_s = time.perf_counter() - start_s
        return Crowd(duration_s, token_ids)

    def _collect(self, manager: Any, prompts: list[list[int]], output_len: int) -> list[list[int]]:
        request_ids = manager.add_requests(inputs=prompts, max_new_tokens=output_len)
        finished: dict[str, list[int]] = {}
        while len(finished) < len(prompts):
            result = manager.get_result(timeout=1)
            if result is None:
                if not manager.is_running():
                    raise RhumbError("the continuous batching of transformers stopped unexpectedly")
            elif result.error is not None:
                raise RhumbError(f"the continuous batching of transformers failed: {result.error}")
            elif result.is_finished():
                finished[result.request_id] = list(result.generated_tokens)
        token_ids = [finished[request_id] for request_id in request_ids]
        if any(len(row) != output_len for row in token_ids):
            raise RhumbError("the continuous batching of transformers ended early")
        return token_ids

    def close(self) -> None:
        del self._model
