"""Command-line options made from models: settings of `mapqator serve`, parameters of a tool."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from annotator.settings import Settings, flag_of, load


def settings_of(context: typer.Context, **flags: Any) -> Settings:
    """Settings from a command's own flags, those before the command (`mapqator --data-dir ...`), and the environment.

    Raises:
        ConfigError: a value that cannot work.
    """
    return load({**(context.find_root().obj or {}), **flags})


def with_options(command: Callable[..., None], options: Iterable[inspect.Parameter]) -> Callable[..., None]:
    """Puts `options` in the place of a command's `**kwargs`, where typer finds them."""
    own = [item for item in inspect.signature(command).parameters.values() if item.kind is not item.VAR_KEYWORD]
    # Python wants parameters without a default first, and typer reads no order into them.
    parameters = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in (*own, *options)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    return command


def option(name: str, kind: Any, flag: str, help_text: str) -> inspect.Parameter:
    """One option that is None when it is not given."""
    typed = Annotated[kind | None, typer.Option(flag, help=help_text, show_default=False)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=typed)


def setting_options(names: Iterable[str]) -> list[inspect.Parameter]:
    """One option for each named setting."""
    return [_setting(name, Settings.model_fields[name]) for name in names]


def _setting(name: str, field: FieldInfo) -> inspect.Parameter:
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = "none" if default in (None, (), {}) else default
    kind = option_type(field.annotation)
    flag = flag_of(name)
    help_text = f"{field.description} [default: {shown}] [env: MAPQATOR_{name.upper()}]"
    return option(name, kind, f"{flag}/--no-{flag[2:]}" if kind is bool else flag, help_text)


def option_type(annotation: Any) -> Any:
    """The type of one option for a field's annotation: without None, a list for what is repeatable, else text."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (tuple, dict):
        return list[str]
    if get_origin(annotation) is Literal:
        return annotation
    members = [member for member in get_args(annotation) if member is not type(None)]
    if members:
        return option_type(members[0])
    return annotation if annotation in (bool, int, float) else str
