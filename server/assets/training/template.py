"""The chat template: how a conversation becomes text, as Jinja for those who serve it and in pieces for training.

Turns are ChatML's, calls are Hermes'. Tools are listed one a line with the names and types of their parameters, since a
model this small reads little more: `nearby_search(lat: number, lon: number, type?: string, mode?: walk|drive)`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
CALL_START = "<tool_call>"
CALL_END = "</tool_call>"

# A schema may refer to itself, so kinds are told to a certain depth only.
CHAT_TEMPLATE = """\
{%- macro kind(schema, defs, depth) -%}
{%- if schema is not mapping or depth > 3 -%}any
{%- elif '$ref' in schema -%}
{{- kind(defs[schema['$ref'].split('/')[-1]], defs, depth + 1) -}}
{%- elif schema.anyOf -%}
{%- for one in schema.anyOf if one.type != 'null' -%}
{{- '|' if not loop.first -}}{{- kind(one, defs, depth + 1) -}}
{%- endfor -%}
{%- elif schema.enum -%}
{{- schema.enum | join('|') -}}
{%- elif schema.type == 'array' -%}
{{- '[' -}}{{- kind(schema['items'], defs, depth + 1) -}}{{- ']' -}}
{%- elif schema.type == 'object' and schema.properties -%}
{{- '{' + (schema.properties | join(', ')) + '}' -}}
{%- elif schema.type is string -%}
{{- schema.type -}}
{%- else -%}any
{%- endif -%}
{%- endmacro -%}
{%- set rest = messages -%}
{%- if tools -%}
{{- '<|im_start|>system\n' -}}
{%- if messages and messages[0].role == 'system' -%}
{%- set rest = messages[1:] -%}
{{- messages[0].content + '\n\n' -}}
{%- endif -%}
{{- 'Tools:' -}}
{%- for tool in tools -%}
{%- set function = tool.function -%}
{%- set schema = function.parameters or {} -%}
{%- set required = schema.required or [] -%}
{{- '\n' + function.name + '(' -}}
{%- for name, one in (schema.properties or {}) | items -%}
{{- ', ' if not loop.first -}}{{- name -}}{{- '?' if name not in required -}}
{{- ': ' -}}{{- kind(one, schema['$defs'] or {}, 0) -}}
{%- endfor -%}
{{- ')' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in rest -%}
{{- '<|im_start|>' + message.role + '\n' + (message.content or '') -}}
{%- for call in message.tool_calls or [] -%}
{%- set called = call.function or call -%}
{{- '\n' if message.content or not loop.first -}}
{{- '<tool_call>\n{"name": "' + called.name + '", "arguments": ' -}}
{{- called.arguments if called.arguments is string else called.arguments | tojson -}}
{{- '}\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- endif -%}
"""
"""What `tokenizer_config.json` holds. It needs nothing of an engine but `tojson`, `items` and `join`."""


type Message = dict[str, Any]
"""A message of the API: `role`, `content` and, of the assistant, `tool_calls`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a conversation's text.

    Args:
        is_written: whether the assistant writes it; all other text is given to it.
    """

    text: str
    is_written: bool


def system(content: str) -> Message:
    """A message of the operator."""
    return {"role": "system", "content": content}


def user(content: str) -> Message:
    """A message of the user."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """A message of the assistant that calls nothing."""
    return {"role": "assistant", "content": content}


def told(content: str) -> Message:
    """What a tool answers."""
    return {"role": "tool", "content": content}


def calling(name: str, arguments: Mapping[str, Any]) -> Message:
    """A message of the assistant that is one call of a tool."""
    call = {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def pieces(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[Piece]:
    """The text that the template gives for a conversation, parted where the assistant begins and ends to write.

    Args:
        messages: as `user`, `assistant` and `calling` make them; tool results are messages of the role `tool`.
        tools: each with `name`, `description` and `parameters`.
    """
    found: list[Piece] = []
    given = ""
    if tools:
        has_system = bool(messages) and messages[0]["role"] == "system"
        given = _tool_turn(json.dumps(list(tools)), messages[0]["content"] if has_system else None)
        messages = messages[has_system:]
    for message in messages:
        given += f"{TURN_START}{message['role']}\n"
        if message["role"] != "assistant":
            given += f"{message['content']}{TURN_END}\n"
            continue
        found.append(Piece(given, is_written=False))
        found.append(Piece("\n".join(_written(message)) + TURN_END, is_written=True))
        given = "\n"
    if given:
        found.append(Piece(given, is_written=False))
    return found


def _written(message: Mapping[str, Any]) -> Iterator[str]:
    if message["content"]:
        yield message["content"]
    for call in message.get("tool_calls", ()):
        name, arguments = call["function"]["name"], json.dumps(call["function"]["arguments"], ensure_ascii=False)
        yield f'{CALL_START}\n{{"name": "{name}", "arguments": {arguments}}}\n{CALL_END}'


@cache
def _compiled() -> jinja2.Template:
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(CHAT_TEMPLATE)


@lru_cache(maxsize=64)
def _tool_turn(tools: str, system: str | None) -> str:
    """The turn that lists tools, by the template itself; the tools are given as JSON, which can be a key of a cache."""
    messages = [] if system is None else [{"role": "system", "content": system}]
    listed = [{"type": "function", "function": tool} for tool in json.loads(tools)]
    return _compiled().render(messages=messages, tools=listed, add_generation_prompt=False)
