"""Servers to be hurt: one shared by all tests that must leave it as it was, and new ones for those that may not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.program import Program, until

StartProgram = Callable[..., Program]


@pytest.fixture(scope="session")
def program(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server with deadlines that a busy machine keeps. Every test must find and leave it serving."""
    log = tmp_path_factory.mktemp("program") / "log"
    deadlines = ("--header-timeout-s", "5", "--body-timeout-s", "5", "--write-timeout-s", "5", "--keep-alive-s", "5")
    running = Program(tiny_llama, log, *deadlines, "--max-rows", "8")
    try:
        until(running.is_ready, 120)
        yield running
    finally:
        running.stop()


@pytest.fixture
def start_program(tiny_llama: Path, tmp_path: Path) -> Iterator[StartProgram]:
    """Starts servers and ends them after the test, whatever has become of them."""
    programs: list[Program] = []

    def start(*arguments: str) -> Program:
        programs.append(Program(tiny_llama, tmp_path / f"log-{len(programs)}", *arguments))
        until(programs[-1].is_ready, 120)
        return programs[-1]

    yield start
    for running in programs:
        running.stop()
