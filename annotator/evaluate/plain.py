"""JSON of what came from outside: canonical where it can be, and still something where it cannot."""

import json
from typing import Any

from annotator.cache.json_text import canonical
from annotator.errors import InputError


def plain_bytes(value: Any) -> bytes:
    """JSON of any value that JSON gave: also of numbers and half characters that canonical JSON refuses."""
    try:
        return canonical(value)
    except InputError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
