"""Parameters from outside, made into typed ones or into one line that says what to do."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from annotator.errors import InputError, NotFoundError
from annotator.maps.params import PARAMS, ToolName, ToolParams

SHOWN_ERRORS = 5


def tool_name(text: str) -> ToolName:
    """The tool of that name.

    Raises:
        NotFoundError: lists the tools.
    """
    for name in get_args(ToolName):
        if name == text:
            return name
    raise NotFoundError(f"there is no tool '{text[:64]}'; the tools are {', '.join(PARAMS)}")


def parse_params(tool: ToolName, data: Mapping[str, Any]) -> ToolParams:
    """Typed parameters.

    Raises:
        InputError: names the parameters and what would be right.
    """
    try:
        return PARAMS[tool].model_validate(dict(data))
    except ValidationError as error:
        raise as_input_error(error.errors(include_url=False, include_context=False)) from None


def as_input_error(errors: Sequence[Any]) -> InputError:
    """Pydantic's findings as one line, the first parameter at fault named."""
    lines = []
    for error in errors[:SHOWN_ERRORS]:
        where = _dotted(error["loc"])
        what = str(error["msg"]).removeprefix("Value error, ")
        match error["type"]:
            case "extra_forbidden":
                what = "is not a parameter of this tool"
            case "missing":
                what = "is missing"
            case _:
                what = what[:1].lower() + what[1:]
        lines.append(f"{where}: {what}" if where else what)
    if len(errors) > SHOWN_ERRORS:
        lines.append(f"and {len(errors) - SHOWN_ERRORS} more")
    return InputError("; ".join(lines), param=(_dotted(errors[0]["loc"]) or None) if errors else None)


def _dotted(location: Sequence[str | int]) -> str:
    # FastAPI prefixes where in the request it was; a client knows only its own field names.
    steps = [step for step in location if step not in ("body", "query", "path")]
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in steps).lstrip(".")
