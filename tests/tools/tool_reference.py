"""Tool-call parsing the slow and obvious way: the whole text at once, with regular expressions and `json`."""

import json
import re
from collections.abc import Iterator
from typing import Any

from server.api.tools.parser import CallArguments, CallStart, TextDelta, ToolCallParser

Piece = tuple[str, ...]
"""("text", text) or ("call", name, JSON text of the arguments)."""


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


STRICT = json.JSONDecoder(parse_constant=_refuse)


def _object_items(text: str, at: int) -> tuple[dict[str, str], int] | None:
    """Key -> JSON text of its value, for the object that begins at `at`, and where it ends."""
    try:
        value, end = STRICT.raw_decode(text, at)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    items: dict[str, str] = {}
    at += 1
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        if text[at] == "}":
            return items, end
        key, at = STRICT.raw_decode(text, at)
        at = re.compile(r"\s*:\s*").match(text, at).end()
        _, value_end = STRICT.raw_decode(text, at)
        if key in items:
            return None
        items[key] = text[at:value_end]
        at = value_end


def _as_call(items: dict[str, str]) -> Piece | None:
    name = json.loads(items.get("name", "null"))
    arguments = items.get("arguments", items.get("parameters", "{}"))
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) or arguments[0] != "{":
        return None
    return ("call", name, arguments)


def hermes(text: str) -> list[Piece]:
    """Only for texts in which every call is well formed or not recognisable as a call at all."""
    pieces: list[Piece] = []
    plain_from = at = 0
    is_open = False
    while (found := text.find("<tool_call>", at)) >= 0:
        begin = re.compile(r"\s*").match(text, found + 11).end()
        parsed = _object_items(text, begin)
        call = _as_call(parsed[0]) if parsed else None
        if parsed is None or call is None:
            at = found + 11
            continue
        pieces += [("text", text[plain_from:found].rstrip(" \t\r\n")), call]
        at = plain_from = re.compile(r"(\s*</tool_call>)?").match(text, parsed[1]).end()
        is_open = plain_from == parsed[1]
    rest = text[plain_from:]
    if is_open and "</tool_call>".startswith(rest.lstrip(" \t\r\n")):
        # Output that ends within the closing tag: what is there of it is wrapper, not text.
        rest = ""
    pieces.append(("text", rest if rest.strip() or not any(kind == "call" for kind, *_ in pieces) else ""))
    return merged(pieces)


def llama3(text: str, names: frozenset[str]) -> list[Piece]:
    """Only for calls at the beginning, separated by `;`, and text after them that holds no marker."""
    pieces: list[Piece] = []
    at = re.compile(r"\s*(<\|python_tag\|>)?\s*").match(text).end()
    plain_from = 0
    while at < len(text) and text[at] == "{":
        parsed = _object_items(text, at)
        call = _as_call(parsed[0]) if parsed else None
        if parsed is None or call is None or call[1] not in names:
            break
        pieces.append(call)
        plain_from = re.compile(r"(\s*;)?").match(text, parsed[1]).end()
        at = re.compile(r"\s*").match(text, plain_from).end()
    rest = text[plain_from:]
    pieces.append(("text", rest if rest.strip() or not pieces else ""))
    return merged(pieces)


def merged(pieces: list[Piece]) -> list[Piece]:
    """Adjacent texts joined, empty ones left out."""
    result: list[Piece] = []
    for piece in pieces:
        if piece == ("text", ""):
            continue
        if piece[0] == "text" and result and result[-1][0] == "text":
            result[-1] = ("text", result[-1][1] + piece[1])
        else:
            result.append(piece)
    return result


def parse(parser: ToolCallParser, chunks: list[str], *, is_finished: bool = True) -> list[Piece]:
    """What a parser makes of text that arrives in chunks, in the reference's words."""
    pieces: list[Piece] = []
    num_calls = 0
    for event in _events(parser, chunks, is_finished):
        if isinstance(event, TextDelta):
            assert event.text
            pieces.append(("text", event.text))
        elif isinstance(event, CallStart):
            assert event.index == num_calls
            num_calls += 1
            pieces.append(("call", event.name, ""))
        else:
            assert isinstance(event, CallArguments)
            assert event.text
            assert event.index == num_calls - 1
            kind, name, arguments = pieces[-1]
            pieces[-1] = (kind, name, arguments + event.text)
    return merged(pieces)


def _events(parser: ToolCallParser, chunks: list[str], is_finished: bool) -> Iterator[Any]:
    for chunk in chunks:
        yield from parser.feed(chunk)
    if is_finished:
        yield from parser.finish()
