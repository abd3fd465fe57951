"""Check the Triton sampler on this GPU, token for token, against the torch one, and time both.

    python -m benchmarks.gpu.check_sampling [--parts check,greedy,draw,configs,host] [--vocab-size 128256]

Prints a table and writes sampling.json to the folder in $OUT, if set.
"""

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from server.engine import triton_sampling
from server.engine.draw import uniform, weigh
from server.engine.drawer import RandomRows, TorchDrawer
from server.engine.request import SamplingParams
from server.engine.row_parameters import RowParameters
from server.engine.sampler import Sampler
from server.engine.triton_sampling import TritonDrawer
from server.engine.triton_sampling_kernels import _weigh, uniform_kernel

CUDA = torch.device("cuda")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
NUM_ROWS = [1, 32, 128, 256]
KINDS = {
    "temperature": {"temperature": 0.8},
    "top_p 0.9": {"top_p": 0.9},
    "top_k 50": {"top_k": 50},
    "all four": {"top_k": 50, "top_p": 0.9, "min_p": 0.01, "temperature": 0.7},
}
SHAPES = ["peaked", "broad", "flat"]
RECORDS: list[dict[str, Any]] = []


@triton.jit
def weigh_kernel(z, out, num, BLOCK: tl.constexpr):  # noqa: N803
    places = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + places, _weigh(tl.load(z + places, mask=places < num), float("-inf")), mask=places < num)


def random_logits(shape: str, num_rows: int, vocab_size: int, dtype: torch.dtype) -> torch.Tensor:
    """Peaked: as a language model is sure, about 60 tokens in the top 0.9; broad: thousands; flat: most of all."""
    noise = torch.randn(num_rows, vocab_size, device=CUDA)
    if shape == "flat":
        return noise.to(dtype)
    ranks = torch.rand(num_rows, vocab_size, device=CUDA).argsort(1) + 1
    slope = {"peaked": 1.5, "broad": 1.1}[shape]
    return (noise * 0.2 - slope * ranks.float().log() + 18.0).to(dtype)


