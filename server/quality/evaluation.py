"""From flags to items, and from items to records."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.errors import ConfigError
from server.quality.filler import Haystack, read_text
from server.quality.items import Item, Model, Record
from server.quality.plan import TaskSettings, split
from server.quality.questions import Question, read_questions
from server.quality.result import Run
from server.quality.tasks.copying import copy_items
from server.quality.tasks.describe import describe_items
from server.quality.tasks.maps import check_forms, map_items
from server.quality.tasks.passkey import passkey_items
from server.quality.tasks.perplexity import perplexity_items
from server.quality.tasks.tools import has_tools, tool_items

DEFAULT_WINDOW = 2048


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of a run, read and checked before a model is loaded.

    Args:
        texts: file name -> text, to score and to copy from.
        haystack: where pass keys are hidden.
    """

    tasks: list[str]
    texts: dict[str, str]
    questions: list[Question]
    haystack: Haystack

    @classmethod
    def read(cls, flags: TaskSettings) -> "Inputs":
        """Raises `ConfigError` for a flag or file that cannot be used."""
        tasks = flags.chosen_tasks()
        flags.check_numbers()
        texts = {path.name: read_text(path) for path in flags.text or ()}
        if len(texts) < len(flags.text or ()):
            raise ConfigError("two --text files have the same name: rename one, so that results can be told apart")
        questions = read_questions(flags.questions or [], flags.split) if {"map", "tools"} & set(tasks) else []
        if "map" in tasks:
            check_forms(questions, split(flags.forms))
        if flags.tasks is not None and "tools" in tasks and not any(map(has_tools, questions)):
            raise ConfigError("no question has tools and calls: make some with `mapqator demo questions --tools`")
        haystack = Haystack([] if flags.haystack is None else [read_text(flags.haystack)])
        return cls(tasks, texts, questions, haystack)


def make_items(flags: TaskSettings, inputs: Inputs, model: Model) -> list[Item]:
    """Everything that will be asked, the same for the same flags, files and tokenizer.

    Raises:
        ConfigError: a flag cannot work with this model.
    """
    items: list[Item] = []
    if "map" in inputs.tasks:
        # What is asked with tools is worded for them, and need not stand in the context.
        about_contexts = [question for question in inputs.questions if not question.fields.get("calls")]
        chosen = _drawn(about_contexts, flags.limit, flags.seed)
        items += map_items(chosen, split(flags.forms), flags.max_reply)
    if "tools" in inputs.tasks:
        chosen = _drawn(list(filter(has_tools, inputs.questions)), flags.limit, flags.seed)
        items += tool_items(chosen, flags.max_turns, flags.max_reply)
    if "passkey" in inputs.tasks:
        lengths = flags.lengths(model.max_model_len)
        items += passkey_items(model, inputs.haystack, lengths, flags.depths(), flags.passkey_repeats, flags.seed)
    if "copy" in inputs.tasks:
        passages, lengths = flags.copied()
        text = Haystack(list(inputs.texts.values()))
        items += copy_items(model, text, passages, lengths, flags.copy_repeats, flags.seed)
    if "describe" in inputs.tasks:
        items += describe_items(model, flags.describe_places, flags.seed)
    if "perplexity" in inputs.tasks:
        items += _drawn(_windows(flags, model, inputs.texts), flags.limit, flags.seed)
    return items


def run_items(
    model: Model, items: list[Item], variants: Sequence[str], records: list[Record], on_done: Callable[[], None]
) -> None:
    """Ask every variant everything.

    Args:
        records: gets each record as soon as it is known, so that an interruption loses none.
        on_done: called after each record.
    """

    def keep(record: Record) -> None:
        records.append(record)
        on_done()

    for variant in variants:
        model.run(items, variant, keep)


def make_run(
    model: Model,
    name: str,
    variants: Sequence[str],
    settings: TaskSettings,
    items: Sequence[Item],
    records: Sequence[Record],
    *,
    is_complete: bool,
) -> Run:
    """What was asked and what came of it, with the records, which come as they get done, in the order of the items.

    Args:
        name: of the model, for headings.
        is_complete: False if some record is missing.
    """
    places = {(item.task, item.id): place for place, item in enumerate(items)}
    in_order = sorted(records, key=lambda one: (variants.index(one.variant), places[one.task, one.id]))
    return Run(
        name=name,
        variants=tuple(variants),
        model=model.describe(),
        settings={**settings.to_json(), "num_items": len(items)},
        records=in_order,
        is_complete=is_complete,
        seed=settings.seed,
    )


def _windows(flags: TaskSettings, model: Model, texts: dict[str, str]) -> list[Item]:
    longest = model.max_model_len
    length = flags.window or min(DEFAULT_WINDOW, longest or DEFAULT_WINDOW)
    if longest is not None and length > longest:
        raise ConfigError(f"--window {length} is longer than the model's {longest} tokens")
    stride = flags.stride or max(1, length // 2)
    if stride >= length:
        raise ConfigError(f"--stride {stride} must be below the window of {length} tokens")
    return perplexity_items(model, texts, length, stride)


def _drawn[T](things: list[T], limit: int | None, seed: int) -> list[T]:
    """At most `limit` of them, in their own order."""
    if limit is None or len(things) <= limit:
        return things
    chosen = sorted(random.Random(seed).sample(range(len(things)), limit))
    return [things[index] for index in chosen]
