"""CompileGuard: judges grammars in another process, which is ended if one takes too long."""

import contextlib
import hashlib
import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.engine.request import GrammarSpec
from server.errors import ConfigError, GrammarError
from server.grammar.limits import TIMEOUT_S

START_S = 60.0
"""Longest time for the process to import its libraries and read the tokenizer."""

MAX_VERDICTS = 1024


class CompileGuard:
    """Verdicts on grammars, remembered. The process starts with the first question. Safe to use from threads.

    Args:
        tokenizer_json: content of `tokenizer.json`.
        vocab_size: at least the tokenizer's.
        eos_ids: ids that end a text.
        timeout_s: longest time to wait for one verdict.
    """

    def __init__(
        self, tokenizer_json: str, vocab_size: int, eos_ids: Sequence[int], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._first = {"tokenizer": tokenizer_json, "vocab_size": vocab_size, "eos_ids": list(eos_ids)}
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end_process: Callable[[], object] = lambda: None
        self._verdicts: OrderedDict[bytes, str | None] = OrderedDict()

    def check(self, spec: GrammarSpec) -> None:
        """Raises `GrammarError` if the grammar does not compile or takes too long."""
        key = hashlib.sha256(f"{spec.kind} {spec.source}".encode()).digest()
        with self._lock:
            if key not in self._verdicts:
                self._verdicts[key] = self._judge(spec)
                if len(self._verdicts) > MAX_VERDICTS:
                    self._verdicts.popitem(last=False)
            self._verdicts.move_to_end(key)
            verdict = self._verdicts[key]
        if verdict is not None:
            raise GrammarError(verdict)

    def close(self) -> None:
        """End the process; a later question starts another."""
        with self._lock:
            self._kill()

    def _judge(self, spec: GrammarSpec) -> str | None:
        """What is wrong with the grammar."""
        process = self._started()
        answer = self._ask(process, asdict(spec), self._timeout_s)
        if answer is None:
            # Late, or dead of the grammar: out of time, memory or stack.
            self._kill()
            return "The grammar takes too long to compile. Make it smaller, or its repetitions and ranges narrower."
        error: str | None = answer["error"]
        return error

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        root = str(Path(__file__).resolve().parents[2])
        search_path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part)
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "server.grammar.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C in the terminal is for the server to handle; this process ends when its input does.
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": search_path},
        )
        self._end_process = weakref.finalize(self, _end, process)
        answer = self._ask(process, self._first, START_S)
        if answer is None:
            self._kill()
            raise ConfigError("The process that checks grammars does not start; see the log.")
        if answer["error"] is not None:
            self._kill()
            raise GrammarError(answer["error"])
        return process

    @staticmethod
    def _ask(process: "subprocess.Popen[bytes]", question: dict[str, Any], limit_s: float) -> dict[str, Any] | None:
        """The answer; None if there is none in time."""
        assert process.stdin is not None
        assert process.stdout is not None
        end_s = time.monotonic() + limit_s
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(end_s - time.monotonic(), 0))
            if not ready:
                return None
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                return None
            line += part
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _kill(self) -> None:
        self._process = None
        self._end_process()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):  # A question that the process never read.
                pipe.close()
