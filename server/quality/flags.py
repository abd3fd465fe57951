"""The flags of `rhumb eval`: the engine's own as `rhumb bench` has them, and how the tasks are set up."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from server.bench.flags import engine_config, engine_parameters, flag_group
from server.config import EngineConfig
from server.engine.variant_specs import split_variants
from server.errors import ConfigError
from server.quality.plan import TASKS, TaskSettings

_MODEL_HELP = "Model directory or hub name; the embedded model when left out. With --base-url, a name it serves."
_VARIANTS_HELP = (
    "What to judge, separated by commas: variants of the engine, or with --base-url names of models. "
    "The others are compared with the first."
)

# Help text, and the least value where there is one.
_TASK_HELP: dict[str, tuple[str, int | None]] = {
    "tasks": (f"Which of {', '.join(TASKS)}; by default all but describe that have their files.", None),
    "questions": ("File of map questions, .jsonl or .jsonl.zst (repeatable).", None),
    "split": ("Which questions of the files: test, validation, train or all.", None),
    "forms": ("Forms of the context: text, json, closed (without).", None),
    "limit": ("Most questions of a form, and most windows; drawn by --seed.", 1),
    "max_reply": ("Longest reply to a map question, in tokens.", 1),
    "max_turns": ("Most replies of the model to one question with tools.", 1),
    "text": ("Text to score, and to copy from (repeatable).", None),
    "window": ("Tokens of a window of text; by default 2,048 or what fits.", 2),
    "stride": ("Tokens that count in a window; by default half of it.", 1),
    "passkey_lengths": ("Tokens of prompts; by default 512 to 16384, as far as it fits.", None),
    "passkey_depths": ("Where the keys stand, in percent.", None),
    "passkey_repeats": ("Keys for each length and depth.", 1),
    "haystack": ("Text to hide pass keys in; by default made-up sentences.", None),
    "copy_passages": ("Tokens of the passages to repeat.", None),
    "copy_lengths": ("Tokens of the texts to repeat a sentence of.", None),
    "copy_repeats": ("Items of each kind and length of copying.", 1),
    "describe_places": ("Places to describe.", 1),
    "seed": ("Seed of everything that is drawn.", 0),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Which model is judged, and which of its variants; both None where they were left out.

    `engine` does not know these variants.
    """

    engine: EngineConfig
    model: str | None
    variants: list[str] | None


def _judged_parameters() -> list[inspect.Parameter]:
    annotations: dict[str, Any] = {
        "model": Annotated[str | None, typer.Argument(help=_MODEL_HELP)],
        "variants": Annotated[str | None, typer.Option("--variants", help=_VARIANTS_HELP)],
    }
    return [
        parameter.replace(annotation=annotations.get(parameter.name, parameter.annotation))
        for parameter in engine_parameters()
    ]


def _judged(values: dict[str, Any]) -> Judged:
    variants = None if values["variants"] is None else split_variants(values["variants"])
    if variants is not None and len(set(variants)) < max(len(variants), 1):
        raise ConfigError(f"--variants {values['variants']!r}: name each variant once, separated by commas")
    # To a server they are names of models, of which the engine's settings know nothing.
    return Judged(engine_config({**values, "variants": None}), values["model"], variants)


def _task_parameters() -> list[inspect.Parameter]:
    parameters = []
    for setting in fields(TaskSettings):
        help_text, least = _TASK_HELP[setting.name]
        option = typer.Option(help=help_text, min=least, rich_help_panel="Tasks")
        annotation: Any = Annotated[setting.type, option]
        parameters.append(
            inspect.Parameter(
                setting.name, inspect.Parameter.KEYWORD_ONLY, default=setting.default, annotation=annotation
            )
        )
    return parameters


judged_flags: Callable[[Callable[..., None]], Callable[..., None]] = flag_group("judged", _judged_parameters(), _judged)
task_flags = flag_group("tasks", _task_parameters(), lambda values: TaskSettings(**values))
