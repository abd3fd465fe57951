"""MapQaTor's `dataset.json` and `query_*.json`, of both ages.

Today a row has one question (`question`, `answer`, `classification`); until 2025 it had `questions[]`, each with the
names of the API calls that support it. `api_call_logs` become recordings that are flagged as imported and unverified.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from annotator.datasets.imports.choices import choice, index_of, question, row_of, text_of, texts_of
from annotator.datasets.imports.mapqator_context import context_text
from annotator.datasets.imports.model import BadRow, ImportFormat, LoggedCall, NewQuestion, Row, text_context
from annotator.datasets.imports.source import Source, check
from annotator.errors import InputError
from annotator.questions.answers import TextAnswer
from annotator.questions.model import QuestionContent

_TRUE_TYPES = ("yes-no", "single-choice", "multiple-choice", "mcq", "open-ended")


def read(source: Source) -> Iterator[Row | BadRow]:
    """Rows of the file."""
    for where, value in source.json_values():
        try:
            check(value)
            yield _row(where, row_of(value))
        except InputError as error:
            yield BadRow(where, error.message)


def _row(where: str, row: dict[str, Any]) -> Row:
    if row.get("deleted") is True:
        raise InputError("it was deleted in MapQaTor")
    made_at = _moment(row.get("created_at"))
    calls = row.get("api_call_logs") or []
    if not isinstance(calls, list):
        raise InputError("'api_call_logs' is no list")
    old = row.get("questions")
    given = old if isinstance(old, list) and old else [row]
    text = text_of(row, "context", required=False) or context_text(row.get("context_json"))
    if not text.strip():
        raise InputError("it has neither a context nor a context_json")
    return Row(
        where,
        text_context(text, title=" ".join(text_of(row, "name", required=False).split())[:200]),
        tuple(_question(row_of(item), row) for item in given),
        tuple(_call(row_of(item), made_at) for item in calls),
    )


def _question(item: dict[str, Any], row: dict[str, Any]) -> NewQuestion:
    body = text_of(item, "title", required=False) or text_of(item, "question")
    names = item.get("references") or []
    category = text_of(item, "classification", required=False) or text_of(row, "classification", required=False)
    content = _content(
        body,
        row_of(item.get("answer")),
        category=category,
        explanation=text_of(item, "explanation", required=False),
    )
    return NewQuestion(
        content,
        references=tuple(str(name) for name in names) if isinstance(names, list) else (),
        source_id=str(item.get("id", row.get("id", ""))),
    )


def _content(body: str, answer: dict[str, Any], **values: Any) -> QuestionContent:
    kind = text_of(answer, "type", required=False) or "mcq"
    correct = answer.get("correct")
    if kind not in _TRUE_TYPES:
        raise InputError(f"the answer's type is '{kind[:40]}'; known are {', '.join(_TRUE_TYPES)}")
    if kind == "open-ended":
        words = "" if correct is None else correct if isinstance(correct, str) else str(correct)
        if len(words) > 2000:
            raise InputError(f"the answer has {len(words)} characters, and at most 2000 are possible")
        return question(type="open_ended", body=body, gold=TextAnswer(value=words), **values)
    texts = texts_of(answer.get("options"), "answer.options")
    if kind == "multiple-choice":
        many = correct if isinstance(correct, list) else [correct]
        right = [index_of(item, "answer.correct") for item in many]
        return choice(body, texts, right, is_multiple=True, **values)
    return choice(body, texts, [index_of(correct, "answer.correct")], **values)


def _call(item: dict[str, Any], made_at: datetime | None) -> LoggedCall:
    name = item.get("uuid", "")
    elapsed = item.get("responseTime")
    return LoggedCall(
        name=str(name),
        method=str(item.get("method") or "GET").upper(),
        url=text_of(item, "url"),
        query=_fields(item.get("params")),
        headers=_fields(item.get("headers")),
        body=item.get("data"),
        # MapQaTor names a call by its milliseconds since 1970.
        at=_of_millis(name) or made_at,
        elapsed_ms=float(elapsed) if isinstance(elapsed, int | float) else 0.0,
        result=item.get("result"),
    )


def _fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _of_millis(name: Any) -> datetime | None:
    millis = int(name) if isinstance(name, str) and name.isascii() and name.isdigit() and len(name) < 15 else name
    if isinstance(millis, int) and 1_400_000_000_000 <= millis < 4_000_000_000_000:
        return datetime.fromtimestamp(millis / 1000, UTC)
    return None


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


FORMAT = ImportFormat(
    key="mapqator",
    title="MapQaTor",
    sentence="MapQaTor's dataset.json or query_*.json, old or new; its API calls become unverified recordings.",
    read=read,
    suffixes=(".json",),
)