def attempt(name: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        torch.cuda.synchronize()
        lines = str(error).strip().splitlines()
        print(f"{name}: FAILED {type(error).__name__}: {lines[0][:150] if lines else ''}")
        return None


class Case:
    """Random rows with parameters and both drawers."""

    def __init__(self, num_rows: int, vocab_size: int, params: list[SamplingParams]) -> None:
        self.parameters = RowParameters(vocab_size, num_rows, CUDA)
        for row, one in enumerate(params):
            self.parameters.set(row, one, row)
        rows = np.arange(num_rows)
        index = torch.from_numpy(np.stack([rows] * 3)).to(CUDA)
        self.rows = RandomRows(rows, rows, index, int(np.bitwise_or.reduce(self.parameters.flags)))
        self.torch = TorchDrawer(vocab_size, self.parameters, CUDA)
        self.triton = TritonDrawer(vocab_size, num_rows, self.parameters, CUDA)
        self.generated = rows * 7
        self.on_device = torch.from_numpy(self.generated).to(CUDA)

    def draw(self, drawer: TorchDrawer | TritonDrawer, logits: torch.Tensor) -> torch.Tensor:
        best = drawer.best(logits)
        return drawer.draw(logits, best, self.rows, self.generated, self.on_device)


def check_draws(name: str, vocab_size: int) -> None:
    choices = itertools.product([0.3, 1.0, 1.7], [0, 2, 50, 1500], [1.0, 0.95, 0.5], [0.0, 0.02])
    kinds = [(t, k, p, m) for t, k, p, m in choices if k or p < 1 or m or t != 1.0]
    params = [
        SamplingParams(max_tokens=1, temperature=t, top_k=k, top_p=p, min_p=m, seed=i)
        for i, (t, k, p, m) in enumerate(kinds)
    ]
    case = Case(len(params), vocab_size, params)
    wrong = {}
    for shape in SHAPES:
        logits = random_logits(shape, len(params), vocab_size, DTYPES[name])
        fast, slow = case.draw(case.triton, logits), case.draw(case.torch, logits)
        different = (fast != slow).nonzero().flatten().tolist()
        wrong[shape] = [kinds[i] for i in different]
    print(
        f"draws {name}: {len(params)} rows each of {', '.join(SHAPES)}: different tokens",
        {s: f"{len(w)} {w[:4]}" for s, w in wrong.items()},
    )
    RECORDS.append({"part": "check", "dtype": name, "rows": len(params), "different": wrong})


def check_greedy(name: str, vocab_size: int) -> None:
    logits = random_logits("flat", 64, vocab_size, DTYPES[name])
    logits[3, 77] = float("nan")
    logits[4, vocab_size - 1] = float("inf")
    logits[5] = float("-inf")
    logits[6] = 1.0
    logits[7] = logits[7].round()
    sampler = Sampler(vocab_size, 64, CUDA)
    token_ids, is_bad = sampler.greedy(logits)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = sampler.greedy(logits)
    graph.replay()
    graph.replay()
    # Torch promises no order among equals on CUDA, so the lowest is looked up.
    best = logits.float().nan_to_num(nan=float("inf"), neginf=float("-inf"), posinf=float("inf")).amax(1, keepdim=True)
    lowest = (logits.float() == best).int().argmax(1)
    expected_bad = torch.zeros(64, dtype=torch.bool, device=CUDA)
    expected_bad[3:6] = True
    is_right = torch.equal(is_bad, expected_bad) and torch.equal(token_ids, lowest.masked_fill(expected_bad, 0))
    repeats = torch.equal(captured[0], token_ids) and torch.equal(captured[1], is_bad)
    print(f"greedy {name}: {'ok' if is_right else 'WRONG'}; in a graph: {'ok' if repeats else 'WRONG'}")
    RECORDS.append({"part": "check greedy", "dtype": name, "is_right": is_right, "repeats": repeats})


def check_numbers() -> None:
    keys = np.random.default_rng(0).integers(0, 2**64, 4096, dtype=np.uint64)
    indices = np.arange(4096)
    out = torch.empty(4096, dtype=torch.float64, device=CUDA)
    uniform_kernel[(4096,)](torch.from_numpy(keys.view(np.int64)).to(CUDA), torch.from_numpy(indices).to(CUDA), out)
    is_equal = np.array_equal(out.cpu().numpy(), uniform(keys, indices.astype(np.uint64)))
    # Every float32 between -32 and 0 in steps of 61 bit patterns, which is odd and prime.
    bits = torch.arange(-(2**31), -1040187392, 61, dtype=torch.int32, device=CUDA)
    z = bits.view(torch.float32)
    weights = torch.empty(z.numel(), dtype=torch.int64, device=CUDA)
    weigh_kernel[(triton.cdiv(z.numel(), 1024),)](z, weights, z.numel(), BLOCK=1024)
    different = int((weights != weigh(z.clone(), torch.empty_like(weights))).sum())
    print(
        f"uniform numbers: {'bitwise equal' if is_equal else 'DIFFERENT'}; weights: {different} of {z.numel()} differ"
    )
    RECORDS.append({"part": "check numbers", "uniform_is_equal": is_equal, "weights": z.numel(), "differ": different})


def time_us(work: Callable[[], object], calls: int, *, captures: bool = True) -> float:
    """Median device microseconds of a call."""
    work()
    torch.cuda.synchronize()

    def repeat() -> None:
        for _ in range(calls):
            work()

    run = repeat
    if captures:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            repeat()
        run = graph.replay
    samples = []
    for _ in range(5):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end) * 1e3 / calls)
    return statistics.median(samples)


