"""Offline throughput: everything queued at once in the core of this process, no HTTP."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from server.bench.datasets import Prompt
from server.bench.local import LocalEngine
from server.bench.trace import MiddleTrace
from server.engine.loop import Core


def measure_throughput(
    core: Core,
    prompts: Sequence[Prompt],
    *,
    variant: str,
    temperature: float = 0.0,
    profile_dir: Path | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, object]:
    """Run all prompts to their full length once and report totals and rates.

    Durations are in seconds, rates per second. Prompt tokens that the prefix cache saved are in
    `cached_input_tokens`: a throughput with many of them says little about the model.

    Args:
        profile_dir: where to write a profiler trace of some steps in the middle; recording them takes time too.
    """
    engine = LocalEngine(core, variant)
    # The core counts from its start.
    before = core.stats()
    start_cpu_s = time.process_time()
    trace = None if profile_dir is None else MiddleTrace(core, profile_dir, prompts)
    on_step = (lambda: None) if trace is None else trace.on_step
    run = engine.run(prompts, temperature=temperature, on_done=on_done, on_step=on_step)
    input_tokens = sum(prompt.num_tokens for prompt in prompts)
    output_tokens = run.num_output_tokens
    return {
        "elapsed_time": run.duration_s,
        "num_requests": len(prompts),
        "total_input_tokens": input_tokens,
        "total_output_tokens": output_tokens,
        "total_num_tokens": input_tokens + output_tokens,
        "cached_input_tokens": run.stats.prefix_hits - before.prefix_hits,
        "requests_per_second": len(prompts) / run.duration_s,
        "tokens_per_second": (input_tokens + output_tokens) / run.duration_s,
        "output_throughput": output_tokens / run.duration_s,
        "num_steps": run.stats.steps - before.steps,
        "num_preemptions": run.stats.num_preemptions - before.num_preemptions,
        "cpu_s": time.process_time() - start_cpu_s,
        "profile": None if trace is None else trace.finish(),
    }
