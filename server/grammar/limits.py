"""What a grammar may cost. Checked before anything is compiled, so that no source reaches the compiler unbounded."""

import json
import re
from typing import Any

from server.engine.request import GrammarSpec
from server.errors import GrammarError

MAX_SOURCE_BYTES = 128 * 1024
MAX_REGEX_CHARS = 8 * 1024
"""Of a regex, and of one `pattern` in a schema."""
MAX_REPETITIONS = 100_000
"""Product of the counts of nested `{m,n}` in one regex; more makes following it fail half-way."""
MAX_DEPTH = 100
"""JSON containers inside each other; an object within an object of a schema takes two."""
MAX_ENUM_VALUES = 10_000
"""In one schema, all of its enums together."""
MAX_PROPERTIES = 400
"""Of one object; the parser follows all that may still come at once."""

MAX_COMPILE_S = 0.5
"""Processor time of compiling one grammar; the engine compiles it again, and every row waits for that."""
TIMEOUT_S = 10.0
"""Longest time to wait for that on a busy machine."""
MAX_LEXER_STATES = 50_000
"""One or two kilobytes each."""

_ITEM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+(?:\]|\Z)|\{(?P<count>[0-9]{1,9}(?:,[0-9]{0,9})?)\}|.", re.DOTALL)
"""An escape, a character class, a count, or any other character of a regex."""


def check_limits(spec: GrammarSpec) -> None:
    """Raises `GrammarError` if a source is too large or too deep, or is not JSON where it must be."""
    try:
        num_bytes = len(spec.source.encode())
    except UnicodeEncodeError:
        raise GrammarError(f"The {_name(spec)} holds half of a surrogate pair, which is not a character.") from None
    if num_bytes > MAX_SOURCE_BYTES:
        raise GrammarError(f"The {_name(spec)} has {num_bytes} bytes; at most {MAX_SOURCE_BYTES} are accepted.")
    if spec.kind == "regex":
        _check_regex(spec.source)
    elif spec.kind == "json_schema":
        _check_schema(_parsed(spec.source))


def _name(spec: GrammarSpec) -> str:
    return {"regex": "regex", "lark": "grammar"}.get(spec.kind, "schema")


def _parsed(source: str) -> Any:
    try:
        return json.loads(source)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise GrammarError(f"The schema is not JSON: {error}.") from None


def _too_deep() -> GrammarError:
    return GrammarError(f"The schema is nested more than {MAX_DEPTH} levels deep. Flatten it or use $ref.")


def _check_regex(pattern: str) -> None:
    if len(pattern) > MAX_REGEX_CHARS:
        raise GrammarError(f"A regex has {len(pattern)} characters; at most {MAX_REGEX_CHARS} are accepted.")
    if _most_repetitions(pattern) > MAX_REPETITIONS:
        raise GrammarError(f"The regex repeats something more than {MAX_REPETITIONS} times by nested counts.")


def _most_repetitions(pattern: str) -> int:
    """The largest product of the counts `{n}`, `{m,n}` that apply to one part of a regex."""
    open_groups: list[int] = [1]
    """Most repetitions inside each group that is open, the whole pattern first."""
    inside = 1
    """Most repetitions inside the item that was read last."""
    for item in _ITEM.finditer(pattern):
        text = item.group()
        if text == "(":
            open_groups.append(1)
            inside = 1
        elif text == ")" and len(open_groups) > 1:
            inside = open_groups.pop()
            open_groups[-1] = max(open_groups[-1], inside)
        elif count := item["count"]:
            # A chain such as a{9}{9} multiplies, too.
            inside *= max(1, *(int(number) for number in count.split(",") if number))
            open_groups[-1] = max(open_groups[-1], inside)
        elif text not in "*+?":
            inside = 1
    return max(open_groups)


def _check_schema(schema: Any) -> None:
    if not isinstance(schema, dict | bool):
        raise GrammarError("A JSON schema must be an object.")
    num_enum = 0
    level = [schema]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                num_enum += len(node["enum"]) if isinstance(node.get("enum"), list) else 0
                _check_node(node)
                below.extend(value for value in node.values() if isinstance(value, dict | list))
            elif isinstance(node, list):
                below.extend(value for value in node if isinstance(value, dict | list))
        if num_enum > MAX_ENUM_VALUES:
            raise GrammarError(f"The schema's enums have more than {MAX_ENUM_VALUES} values together.")
        if not below:
            return
        level = below
    raise _too_deep()


def _check_node(node: dict[str, Any]) -> None:
    properties = node.get("properties")
    if isinstance(properties, dict) and len(properties) > MAX_PROPERTIES:
        raise GrammarError(f"An object of the schema has more than {MAX_PROPERTIES} properties.")
    if isinstance(node.get("pattern"), str):
        _check_regex(node["pattern"])
