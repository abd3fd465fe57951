"""One hand-written exchange with a provider: what was asked, what it answered in its documented shape, what we read."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from annotator.errors import MapqatorError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import PARAMS, ToolName, ToolParams


@dataclass(frozen=True)
class Case:
    """One tool call of one provider.

    Args:
        name: unique within the provider.
        tool: canonical tool.
        params: its parameters, as a client would send them.
        answers: the provider's answers in order, as `(status, body)`; a body that is no str or bytes is dumped as JSON.
        kind: `found` (a result with content), `empty` (an answer that nothing is there), `error` (raises).
        check: asserts on the result of a `found` or `empty` case.
        raises: the error of an `error` case.
    """

    name: str
    tool: ToolName
    params: dict[str, Any]
    answers: tuple[tuple[int, Any], ...]
    kind: Literal["found", "empty", "error"] = "found"
    check: Callable[[Any], None] | None = None
    raises: type[MapqatorError] | None = None

    def parsed_params(self) -> ToolParams:
        return PARAMS[self.tool].model_validate(self.params)

    def responses(self) -> list[HttpResponse]:
        return [
            HttpResponse(
                status,
                body.encode()
                if isinstance(body, str)
                else body
                if isinstance(body, bytes)
                else json.dumps(body).encode(),
                {"content-type": "application/json"},
            )
            for status, body in self.answers
        ]
