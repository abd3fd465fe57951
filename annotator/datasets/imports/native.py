"""Our own exports: a folder or `.tar.zst` with manifest and recordings comes back whole; so does `items.jsonl` alone,
without its recordings: contexts become their text, and evidence stays behind.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError

from annotator.cache.json_text import sha256_hex
from annotator.contexts.model import ContextContent
from annotator.datasets import layout
from annotator.datasets.imports.choices import invalid, question, row_of
from annotator.datasets.imports.model import BadRow, ImportFormat, NewQuestion, Row, text_context
from annotator.datasets.imports.recorded import Recorded
from annotator.datasets.imports.source import ZSTD, Source, check
from annotator.datasets.manifest import ItemEntry, Manifest, read_manifest
from annotator.datasets.native import NativeItem
from annotator.datasets.own_text import own_text
from annotator.errors import InputError
from annotator.questions.model import QuestionContent


def read(source: Source) -> Iterator[Row | BadRow]:
    """Rows of the export."""
    if source.path.is_dir():
        yield from _snapshot(source)
        return
    with source.path.open("rb") as file:
        is_packed = file.read(4) == ZSTD
    if is_packed and source.beginning(512)[257:262] == b"ustar":
        _measure(source)
        yield from _snapshot(source)
        return
    for where, value in source.json_lines():
        try:
            if isinstance(value, InputError):
                raise value
            check(value)
            yield _item(where, row_of(value))
        except InputError as error:
            yield BadRow(where, error.message)


def _measure(source: Source) -> None:
    """Raises `TooLargeError` before anything is unpacked to the disk."""
    with source.stream() as stream:
        while stream.read(2**20):
            pass


def _snapshot(source: Source) -> Iterator[Row | BadRow]:
    # Rows read their bytes when they are written, which may be after the last row was read.
    folder = source.keep.enter_context(layout.opened(source.path))
    manifest = read_manifest(folder.manifest())
    pack = _Pack(folder, manifest)
    for number, entry in enumerate(manifest.items, 1):
        where = f"item {number}"
        try:
            yield pack.row(where, entry)
        except InputError as error:
            yield BadRow(where, error.message)


class _Pack:
    """A snapshot's manifest by its ids, and its bytes by their hash."""

    def __init__(self, folder: layout.Folder, manifest: Manifest) -> None:
        self._folder = folder
        self._contexts = {entry.id: entry for entry in manifest.contexts}
        self._calls = {entry.id: entry for entry in manifest.calls}
        self._exchanges = {entry.id: entry for entry in manifest.exchanges}
        # Neighbours share their context.
        self._context = cache(self._read_context)

    def row(self, where: str, entry: ItemEntry) -> Row:
        """An item of the manifest with all that it needs."""
        if entry.context not in self._contexts:
            raise InputError("the manifest does not have its context")
        context = self._context(self._contexts[entry.context].content_sha)
        content = _model(QuestionContent, self._content(entry.content_sha))
        ids = dict.fromkeys([*context.tool_call_ids, *(item.tool_call_id for item in content.evidence)])
        recorded = tuple(self._recorded(call_id) for call_id in ids)
        for item in content.evidence:
            if item.response is not None and item.response.exchange_id not in self._calls[item.tool_call_id].exchanges:
                raise InputError(f"its evidence {item.key} names an exchange that is not behind its call")
        return Row(where, context, (NewQuestion(content, source_id=entry.id),), recorded=recorded)

    def _recorded(self, call_id: str) -> Recorded:
        call = self._calls.get(call_id)
        if call is None or any(exchange_id not in self._exchanges for exchange_id in call.exchanges):
            raise InputError(f"the manifest does not have the tool call {call_id} and its exchanges")
        return Recorded(call, tuple(self._exchanges[name] for name in call.exchanges), self._bytes)

    def _read_context(self, sha: str) -> ContextContent:
        return _model(ContextContent, self._content(sha))

    def _content(self, sha: str) -> Any:
        body = self._bytes(sha)
        if body is None:
            raise InputError("its content is not in the export, because a provider's terms keep it in")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise InputError(f"the content {sha} is no JSON") from None
        check(value)
        return value

    def _bytes(self, sha: str) -> bytes | None:
        body = self._folder.blob(sha)
        if body is not None and sha256_hex(body) != sha:
            raise InputError(f"the content {sha} was changed; `mapqator verify` says where")
        return body


def _item(where: str, value: dict[str, Any]) -> Row:
    item = _model(NativeItem, value)
    text = own_text(item)
    if text is None:
        raise InputError("its context is not in the export, because a provider's terms keep it in")
    content = question(
        type=item.type,
        body=item.question,
        options=tuple(option.model_dump() for option in item.options),
        gold_keys=tuple(item.gold or ()) if item.type != "open_ended" else (),
        gold=item.answer_spec,
        explanation=item.explanation,
        category=item.category,
        tags=item.tags,
        difficulty=item.difficulty,
    )
    return Row(where, text_context(text, title=item.context.title), (NewQuestion(content, source_id=item.id),))


def _model[T: (ContextContent, QuestionContent, NativeItem)](kind: type[T], value: Any) -> T:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from None


FORMAT = ImportFormat(
    key="native",
    title="MapQaTor export",
    sentence="This program's own export: a folder or .tar.zst with its recordings, or items.jsonl without them.",
    read=read,
    suffixes=(".tar.zst", ".jsonl"),
)
