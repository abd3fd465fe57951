"""What the tests know about the servers that `conftest.py` starts."""

import threading
import time
from collections.abc import Callable

MODEL = "org/tiny-llama:1b"
"""As hub names and tags look: with a slash and a colon."""

KEY = "sk-conformance"

MAX_ROWS = 16
MAX_WAITING = 32

NAN_ID, CERTAIN_ID, IMPOSSIBLE_ID = 40, 41, 42
"""Tokens of the model with impossible numbers."""


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Wait for a condition."""
    paused = threading.Event()
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        paused.wait(0.02)
