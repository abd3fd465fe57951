"""Check the Triton attention backend on this GPU against a dense float64 answer, and time its candidates.

    python -m benchmarks.gpu.check_attention [--parts check,decode,prefill,write]

Prints a table and writes attention.json to the folder in $OUT, if set. Kernels are compiled by several processes
beforehand: Triton keeps what it compiled on disk.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.attention_problem import PAGE_SIZE, Problem
from server.attention.triton_configs import DecodeConfig, PrefillConfig, decode_config
from server.kv.formats import quantize
from server.kv.policy import Retention

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
TOLERANCES = {"bf16": 1.5e-2, "fp16": 2e-3, "fp32": 2e-5}
CHECKS = [
    ("bf16", 128, "auto"),
    ("bf16", 64, "auto"),
    ("bf16", 80, "auto"),
    ("bf16", 96, "auto"),
    ("bf16", 256, "auto"),
    ("fp16", 128, "auto"),
    ("fp32", 64, "auto"),
    ("bf16", 128, "fp8"),
    ("bf16", 128, "int8"),
    ("bf16", 128, "int4"),
    ("fp16", 80, "int4"),
]
ROWS = [(0, 1300), (500, 200), (0, 5), (3000, 1), (700, 1), (40, 1), (0, 1)]

DECODE_CASES = [(1, 128), (32, 1024), (64, 2048), (128, 2048), (8, 16384), (1, 131072)]
QUANTISED_CONFIGS = [
    DecodeConfig(128, 4, 3, 2),
    DecodeConfig(128, 4, 5, 2),
    DecodeConfig(64, 4, 5, 3),
    DecodeConfig(64, 4, 5, 4),
]
DECODE_CONFIGS = {
    "auto": [
        DecodeConfig(128, 4, 2, 2),
        DecodeConfig(128, 4, 3, 2),
        DecodeConfig(128, 4, 5, 1),
        DecodeConfig(64, 4, 5, 3),
        DecodeConfig(64, 4, 5, 2),
        DecodeConfig(32, 4, 5, 4),
    ],
    "fp8": QUANTISED_CONFIGS,
    "int8": QUANTISED_CONFIGS,
    "int4": QUANTISED_CONFIGS,
}
PREFILL_LENGTHS = [2048, 8192, 32768]
PREFILL_CONFIGS = [
    PrefillConfig(128, 128, 8, 3, True),
    PrefillConfig(128, 64, 8, 5, True),
    PrefillConfig(128, 64, 4, 5, True),
    PrefillConfig(64, 64, 4, 5, True),
]
WRITE_TOKENS = [1, 32, 128, 2048, 8192]
MAX_PAGES = 131072 // PAGE_SIZE + 1
MAX_ROWS = 128
MAX_LAYERS = 32
POOL_PAGES = 65537
"""Room for a few layers of the longest case: 4.3 GB of bf16."""


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:90] if str(error).strip() else ''}"


def time_ms(work: Callable[[], None], repeats: int = 7) -> float:
    """Median time of `work` in a CUDA graph; of launches from Python where it cannot be captured."""
    work()
    torch.cuda.synchronize()
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        run: Callable[[], None] = graph.replay
    except RuntimeError:
        torch.cuda.synchronize()
        run = work
    run()
    samples = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end))
    return statistics.median(samples)


def check(dtype_name: str, head_dim: int, fmt: str, is_invariant: bool) -> dict[str, Any]:
    """Errors of eager and static batches, and whether pages hold what the twin of the write would store."""
    torch.manual_seed(head_dim)
    retentions = [Retention(), Retention(20, 300)]
    problem = Problem(
        2, 2048, 12, 256, DTYPES[dtype_name], fmt, head_dim, 8, 2, retentions=retentions, is_invariant=is_invariant
    )
    problem.fill_pool()
    problem.give_pages([history + new for history, new in ROWS])
    batch = problem.batch(ROWS)
    static = problem.static_batch(batch, 12, 1600)
    worst, static_worst, num_wrong = 0.0, 0.0, 0
    for layer in range(2):
        qkv = problem.new_qkv(batch.num_tokens)
        rotated = problem.rope(qkv.clone(), 10, batch)
        again = torch.cat((qkv, qkv.new_zeros(1600 - batch.num_tokens, *qkv.shape[1:])))
        result = problem.backend.attend_rotating(layer, qkv, 8, problem.rope, batch)
        turn_error = (qkv[:, :10].float() - rotated.float()).abs().max().item()
        assert turn_error < 0.07, f"rotation is off by {turn_error}"
        expected = problem.expected(layer, qkv[:, :8], ROWS)
        worst = max(worst, (result.double() - expected).abs().max().item())
        num_wrong += count_wrong_pages(problem, layer, qkv)
        padded = problem.backend.attend_rotating(layer, again, 8, problem.rope, static)[: batch.num_tokens]
        static_worst = max(static_worst, (padded.double() - expected).abs().max().item())
    return {"error": worst, "static_error": static_worst, "wrong_pages": num_wrong}


def count_wrong_pages(problem: Problem, layer: int, qkv: torch.Tensor) -> int:
    """New heads whose stored bytes differ from the twin's, given the kernel's own rotated keys."""
    batch, fmt = problem.batch(ROWS), problem.spec.kv_format
    pages = problem.tables.pages[batch.token_rows, layer, batch.positions // PAGE_SIZE].long()
    places = (pages, batch.positions % PAGE_SIZE)
    num_wrong = 0
    for kind, heads in ((0, slice(8, 10)), (1, slice(10, 12))):
        stored = problem.pool.storage[kind][places].view(torch.uint8)
        if problem.pool.params is None:
            expected = qkv[:, heads].to(fmt.dtype).contiguous().view(torch.uint8)
        else:
            elements, params = quantize(qkv[:, heads], fmt)
            expected = elements.view(torch.uint8)
            num_wrong += int((problem.pool.params[kind][places] != params).any(-1).sum())
        num_wrong += int((stored != expected).any(-1).sum())
    return num_wrong


def check_parity(_: str) -> dict[str, Any]:
    """Whether batch-invariant results are bitwise the same alone and in chunks."""
    torch.manual_seed(0)
    problem = Problem(1, 1024, 12, 128, retentions=[Retention(20, 300)], is_invariant=True)
    problem.fill_pool()
    lengths = [700, 650, 5, 900]
    problem.give_pages(lengths)
    qkv = problem.new_qkv(sum(lengths))
    batch = problem.batch([(0, length) for length in lengths])
    whole = problem.backend.attend_rotating(0, qkv.clone(), 32, problem.rope, batch)
    num_different, done = 0, [0] * len(lengths)
    starts = [sum(lengths[:row]) for row in range(len(lengths))]
    for step in (3, 64, 1, 333, 1, 1, 600):
        rows = [(at, min(step + row, length - at)) for row, (at, length) in enumerate(zip(done, lengths, strict=True))]
        rows = [(at, max(new, 0)) for at, new in rows]
        if any(new == 0 for _, new in rows):
            break
        order = sorted(range(len(rows)), key=lambda row: rows[row][1] == 1)
        tokens = torch.cat([torch.arange(starts[r] + rows[r][0], starts[r] + sum(rows[r])) for r in order]).to(
            problem.device
        )
        part = problem.batch([rows[r] for r in order])
        ids = torch.tensor(order, device=problem.device)
        part = replace_rows(part, ids)
        result = problem.backend.attend_rotating(0, qkv[tokens], 32, problem.rope, part)
        num_different += int((result != whole[tokens]).any(-1).sum())
        done = [at + new for at, new in rows]
    return {"different_tokens": num_different, "steps_to": done}


def replace_rows(batch: Any, ids: torch.Tensor) -> Any:
    """The batch with other rows of the tables."""
    from dataclasses import replace

    return replace(batch, rows=ids, token_rows=ids[batch.token_rows])


def decode_problem(fmt: str, num_pages: int) -> Problem:
    return Problem(MAX_LAYERS, num_pages, MAX_ROWS, MAX_PAGES, fmt=fmt)


def warm_decode(fmt: str, config: DecodeConfig) -> None:
    problem = decode_problem(fmt, 1024)
    problem.give_pages([100])
    set_decode(problem, config)
    batch = problem.batch([(99, 1)])
    problem.backend.attend_rotating(0, problem.new_qkv(1), 32, problem.rope, batch)
    torch.cuda.synchronize()


def warm_prefill(config: PrefillConfig) -> None:
    problem = prefill_problem(1024)
    problem.give_pages([100])
    problem.backend.launcher.prefill_config = config
    problem.backend.attend_rotating(0, problem.new_qkv(100), 32, problem.rope, problem.batch([(0, 100)]))
    torch.cuda.synchronize()


def set_decode(problem: Problem, config: DecodeConfig) -> None:
    problem.backend.launcher.decode_config = config
    problem.backend.launcher.make_scratch()


def run_checks(pool: ProcessPoolExecutor) -> list[dict[str, Any]]:
    jobs = [(case, False) for case in CHECKS] + [(("bf16", 128, "auto"), True), (("bf16", 128, "int8"), True)]
    futures = [pool.submit(check, *case, invariant) for case, invariant in jobs]
    parity = pool.submit(check_parity, "")
    records = []
    for ((dtype, head_dim, fmt), invariant), future in zip(jobs, futures, strict=True):
        name = f"{dtype} {head_dim} {fmt}{' invariant' if invariant else ''}"
        try:
            found = future.result()
        except Exception as error:
            print(f"check {name}: FAILED {first_line(error)}")
            continue
        is_good = max(found["error"], found["static_error"]) < TOLERANCES[dtype] and found["wrong_pages"] == 0
        if not is_good:
            print(f"check {name}: BAD {found}")
        records.append({"part": "check", "name": name, **found})
    worst = max((record["error"] for record in records), default=0.0)
    print(f"{len(records)} of {len(jobs)} problems computed, largest error {worst:.1e}")
    try:
        print("check bitwise equality of batch-invariant results:", parity.result())
    except Exception as error:
        print(f"check bitwise: FAILED {first_line(error)}")
    return records


def run_decode() -> list[dict[str, Any]]:
    print("decode TB/s at        " + "".join(f"{f'{rows}x{length}':>11}" for rows, length in DECODE_CASES))
    records = []
    for fmt, configs in DECODE_CONFIGS.items():
        problem = decode_problem(fmt, POOL_PAGES)
        problem.pool.storage.view(torch.uint8).random_(0, 120)
        if problem.pool.params is not None:
            problem.pool.params.fill_(0.01)
        default = decode_config(problem.spec, 128)
        variants = [(config, True) for config in [default, *(config for config in configs if config != default)]]
        # Without the overlap of one kernel's beginning with the end of the one before.
        variants += [(default, False)] if fmt == "auto" else []
        for config, overlaps in variants:
            set_decode(problem, config)
            problem.backend.launcher.overlaps = overlaps
            cells = []
            for rows, length in DECODE_CASES:
                try:
                    ms = time_decode(problem, rows, length)
                except Exception as error:
                    cells.append("-")
                    print(f"decode {fmt} {astuple(config)} {rows}x{length}: {first_line(error)}")
                    break
                num_bytes = rows * length * 8 * problem.spec.kv_format.bytes_per_token(128)
                cells.append(f"{num_bytes / ms / 1e9:.2f} {ms * 1e3:.0f}u")
                records.append({"part": "decode", "fmt": fmt, "config": astuple(config), "overlaps": overlaps})
                records[-1] |= {"rows": rows, "length": length, "ms": ms, "tb_per_s": num_bytes / ms / 1e9}
            name = "/".join(map(str, astuple(config))) + ("" if overlaps else " serial")
            print(f"{fmt:>5} {name:<16}" + "".join(f"{cell:>11}" for cell in cells))
        if fmt == "auto":
            for overlaps in (True, False):
                set_decode(problem, default)
                problem.backend.launcher.overlaps = overlaps
                times = [time_pair(problem, rows, length) * 1e3 for rows, length in DECODE_CASES]
                print(f"write + decode, us, {'over' if overlaps else 'ser'} " + "".join(f"{us:>11.1f}" for us in times))
        del problem
        torch.cuda.empty_cache()
    return records


def time_decode(problem: Problem, rows: int, length: int) -> float:
    """Milliseconds a layer; layers follow each other with pages of their own, as in a model."""
    pages = rows * -(-length // PAGE_SIZE)
    num_layers = min(MAX_LAYERS, (POOL_PAGES - 1) // pages)
    spread_pages(problem, rows, -(-length // PAGE_SIZE), num_layers)
    batch = problem.batch([(length - 1, 1)] * rows)
    q = problem.new_qkv(rows)[:, :32]
    out = torch.empty(rows, 32, 128, dtype=q.dtype, device=q.device)

    def work() -> None:
        for layer in range(num_layers):
            problem.backend.launcher.decode(layer, q, out, batch, 0, rows)

    return time_ms(work) / num_layers


def time_pair(problem: Problem, rows: int, length: int) -> float:
    """Milliseconds a layer of the write and the decode after it."""
    count = -(-length // PAGE_SIZE)
    num_layers = min(MAX_LAYERS, (POOL_PAGES - 1) // (rows * count))
    spread_pages(problem, rows, count, num_layers)
    batch = problem.batch([(length - 1, 1)] * rows)
    qkv = problem.new_qkv(rows)

    def work() -> None:
        for layer in range(num_layers):
            problem.backend.attend_rotating(layer, qkv, 32, problem.rope, batch)

    return time_ms(work) / num_layers


def spread_pages(problem: Problem, rows: int, count: int, num_layers: int) -> None:
    pages = torch.randperm(POOL_PAGES - 1, device="cuda", dtype=torch.int32)[: rows * num_layers * count] + 1
    problem.tables.pages[:rows, :num_layers, :count] = pages.view(rows, num_layers, count)


def prefill_problem(num_pages: int) -> Problem:
    return Problem(1, num_pages, MAX_ROWS, MAX_PAGES)


def tflops(history: int, new: int, ms: float) -> float:
    pairs = new * history + new * new / 2
    return 4 * pairs * 32 * 128 / ms / 1e9


def run_prefill() -> list[dict[str, Any]]:
    print("prefill TFLOP/s at          " + "".join(f"{length:>9}" for length in PREFILL_LENGTHS) + "  8K after 24K")
    problem = prefill_problem(POOL_PAGES)
    problem.pool.storage.normal_()
    records = []

    def show(name: str, run: Callable[[torch.Tensor, Any], None]) -> None:
        cells = []
        for history, new in [*((0, length) for length in PREFILL_LENGTHS), (24576, 8192)]:
            try:
                problem.give_pages([history + new])
                qkv, batch = problem.new_qkv(new), problem.batch([(history, new)])
                ms = time_ms(lambda run=run, qkv=qkv, batch=batch: run(qkv, batch), 3)
            except Exception as error:
                cells.append("-")
                print(f"prefill {name} {history}+{new}: {first_line(error)}")
                continue
            cells.append(f"{tflops(history, new, ms):.0f}")
            records.append({"part": "prefill", "name": name, "history": history, "new": new, "ms": ms})
        print(f"{name:<28}" + "".join(f"{cell:>9}" for cell in cells))

    def with_triton(qkv: torch.Tensor, batch: Any) -> None:
        out = torch.empty_like(qkv[:, :32], memory_format=torch.contiguous_format)
        problem.backend.launcher.prefill(0, qkv[:, :32], out, batch, range(1), qkv.shape[0])

    def with_cudnn(qkv: torch.Tensor, batch: Any) -> None:
        found = problem.backend.dense.attend_row(0, qkv[:, :32], qkv[:, 32:40], qkv[:, 40:], batch, 0)
        assert found is not None, "cuDNN refuses"

    def with_sdpa(name: str, is_repeated: bool) -> Callable[[torch.Tensor, Any], None]:
        def run(qkv: torch.Tensor, batch: Any) -> None:
            if batch.host_kv_lens[0] != qkv.shape[0]:
                raise ValueError("no prefix")
            q, k, v = (x.transpose(0, 1)[None] for x in (qkv[:, :32], qkv[:, 32:40], qkv[:, 40:]))
            if is_repeated:
                k, v = k.repeat_interleave(4, 1), v.repeat_interleave(4, 1)
            if name == "cudnn":
                torch.ops.aten._scaled_dot_product_cudnn_attention(q, k, v, None, False, 0.0, True, False)
            else:
                torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, True, False)

        return run

    for config in PREFILL_CONFIGS:
        problem.backend.launcher.prefill_config = config
        show(f"triton {'/'.join(map(str, astuple(config)))}", with_triton)
    show("dense path (cuDNN + merge)", with_cudnn)
    show("cuDNN alone, heads repeated", with_sdpa("cudnn", True))
    show("flash alone, heads repeated", with_sdpa("flash", True))
    for length in (5120, 4096):
        problem.give_pages([length])
        qkv, batch = problem.new_qkv(length), problem.batch([(0, length)])
        torch.cuda.synchronize()
        started = time.perf_counter()
        with_cudnn(qkv, batch)
        torch.cuda.synchronize()
        print(f"first cuDNN call at a new length, {length}: {(time.perf_counter() - started) * 1e3:.1f} ms")
    return records


def run_write() -> list[dict[str, Any]]:
    print("rope + write" + "".join(f"{tokens:>16}" for tokens in WRITE_TOKENS))
    records = []
    for fmt in ("auto", "fp8", "int8", "int4"):
        problem = Problem(MAX_LAYERS, 32 * 1024, MAX_ROWS, 1024, fmt=fmt)
        cells = []
        for tokens in WRITE_TOKENS:
            rows = [(100, 1)] * tokens if tokens <= MAX_ROWS else [(0, tokens)]
            problem.give_pages([sum(row) for row in rows])
            batch = problem.batch(rows)
            num_layers = MAX_LAYERS if tokens <= MAX_ROWS else 4
            inputs = [problem.new_qkv(tokens) for _ in range(num_layers)]

            def work(inputs: list[torch.Tensor] = inputs, batch: Any = batch, problem: Problem = problem) -> None:
                for layer, qkv in enumerate(inputs):
                    problem.backend.launcher.rotate_and_write(layer, qkv, problem.rope, batch)

            ms = time_ms(work) / num_layers
            num_bytes = tokens * (128 * 2 * (48 + 40) + 8 * problem.spec.kv_format.bytes_per_token(128))
            cells.append(f"{ms * 1e3:.1f} us {num_bytes / ms / 1e9:.2f}")
            records.append({"part": "write", "fmt": fmt, "tokens": tokens, "ms": ms})
        print(f"{fmt:<12}" + "".join(f"{cell:>16}" for cell in cells))
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="check,decode,prefill,write")
    parts = parser.parse_args().parts.split(",")
    started = time.perf_counter()
    records: list[dict[str, Any]] = []
    workers = min(12, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        warmed = []
        if "decode" in parts:
            warmed += [pool.submit(warm_decode, fmt, config) for fmt, cs in DECODE_CONFIGS.items() for config in cs]
        if "prefill" in parts:
            warmed += [pool.submit(warm_prefill, config) for config in PREFILL_CONFIGS]
        if "check" in parts:
            records += run_checks(pool)
        for future in warmed:
            future.exception()
    print(f"compiled and checked after {time.perf_counter() - started:.0f} s; {torch.cuda.get_device_name()}")
    for name, run in (("decode", run_decode), ("prefill", run_prefill), ("write", run_write)):
        if name in parts:
            try:
                records += run()
            except Exception as error:
                print(f"{name}: FAILED {first_line(error)}")
    print(f"{time.perf_counter() - started:.0f} s in all")
    if "OUT" in os.environ:
        report = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "records": records}
        Path(os.environ["OUT"], "attention.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
