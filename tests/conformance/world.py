"""What the tests know about the servers that `conftest.py` starts."""

MODEL = "org/tiny-llama:1b"
"""As hub names and tags look: with a slash and a colon."""

KEY = "sk-conformance"

MAX_ROWS = 16
MAX_WAITING = 32

NAN_ID, CERTAIN_ID, IMPOSSIBLE_ID = 40, 41, 42
"""Tokens of the model with impossible numbers."""
