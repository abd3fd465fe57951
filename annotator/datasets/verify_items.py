"""An item of a snapshot against what it was made of: its line, its question's content, and its split."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from annotator.cache.json_text import canonical, sha256_hex
from annotator.datasets.items import bare_gold
from annotator.datasets.manifest import ContextEntry, ItemEntry, Manifest
from annotator.datasets.native import NativeItem, read_line
from annotator.datasets.report import Finding
from annotator.datasets.splits import Member, divide
from annotator.errors import MapqatorError
from annotator.questions.model import QuestionContent


def parse_line(line: bytes) -> NativeItem | Exception:
    """The item of a line, or why it holds none."""
    try:
        return read_line(line)
    except (ValidationError, ValueError, RecursionError) as error:
        return error


def line_findings(
    item: ItemEntry,
    line: bytes | None,
    found: NativeItem | Exception,
    manifest: Manifest,
    context: ContextEntry,
    content: QuestionContent | None,
) -> Iterator[Finding]:
    """What is wrong with an item's line: its hash, and every field that follows from something else.

    Args:
        found: what `parse_line` makes of the line.
        content: of the question; None where it cannot be read or is withheld.
    """
    if not line:
        yield Finding(
            code="line_changed",
            message="the item's line is missing",
            question=item.number,
            pointer="",
            sha=item.item_sha,
        )
        return
    is_intact = sha256_hex(line) == item.item_sha
    if is_intact:
        if content is None:
            return
        changed = "says something else than its question"
    else:
        changed = "was changed"
    if isinstance(found, Exception):
        why = "is no JSON" if not isinstance(found, ValidationError) else "is no item"
        yield Finding(
            code="line_changed",
            message=f"the item's line {changed}: it {why}",
            question=item.number,
            pointer=_first_place(found),
            sha=item.item_sha,
        )
        return
    pointers = list(_fields_that_differ(found, item, manifest, context, content))
    if not pointers and not is_intact:
        pointers = [""]
    for pointer in pointers:
        yield Finding(
            code="line_changed",
            message=f"the item's line {changed}",
            question=item.number,
            pointer=pointer,
            sha=item.item_sha,
        )


def differences(item: ItemEntry, content: QuestionContent) -> Iterator[Finding]:
    """Where the manifest's evidence is not that of the question."""
    said = {entry.key: entry for entry in item.evidence}
    for evidence in content.evidence:
        entry = said.pop(evidence.key, None)
        response = evidence.response
        is_same = entry is not None and (
            (entry.call, entry.result_sha, entry.pointer, entry.body_sha, entry.body_pointer)
            == (
                evidence.tool_call_id,
                evidence.result_sha,
                evidence.pointer,
                None if response is None else response.body_sha,
                None if response is None else response.pointer,
            )
        )
        if not is_same:
            yield Finding(
                code="manifest_changed",
                message=f"the manifest's evidence {evidence.key} is not that of the question",
                question=item.number,
                pointer=evidence.pointer,
                sha=item.content_sha,
            )
    for key in said:
        yield Finding(
            code="manifest_changed",
            message=f"the manifest has evidence {key} that the question has not",
            question=item.number,
            pointer=said[key].pointer,
            sha=item.content_sha,
        )


def split_findings(manifest: Manifest, members: Sequence[Member]) -> Iterator[Finding]:
    """Where items are not in the split in which their content puts them."""
    if len(members) != len(manifest.items):
        # A changed line is told as one; without its places nothing can be said about splits.
        return
    wanted = divide(members, manifest.splits)
    for index, (item, split) in enumerate(zip(manifest.items, wanted, strict=True)):
        if item.split != split:
            yield Finding(
                code="split_differs",
                message=f"it is in the split '{item.split}' and belongs into '{split}'",
                question=item.number,
                pointer=f"/items/{index}/split",
            )
    sizes = Counter(wanted)
    names = {*sizes, *manifest.counts.splits}
    if manifest.counts.items != len(members) or any(
        sizes[name] != manifest.counts.splits.get(name, 0) for name in names
    ):
        yield Finding(code="manifest_changed", message="the manifest counts its items otherwise", pointer="/counts")


def _fields_that_differ(
    found: NativeItem, item: ItemEntry, manifest: Manifest, context: ContextEntry, content: QuestionContent | None
) -> Iterator[str]:
    """Pointers of an item's fields that are not what they follow from."""
    wanted: dict[str, Any] = {
        "/id": item.id,
        "/number": item.number,
        "/rev": item.n,
        "/content_sha": item.content_sha,
        "/split": item.split,
        "/project": manifest.project,
        "/dataset": manifest.dataset,
        "/version": manifest.version,
        "/licence": manifest.licence,
        "/status": "approved",
        "/context/id": context.id,
        "/context/number": context.number,
        "/context/n": context.n,
        "/context/content_sha": context.content_sha,
        "/context/text_sha": context.text_sha,
        "/context/json_sha": context.json_sha,
        "/context/markdown_sha": context.markdown_sha,
        "/context/template": manifest.template,
    }
    if content is not None:
        wanted |= {
            "/question": content.body,
            "/type": content.type,
            "/category": content.category,
            "/tags": list(content.tags),
            "/difficulty": content.difficulty,
            "/explanation": content.explanation,
            "/gold": bare_gold(content),
            "/options": [{"key": option.key, "text": option.text, "pid": option.pid} for option in content.options],
        }
        for index, evidence in enumerate(content.evidence):
            wanted[f"/evidence/{index}/pointer"] = evidence.pointer
            wanted[f"/evidence/{index}/value"] = evidence.value
            wanted[f"/evidence/{index}/role"] = evidence.role
            wanted[f"/evidence/{index}/result_sha"] = evidence.result_sha
    values = found.model_dump(mode="json", exclude={"context": {"text", "json_content"}})
    for pointer, value in wanted.items():
        if not _is_same(_at(values, pointer), value):
            yield pointer
    text = found.context.text
    if text is not None and sha256_hex(text.encode()) != context.text_sha:
        yield "/context/text"
    if found.context.json_content is not None and _sha(found.context.json_content) != context.json_sha:
        yield "/context/json"


def _at(values: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        if isinstance(values, list):
            values = values[int(step)] if int(step) < len(values) else None
        else:
            values = values.get(step) if isinstance(values, dict) else None
    return values


def _is_same(one: Any, other: Any) -> bool:
    if type(one) is str and one == other:
        return True
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) or _sha(one) == _sha(other)


def _sha(value: Any) -> str:
    try:
        return sha256_hex(canonical(value))
    except MapqatorError:
        return ""


def _first_place(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "".join(f"/{step}" for step in error.errors()[0]["loc"])
    return ""
