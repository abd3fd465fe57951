"""The flags of `rhumb eval`: the engine's own as `rhumb bench` has them, and how the tasks are set up."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from server.bench.flags import engine_config, engine_parameters, flag_group
from server.bench.offline import parse_numbers
from server.config import EngineConfig
from server.errors import ConfigError

TASKS = ("map", "passkey", "perplexity", "copy", "tools")

_MODEL_HELP = "Model directory or hub name; the embedded model when left out. With --base-url, a name it serves."
_VARIANTS_HELP = (
    "What to judge, separated by commas: variants of the engine, or with --base-url names of models. "
    "The others are compared with the first."
)
_DEFAULT_LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)


@dataclass(frozen=True, slots=True)
class Judged:
    """Which model is judged, and which of its variants; both None where they were left out."""

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
    variants = None if values["variants"] is None else split(values["variants"])
    if variants is not None and len(set(variants)) < max(len(variants), 1):
        raise ConfigError(f"--variants {values['variants']!r}: name each variant once, separated by commas")
    return Judged(engine_config(values), values["model"], variants)


def _flag(help_text: str, *names: str, panel: str = "Tasks", **limits: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **limits)


@dataclass(frozen=True, slots=True)
class TaskFlags:
    """What is asked; every field is a flag of the same name."""

    tasks: Annotated[str | None, _flag(f"Which of {', '.join(TASKS)}; by default all that have their files.")] = None
    questions: Annotated[list[Path] | None, _flag("File of map questions, .jsonl or .jsonl.zst (repeatable).")] = None
    split: Annotated[str, _flag("Which questions of the files: test, validation, train or all.")] = "test"
    forms: Annotated[str, _flag("Forms of the context: text, json, closed (without).")] = "text"
    limit: Annotated[int | None, _flag("Most questions of a form, and most windows; drawn by --seed.", min=1)] = None
    max_reply: Annotated[int, _flag("Longest reply to a map question, in tokens.", min=1)] = 128
    max_turns: Annotated[int, _flag("Most replies of the model to one question with tools.", min=1)] = 8
    text: Annotated[list[Path] | None, _flag("Text to score, and to copy from (repeatable).")] = None
    window: Annotated[int | None, _flag("Tokens of a window of text; by default 2,048 or what fits.", min=2)] = None
    stride: Annotated[int | None, _flag("Tokens that count in a window; by default half of it.", min=1)] = None
    passkey_lengths: Annotated[str | None, _flag("Tokens of prompts; by default 512 to 16384, as far as it fits.")] = (
        None
    )
    passkey_depths: Annotated[str, _flag("Where the keys stand, in percent.")] = "0,10,20,30,40,50,60,70,80,90,100"
    passkey_repeats: Annotated[int, _flag("Keys for each length and depth.", min=1)] = 3
    haystack: Annotated[Path | None, _flag("Text to hide pass keys in; by default made-up sentences.")] = None
    copy_passages: Annotated[str, _flag("Tokens of the passages to repeat.")] = "32,64,128"
    copy_lengths: Annotated[str, _flag("Tokens of the texts to repeat a sentence of.")] = "256,512"
    copy_repeats: Annotated[int, _flag("Items of each kind and length of copying.", min=1)] = 16
    seed: Annotated[int, _flag("Seed of everything that is drawn.", min=0)] = 0

    def chosen_tasks(self) -> list[str]:
        """The tasks to run; raises `ConfigError` for an unknown one, or one without its file."""
        if self.tasks is None:
            with_files = {"map": self.questions, "tools": self.questions, "perplexity": self.text}
            return [task for task in TASKS if task not in with_files or with_files[task]]
        tasks = split(self.tasks)
        for task in tasks:
            if task not in TASKS:
                raise ConfigError(f"unknown task {task!r}: choose --tasks among {', '.join(TASKS)}")
            if task in ("map", "tools") and not self.questions:
                raise ConfigError(f"the task {task} needs --questions FILE")
            if task == "perplexity" and not self.text:
                raise ConfigError("the task perplexity needs --text FILE")
        if not tasks:
            raise ConfigError(f"--tasks is empty: choose among {', '.join(TASKS)}")
        return list(dict.fromkeys(tasks))

    def depths(self) -> list[int]:
        """Percents, ascending; raises `ConfigError`."""
        parts = split(self.passkey_depths)
        if not parts or not all(part.isdecimal() and int(part) <= 100 for part in parts):
            raise ConfigError(f"--passkey-depths {self.passkey_depths!r}: write whole percents from 0 to 100")
        return sorted({int(part) for part in parts})

    def lengths(self, max_model_len: int | None) -> list[int]:
        """Tokens, ascending; raises `ConfigError`."""
        if self.passkey_lengths is not None:
            return sorted(set(parse_numbers("--passkey-lengths", self.passkey_lengths)))
        if max_model_len is None:
            return list(_DEFAULT_LENGTHS)
        return [length for length in _DEFAULT_LENGTHS if length <= max_model_len] or [max_model_len]

    def copied(self) -> tuple[list[int], list[int]]:
        """Tokens of passages, and of longer texts; raises `ConfigError`."""
        passages = parse_numbers("--copy-passages", self.copy_passages)
        lengths = parse_numbers("--copy-lengths", self.copy_lengths)
        return sorted(set(passages)), sorted(set(lengths))

    def check_numbers(self) -> None:
        """Raises `ConfigError` for lists of numbers that are none."""
        self.depths()
        self.lengths(None)
        self.copied()


def split(text: str) -> list[str]:
    """The parts of a comma-separated flag."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _task_parameters() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(TaskFlags)
    ]


judged_flags: Callable[[Callable[..., None]], Callable[..., None]] = flag_group("judged", _judged_parameters(), _judged)
task_flags = flag_group("tasks", _task_parameters(), lambda values: TaskFlags(**values))
