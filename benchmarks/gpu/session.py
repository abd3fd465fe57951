"""Everything there is to measure on a GPU, in one command that keeps to a time and loses nothing.

    python -m benchmarks.gpu.session --minutes 9.5 --only tests,engine
    python -m benchmarks.gpu.session --minutes 9.5 --skip tests,serve
    python -m benchmarks.gpu.session --list

Every step runs in a process of its own, with a folder of its own in $OUT (or --output) for its JSON and its log, and is
ended when it takes too long. A step that fails does not stop the next one; a step that would not fit what is left of
the time is left out. `session.json` is written anew after every step, and a table stands at the end of the output.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

ROOT = Path(__file__).resolve().parents[2]
TAIL_LINES = 30
MARGIN_S = 5.0
"""Kept for writing the summary when steps are cut short."""

Outcome = Literal["ok", "failed", "too long", "left out"]


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Args:
        arguments: of the Python interpreter; `{out}` stands for the step's folder.
        expected_s: about how long it takes on an H200.
        needs: modules without which it cannot run.
        num_gpus: that it takes.
    """

    name: str
    arguments: tuple[str, ...]
    expected_s: float
    needs: tuple[str, ...] = ()
    num_gpus: int = 1

    @property
    def limit_s(self) -> float:
        return 2 * self.expected_s + 30


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a step.

    Args:
        files: in the step's folder, by the path from $OUT.
        tail: the end of its output, or why it did not run.
    """

    name: str
    outcome: Outcome
    seconds: float
    command: str
    files: list[str]
    tail: list[str]


def module(
    name: str, script: str, *flags: str, expected_s: float, needs: tuple[str, ...] = (), num_gpus: int = 1
) -> Step:
    return Step(name, ("-m", f"benchmarks.gpu.{script}", *flags), expected_s, needs, num_gpus)


SERVER = ("fastapi", "pydantic_settings", "msgspec", "uvicorn", "uvloop", "httpx", "typer", "rich")
MIXED_64 = ("--clients", "64", "--settings", "768x3,768x3u,512x1,1536x1")
GPU_TESTS = ("engine", "sampling", "attention", "models", "kv")
STEPS = (
    Step(
        "tests",
        (
            *("-m", "pytest", "-m", "gpu", "-n", "12", "-q", "-p", "no:cacheprovider", "--junitxml", "{out}/tests.xml"),
            *(f"tests/{area}" for area in GPU_TESTS),
            "tests/calibrate/test_cuda.py",
        ),
        290,
        needs=("pytest", "xdist", "hypothesis", "pytest_asyncio", "pytest_timeout", "llguidance"),
    ),
    module("try-ragged", "try_ragged", expected_s=60),
    module("try-products", "try_products", expected_s=45),
    module("try-prefill", "try_prefill", expected_s=100),
    module("try-mixed", "try_mixed", expected_s=100),
    module("try-mixed-64", "try_mixed", *MIXED_64, expected_s=140),
    module("engine", "engine", expected_s=85),
    module("engine-32768", "engine", "--set", "max_step_tokens=32768", "--only", "prefill", expected_s=18),
    module("serve", "serve", expected_s=117, needs=SERVER),
    module("formats", "formats", expected_s=145),
    Step("kernels", ("-m", "server.cli", "bench", "kernels", "--output-json", "{out}/kernels.json"), 19, SERVER),
    module("try-sustained", "try_sustained", expected_s=48),
    module("duo-decode", "duo", "--only", "decode", expected_s=44),
    module("duo-long", "duo", "--only", "longest,prefill", expected_s=240),
    module("duo-crowd", "duo", "--only", "crowd", expected_s=420),
    module("skip-6.7b", "skip", "--only", "aligned", expected_s=200),
    module("skip-1.3b", "skip", "--shape", "opt-1.3b", "--only", "aligned", expected_s=120),
    module("skip-8b", "skip", "--shape", "llama-3-8b", "--only", "aligned", expected_s=200),
    module("skip-steady", "skip", "--speedups", "2", "--only", "steady", expected_s=240),
    module("tensor-parallel", "tensor_parallel", expected_s=120, num_gpus=2),
    module("check-parallel", "check_parallel", expected_s=200, num_gpus=2),
)
"""In the order in which they are worth their time."""


def run_step(step: Step, out: Path, limit_s: float) -> Done:
    """Run one step for `limit_s` seconds at most, its output in `log.txt` of its folder."""
    folder = out / step.name
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *(argument.replace("{out}", str(folder)) for argument in step.arguments)]
    began_s = time.monotonic()
    outcome: Outcome = "too long"
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"OUT": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # A group of its own, so that what it started ends with it.
            start_new_session=True,
        )
        try:
            outcome = "ok" if process.wait(limit_s) == 0 else "failed"
        except subprocess.TimeoutExpired:
            pass
        finally:
            end_group(process)
    seconds = time.monotonic() - began_s
    tail = (folder / "log.txt").read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]
    files = sorted(str(path.relative_to(out)) for path in folder.rglob("*") if path.is_file())
    return Done(step.name, outcome, seconds, " ".join(command), files, tail)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End whatever is left of the step's processes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def reason_against(step: Step, left_s: float) -> str | None:
    """Why the step cannot run now."""
    missing = [name for name in step.needs if importlib.util.find_spec(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if torch.cuda.device_count() < step.num_gpus:
        return f"needs {step.num_gpus} GPUs, {torch.cuda.device_count()} are here"
    if left_s < step.expected_s:
        return f"takes about {step.expected_s:.0f} s, {left_s:.0f} s are left"
    return None


def run_steps(steps: Sequence[Step], out: Path, total_s: float) -> list[Done]:
    """Run the steps one after another within `total_s` seconds."""
    ends_s = time.monotonic() + total_s - MARGIN_S
    done: list[Done] = []
    for step in steps:
        left_s = ends_s - time.monotonic()
        reason = reason_against(step, left_s)
        if reason is None:
            print(f"== {step.name}: about {step.expected_s:.0f} s, {left_s:.0f} s left", flush=True)
            done.append(run_step(step, out, min(step.limit_s, left_s)))
            print("\n".join(done[-1].tail), flush=True)
        else:
            done.append(Done(step.name, "left out", 0.0, " ".join(step.arguments), [], [reason]))
        out.mkdir(parents=True, exist_ok=True)
        (out / "session.json").write_text(json.dumps([asdict(one) for one in done], indent=1))
    return done


def table(done: Sequence[Done]) -> str:
    lines = [f"{'step':<18} {'outcome':<9} {'s':>6}  files, or the last line"]
    for one in done:
        files = [name for name in one.files if not name.endswith("log.txt")]
        said = ", ".join(files) if one.outcome == "ok" else (one.tail or [""])[-1][:90]
        lines.append(f"{one.name:<18} {one.outcome:<9} {one.seconds:6.0f}  {said}")
    return "\n".join(lines)


def choose(only: str, skip: str) -> list[Step]:
    """The steps named by `only`, in that order (all if empty), but for those in `skip`.

    Raises:
        SystemExit: there is no step of such a name.
    """
    by_name = {step.name: step for step in STEPS}
    names = [name for name in only.split(",") if name] or list(by_name)
    skipped = [name for name in skip.split(",") if name]
    unknown = [name for name in (*names, *skipped) if name not in by_name]
    if unknown:
        raise SystemExit(f"no step is called {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in names if name not in skipped]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.5, help="for all steps together")
    parser.add_argument("--only", default="", help="names of steps, in the order in which they shall run")
    parser.add_argument("--skip", default="", help="names of steps to leave out")
    parser.add_argument("--list", action="store_true", help="show the steps and run none")
    parser.add_argument("--output", type=Path, default=None, help="folder; by default $OUT")
    options = parser.parse_args(arguments)
    steps = choose(options.only, options.skip)
    if options.list:
        for step in steps:
            print(f"{step.name:<18} {step.expected_s:4.0f} s  {step.num_gpus} GPU  python {' '.join(step.arguments)}")
        return
    out = options.output or Path(os.environ.get("OUT", "session"))
    done = run_steps(steps, out.resolve(), 60 * options.minutes)
    print(f"\n{table(done)}")
    if any(one.outcome in ("failed", "too long") for one in done):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
