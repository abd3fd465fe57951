"""From flags to items, and from items to records."""

import random
from collections.abc import Callable, Sequence

from server.bench.offline import parse_numbers
from server.errors import ConfigError
from server.quality.filler import Haystack, read_text
from server.quality.flags import TaskFlags, split
from server.quality.items import Item, Model, Record
from server.quality.questions import read_questions
from server.quality.tasks.copying import copy_items
from server.quality.tasks.maps import map_items
from server.quality.tasks.passkey import passkey_items
from server.quality.tasks.perplexity import perplexity_items
from server.quality.tasks.tools import tool_items

DEFAULT_WINDOW = 2048


def make_items(flags: TaskFlags, model: Model) -> list[Item]:
    """Everything that will be asked, the same for the same flags, files and tokenizer.

    Raises:
        ConfigError: a file or flag cannot be used.
    """
    items: list[Item] = []
    tasks = flags.chosen_tasks()
    texts = {path.name: read_text(path) for path in flags.text or ()}
    if len(texts) < len(flags.text or ()):
        raise ConfigError("two --text files have the same name: rename one, so that the results can be told apart")
    questions = read_questions(flags.questions or [], flags.split) if {"map", "tools"} & set(tasks) else []
    if "map" in tasks:
        chosen = _drawn(questions, flags.limit, flags.seed)
        items += map_items(chosen, list(dict.fromkeys(split(flags.forms))), flags.max_reply)
    if "tools" in tasks:
        with_tools = tool_items(questions, flags.max_turns, flags.max_reply)
        if not with_tools and flags.tasks is not None:
            raise ConfigError(
                "no question of the files has tools and calls: make them with `mapqator demo questions --tools`"
            )
        items += _drawn(with_tools, flags.limit, flags.seed)
    if "passkey" in tasks:
        hay = Haystack([] if flags.haystack is None else [read_text(flags.haystack)])
        lengths = flags.lengths(model.max_model_len)
        items += passkey_items(model, hay, lengths, flags.depths(), flags.passkey_repeats, flags.seed)
    if "copy" in tasks:
        items += _copying(flags, model, Haystack(list(texts.values())))
    if "perplexity" in tasks:
        items += _drawn(_windows(flags, model, texts), flags.limit, flags.seed)
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


def _copying(flags: TaskFlags, model: Model, haystack: Haystack) -> list[Item]:
    passages, lengths = (
        parse_numbers("--copy-passages", flags.copy_passages),
        parse_numbers("--copy-lengths", flags.copy_lengths),
    )
    return copy_items(model, haystack, passages, lengths, flags.copy_repeats, flags.seed)


def _windows(flags: TaskFlags, model: Model, texts: dict[str, str]) -> list[Item]:
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
