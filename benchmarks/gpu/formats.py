"""Weight and KV formats: what each saves in time and bytes, and what it changes in the model's mind.

    python -m benchmarks.gpu.formats
    python -m benchmarks.gpu.formats --only "kv"         # formats whose name contains this; bf16 always runs

Speed is that of the Llama-3-8B shape. Quality is judged against the same weights in bf16, with a smaller random model
and, where its folder is there (`benchmarks/gpu/.carry/stories260K`), with a trained one: texts that the bf16 model
wrote are scored token by token, in chunks so short that most keys and values are read from the cache as it keeps them.
Takes about four minutes on an H200.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.engine import DECODE, Engine, decode, parse_settings
from benchmarks.gpu.record import Mark, Record, default_path
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.datasets import Prompt
from server.bench.local import LocalEngine
from server.config import EngineConfig
from server.engine.loop import Core
from server.engine.request import EngineRequest, SamplingParams
from server.errors import EngineStepError

BASE = "bf16"
FORMATS: dict[str, dict[str, Any]] = {
    BASE: {},
    "weights fp8": {"weight_format": "fp8"},
    "weights int8": {"weight_format": "int8"},
    "kv fp8": {"kv_format": "fp8"},
    "kv int8": {"kv_format": "int8"},
    "kv int4": {"kv_format": "int4"},
    "weights fp8, kv fp8": {"weight_format": "fp8", "kv_format": "fp8"},
}
STORIES = Path(__file__).parent / ".carry" / "stories260K"
QUALITY_SHAPE = {"num_hidden_layers": 8, "vocab_size": 32000}
"""Of the random model that is judged, where it differs from the one that is timed."""
NUM_TEXTS, TEXT_LEN = 8, 200
CHUNK = 32


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model thinks of texts.

    Args:
        logprobs: float64 [tokens], of each token given those before it.
        best_ids: int64 [tokens], the most likely one in its place.
    """

    logprobs: np.ndarray
    best_ids: np.ndarray


def write_texts(core: Core, first_id: int) -> list[list[int]]:
    """Token ids that the model writes by itself at temperature 1; each begins with another token after the first."""
    prompts = [Prompt("", [first_id, 3 + 7 * i], TEXT_LEN - 2) for i in range(NUM_TEXTS)]
    run = LocalEngine(core, core.info.default_variant).run(prompts, temperature=1.0)
    return [[*prompt.token_ids, *ids] for prompt, ids in zip(prompts, run.token_ids, strict=True)]


def score(core: Core, texts: Sequence[Sequence[int]]) -> Scores:
    """Score every token but the first of every text."""
    params = SamplingParams(max_tokens=1, temperature=0.0, ignore_eos=True, prompt_logprobs=1)
    variant = core.info.default_variant
    scored: dict[str, list[tuple[float, int]]] = {}
    for index, text in enumerate(texts):
        core.add(EngineRequest(f"score-{index}", list(text), params, variant=variant, cache_salt="score"))
    while core.has_work:
        for output in core.step():
            if output.error is not None:
                raise EngineStepError(output.error)
            if output.prompt_logprobs is not None:
                records = [record for record in output.prompt_logprobs if record is not None]
                scored[output.request_id] = [(record.logprob, record.top_ids[0]) for record in records]
    pairs = [pair for index in range(len(texts)) for pair in scored[f"score-{index}"]]
    return Scores(np.array([logprob for logprob, _ in pairs]), np.array([best for _, best in pairs]))


def judge(
    record: Record, model_name: str, model: Path, formats: dict[str, dict[str, Any]], shared: dict[str, Any]
) -> None:
    """Rows with the error of every format against bf16, on texts that the bf16 model wrote."""
    texts: list[list[int]] = []
    plain: Scores | None = None
    for name, own in formats.items():
        # Few tokens a step: the rest of a text is then read from the cache, whatever computes a step's own tokens.
        limits = {"max_rows": NUM_TEXTS, "max_step_tokens": CHUNK, "max_model_len": 2 * TEXT_LEN}
        engine = Engine(EngineConfig(str(model), **(limits | shared | own)))
        with record.row(f"{name}: logit error, {model_name}", "nats") as row:
            core = engine.core
            texts = texts or write_texts(core, core.info.bos_token_id or 1)
            scores = score(core, texts)
            plain = plain or scores
            errors = scores.logprobs - plain.logprobs
            row.value = float(np.sqrt(np.mean(errors**2)))
            row.details = {
                "what": "root mean square difference from bf16 of the log probabilities of the texts' own tokens",
                "largest": float(np.abs(errors).max()),
                "agreement": float(np.mean(scores.best_ids == plain.best_ids)),
                "mean_logprob": float(scores.logprobs.mean()),
                "num_tokens": len(errors),
            }
        engine.drop()


def time_format(
    record: Record, name: str, model: Path, shared: dict[str, Any], own: dict[str, Any], shrink: int
) -> None:
    """Rows with decode steps and bytes of one format."""
    points = [(max(batch // shrink, 1), max(context // shrink, 2)) for batch, context in DECODE]
    limits = {"max_rows": max(batch for batch, _ in points), "max_model_len": 4096}
    config = EngineConfig(str(model), **(limits | shared | own))
    engine = Engine(config)
    with record.row(f"{name}: bytes per token", "B") as row:
        info = engine.core.info
        row.value = float(info.kv_token_bytes)
        row.details = {"weight_format": config.weight_format, "kv_format": info.kv_format, "num_pages": info.num_pages}
        if torch.cuda.is_available():
            row.details["device_bytes"] = torch.cuda.memory_allocated()
    if row.error is None:
        for batch, context in points:
            with record.row(f"{name}: decode {batch} x {context}", "ms", on_error=engine.drop) as row:
                decode(engine, None, row, batch, context, 1)
                assert row.value is not None
                row.details["tokens_per_s"] = 1e3 * batch / row.value
    engine.drop()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare weight and KV formats.")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of EngineConfig")
    parser.add_argument("--only", default="", help="formats whose name contains this, beside bf16")
    parser.add_argument("--shrink", type=int, default=1, help="divide lengths and crowds by this, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    shared = {"load_format": "dummy"} | parse_settings(options.set)
    formats = {name: own for name, own in FORMATS.items() if name == BASE or options.only in name}
    marks: dict[str, Mark] = {}
    record = Record(options.output or default_path("formats"), marks, shape=options.shape, formats=formats)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        is_tiny = options.shape == "tiny"
        judged = build_shape(options.shape, folder / "judged", **({} if is_tiny else QUALITY_SHAPE))
        timed = build_shape(options.shape, folder / "timed")
        judge(record, "random model", judged, formats, shared)
        if (STORIES / "config.json").is_file():
            dtype = "bfloat16" if torch.cuda.is_available() else "float32"
            own = shared | {"load_format": "safetensors", "dtype": dtype}
            judge(record, "stories260K", STORIES, formats, own)
        for name, own in formats.items():
            time_format(record, name, timed, shared, own, options.shrink)
    record.print_table()


if __name__ == "__main__":
    main()
