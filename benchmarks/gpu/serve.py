"""The server over HTTP: from its start to the first token, then a crowd of streaming clients, twice.

    python -m benchmarks.gpu.serve                       # the Llama-3-8B shape, 64 and 256 clients
    python -m benchmarks.gpu.serve --serve max_mixed_tokens=1024

Starts `rhumb serve`, reads it with `rhumb bench serve`, and forgets the prompts that the first crowd left in the
prefix cache before the second one asks the same. The first start has an empty cache of compiled kernels, as on a new
machine, the second one finds what the first compiled. Takes about four minutes on an H200.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from benchmarks.gpu.floors import floors_of
from benchmarks.gpu.record import Mark, Record, Row, default_path
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.floors import Floors
from server.bench.startup import ServerProcess, running_server, time_startup
from server.bench.timer import Timer
from server.models.config import ModelConfig
from server.models.registry import choose_device, choose_dtype

READY_S = 300.0
MARKS = {
    "start to first token, new machine": Mark(20, 80.7),
    "start to first token, again": Mark(20, 80.7),
    "64 clients": Mark(7300, 6400),
    "64 clients: inter-token p50": Mark(6.2, 7.0),
    "64 clients: inter-token p99": Mark(25, 32),
    "64 clients: first token p50": Mark(None, 59),
    "256 clients": Mark(11000, 9768),
    "256 clients: inter-token p50": Mark(None, 9.8),
    "256 clients: inter-token p99": Mark(80, 186),
    "256 clients: first token p50": Mark(None, 2012),
}
"""Of the Llama-3-8B shape: seconds of a start, output tokens per second, milliseconds."""


def start(row: Row, process: ServerProcess) -> None:
    """From the process's start to the first token."""
    row.details = time_startup(process, READY_S)
    row.value = row.details["first_token_s"]


def crowd(
    record: Record, process: ServerProcess, clients: int, options: argparse.Namespace, model: Path, floors: Floors
) -> None:
    """The same requests from so many clients, as `rhumb bench serve` reports them."""
    name = f"{clients} clients"
    result: dict[str, Any] = {}
    with record.row(name, "tok/s", is_rate=True) as row:
        httpx.post(f"{process.url}/reset_prefix_cache", timeout=60.0).raise_for_status()
        result = ask(process, clients, options, model, model.parent / f"{clients}.json")
        # Every single gap and text would be megabytes.
        row.details = {key: value for key, value in result.items() if not isinstance(value, list)}
        lengths = list(zip(result["input_lens"], result["output_lens"], strict=True))
        row.floor = result["total_output_tokens"] / floors.requests_s(lengths, clients)
        row.value = result["output_throughput"]
        if result["failed"]:
            row.error = f"{result['failed']} requests failed: {process.last_words()}"
    if row.value is None:
        return
    for shown, key in (
        ("inter-token p50", "p50_itl_ms"),
        ("inter-token p99", "p99_itl_ms"),
        ("first token p50", "p50_ttft_ms"),
        ("first token p99", "p99_ttft_ms"),
        ("time per output token p50", "p50_tpot_ms"),
    ):
        with record.row(f"{name}: {shown}", "ms") as latency:
            latency.value = result[key]


def ask(process: ServerProcess, clients: int, options: argparse.Namespace, model: Path, path: Path) -> dict[str, Any]:
    """Run `rhumb bench serve` in a process of its own and return what it saved."""
    command = [
        *(sys.executable, "-m", "server.cli", "bench", "serve", "--base-url", process.url),
        *("--tokenizer", str(model)),
        *("--num-prompts", str(options.num_prompts), "--max-concurrency", str(clients), "--ignore-eos"),
        *("--random-input-len", str(options.mean_len), "--random-output-len", str(options.mean_len)),
        # Uniform in [100, 1024] around 562.
        *("--random-range-ratio", "0.822", "--seed", "0", "--num-warmups", "8"),
        *("--metric-percentiles", "50,90,99", "--disable-tqdm", "--save-detailed"),
        *("--result-dir", str(path.parent), "--result-filename", path.name, *options.client),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout_s, check=False)
    print(done.stdout, flush=True)
    if done.returncode:
        raise RuntimeError(
            f"rhumb bench serve: {done.stderr.strip().splitlines()[-1:]}; server: {process.last_words()}"
        )
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def serve_flags(pairs: list[str]) -> list[str]:
    """`name=value` as flags of `rhumb serve`."""
    flags = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        flags += [f"--{name.replace('_', '-')}", *([value] if equals else [])]
    return flags


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure `rhumb serve` over HTTP.")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--serve", action="append", default=[], metavar="NAME=VALUE", help="a flag of rhumb serve")
    parser.add_argument("--client", action="append", default=[], metavar="FLAG", help="for rhumb bench serve")
    parser.add_argument("--clients", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--num-prompts", type=int, default=256)
    parser.add_argument("--mean-len", type=int, default=562, help="mean of prompt and of output lengths")
    parser.add_argument("--starts", type=int, choices=(1, 2), default=2, help="1 leaves the second start out")
    parser.add_argument("--timeout-s", type=float, default=150.0, help="of one crowd")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    flags = serve_flags(options.serve)
    record = Record(
        options.output or default_path("serve"),
        MARKS if (options.shape, options.num_prompts, options.mean_len) == ("llama-3-8b", 256, 562) else {},
        shape=options.shape,
        flags=flags,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = build_shape(options.shape, folder / options.shape)
        facts, device = ModelConfig.from_directory(model), choose_device("auto")
        # Before the server takes the device's memory.
        dtype = choose_dtype("auto", facts, device)
        floors = floors_of(record, facts, dtype, Timer(device), is_small=options.shape == "tiny")
        command = [str(model), "--load-format", "dummy", *flags]
        environment = {"TRITON_CACHE_DIR": str(folder / "triton")}
        with running_server(command, environment) as process:
            with record.row("start to first token, new machine", "s") as row:
                start(row, process)
            if row.error is None:
                for clients in options.clients:
                    crowd(record, process, clients, options, model, floors)
        if options.starts == 2:
            with (
                running_server(command, environment) as process,
                record.row("start to first token, again", "s") as row,
            ):
                start(row, process)
    record.print_table()


if __name__ == "__main__":
    main()