def time_greedy(vocab_size: int) -> None:
    print("greedy, bf16: rows, us, TB/s for 64 and for 32 groups a program; torch us")
    for num_rows in NUM_ROWS:
        # Several batches in turn, so that small ones are not read from the second-level cache.
        num_copies = max(1, 2**28 // (num_rows * vocab_size * 2))
        batches = [torch.randn(num_rows, vocab_size, device=CUDA).bfloat16() for _ in range(min(num_copies, 64))]
        turn = itertools.cycle(batches)
        old = time_us(lambda turn=turn: next(turn).max(1), 64)
        line = f"  {num_rows:4d}"
        for triton_sampling.BLOCK_GROUPS in (64, 32):
            sampler = Sampler(vocab_size, num_rows, CUDA)
            us = time_us(lambda turn=turn, sampler=sampler: sampler.greedy(next(turn)), 64)
            tb_s = num_rows * vocab_size * 2 / us / 1e6
            line += f" {us:8.1f} {tb_s:6.2f}"
            facts = {"rows": num_rows, "block_groups": triton_sampling.BLOCK_GROUPS, "us": us, "tb_s": tb_s}
            RECORDS.append({"part": "greedy", "torch_us": old, **facts})
        print(f"{line} {old:8.1f}")


def time_configs(vocab_size: int) -> None:
    """The draw of 32 rows with top-p, by the length of the list and the number of warps."""
    print("draw, 32 rows, top-p 0.9, us: capacity, warps, " + ", ".join(SHAPES))
    params = [SamplingParams(max_tokens=1, seed=i, top_p=0.9) for i in range(32)]
    case = Case(32, vocab_size, params)
    defaults = triton_sampling.CAPACITY, triton_sampling.NUM_WARPS
    for config in [(4096, 16), (2048, 16), (2048, 8), (8192, 32)]:
        triton_sampling.CAPACITY, triton_sampling.NUM_WARPS = config
        times = []
        for shape in SHAPES:
            logits = random_logits(shape, 32, vocab_size, torch.bfloat16)
            best = case.triton.best(logits)
            arguments = (logits, best, case.rows, case.generated, case.on_device)
            times.append(time_us(lambda arguments=arguments: case.triton.draw(*arguments), 8))
        print(f"  {config[0]:5d} {config[1]:3d} " + " ".join(f"{us:7.0f}" for us in times))
        RECORDS.append({"part": "configs", "capacity": config[0], "warps": config[1], "us": times})
    triton_sampling.CAPACITY, triton_sampling.NUM_WARPS = defaults


def time_draws(vocab_size: int) -> None:
    print("draws, bf16, us without the argmax: " + ", ".join(f"{n} rows" for n in NUM_ROWS) + "; torch in brackets")
    for (kind, fields), shape in itertools.product(KINDS.items(), SHAPES):
        if shape == "flat" and kind == "temperature":
            continue
        line = []
        for num_rows in NUM_ROWS:
            params = [SamplingParams(max_tokens=1, seed=i, **fields) for i in range(num_rows)]
            case = Case(num_rows, vocab_size, params)
            logits = random_logits(shape, num_rows, vocab_size, torch.bfloat16)
            best = case.triton.best(logits)
            arguments = (logits, best, case.rows, case.generated, case.on_device)
            us = time_us(lambda case=case, arguments=arguments: case.triton.draw(*arguments), 8)
            old = time_us(lambda case=case, arguments=arguments: case.torch.draw(*arguments), 2, captures=False)
            line.append(f"{us:7.0f} ({old:6.0f})")
            RECORDS.append({"part": "draw", "kind": kind, "shape": shape, "rows": num_rows, "us": us, "torch_us": old})
        print(f"  {kind + ', ' + shape:22s} " + "  ".join(line))


def time_host(vocab_size: int) -> None:
    """Milliseconds of processor time of `sample` and of a new plan, for 256 rows."""
    num_rows = 256
    logits = random_logits("peaked", num_rows, vocab_size, torch.bfloat16)
    for kind, fields in {"greedy": {"temperature": 0.0}, "mixed": KINDS["all four"]}.items():
        sampler = Sampler(vocab_size, num_rows, CUDA)
        start = time.perf_counter()
        for row in range(num_rows):
            params = SamplingParams(max_tokens=1, seed=row, **(fields if row % 4 else {"temperature": 0.0}))
            sampler.add(row, params, 0, [1, 2, 3], [])
        add_us = (time.perf_counter() - start) / num_rows * 1e6
        times: dict[str, list[float]] = {"sample with a new plan": [], "sample": [], "plan": []}
        for turn in range(40):
            rows = np.arange(turn % 2, num_rows)
            generated, lines = np.full(rows.size, turn), logits[: rows.size]
            for name in times:
                torch.cuda.synchronize()
                start = time.perf_counter()
                if name == "plan":
                    sampler._make_plan(rows, False)
                else:
                    sampler.sample(lines, rows, generated, None)
                times[name].append((time.perf_counter() - start) * 1e3)
        medians = {name: statistics.median(samples[4:]) for name, samples in times.items()}
        print(
            f"host ms, {num_rows} rows, {kind}:", {k: round(v, 3) for k, v in medians.items()}, f"add {add_us:.0f} us"
        )
        RECORDS.append({"part": "host", "kind": kind, **medians, "add_us": add_us})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="check,greedy,draw,configs,host")
    parser.add_argument("--vocab-size", type=int, default=128_256)
    arguments = parser.parse_args()
    vocab_size, parts = arguments.vocab_size, arguments.parts.split(",")
    torch.manual_seed(0)
    with torch.inference_mode():
        start = time.perf_counter()
        if "check" in parts:
            attempt("numbers", check_numbers)
            for name in DTYPES:
                attempt(f"greedy {name}", lambda name=name: check_greedy(name, vocab_size))
                attempt(f"draws {name}", lambda name=name: check_draws(name, vocab_size))
            attempt("draws, odd vocabulary", lambda: check_draws("bf16", 50_257))
            print(f"checked in {time.perf_counter() - start:.0f} s with compiling; {triton_sampling.CAPACITY=}")
        if "greedy" in parts:
            attempt("greedy", lambda: time_greedy(vocab_size))
        if "draw" in parts:
            attempt("draws", lambda: time_draws(vocab_size))
        if "configs" in parts:
            attempt("configs", lambda: time_configs(vocab_size))
        if "host" in parts:
            attempt("host", lambda: time_host(vocab_size))
        print(f"done in {time.perf_counter() - start:.0f} s")
    if folder := os.environ.get("OUT"):
        facts = {"device": torch.cuda.get_device_name(), "vocab_size": vocab_size, "records": RECORDS}
        (Path(folder) / "sampling.json").write_text(json.dumps(facts, indent=1, default=str))


if __name__ == "__main__":
    main()
