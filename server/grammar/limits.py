"""What a constraint may cost, checked before anything compiles it.

llguidance bounds its own work by fuel; these limits bound what reaches it, and its recursion.
"""

import json
from typing import Any

from server.engine.request import GrammarSpec
from server.errors import GrammarError

MAX_SOURCE_BYTES = 1 << 20
MAX_REGEX_CHARS = 8192
MAX_SCHEMA_DEPTH = 64
MAX_SCHEMA_NODES = 50_000
MAX_SCHEMA_KEYS = 1000
"""Keys of one object; compiling takes time that grows with their square."""


def check_source(spec: GrammarSpec) -> None:
    """Raises `GrammarError` if the source is larger or deeper than this server compiles."""
    try:
        size = len(spec.source.encode())
    except UnicodeEncodeError:
        raise GrammarError("The grammar holds a lone surrogate, which is no text.") from None
    if size > MAX_SOURCE_BYTES:
        raise GrammarError(f"The grammar has {size} bytes; at most {MAX_SOURCE_BYTES} are compiled.")
    if spec.kind == "regex" and len(spec.source) > MAX_REGEX_CHARS:
        raise GrammarError(f"The regex has {len(spec.source)} characters; at most {MAX_REGEX_CHARS} are compiled.")
    if spec.kind == "json_schema":
        _check_schema(spec.source)


def _check_schema(source: str) -> None:
    try:
        schema = json.loads(source)
    except (ValueError, RecursionError):
        raise GrammarError("The JSON schema is not valid JSON, or is nested too deeply.") from None
    if not isinstance(schema, dict | bool):
        raise GrammarError("A JSON schema must be an object or a boolean.")
    # A loop, not recursion: the depth is what is being checked.
    pending: list[tuple[Any, int]] = [(schema, 1)]
    num_nodes = 0
    while pending:
        node, depth = pending.pop()
        num_nodes += 1
        if depth > MAX_SCHEMA_DEPTH:
            raise GrammarError(f"The JSON schema is nested deeper than {MAX_SCHEMA_DEPTH} levels.")
        if num_nodes > MAX_SCHEMA_NODES:
            raise GrammarError(f"The JSON schema has more than {MAX_SCHEMA_NODES} values.")
        if isinstance(node, dict):
            if len(node) > MAX_SCHEMA_KEYS:
                raise GrammarError(f"An object of the JSON schema has more than {MAX_SCHEMA_KEYS} keys.")
            pending += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            pending += [(value, depth + 1) for value in node]
