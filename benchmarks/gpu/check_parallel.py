"""Tensor parallelism on the GPUs of this machine: the same tokens as one, how long a sum takes, how much decode gains.

    python -m benchmarks.gpu.check_parallel [--ranks 2] [--skip-model]

Prints a table and writes parallel.json to the folder in $OUT, if set. Every part runs in processes of its own.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

MODULE = "benchmarks.gpu.check_parallel"
CALLS = 32
"""Sums in one captured graph, about as many as a model has layers."""
SIZES = (8 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20)
DECODE_STEPS = 60
PART_S = 130
"""A part that takes longer waits for a rank that is gone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--skip-model", action="store_true", help="leave out the model of 8 billion parameters")
    parser.add_argument("--part", choices=("sums", "tiny", "large"), help="run one part in this process")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    if args.part is not None:
        is_sums = args.part == "sums"
        answer = time_sums(args.rank, args.ranks, args.port) if is_sums else run_engine(args.part, args.ranks)
        print(json.dumps(answer), flush=True)
        # NCCL may wait for graphs and ranks that end in no particular order.
        os._exit(0)
    report: dict[str, Any] = {"device": torch.cuda.get_device_name(), "ranks": args.ranks}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    report["sums"], *_ = [
        finish(process) for process in [start("sums", args.ranks, rank, port) for rank in range(args.ranks)]
    ]
    print_sums(report["sums"])
    for part, show in (("large", print_large), ("tiny", print_tiny)):
        if part == "large" and args.skip_model:
            continue
        began_s = time.perf_counter()
        runs = [finish(start(part, ranks)) for ranks in (1, args.ranks)]
        report[part] = dict(zip(("1", str(args.ranks)), runs, strict=True))
        errors = [run["error"] for run in runs if "error" in run]
        if errors:
            print(f"{part}: {errors[0]}")
        else:
            show(runs[0], runs[1], args.ranks)
        print(f"{part} took {time.perf_counter() - began_s:.0f} s", flush=True)
        if "OUT" in os.environ:
            Path(os.environ["OUT"], "parallel.json").write_text(json.dumps(report, indent=1))


