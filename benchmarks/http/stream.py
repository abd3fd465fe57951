"""What the way from the engine process to the client can carry: streams of a core that needs no time of its own.

    python -m benchmarks.http.stream [--api-processes 1,2,4] [--client-processes 2] [--seconds 8]

The core of `core.py` makes one token for every stream in steps of a fixed time. For each number of API processes and
each crowd, its clients stream one chunk a token until the core has made tokens for the wanted seconds. A server that
keeps up delivers all that the core makes, in gaps of one step. Saves `benchmarks/http/<date>-<machine>-stream.json`,
or into the folder that OUT names.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
import uvloop

from benchmarks.http.core import STEP_MS
from server.assets import EMBEDDED_MODEL_ID
from server.bench.client import ENDPOINTS
from server.bench.datasets import Prompt
from server.bench.load import Arrivals
from server.bench.machine import describe_run
from server.bench.serve import find_model, run_serve
from server.bench.shares import Target, num_client_processes

CROWDS = {64: 6.0, 256: 20.0}
"""Streams -> milliseconds of a step: tokens a second above the goals for a GPU, in gaps below them."""
TOKENS = 512
READY_S = 120.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

Crowd = dict[str, Any]


def main(
    api_processes: Annotated[str, typer.Option(help="Numbers of API processes to try, separated by commas.")] = "1,2",
    client_processes: Annotated[int, typer.Option(min=1, help="Processes of the client.")] = num_client_processes(),
    seconds: Annotated[float, typer.Option(min=1.0, help="Least seconds of streaming for each figure.")] = 8.0,
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Measure the HTTP path alone."""
    record: dict[str, Any] = describe_run() | {
        "client_processes": client_processes,
        "load_average_before": os.getloadavg(),
        "runs": [],
    }
    for num_processes in (int(part) for part in api_processes.split(",")):
        for num_streams, step_ms in CROWDS.items():
            crowd = measure(num_processes, num_streams, step_ms, client_processes, seconds)
            print(line_of(crowd), flush=True)
            record["runs"].append(crowd)
    record["load_average_after"] = os.getloadavg()
    path = output or default_path(str(record["machine"]["cpu"]), int(record["machine"]["num_cores"]))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    print(path)


def measure(num_processes: int, num_streams: int, step_ms: float, num_clients: int, seconds: float) -> Crowd:
    """One server, one crowd of clients that stream all the time."""
    rounds = max(1, round(seconds * 1e3 / step_ms / TOKENS))
    prompts = [Prompt(f"Once {index}", [1], TOKENS) for index in range(num_streams * rounds)]
    with serving(num_processes, step_ms) as (port, server):
        target = Target(f"http://127.0.0.1:{port}", "openai", ENDPOINTS["openai"], ignore_eos=True)
        find_model(target, READY_S)
        before = processor_s(server.pid)
        run = uvloop.run(
            run_serve(
                target,
                EMBEDDED_MODEL_ID,
                prompts,
                Arrivals(),
                warmups=prompts[: 4 * num_processes],
                max_concurrency=num_streams,
                ready_timeout_s=READY_S,
                num_processes=num_clients,
            )
        )
        after = processor_s(server.pid)
    failed = [result.error for result in run.results if result.error is not None]
    if failed:
        raise RuntimeError(f"{len(failed)} requests failed, the first with: {failed[0]}")
    num_tokens = sum(result.output_len for result in run.results)
    gaps_ms = 1e3 * np.concatenate([result.itls_s for result in run.results])
    spent = {pid: (name, used - before.get(pid, (name, 0.0))[1]) for pid, (name, used) in after.items()}
    return {
        "api_processes": num_processes,
        "streams": num_streams,
        "step_ms": step_ms,
        "offered_tokens_per_s": num_streams / step_ms * 1e3,
        "tokens_per_s": num_tokens / run.duration_s,
        "tokens_per_chunk": num_tokens / sum(result.num_chunks for result in run.results),
        "inter_token_ms": {f"p{share:g}": float(np.percentile(gaps_ms, share)) for share in (50, 90, 99, 99.9)},
        "ttft_ms_p99": 1e3 * float(np.percentile([result.ttft_s for result in run.results], 99)),
        "duration_s": run.duration_s,
        "num_tokens": num_tokens,
        "api_us_per_token": 1e6 * sum(used for name, used in spent.values() if name == "api") / num_tokens,
        "api_cpu_shares": [used / run.duration_s for name, used in spent.values() if name == "api"],
        "core_us_per_token": 1e6 * sum(used for name, used in spent.values() if name == "core") / num_tokens,
        "client_cpu_share": run.client_cpu_share,
    }


@contextmanager
def serving(num_processes: int, step_ms: float) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """(port, process) of a server around the stepping core."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.http.program", str(port), str(num_processes)],
        env={**os.environ, STEP_MS: str(step_ms)},
    )
    try:
        yield port, server
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def processor_s(server_pid: int) -> dict[int, tuple[str, float]]:
    """Process id -> (`api` or `core` or `keeper`, processor seconds so far) of a server and its children."""
    found: dict[int, tuple[str, float]] = {}
    children = [int(pid) for pid in Path(f"/proc/{server_pid}/task/{server_pid}/children").read_text().split()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in (server_pid, *children)}
    has_workers = any("server.api.worker" in command for command in commands.values())
    for pid, command in commands.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        name = "core" if "benchmarks.http.core" in command else "api"
        if pid == server_pid and has_workers:
            name = "keeper"
        found[pid] = (name, (int(fields[11]) + int(fields[12])) / TICKS_PER_S)
    return found


def line_of(crowd: Crowd) -> str:
    gaps = crowd["inter_token_ms"]
    return (
        f"{crowd['api_processes']} API processes, {crowd['streams']:3d} streams: "
        f"{crowd['tokens_per_s']:6.0f} of {crowd['offered_tokens_per_s']:6.0f} tokens/s, "
        f"gaps p50 {gaps['p50']:.2f} p99 {gaps['p99']:.1f} ms, API {crowd['api_us_per_token']:.0f} us a token "
        f"(busiest {max(crowd['api_cpu_shares']):.0%}), client busiest {crowd['client_cpu_share']:.0%}"
    )


def default_path(cpu: str, num_cores: int) -> Path:
    vendor = "-".join(re.sub(r"\(.*?\)", " ", cpu).lower().split()[:2])
    folder = Path(os.environ["OUT"]) if "OUT" in os.environ else Path(__file__).parent
    return folder / f"{datetime.now(UTC):%Y-%m-%d}-{vendor}-{num_cores}c-stream.json"


if __name__ == "__main__":
    typer.run(main)
