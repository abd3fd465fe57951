"""The annotator as users run it: a process of its own, asked over HTTP or by its command line."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_S = 60


@dataclass(frozen=True)
class Annotator:
    """A running `mapqator serve`."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]

    def tool(self, tool: str, params: Mapping[str, object], **query: str) -> httpx.Response:
        """One tool call."""
        return httpx.post(f"{self.url}/api/tools/{tool}", params=query, json=dict(params), timeout=60)


def program_env(data_dir: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which `mapqator` knows this data folder and nothing of the machine's own settings; it makes no
    demo project, which takes seconds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAPQATOR_")}
    return kept | {"MAPQATOR_DATA_DIR": str(data_dir), "MAPQATOR_DEMO": "false"} | dict(env or {})


@contextmanager
def serving(data_dir: Path, env: Mapping[str, str] | None = None) -> Iterator[Annotator]:
    """A real annotator in a process of its own, ready to answer; stopped when the block ends."""
    log = data_dir / "serve.log"
    data_dir.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "annotator.cli", "serve", "--port", "0"],
            env=program_env(data_dir, env),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, log.read_text()
            _wait_until_ready(found[0], process)
            yield Annotator(found[0], data_dir, process)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def serving_model() -> Iterator[str]:
    """Rhumb with the embedded model in a process of its own: the base URL of its API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = next(match for line in process.stdout if (match := re.search(r"http://[\d.]+:\d+", line)))
        _wait_until_ready(found[0], process)
        yield f"{found[0]}/v1"
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def _wait_until_ready(url: str, process: "subprocess.Popen[str]") -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=START_S) as client:
        while client.get(f"{url}/health/ready").status_code != 200:
            assert process.poll() is None, (
                f"it ended with exit code {process.returncode}; its log is in the data folder"
            )
            # Asking without a pause would take the processor from what is waited for.
            time.sleep(0.05)


def run_mapqator(
    data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `mapqator ARGUMENTS` on a data folder as a user would, and gives what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "annotator.cli", *arguments],
        env=program_env(data_dir, env) | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
    )
