"""What quantised KV does to a model's predictions: perplexity, logit error and divergence, by KV format.

Windows of a text go through the engine, which reads every key and value back from its pages, and all log
probabilities are compared with those under unquantised KV. Positions of a window's second half count, so that each has
at least half a window of cached text before it.
"""

import argparse
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.maps.record import save_record
from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID
from server.bench.machine import describe_run
from server.config import EngineConfig, KVFormatName
from server.engine.core import EngineCore
from server.engine.request import EngineRequest, SamplingParams, TokenLogprobs
from server.engine.tokenizer import Tokenizer
from server.kv.formats import KV_FORMATS

BASELINE: KVFormatName = "float32"
FORMATS: tuple[KVFormatName, ...] = (BASELINE, "bfloat16", "fp8", "int8", "int4")
LLAMA3_8B_SLOTS, LLAMA3_8B_HEAD_DIM = 32 * 8, 128
"""(layer, KV head) pairs of Llama-3-8B, and the size of a head."""


def windows_of(text: str, tokenizer: Tokenizer, length: int, count: int) -> list[list[int]]:
    """Up to `count` windows of `length` tokens, spread evenly over the text."""
    ids = tokenizer.encode(text)
    starts = range(0, len(ids) - length + 1, length)
    if not starts:
        raise SystemExit(f"the text has {len(ids)} tokens, fewer than one window of {length}")
    chosen = starts[:: max(1, len(starts) // count)][:count]
    return [ids[start : start + length] for start in chosen]


def log_probabilities(core: EngineCore, windows: list[list[int]]) -> Iterator[torch.Tensor]:
    """For each window, float32 [length // 2, vocabulary] of what follows its first half, token by token."""
    vocab_size = core.model.config.vocab_size
    params = SamplingParams(max_tokens=0, temperature=0.0, prompt_logprobs=vocab_size)
    for window in windows:
        core.add(EngineRequest("window", window, params))
        while core.has_work:
            for output in core.step():
                if output.error is not None:
                    raise SystemExit(output.error)
                if output.prompt_logprobs is not None:
                    yield _dense(output.prompt_logprobs[-(len(window) // 2) :], vocab_size)


def _dense(entries: list[TokenLogprobs | None], vocab_size: int) -> torch.Tensor:
    found = [entry for entry in entries if entry is not None]
    ids = torch.tensor([entry.top_ids for entry in found])
    values = torch.tensor([entry.top_logprobs for entry in found])
    return torch.empty(len(found), vocab_size).scatter_(1, ids, values)


def compare(
    windows: list[list[int]], exact: list[torch.Tensor], found: Iterator[torch.Tensor]
) -> dict[str, float | list[float]]:
    """How far log probabilities are from the exact ones; error in logits, divergence in nats a token."""
    losses, errors, divergences, agreements, worst = [], [], [], [], 0.0
    for window, right, ours in zip(windows, exact, found, strict=True):
        targets = torch.tensor(window[-len(ours) :])[:, None]
        losses.append(float(-ours.gather(1, targets).mean()))
        # Logits are defined up to a constant, so those of a position are compared about their mean.
        error = ((ours - ours.mean(1, keepdim=True)) - (right - right.mean(1, keepdim=True))).abs()
        errors.append(float(error.mean()))
        worst = max(worst, float(error.max()))
        divergences.append(float((right.exp() * (right - ours)).sum(1).mean()))
        agreements.append(float((ours.argmax(1) == right.argmax(1)).float().mean()))
    return {
        "perplexity": math.exp(statistics.fmean(losses)),
        "logit_error_mean": statistics.fmean(errors),
        "logit_error_max": worst,
        "divergence_nats": statistics.fmean(divergences),
        "same_best_token": statistics.fmean(agreements),
        "window_losses_nats": losses,
    }


def measure(model: Path, text: str, length: int, count: int, page_size: int) -> dict[str, Any]:
    """All formats on one model."""
    tokenizer = Tokenizer.from_directory(model)
    windows = windows_of(text, tokenizer, length, count)
    exact: list[torch.Tensor] = []
    rows: dict[str, dict[str, Any]] = {}
    for name in FORMATS:
        # Each format computes for itself: nothing is taken from a prefix cache, and nothing of another format.
        config = EngineConfig(
            model=str(model),
            dtype="float32",
            kv_format=name,
            device="cpu",
            page_size=page_size,
            num_pages=2 + 64 * math.ceil(length / page_size),
            max_model_len=length,
            max_rows=1,
            max_step_tokens=64,
            prefix_caching=False,
        )
        core = EngineCore(config)
        found = log_probabilities(core, windows)
        if name == BASELINE:
            exact = list(found)
            found = iter(exact)
        rows[name] = {"kv_bytes_per_token": core.info.kv_token_bytes} | compare(windows, exact, found)
        rows[name]["perplexity_ratio"] = rows[name]["perplexity"] / rows[BASELINE]["perplexity"]
        print(row_of(name, rows[name]), flush=True)
    return {"head_dim": core.model.config.head_dim, "num_windows": len(windows), "formats": rows}


def row_of(name: str, row: dict[str, Any]) -> str:
    """One line of the table."""
    llama = KV_FORMATS[name].bytes_per_token(LLAMA3_8B_HEAD_DIM) * LLAMA3_8B_SLOTS
    return (
        f"{name:<10}{row['kv_bytes_per_token']:>12,}{llama:>12,}{row['perplexity']:>12.3f}{row['perplexity_ratio']:>9.4f}"
        f"{row['logit_error_mean']:>11.4f}{row['logit_error_max']:>9.3f}{row['divergence_nats']:>12.6f}"
        f"{100 * row['same_best_token']:>11.2f}"
    )


HEADER = (
    f"{'format':<10}{'bytes/token':>12}{'Llama-3-8B':>12}{'perplexity':>12}{'ratio':>9}"
    f"{'error':>11}{'worst':>9}{'divergence':>12}{'same best %':>12}"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.kv_formats", description=__doc__)
    parser.add_argument("text", type=Path, help="a file of UTF-8 text, such as WikiText-2's validation part")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a checkpoint besides the embedded one")
    parser.add_argument("--length", type=int, default=512, help="tokens of a window [512]")
    parser.add_argument("--num-windows", type=int, default=32, help="windows, spread over the text [32]")
    parser.add_argument("--page-size", type=int, default=16, help="positions of a KV page [16]")
    parser.add_argument("--output", type=Path, help="file for the record [beside this script]")
    args = parser.parse_args()
    text = args.text.read_text()
    record = describe_run() | {
        "text": {"name": args.text.name, "characters": len(text)},
        "window_tokens": args.length,
        "scored_tokens_per_window": args.length // 2,
        "llama3_8b_bytes_per_token": {
            name: KV_FORMATS[name].bytes_per_token(LLAMA3_8B_HEAD_DIM) * LLAMA3_8B_SLOTS for name in FORMATS
        },
    }
    models = {EMBEDDED_MODEL_ID: EMBEDDED_MODEL} | {path.name: path for path in args.model}
    for name, path in models.items():
        print(f"\n{name} on {args.text.name}\n{HEADER}", flush=True)
        record[f"model {name}"] = measure(path, text, args.length, args.num_windows, args.page_size)
    save_record("kv-formats", record, args.output, folder=Path(__file__).parent)


if __name__ == "__main__":
    main()
