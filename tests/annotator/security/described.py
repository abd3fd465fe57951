"""Requests made from the program's own OpenAPI description: every operation, with a body that fits it."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

NO_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
"""A ULID that nothing has."""


@dataclass(frozen=True)
class Operation:
    """A method of a path.

    Args:
        body: one that the description allows; None where the operation takes no JSON.
    """

    method: str
    path: str
    path_names: tuple[str, ...]
    query_names: tuple[str, ...]
    body: Any = field(default=None, hash=False)

    @property
    def name(self) -> str:
        """For instance `GET /api/projects/{project}`."""
        return f"{self.method} {self.path}"

    def url(self, values: Mapping[str, str]) -> str:
        """The path with values in it, and an id that nothing has where there is none."""
        return re.sub(r"\{(\w+)\}", lambda found: escaped(values.get(found[1], NO_ID)), self.path)


def escaped(text: str) -> str:
    """A text as one step of an address, half surrogates as the bytes that no UTF-8 has."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def operations(description: Mapping[str, Any], ids: Mapping[str, str]) -> list[Operation]:
    """All there are; `ids` gives the values of fields by their names."""
    found = []
    for path, methods in description["paths"].items():
        for method, said in methods.items():
            names = {
                kind: tuple(one["name"] for one in said.get("parameters", []) if one["in"] == kind)
                for kind in ("path", "query")
            }
            content = said.get("requestBody", {}).get("content", {}).get("application/json")
            body = None if content is None else _example(content["schema"], description, ids, "")
            found.append(Operation(method.upper(), path, names["path"], names["query"], body))
    return found


def _example(schema: Mapping[str, Any], whole: Mapping[str, Any], ids: Mapping[str, str], name: str) -> Any:
    if name in ids and schema.get("type") in ("string", None):
        return ids[name]
    if "$ref" in schema:
        return _example(whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]], whole, ids, name)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            first = next((one for one in schema[several] if one.get("type") != "null"), schema[several][0])
            return _example(first, whole, ids, name)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            known = schema.get("properties", {})
            return {key: _example(part, whole, ids, key) for key, part in known.items() if _is_wanted(key, schema, ids)}
        case "array":
            return [_example(schema["items"], whole, ids, name)] if schema.get("items") else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "null":
            return None
    return "a"


def _is_wanted(key: str, schema: Mapping[str, Any], ids: Mapping[str, str]) -> bool:
    return key in schema.get("required", ()) or key in ids or key in ("content", "filter")


def spoiled(body: Any, values: tuple[Any, ...]) -> Iterator[Any]:
    """Copies of a body, in each of which one value has become another."""
    for steps in _leaves(body, ()):
        for value in values:
            changed = copy.deepcopy(body)
            holder = changed
            for step in steps[:-1]:
                holder = holder[step]
            holder[steps[-1]] = value
            yield changed


def _leaves(value: Any, steps: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if steps:
        yield steps
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from _leaves(child, (*steps, step))
