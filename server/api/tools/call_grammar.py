"""Grammars that make a model write well-formed calls to the request's tools and nothing else.

They are Lark grammars of llguidance, in which a JSON schema can stand for a rule. The wrapper around the arguments
is spelled out in the family's own format, so that the model stays on the ground it was trained on, and the same
parser reads constrained and free output.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from server.api.tools.definitions import FunctionTool
from server.api.tools.parser import CallShape
from server.engine.request import GrammarSpec

# Schemas with one of these may allow keys that `properties` does not list.
_OPEN_SCHEMA_KEYS = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "if", "not", "patternProperties", "dependentSchemas", "unevaluatedProperties"}
)
# Free whitespace invites small models to write nothing else; these are the separators of training data.
_JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_ANY_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": True}


def required_calls(tools: Sequence[FunctionTool], shape: CallShape, *, is_parallel: bool) -> GrammarSpec:
    """One call to one of `tools`, or one and more if `is_parallel`; no other text."""
    more = f" ({_quoted(shape.separator)} call)*" if is_parallel else ""
    rules = [f"start: call{more}", *_call_rules(tools, shape, len(shape.before_name))]
    return GrammarSpec("lark", "\n".join(rules) + "\n")


def optional_calls(tools: Sequence[FunctionTool], shape: CallShape, *, is_parallel: bool) -> GrammarSpec:
    """Free text in which every call is well formed, and matches its schema where the tool is strict.

    At most one call, at the end of the message, if not `is_parallel`.
    """
    tools = [
        tool if tool.is_strict else FunctionTool(tool.name, tool.description, _ANY_ARGUMENTS, False) for tool in tools
    ]
    forbidden = re.escape(shape.forbidden_text)
    without_calls = f"& ~/(.|\\n)*{forbidden}(.|\\n)*/"
    if shape.trigger:
        start = "(head call)* text" if is_parallel else "text | head call"
        rules = [
            f"start: {start}",
            f"head[lazy]: /(.|\\n)*{re.escape(shape.trigger)}/",
            f"text: TEXT\nTEXT: /(.|\\n)*/ {without_calls}",
        ]
    else:
        calls = f"call ({_quoted(shape.separator)} call)*" if is_parallel else "call"
        rules = [f"start: {calls} | text", f"text: TEXT\nTEXT: /([^{{\\s](.|\\n)*)?/ {without_calls}"]
    rules += _call_rules(tools, shape, len(shape.before_name) - len(shape.trigger))
    return GrammarSpec("lark", "\n".join(rules) + "\n")


def _call_rules(tools: Sequence[FunctionTool], shape: CallShape, num_before_name: int) -> list[str]:
    """The rules of `call`, which spells the last `num_before_name` characters of what stands before the name."""
    before_name = shape.before_name[len(shape.before_name) - num_before_name :]
    rules = ["call: " + " | ".join(f"call_{index}" for index in range(len(tools)))]
    for index, tool in enumerate(tools):
        before_arguments = _quoted(before_name + tool.name + shape.before_arguments)
        rules.append(f"call_{index}: {before_arguments} arguments_{index} {_quoted(shape.after)}")
        rules.append(f"arguments_{index}: %json {json.dumps(_arguments_schema(tool.parameters))}")
    return rules


def _arguments_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema to generate by: as the request's, but without arguments that nobody described."""
    schema = {**parameters, "x-guidance": _JSON_STYLE}
    if "additionalProperties" not in schema and not _OPEN_SCHEMA_KEYS & schema.keys():
        schema["additionalProperties"] = False
    return schema


def _quoted(text: str) -> str:
    return json.dumps(text)
