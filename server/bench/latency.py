"""Offline latency: one batch of equal requests, again and again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from server.bench.datasets import Lengths, Prompt, random_ids
from server.bench.local import LocalEngine
from server.bench.trace import MiddleTrace
from server.engine.loop import Core
from server.errors import ConfigError

PERCENTILES = (10, 25, 50, 75, 90, 99)


def measure_latency(
    core: Core,
    *,
    variant: str,
    batch_size: int,
    input_len: int,
    output_len: int,
    num_iters: int,
    num_iters_warmup: int,
    seed: int,
    cached_prompts: bool = False,
    fill_cache: Callable[[Sequence[Prompt]], None] | None = None,
    profile_dir: Path | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, object]:
    """Time `num_iters` batches after `num_iters_warmup` untimed ones; seconds from submission to the last token.

    Every batch has prompts of its own, so that no iteration profits from another's cached prompts.
    `decode_step` holds the time of single steps: those in which every request of a batch had its first token already
    and none its last. `avg_decode_step` is the time between a batch's first and last tokens over its output tokens but
    one, so prompts that are computed one after another count into it. `first_tokens` is the time until every request
    had its first token: with an `output_len` of 1, and a batch of one, that of the prompt.

    Args:
        cached_prompts: compute each batch's prompts once before it is timed, so that it finds them in the prefix cache
            and decodes almost at once, all rows in step. For decode steps at long contexts; says nothing of prompts.
        fill_cache: brings the prompts of a batch into the prefix cache for `cached_prompts`, instead of computing them.
        profile_dir: where to write a profiler trace of some steps of one more batch, which is not timed.
    """
    if min(batch_size, num_iters) < 1 or num_iters_warmup < 0:
        raise ConfigError("--batch-size and --num-iters must be at least 1, --num-iters-warmup at least 0")
    engine = LocalEngine(core, variant)
    lengths = Lengths(input_len, output_len)
    num_batches = num_iters + num_iters_warmup + (profile_dir is not None)
    prompts = random_ids(batch_size * num_batches, lengths, core.info.vocab_size, seed)
    latencies: list[float] = []
    first_tokens: list[float] = []
    decode_steps: list[float] = []
    for i in range(num_iters + num_iters_warmup):
        batch = prompts[i * batch_size : (i + 1) * batch_size]
        if cached_prompts and fill_cache is not None:
            fill_cache(batch)
        elif cached_prompts:
            engine.run([replace(prompt, output_len=1) for prompt in batch])
        run = engine.run(batch)
        if i >= num_iters_warmup:
            latencies.append(run.duration_s)
            first_tokens.append(max(run.first_token_s))
            decode_steps += run.decode_steps_s
        on_done()
    trace_path = None
    if profile_dir is not None:
        trace = MiddleTrace(core, profile_dir, prompts[-batch_size:])
        engine.run(prompts[-batch_size:], on_step=trace.on_step)
        trace_path = trace.finish()
    average_s = float(np.mean(latencies))
    first_token_s = float(np.mean(first_tokens))
    return {
        "batch_size": batch_size,
        "input_len": input_len,
        "output_len": output_len,
        "cached_prompts": cached_prompts,
        "avg_latency": average_s,
        "std_latency": float(np.std(latencies)),
        "latencies": latencies,
        "percentiles": {str(p): float(np.percentile(latencies, p)) for p in PERCENTILES},
        "avg_first_token": first_token_s,
        "median_first_token": float(np.median(first_tokens)),
        "first_tokens": first_tokens,
        "num_decode_steps": len(decode_steps),
        "median_decode_step": float(np.median(decode_steps)) if decode_steps else None,
        "median_decode_step_ms": 1e3 * float(np.median(decode_steps)) if decode_steps else None,
        "decode_step_percentiles": {str(p): float(np.percentile(decode_steps, p)) for p in PERCENTILES}
        if decode_steps
        else None,
        "avg_decode_step": (average_s - first_token_s) / (output_len - 1) if output_len > 1 else None,
        "output_throughput": batch_size * output_len / average_s,
        "profile": trace_path,
    }
