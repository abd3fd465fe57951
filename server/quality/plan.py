"""What is to be asked, as plain settings: the flags of `rhumb eval`, or the arguments of a script without it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from server.errors import ConfigError

TASKS = ("map", "passkey", "perplexity", "copy", "tools", "describe")
ONLY_IF_NAMED = frozenset({"describe"})
"""Tasks that say something only of models that were fine-tuned for them."""

_DEFAULT_LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What is asked; every field is a flag of the same name, and explained there."""

    tasks: str | None = None
    questions: list[Path] | None = None
    split: str = "test"
    forms: str = "text"
    limit: int | None = None
    max_reply: int = 128
    max_turns: int = 8
    text: list[Path] | None = None
    window: int | None = None
    stride: int | None = None
    passkey_lengths: str | None = None
    passkey_depths: str = "0,10,20,30,40,50,60,70,80,90,100"
    passkey_repeats: int = 3
    haystack: Path | None = None
    copy_passages: str = "32,64,128"
    copy_lengths: str = "256,512"
    copy_repeats: int = 16
    describe_places: int = 100
    seed: int = 0

    def chosen_tasks(self) -> list[str]:
        """The tasks to run; raises `ConfigError` for an unknown one, or one without its file."""
        if self.tasks is None:
            with_files = {"map": self.questions, "tools": self.questions, "perplexity": self.text}
            usual = (task for task in TASKS if task not in ONLY_IF_NAMED)
            return [task for task in usual if task not in with_files or with_files[task]]
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
            return sorted(set(whole_numbers("--passkey-lengths", self.passkey_lengths)))
        if max_model_len is None:
            return list(_DEFAULT_LENGTHS)
        return [length for length in _DEFAULT_LENGTHS if length <= max_model_len] or [max_model_len]

    def copied(self) -> tuple[list[int], list[int]]:
        """Tokens of passages, and of longer texts; raises `ConfigError`."""
        passages = whole_numbers("--copy-passages", self.copy_passages)
        lengths = whole_numbers("--copy-lengths", self.copy_lengths)
        return sorted(set(passages)), sorted(set(lengths))

    def to_json(self) -> dict[str, Any]:
        """The settings, paths as text."""
        found: dict[str, Any] = {}
        for name, value in asdict(self).items():
            is_list = isinstance(value, list)
            found[name] = [str(item) for item in value] if is_list else str(value) if isinstance(value, Path) else value
        return found

    def check_numbers(self) -> None:
        """Raises `ConfigError` for lists of numbers that are none."""
        self.depths()
        self.lengths(None)
        self.copied()


def split(text: str) -> list[str]:
    """The parts of a comma-separated flag."""
    return [part.strip() for part in text.split(",") if part.strip()]


def whole_numbers(flag: str, text: str) -> list[int]:
    """`64,128` -> numbers of at least 1; raises `ConfigError`."""
    parts = split(text)
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"{flag} {text!r}: write whole numbers from 1, separated by commas")
    return [int(part) for part in parts]
