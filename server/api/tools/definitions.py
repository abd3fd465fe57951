"""The tools of a request, checked: names, schemas and sizes, before anything is rendered or compiled."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import RequestError

MAX_TOOLS = 128
MAX_DESCRIPTION_CHARS = 16_384
MAX_SCHEMA_CHARS = 65_536
MAX_SCHEMA_DEPTH = 32
MAX_TOTAL_CHARS = 524_288

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def is_function_name(name: str) -> bool:
    """Whether `name` may name a function: 1 to 64 letters, digits, underscores and dashes."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """One function a model may call.

    Args:
        name: matches `^[a-zA-Z0-9_-]{1,64}$`.
        description: for the model; empty if there is none.
        parameters: JSON schema of the arguments, always of an object.
        is_strict: the arguments must match the schema, even where the model may choose not to call.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    is_strict: bool

    def for_template(self) -> dict[str, Any]:
        """The tool as chat templates expect it, with every key that they may read."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


def parse_tools(tools: Sequence[Any]) -> list[FunctionTool]:
    """Check the `tools` of a request.

    Raises:
        RequestError: with the path of the field at fault as `param`, such as `tools[0].function.name`.
    """
    if not tools:
        raise RequestError("'tools' is empty: give at least one tool, or leave the field out.", param="tools")
    if len(tools) > MAX_TOOLS:
        raise RequestError(f"'tools' has {len(tools)} entries; at most {MAX_TOOLS} are possible.", param="tools")
    parsed = [_parse_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]
    first_index: dict[str, int] = {}
    for index, tool in enumerate(parsed):
        if first_index.setdefault(tool.name, index) != index:
            raise RequestError(
                f"The name '{tool.name}' is already taken by tools[{first_index[tool.name]}]: names must be unique.",
                param=f"tools[{index}].function.name",
            )
    total_chars = sum(len(json.dumps(tool.for_template())) for tool in parsed)
    if total_chars > MAX_TOTAL_CHARS:
        raise RequestError(
            f"'tools' is {total_chars} characters of JSON; at most {MAX_TOTAL_CHARS} are possible.", param="tools"
        )
    return parsed


def _parse_tool(tool: Any, path: str) -> FunctionTool:
    if not isinstance(tool, dict):
        raise RequestError("Each tool must be an object with 'type' and 'function'.", param=path)
    if tool.get("type") != "function":
        raise RequestError("Only tools of type 'function' are supported.", param=f"{path}.type")
    function = tool.get("function")
    path = f"{path}.function"
    if not isinstance(function, dict):
        raise RequestError("'function' must be an object with at least a 'name'.", param=path)
    name = function.get("name")
    if not isinstance(name, str) or not is_function_name(name):
        raise RequestError(
            "A function's name must be 1 to 64 letters, digits, underscores or dashes.", param=f"{path}.name"
        )
    description = function.get("description")
    if description is None:
        description = ""
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION_CHARS:
        raise RequestError(
            f"'description' must be a string of at most {MAX_DESCRIPTION_CHARS} characters.",
            param=f"{path}.description",
        )
    is_strict = function.get("strict")
    if is_strict is not None and not isinstance(is_strict, bool):
        raise RequestError("'strict' must be true or false.", param=f"{path}.strict")
    parameters = _parse_parameters(function.get("parameters"), f"{path}.parameters")
    return FunctionTool(name, description, parameters, bool(is_strict))


def _parse_parameters(parameters: Any, path: str) -> dict[str, Any]:
    """The schema, said to be an object's; one that takes nothing if the request gives none."""
    if parameters is None:
        return {"type": "object", "properties": {}}
    if not isinstance(parameters, dict):
        raise RequestError("'parameters' must be a JSON schema, that is, an object.", param=path)
    if parameters.get("type", "object") != "object":
        raise RequestError("The schema of 'parameters' must have type 'object'.", param=f"{path}.type")
    if not isinstance(parameters.get("properties", {}), dict):
        raise RequestError("'properties' must be an object of schemas by name.", param=f"{path}.properties")
    # Depth first: json.dumps recurses.
    if _depth_exceeds(parameters, MAX_SCHEMA_DEPTH):
        raise RequestError(f"The schema nests more than {MAX_SCHEMA_DEPTH} levels deep.", param=path)
    num_chars = len(json.dumps(parameters))
    if num_chars > MAX_SCHEMA_CHARS:
        raise RequestError(
            f"The schema is {num_chars} characters of JSON; at most {MAX_SCHEMA_CHARS} are possible.", param=path
        )
    return {"type": "object", "properties": {}} | parameters


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return any(isinstance(item, dict | list) for item in level)