def start(part: str, ranks: int, rank: int = 0, port: int = 0) -> "subprocess.Popen[str]":
    numbers = [f"--ranks={ranks}", f"--rank={rank}", f"--port={port}"]
    return subprocess.Popen([sys.executable, "-m", MODULE, "--part", part, *numbers], stdout=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The JSON of a part's last line."""
    try:
        out, _ = process.communicate(timeout=PART_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return {"error": f"the part took more than {PART_S} s"}
    lines = out.strip().splitlines()
    if process.returncode or not lines:
        return {"error": f"the part exited with code {process.returncode}"}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def time_sums(rank: int, size: int, port: int) -> dict[str, Any]:
    """Microseconds of one sum in a captured graph of many, and whether the sums are right, by way and size."""
    from server.parallel.mailboxes import CAPACITY, open_mailboxes

    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    store = dist.TCPStore("127.0.0.1", port, size, is_master=rank == 0)
    dist.init_process_group("nccl", store=store, rank=rank, world_size=size, device_id=device)
    mailboxes = open_mailboxes(rank, size, device)
    ways: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"nccl": all_reduced}
    if mailboxes is not None:
        ways["mailboxes"] = mailboxes.sum
    try:
        ways["one shot of torch"] = one_shot(max(SIZES), device)
    except (RuntimeError, ImportError, AttributeError) as error:
        print(f"one shot of torch: {first_line(error)}", file=sys.stderr)
    report: dict[str, Any] = {}
    for num_bytes in SIZES:
        for name, way in ways.items():
            if name == "mailboxes" and num_bytes > 4 * CAPACITY:
                continue
            report[f"{name} {num_bytes >> 10} KiB"] = attempt(lambda way=way, n=num_bytes: time_way(way, n, rank, size))
    if mailboxes is not None:
        for num_rows in (1, 2):
            report[f"join by mailboxes {num_rows} x 128,256 bf16"] = attempt(
                lambda n=num_rows: time_join(mailboxes.join_columns, n, rank, size)
            )
    report["join by nccl 1 x 128,256 bf16"] = attempt(lambda: time_join(gathered, 1, rank, size))
    return report


def all_reduced(x: torch.Tensor) -> torch.Tensor:
    dist.all_reduce(x)
    return x


def gathered(x: torch.Tensor) -> torch.Tensor:
    joined = x.new_empty((dist.get_world_size() * x.shape[0], x.shape[1]))
    dist.all_gather_into_tensor(joined, x)
    return joined.view(1, -1)


def one_shot(max_bytes: int, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Torch's own kernel over symmetric memory, with the copy into it."""
    import torch.distributed._symmetric_memory as symmetric_memory

    group = dist.group.WORLD
    assert group is not None
    buffer = symmetric_memory.empty(max_bytes // 2, dtype=torch.bfloat16, device=device)
    symmetric_memory.rendezvous(buffer, group)

    def total(x: torch.Tensor) -> torch.Tensor:
        part = buffer[: x.numel()]
        part.copy_(x.view(-1))
        x.view(-1).copy_(torch.ops.symm_mem.one_shot_all_reduce(part, "sum", group.group_name))
        return x

    return total


def time_way(way: Callable[[torch.Tensor], torch.Tensor], num_bytes: int, rank: int, size: int) -> dict[str, Any]:
    parts = [random_part(num_bytes // 2, peer).view(1, -1) for peer in range(size)]
    x = way(parts[rank].clone())
    expected = torch.stack([part.float() for part in parts]).sum(0)
    is_right = torch.allclose(x.float(), expected, atol=0.02, rtol=0.01)
    first = x.clone()
    dist.broadcast(first, 0)
    y = torch.zeros_like(parts[rank])
    return {"us": time_captured(lambda: way(y)), "is_right": is_right, "is_alike": torch.equal(first, x)}


def time_join(way: Callable[[torch.Tensor], torch.Tensor], num_rows: int, rank: int, size: int) -> dict[str, Any]:
    width = 128256 // size
    parts = [random_part(num_rows * width, peer).view(num_rows, width) for peer in range(size)]
    is_right = torch.equal(way(parts[rank]), torch.cat(parts, 1))
    return {"us": time_captured(lambda: way(parts[rank])), "is_right": is_right}


def random_part(num_elements: int, seed: int) -> torch.Tensor:
    generator = torch.Generator("cuda").manual_seed(seed)
    return torch.randn(num_elements, generator=generator, device="cuda").to(torch.bfloat16)


def time_captured(call: Callable[[], Any]) -> float:
    """Median microseconds of one call in a graph of `CALLS`."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        for _ in range(CALLS):
            call()
    times = []
    for _ in range(12):
        dist.barrier()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        # The first replay absorbs that the ranks do not start together.
        graph.replay()
        begin.record()
        for _ in range(4):
            graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000 / (4 * CALLS))
    return statistics.median(times)


def attempt(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return call()
    except Exception as error:
        return {"error": first_line(error)}


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def run_engine(part: str, ranks: int) -> dict[str, Any]:
    """Tokens of a tiny model, or the decode steps of one of 8 billion parameters."""
    from benchmarks.gpu.shapes import build_shape

    with tempfile.TemporaryDirectory() as folder:
        if part == "large":
            large = build_shape("llama-3-8b", Path(folder))
            return attempt(lambda: decode_large(large, ranks))
        # Spread wider than usual, so that the logits are not so flat that any rounding changes a token.
        tiny = build_shape("tiny", Path(folder), initializer_range=0.1, head_dim=64)
        return attempt(lambda: tiny_tokens(tiny, ranks))


def open_core(folder: Path, ranks: int, **settings: Any) -> Any:
    from server.config import EngineConfig
    from server.engine.core import EngineCore

    return EngineCore(EngineConfig(str(folder), load_format="dummy", tensor_parallel=ranks, **settings))


def add(core: Any, name: str, prompt_ids: list[int], **params: Any) -> None:
    from server.engine.request import EngineRequest, SamplingParams

    core.add(EngineRequest(name, prompt_ids, SamplingParams(ignore_eos=True, **params)))


def tiny_tokens(folder: Path, ranks: int) -> dict[str, Any]:
    """Tokens of float32 rows: greedy ones, drawn ones, short and long prompts, through graphs and without."""
    core = open_core(folder, ranks, dtype="float32", max_rows=8, max_step_tokens=256, num_pages=2000)
    for index in range(12):
        prompt = [(37 * index + 11 * position) % 1000 for position in range(5 + 60 * index)]
        drawn = {"temperature": 0.8, "seed": index, "frequency_penalty": 0.2} if index % 3 == 0 else {}
        add(core, f"r{index}", prompt, max_tokens=24, **({"temperature": 0.0} | drawn))
    tokens: dict[str, list[int]] = {}
    while core.has_work:
        for output in core.step():
            tokens.setdefault(output.request_id, []).extend(output.token_ids)
    core.close()
    return {"tokens": tokens, "load_s": core.info.load_s}


def decode_large(folder: Path, ranks: int) -> dict[str, Any]:
    settings = {"max_rows": 32, "max_model_len": 4096, "max_mixed_tokens": 8192, "num_pages": 32 * 32 * 80 + 1}
    core = open_core(folder, ranks, **settings)
    report: dict[str, Any] = {"load_s": core.info.load_s}
    for batch, context in ((1, 128), (32, 1024)):
        report[f"{batch} x {context}"] = decode(core, batch, context)
    core.close()
    return report


def decode(core: Any, batch: int, context: int) -> dict[str, Any]:
    """Milliseconds of a step once all rows decode, and the first row's tokens."""
    rows = [f"{batch}-{index}" for index in range(batch)]
    for index, name in enumerate(rows):
        prompt = [(7 * index + 13 * position) % 1000 for position in range(context)]
        add(core, name, prompt, max_tokens=DECODE_STEPS + 2 * batch + 20, temperature=0.0)
    tokens: dict[str, list[int]] = {name: [] for name in rows}
    while not all(len(ids) > 2 for ids in tokens.values()):
        step(core, tokens)
    times = []
    for _ in range(DECODE_STEPS):
        began_s = time.perf_counter()
        step(core, tokens)
        times.append(time.perf_counter() - began_s)
    core.abort(rows)
    while core.has_work:
        core.step()
    return {"ms": statistics.median(times) * 1000, "mean_ms": statistics.mean(times) * 1000, "tokens": tokens[rows[0]]}


def step(core: Any, tokens: dict[str, list[int]]) -> None:
    for output in core.step():
        tokens[output.request_id] += output.token_ids


def print_sums(sums: dict[str, Any]) -> None:
    for name, result in sums.items():
        if isinstance(result, str) or "error" in result:
            print(f"{name:44} {result if isinstance(result, str) else result['error']}")
            continue
        wrong = [flag for flag in ("is_right", "is_alike") if not result.get(flag, True)]
        print(f"{name:44} {result['us']:8.2f} us  {'WRONG: not ' + ', '.join(wrong) if wrong else ''}")


def print_large(one: dict[str, Any], many: dict[str, Any], ranks: int) -> None:
    for point in ("1 x 128", "32 x 1024"):
        runs = one[point], many[point]
        alike = sum(a == b for a, b in zip(runs[0]["tokens"], runs[1]["tokens"], strict=False))
        print(
            f"decode {point:10} 1 GPU {runs[0]['ms']:.3f} ms, {ranks} GPUs {runs[1]['ms']:.3f} ms, "
            f"gain {runs[0]['ms'] / runs[1]['ms']:.2f}, tokens alike {alike} of {len(runs[0]['tokens'])}"
        )
    print(f"loaded in {one['load_s']:.1f} and {many['load_s']:.1f} s")


def print_tiny(one: dict[str, Any], many: dict[str, Any], ranks: int) -> None:
    alike = sum(many["tokens"][name] == tokens for name, tokens in one["tokens"].items())
    print(f"float32 rows with the same tokens on 1 and {ranks}: {alike} of {len(one['tokens'])}")


if __name__ == "__main__":
    main()
