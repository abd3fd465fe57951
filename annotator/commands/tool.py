"""`mapqator tool NAME`: a canonical tool in the terminal, with the recordings and the rules of the server."""

import asyncio
import inspect
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from annotator.commands.options import option, option_type, settings_of, with_options
from annotator.commands.show import show_answer
from annotator.maps.answer import ToolAnswer
from annotator.maps.categories import CATEGORIES
from annotator.maps.modes import Mode
from annotator.maps.params import PARAMS, Point, ToolName, ToolParams, Waypoint
from annotator.maps.validate import parse_params
from annotator.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Ask a map tool; the answer is recorded.", rich_markup_mode=None)


def types() -> None:
    """List the place types that every provider speaks."""
    for category in CATEGORIES.values():
        typer.echo(f"{category.key:20} {', '.join(category.osm_tags)}")


def _add_command(tool: ToolName, model: type[ToolParams]) -> None:
    def run(
        context: typer.Context,
        provider: Annotated[str | None, typer.Option(help="Who to ask; by default the map built last.")] = None,
        recordings: Annotated[Mode, typer.Option(help="How to use what is recorded.")] = Mode.RECORD,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
        **given: Any,
    ) -> None:
        fields = model.model_fields
        data = {name: _value(fields[name], value) for name, value in given.items() if value not in (None, [])}
        answer = asyncio.run(_ask(settings_of(context), tool, parse_params(tool, data), provider, recordings))
        if as_json:
            typer.echo(answer.model_dump_json(indent=2, exclude_none=True))
        else:
            show_answer(answer)

    command = with_options(run, [_option(name, field) for name, field in model.model_fields.items()])
    app.command(tool, help=(model.__doc__ or "").strip())(command)


async def _ask(settings: Settings, tool: ToolName, params: ToolParams, provider: str | None, mode: Mode) -> ToolAnswer:
    from annotator.assembly import open_service

    async with open_service(settings) as service:
        return await service.call(tool, params, provider=provider, mode=mode)


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = option_type(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    words = [field.description] if field.description else []
    if _holds(field, Waypoint, Point):
        words.append("LAT,LON or a place id." if _holds(field, Waypoint) else "LAT,LON.")
    if field.is_required():
        words.append("[required]")
    elif field.default not in (None, ()):
        words.append(f"[default: {field.default}]")
    return option(name, kind, f"{flag}/--no-{flag[2:]}" if kind is bool else flag, " ".join(words))


def _value(field: FieldInfo, value: Any) -> Any:
    """What the parameter's model takes for what stands on the command line."""
    if not _holds(field, Waypoint, Point):
        return value
    return [_position(item) for item in value] if isinstance(value, list) else _position(value)


def _position(text: str) -> dict[str, str]:
    lat, comma, lon = text.partition(",")
    return {"lat": lat.strip(), "lon": lon.strip()} if comma else {"place_id": text}


def _holds(field: FieldInfo, *models: type) -> bool:
    """Whether a field is one of `models`, or a sequence of it."""
    return field.annotation in models or any(member in models for member in get_args(field.annotation))


for _tool, _model in PARAMS.items():
    _add_command(_tool, _model)
