"""What the benchmark commands share: groups of flags and progress bars."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from server.bench.prompts import PromptFlags
from server.config import EngineConfig

Command = Callable[..., None]


@contextmanager
def progress(title: str, total: int, *, is_hidden: bool) -> Iterator[Callable[[], None]]:
    """A bar on stderr; yields the function that moves it by one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=is_hidden) as bars:
        task = bars.add_task(title, total=total)
        yield lambda: bars.advance(task)


def flag_group(
    name: str, flags: Sequence[inspect.Parameter], build: Callable[[dict[str, Any]], object]
) -> Callable[[Command], Command]:
    """A decorator that replaces the parameter `name` of a command by `flags`, and passes what `build` makes of them."""

    def decorate(command: Command) -> Command:
        own = [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != name]

        def run(**values: Any) -> None:
            group = build({flag.name: values.pop(flag.name) for flag in flags})
            command(**values, **{name: group})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *flags)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _prompt_parameters() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in dataclasses.fields(PromptFlags)
    ]


def engine_parameters() -> list[inspect.Parameter]:
    """Every switch that `rhumb serve` gives the engine, from the same list, so that the two cannot drift apart."""
    from server.settings import EngineSettings, flag_of, option_type

    parameters = []
    for name, field in EngineSettings.model_fields.items():
        kind: Any = Optional[option_type(field.annotation)]  # noqa: UP045  (it is computed)
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        help_text = f"{field.description}" + ("" if default is None else f" \\[default: {default}]")
        flag = flag_of(name)
        is_switch = "bool" in str(field.annotation)
        flag = f"{flag}/--no-{flag[2:]}" if is_switch else flag
        option = typer.Option(flag, help=help_text, rich_help_panel="Engine")
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])
        )
    return parameters


def engine_config(values: dict[str, Any]) -> EngineConfig:
    """The engine's configuration from these flags' values; raises `ConfigError` for one that cannot work."""
    from server.settings import EngineSettings, load

    given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return load(EngineSettings, {name: value for name, value in given.items() if value != ()}).to_config()


prompt_flags = flag_group("prompts", _prompt_parameters(), lambda values: PromptFlags(**values))
engine_flags = flag_group("engine", engine_parameters(), engine_config)
