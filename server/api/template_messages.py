"""Messages of the API in the shape that chat templates are written for."""

import json
from collections.abc import Sequence
from typing import Any

from server.errors import RequestError


def template_messages(
    messages: Sequence[dict[str, Any]], *, takes_parts: bool, knows_developer: bool
) -> list[dict[str, Any]]:
    """Copies of the messages without what trips templates up.

    - Keys that are null, and empty `tool_calls`, are left out: templates ask whether a key is there.
    - `content` is a string; text parts are joined by line breaks, and null becomes empty.
    - Arguments of tool calls are objects, not JSON text. Text that is not a JSON object, which a model may well have
      written, stays as it is.
    - The role `developer` becomes `system`.

    Args:
        messages: as in the request, each with at least a role.
        takes_parts: the template can only read `content` as a list of parts.
        knows_developer: the template has its own idea of the role `developer`.

    Raises:
        RequestError: a message is not an object with a role, or holds anything but text.
    """
    return [
        _message(message, f"messages[{index}]", takes_parts, knows_developer) for index, message in enumerate(messages)
    ]


def _message(message: Any, path: str, takes_parts: bool, knows_developer: bool) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise RequestError("Each message must be an object with a 'role'.", param=path)
    shaped = {key: value for key, value in message.items() if value is not None}
    if shaped["role"] == "developer" and not knows_developer:
        shaped["role"] = "system"
    text = _text(message.get("content"), f"{path}.content")
    shaped["content"] = [{"type": "text", "text": text}] if takes_parts else text
    calls = shaped.pop("tool_calls", None)
    if calls:
        shaped["tool_calls"] = [_tool_call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(calls)]
    return shaped


def _text(content: Any, path: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RequestError("'content' must be a string or a list of text parts.", param=path)
    texts = []
    for index, part in enumerate(content):
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise RequestError(
                "Only text parts are supported: {'type': 'text', 'text': '…'}.", param=f"{path}[{index}]"
            )
        texts.append(text)
    return "\n".join(texts)


def _tool_call(call: Any, path: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RequestError("Each tool call must have a 'function' with a 'name'.", param=f"{path}.function")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = _as_object(arguments)
    return {**call, "function": {**function, "arguments": {} if arguments is None else arguments}}


def _as_object(text: str) -> dict[str, Any] | str:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
