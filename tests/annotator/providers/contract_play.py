"""Plays tool calls with written answers as the map service does, and spoils answers in every way."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provider_case import Case

from annotator.errors import MapqatorError, UpstreamError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import PARAMS, ToolName, ToolParams
from annotator.maps.provider import Provider
from annotator.maps.providers.registry import provider_keys, provider_type
from annotator.maps.results import AlongRoute, Matrix, Place, PlaceList, PlaceResult, Result, RouteList

KEYS = provider_keys()

MAX_ROUNDS = 4

OWN = "http://127.0.0.1:9/{profile}"
"""An operator's address; OSRM's servers hold one mode of travel each and want to be told where the profile goes."""

RESULTS: dict[ToolName, type[Any]] = {
    "text_search": PlaceList,
    "place_details": PlaceResult,
    "reverse_geocode": PlaceList,
    "nearby_search": PlaceList,
    "compute_routes": RouteList,
    "travel_matrix": Matrix,
    "search_along_route": AlongRoute,
}

Position = tuple[str | int, ...]

_HERE = "@here@"


def cases(key: str) -> list[Case]:
    return list(importlib.import_module(f"cases_{key}").CASES)


def made(key: str, base_url: str | None = None) -> Provider:
    return provider_type(key)(base_url)


def parsed(tool: ToolName, params: Mapping[str, Any]) -> ToolParams:
    return PARAMS[tool].model_validate(dict(params))


def rounds(
    provider: Provider, tool: ToolName, params: ToolParams, answers: Sequence[HttpResponse]
) -> Iterator[tuple[tuple[HttpCall, ...], list[HttpResponse]]]:
    """The calls of each round with their answers, as the service asks them.

    Ends early where the answers do; raises as the service would where one of them is no answer.
    """
    taken: list[HttpResponse] = []
    for _ in range(MAX_ROUNDS + 1):
        calls = provider.build(tool, params, tuple(taken))
        given = list(answers[len(taken) : len(taken) + len(calls)])
        yield calls, given
        if not calls or len(given) < len(calls):
            return
        for response in given:
            if not provider.is_answer(tool, response):
                raise UpstreamError(f"{provider.info.title} answered {response.status}", status=response.status)
        taken += given
    raise AssertionError(f"{provider.info.key} wants more than {MAX_ROUNDS} rounds of calls for {tool}")


def play(provider: Provider, tool: ToolName, params: ToolParams, answers: Sequence[HttpResponse]) -> Result:
    """The result of a tool call to which these are exactly the answers."""
    taken: list[HttpResponse] = []
    for calls, given in rounds(provider, tool, params, answers):
        assert len(given) == len(calls), f"{len(taken)} answers are not enough: it asks {calls}"
        taken += given
    assert len(taken) == len(answers), f"only {len(taken)} of {len(answers)} answers were asked for"
    return provider.parse(tool, params, taken)


def all_calls(
    provider: Provider, tool: ToolName, params: ToolParams, answers: Sequence[HttpResponse]
) -> list[HttpCall]:
    """Every call that is made while the answers last, whatever comes of them."""
    made_so_far: list[HttpCall] = []
    try:
        for calls, _ in rounds(provider, tool, params, answers):
            made_so_far += calls
    except MapqatorError:
        pass
    return made_so_far


def outcome(provider: Provider, tool: ToolName, params: ToolParams, answers: Sequence[HttpResponse]) -> Result | None:
    """A result, or None where it fails in one of the ways that are meant for users; the last answer serves for more."""
    try:
        taken: list[HttpResponse] = []
        for calls, given in rounds(provider, tool, params, [*answers, *[answers[-1]] * 8]):
            if len(given) < len(calls):
                return None
            taken += given
        return provider.parse(tool, params, taken)
    except MapqatorError as error:
        failure = error.message
    assert 0 < len(failure) <= 600, "one line for a person, not the whole answer"
    assert "\n" not in failure
    return None


def places_of(result: Result) -> tuple[Place, ...]:
    if isinstance(result, PlaceList | AlongRoute):
        return result.places
    return (result.place,) if isinstance(result, PlaceResult) and result.place is not None else ()


def positions(value: Any, here: Position = ()) -> Iterator[Position]:
    """Every place in a JSON value; of a list the first entry and the last, which differ where it matters."""
    yield here
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from positions(entry, (*here, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1} if value else set()):
            yield from positions(value[index], (*here, index))


def spoiled(value: Any, where: Position, replacements: Sequence[Any]) -> Iterator[bytes]:
    """The value as JSON without what is at a position, and with each of the replacements there."""
    copy = json.loads(json.dumps([value]))
    container: Any = copy
    *steps, last = (0, *where)
    for step in steps:
        container = container[step]
    container[last] = _HERE
    around = json.dumps(copy[0])
    for replacement in replacements:
        yield around.replace(f'"{_HERE}"', json.dumps(replacement)).encode()
    del container[last]
    yield json.dumps(copy[0] if copy else None).encode()


def as_response(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status, body, {"content-type": "application/json"})
