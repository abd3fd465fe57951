"""A core without a model: every running sample gets one token a step, and every step takes the same time.

What is left is the path from the engine process to the client, which `stream.py` measures. Run as an engine process;
the step time comes in milliseconds from the environment, because the configuration has no place for it.
"""

import os
import random
import time
from dataclasses import dataclass

from server.config import EngineConfig
from server.engine import process
from server.engine.request import EngineInfo, EngineRequest, EngineStats, RowInfo, SampleOutput, Timings
from server.engine.tokenizer import Tokenizer

STEP_MS = "RHUMB_BENCH_STEP_MS"
NUM_TOKENS_REPEATED = 997


@dataclass(slots=True)
class _Row:
    request_id: str
    num_prompt: int
    num_wanted: int
    num_generated: int = 0


class SteppingCore:
    """Implements `Core` for requests of one sample. Rows beyond `max_rows` wait.

    Args:
        config: `model` is a folder with a tokenizer; `max_rows` is the size of a batch.
        step_s: least seconds from the beginning of one step to the beginning of the next.
    """

    def __init__(self, config: EngineConfig, step_s: float) -> None:
        tokenizer = Tokenizer.from_directory(config.model)
        self._step_s = step_s
        self._max_rows = config.max_rows or 256
        self._rows: list[_Row] = []
        self._waiting: list[_Row] = []
        self._due_s = 0.0
        self._num_steps = 0
        self._num_tokens = 0
        draw = random.Random(0)
        ordinary = [i for i in range(tokenizer.vocab_size) if i not in tokenizer.special_ids]
        self._token_ids = draw.choices(ordinary, k=NUM_TOKENS_REPEATED)
        self.info = EngineInfo(
            model=config.served_name or "stepping",
            model_path=str(config.model),
            max_model_len=1 << 20,
            vocab_size=tokenizer.vocab_size,
            eos_token_ids=[],
            bos_token_id=None,
            variants=["full"],
            default_variant="full",
            page_size=16,
            num_pages=1,
            num_groups=1,
            max_rows=self._max_rows,
            dtype="float32",
            device="cpu",
            attention_backend="none",
            backend_refusals={},
            num_parameters=0,
            load_s=0.0,
        )

    @property
    def has_work(self) -> bool:
        return bool(self._rows or self._waiting)

    def add(self, request: EngineRequest) -> None:
        self._waiting.append(_Row(request.request_id, len(request.prompt_ids), request.params.max_tokens))

    def abort(self, request_ids: list[str], sample_index: int | None = None) -> None:
        gone = set(request_ids)
        self._rows = [row for row in self._rows if row.request_id not in gone]
        self._waiting = [row for row in self._waiting if row.request_id not in gone]

    def step(self) -> list[SampleOutput]:
        free = self._max_rows - len(self._rows)
        self._rows += self._waiting[:free]
        del self._waiting[:free]
        now_s = time.perf_counter()
        if now_s < self._due_s:
            time.sleep(self._due_s - now_s)
        self._due_s = max(self._due_s, now_s - self._step_s) + self._step_s
        self._num_steps += 1
        self._num_tokens += len(self._rows)
        outputs = [self._output(row) for row in self._rows]
        self._rows = [row for row in self._rows if row.num_generated < row.num_wanted]
        return outputs

    def _output(self, row: _Row) -> SampleOutput:
        token_id = self._token_ids[(row.num_generated + len(row.request_id)) % NUM_TOKENS_REPEATED]
        row.num_generated += 1
        if row.num_generated < row.num_wanted:
            return SampleOutput(row.request_id, 0, [token_id])
        timings = Timings(0.0, 0.0, 0.0, row.num_prompt, 0, row.num_generated, 0, 0.0, 0)
        return SampleOutput(row.request_id, 0, [token_id], "length", timings=timings)

    def stats(self) -> EngineStats:
        return EngineStats(
            num_running=len(self._rows),
            num_waiting=len(self._waiting),
            steps=self._num_steps,
            generated_tokens=self._num_tokens,
            iteration_tokens=[len(self._rows)],
        )

    def inspect(self) -> list[RowInfo]:
        return []

    def reset_prefix_cache(self) -> None:
        pass

    def close(self) -> None:
        pass


if __name__ == "__main__":
    process.main(lambda config: SteppingCore(config, float(os.environ[STEP_MS]) / 1e3))
