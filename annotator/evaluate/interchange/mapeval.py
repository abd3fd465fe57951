"""MapEval-Textual, scored from its own file: its questions as items, replies judged, and its paper's table beside.

Dihan et al., "MapEval: A Map-Based Evaluation of Geo-Spatial Reasoning in Foundation Models" (2025). The file is not
part of this program, and what its contexts say has terms of its own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from annotator.cache.json_text import sha256_hex
from annotator.datasets.imports import mapeval
from annotator.datasets.imports.model import BadRow, Row
from annotator.datasets.imports.source import Source
from annotator.datasets.native import ItemContext, ItemOption, NativeItem
from annotator.errors import InputError
from annotator.evaluate.baselines import item_baselines
from annotator.evaluate.judge import judge
from annotator.evaluate.model import Given, ItemResult, Shown, facts_of
from annotator.evaluate.read import read_reply, read_submitted
from annotator.evaluate.shown import Labels, shown_of
from annotator.evaluate.statistics import Interval, wilson
from annotator.evaluate.summary import Summary, summarise

SOURCE = "Dihan et al., MapEval, 2025"
NUM_ITEMS = 300
_UNANSWERABLE = "unanswerable"


class PaperRow(NamedTuple):
    """A row of the paper's table. Nothing of it was measured here.

    Args:
        task: `textual` gives the context, `api` lets the model call tools; both are the same 300 questions.
        share: of all questions.
        by_category: shares by the paper's classes, where it gives them.
        wilson: the interval that its share has with so many questions.
    """

    model: str
    task: Literal["textual", "api"]
    share: float
    by_category: Mapping[str, float]
    wilson: Interval
    is_quoted: bool = True
    source: str = SOURCE


class Scored(NamedTuple):
    """Replies to MapEval-Textual in numbers.

    Args:
        missing: ids of questions without a reply, which do not count.
        paper: what the paper says of others, marked as quoted.
    """

    summary: Summary
    results: tuple[ItemResult, ...]
    missing: tuple[str, ...]
    paper: tuple[PaperRow, ...]


def read_items(path: Path) -> tuple[NativeItem, ...]:
    """The questions of MapEval's file, in its order, with the ids that they have there.

    Raises:
        InputError: it cannot be read, or a row of it is none of MapEval's.
    """
    return tuple(_items(path))


def read_replies(path: Path) -> dict[str, str]:
    """Replies by a question's id, from JSON lines `{"id": …, "reply": "…"}`.

    Raises:
        InputError: it cannot be read, or says one thing twice.
    """
    replies: dict[str, str] = {}
    for where, value in Source(path, path.name).json_lines():
        if isinstance(value, InputError):
            raise InputError(f"{where}: {value.message}")
        if not isinstance(value, dict) or "id" not in value or not isinstance(value.get("reply"), str):
            raise InputError(f'{where} of {path.name} is no {{"id": …, "reply": "…"}}')
        name = str(value["id"])
        if name in replies:
            raise InputError(f"{where} of {path.name} is a second reply to question {name}")
        replies[name] = value["reply"]
    return replies


def score(items: Sequence[NativeItem], replies: Mapping[str, str], *, labels: Labels = "numbers") -> Scored:
    """Judges replies to MapEval's questions. To abstain is offered with every question, never with some.

    Args:
        replies: in words by id; MapEval's own `{"option_no": 2}` is read as well as every other form.
        labels: by which the prompt called the options: MapEval's numbers, of which 0 abstains, or letters.

    Raises:
        InputError: a reply to a question that is not there, or no reply at all.
    """
    unknown = sorted(set(replies) - {item.id for item in items})
    if unknown:
        raise InputError(f"there is no question {unknown[0]} in the file; is it another version of MapEval?")
    if not replies:
        raise InputError("there are no replies to score")
    results = []
    for item in items:
        if item.id in replies:
            shown = shown_of(item, offers_abstaining=True, labels=labels)
            judged = judge(item, _read(shown, replies[item.id]))
            results.append(ItemResult(facts=facts_of(item), judgement=judged))
    missing = tuple(item.id for item in items if item.id not in replies)
    summary = summarise(results, item_baselines(items, offers_abstaining=True))
    return Scored(summary, tuple(results), missing, paper_rows())


def paper_rows() -> tuple[PaperRow, ...]:
    """The paper's table for the textual and the tool-calling task."""
    tasks: tuple[Literal["textual", "api"], ...] = ("textual", "api")
    rows = []
    for model, *given in _TABLE:
        for task, percents in zip(tasks, given, strict=True):
            if percents:
                share = percents[0] / 100
                by_category = dict(zip(_CATEGORIES, (value / 100 for value in percents[1:]), strict=False))
                rows.append(PaperRow(model, task, share, by_category, wilson(share * NUM_ITEMS, NUM_ITEMS)))
    return tuple(rows)


_CATEGORIES = ("poi", "nearby", "routing", "trip", _UNANSWERABLE)
_TABLE: tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...] = (
    ("Human", (86.67,), ()),
    ("Claude-3.5-Sonnet", (66.33, 73, 73, 76, 49, 40), (64.00, 69, 55, 65, 72, 55)),
    ("Gemini-1.5-Pro", (66.33, 66, 75, 70, 48, 85), (43.33,)),
    ("GPT-4o", (63.33,), (48.67,)),
    ("GPT-4-Turbo", (62.33,), (53.67,)),
    ("Llama-3.1-70B", (61.00,), (37.67,)),
    ("Qwen2.5-72B", (57.00,), ()),
    ("Qwen2.5-14B", (53.67,), ()),
    ("Gemma-2-9B", (47.33,), (27.00,)),
    ("Llama-3.1-8B", (44.00,), ()),
    ("Qwen2.5-7B", (43.33,), ()),
)
"""Percent: all of the questions, then by category as the paper rounds them."""


def _read(shown: Shown, reply: str) -> Given | None:
    try:
        value: Any = json.loads(reply)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "option_no" in value:
        given = read_submitted(shown, {"answer": value["option_no"]})
        return None if given is None else given.model_copy(update={"how": "json"})
    return read_reply(shown, reply)


def _items(path: Path) -> Iterator[NativeItem]:
    seen: set[str] = set()
    for number, row in enumerate(mapeval.read(Source(path, path.name)), start=1):
        if isinstance(row, BadRow):
            raise InputError(f"{row.where} of {path.name}: {row.reason}")
        item = _item(number, row)
        if item.id in seen:
            raise InputError(f"{row.where} of {path.name} has the id {item.id}, as another does")
        seen.add(item.id)
        yield item


def _item(number: int, row: Row) -> NativeItem:
    question, text = row.questions[0], row.context.items[0].text
    content, text_sha = question.content, sha256_hex(text.encode())
    return NativeItem(
        id=question.source_id or str(number),
        number=number,
        rev=1,
        content_sha=sha256_hex(content.model_dump_json().encode()),
        project="mapeval",
        dataset="textual",
        status="approved",
        # The paper counts what cannot be answered as a class of its own; the file leaves it blank.
        category=content.category or _UNANSWERABLE,
        question=content.body,
        type=content.type,
        options=tuple(ItemOption(key=option.key, text=option.text) for option in content.options),
        gold=list(content.gold_keys) or None,
        context=ItemContext(
            id=text_sha,
            number=number,
            n=1,
            title=row.context.title,
            content_sha=text_sha,
            text=text,
            text_sha=text_sha,
            json_sha=None,
            markdown_sha=None,
            template="mapeval",
        ),
        created_at="1970-01-01T00:00:00.000000Z",
        export="forbidden",
    )
