"""From recorded bytes to the canonical result again, by the adapter alone: what makes evidence evidence.

The same rounds as asking: the adapter builds its calls, each has to have the key under which an exchange was recorded,
and the answers are parsed. No clock, no database, no environment.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from annotator.cache.json_text import canonical
from annotator.cache.keys import request_key
from annotator.errors import MapqatorError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName, ToolParams
from annotator.maps.provider import Provider
from annotator.maps.service import MAX_ROUNDS
from annotator.maps.validate import parse_params, tool_name


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded answer: the hash of its request, and what came."""

    request_hash: str
    response: HttpResponse


class NotReplayableError(Exception):
    """A call that its recordings do not give again; the message says why, as the end of a sentence."""


def reparse(provider: Provider, tool: str, params: Mapping[str, Any], recordings: Sequence[Recording]) -> bytes:
    """The canonical JSON of the result that these recordings give.

    Args:
        recordings: those behind the call, in the order of asking.

    Raises:
        NotReplayableError: the adapter asks for something else today, or cannot read the answers.
    """
    try:
        name = tool_name(tool)
        typed = parse_params(name, params)
        responses = _responses(provider, name, typed, recordings)
        return canonical(provider.parse(name, typed, responses).model_dump(mode="json", exclude_none=True))
    except (MapqatorError, ValidationError) as error:
        raise NotReplayableError(" ".join(str(error).split())[:300]) from None


def _responses(
    provider: Provider, tool: ToolName, params: ToolParams, recordings: Sequence[Recording]
) -> list[HttpResponse]:
    responses: list[HttpResponse] = []
    for _ in range(MAX_ROUNDS):
        calls = provider.build(tool, params, responses)
        if not calls:
            break
        for call in calls:
            position = len(responses)
            if position >= len(recordings):
                raise NotReplayableError("the adapter asks for more than was recorded")
            key = request_key(provider.info.key, call)
            if key.sha256 != recordings[position].request_hash:
                raise NotReplayableError(
                    f"the adapter asks {key.redacted_url[:200]} today, which is not what was recorded"
                )
            responses.append(recordings[position].response)
    if len(responses) != len(recordings):
        raise NotReplayableError("more was recorded than the adapter asks for")
    return responses


def is_same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same: 7 and 7.0 are, true and 1 are not."""
    try:
        return canonical(a) == canonical(b)
    except MapqatorError:
        return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
