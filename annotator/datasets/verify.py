"""Verifying: everything that a snapshot says is recomputed from its recorded bytes, with no network and no map.

Every blob against its hash, the manifest against its own, results against what adapters read from the bodies,
renderings against what is rendered from the results, and every piece of evidence at its pointers. What differs is
named: the question, and the pointer in the document that changed.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from annotator.cache.json_text import canonical, sha256_hex
from annotator.contexts.model import ContextContent
from annotator.datasets.layout import opened
from annotator.datasets.manifest import ContextEntry, ItemEntry, Manifest, read_manifest
from annotator.datasets.native import NativeItem
from annotator.datasets.rebuild import Rebuilder
from annotator.datasets.report import Finding, Report, Users
from annotator.datasets.snapshots import Snapshot
from annotator.datasets.sources import DatabaseSource, Source
from annotator.datasets.splits import Member
from annotator.datasets.standing import in_body, in_result
from annotator.datasets.verify_items import differences, line_findings, parse_line, split_findings
from annotator.datasets.verify_rows import row_findings
from annotator.datasets.where import where
from annotator.errors import InputError
from annotator.questions import locate
from annotator.questions.model import QuestionContent

MAX_FINDINGS = 500
_HELD_ANSWERS = 50
type Progress = Callable[[int, int], None]


def verify_snapshot(connection: Connection, snapshot: Snapshot, progress: Progress | None = None) -> Report:
    """Verifies a snapshot of the database, its rows included.

    Args:
        connection: a reading transaction.
        progress: told how many questions of how many are done.
    """
    source = DatabaseSource(connection, snapshot)
    return _Verifier(source, progress).run(lambda manifest: row_findings(connection, snapshot, manifest))


def verify_files(path: Path, progress: Progress | None = None) -> Report:
    """Verifies a snapshot in a folder or `.tar.zst` file.

    Raises:
        InputError: there is none.
        TooLargeError: the file unpacks to more than any snapshot has.
    """
    with opened(path) as folder:
        return _Verifier(folder, progress).run(lambda manifest: ())


class _Verifier:
    """One look at one snapshot."""

    def __init__(self, source: Source, progress: Progress | None) -> None:
        self._source = source
        self._progress = progress
        self._findings: list[Finding] = []
        self._bad: dict[str, bytes | None] = {}
        self._recovered: dict[str, bytes] = {}
        self._answers: OrderedDict[str, Any] = OrderedDict()
        self._num_bytes = 0
        self._num_evidence = 0

    def run(self, rows: Callable[[Manifest], Iterable[Finding]]) -> Report:
        """Looks at everything; `rows` looks at what stands beside the bytes."""
        body = self._source.manifest()
        sha = sha256_hex(body)
        if self._source.manifest_sha() != sha:
            said = self._source.manifest_sha() or "no hash at all"
            self._add("manifest_changed", f"the manifest's bytes have the hash {sha}, not {said}", pointer="", sha=sha)
        try:
            manifest = read_manifest(body)
        except InputError as error:
            self._add("manifest_unreadable", error.message, pointer="", sha=sha)
            return Report(is_ok=False, manifest_sha=sha, findings=tuple(self._findings))
        if manifest.dump() != body:
            self._add("manifest_changed", "the manifest is not canonical JSON (RFC 8785)", pointer="", sha=sha)
        self._look(manifest, rows)
        shown = tuple(self._findings[:MAX_FINDINGS])
        return Report(
            is_ok=not self._findings,
            dataset=manifest.dataset,
            version=manifest.version,
            manifest_sha=sha,
            num_items=len(manifest.items),
            num_contexts=len(manifest.contexts),
            num_calls=len(manifest.calls),
            num_blobs=len(manifest.blob_shas),
            num_bytes=self._num_bytes,
            num_evidence=self._num_evidence,
            num_withheld=len(manifest.withheld),
            findings=shown,
            num_more=len(self._findings) - len(shown),
        )

    def _look(self, manifest: Manifest, rows: Callable[[Manifest], Iterable[Finding]]) -> None:
        users = Users(manifest)
        self._blobs(manifest)
        self._exchanges(manifest, users)
        again = Rebuilder(manifest, self._source.blob)
        members = self._items(manifest, again)
        self._calls(manifest, again, users)
        self._name_changes(manifest, users)
        self._findings += split_findings(manifest, members)
        self._findings += rows(manifest)
        for name in self._source.strays(manifest):
            self._add("stray", f"{name} does not belong to this snapshot")

    def _blobs(self, manifest: Manifest) -> None:
        for sha, body in zip(manifest.file_shas, self._source.bodies(manifest.file_shas), strict=True):
            self._num_bytes += len(body or b"")
            if body is None or sha256_hex(body) != sha:
                self._bad[sha] = body
                spare = self._source.spare(sha)
                if spare is not None and sha256_hex(spare) == sha:
                    self._recovered[sha] = spare

    def _exchanges(self, manifest: Manifest, users: Users) -> None:
        for index, exchange in enumerate(manifest.exchanges):
            if sha256_hex(canonical(exchange.request)) != exchange.request_hash:
                about = f"the request of exchange {exchange.id} does not have its hash"
                for number, _ in users.of(exchange.body_sha):
                    self._add("request_changed", about, question=number, pointer=f"/exchanges/{index}/request")
            body = self._source.blob(exchange.body_sha)
            if body is not None and exchange.body_sha not in self._bad and len(body) != exchange.body_bytes:
                self._add(
                    "exchange_changed",
                    f"exchange {exchange.id} has another length",
                    pointer=f"/exchanges/{index}/body_bytes",
                )

    def _calls(self, manifest: Manifest, again: Rebuilder, users: Users) -> None:
        """Every result from its bodies. A difference is told with the pointer where the two differ."""
        for call in manifest.calls:
            if call.is_ids_only:
                continue
            made = again.result(call.id)
            if made.body is not None and sha256_hex(made.body) == call.result_sha:
                if call.result_sha in self._bad:
                    self._recovered[call.result_sha] = made.body
                continue
            stored = None if call.result_sha in self._bad else self._source.blob(call.result_sha)
            pointer = where(stored, made.body) if stored is not None and made.body is not None else ""
            why = made.problem or "the adapter reads another result from the recorded bytes"
            if made.body is not None and any(again.exchanges[name].body_sha in self._bad for name in call.exchanges):
                why = "its recorded bytes were changed"
            for number, _ in users.of(call.result_sha):
                self._add(
                    "result_differs",
                    f"{call.tool} ({call.id}): {why}",
                    question=number,
                    pointer=pointer,
                    sha=call.result_sha,
                )

    def _items(self, manifest: Manifest, again: Rebuilder) -> list[Member]:
        """Every item; gives what dividing them has to know of those whose lines can be read."""
        members: list[Member] = []
        contexts = {context.id: context for context in manifest.contexts}
        checked: set[str] = set()
        lines = self._source.lines(manifest)
        contents = self._source.bodies([item.content_sha for item in manifest.items])
        for index, (item, body) in enumerate(zip(manifest.items, contents, strict=True)):
            line = next(lines, None)
            found = parse_line(line or b"")
            if isinstance(found, NativeItem):
                places = frozenset(place.pid for place in found.places)
                members.append(Member(item.content_sha, item.context, places))
            context = contexts.get(item.context)
            if context is None:
                self._add(
                    "manifest_changed",
                    "the item names a context that is not there",
                    question=item.number,
                    pointer=f"/items/{index}/context",
                )
                continue
            if context.id not in checked:
                checked.add(context.id)
                self._context(context, item.number, again)
            self._num_bytes += len(line or b"")
            self._item(item, line, found, body, manifest, context, again)
            if self._progress is not None:
                self._progress(index + 1, len(manifest.items))
        if next(lines, None) is not None:
            self._add("line_changed", "items.jsonl has more lines than the manifest has items")
        return members

    def _context(self, context: ContextEntry, number: int, again: Rebuilder) -> None:
        content = self._read(context.content_sha, self._source.blob(context.content_sha), ContextContent)
        if content is None or context.is_ids_only:
            return
        if content.tool_call_ids != context.calls:
            self._add("manifest_changed", "the context has other calls", context=context.number, pointer="/contexts")
        made = again.renders(content)
        if isinstance(made, str):
            self._add("render_differs", f"it cannot be rendered: {made}", question=number, context=context.number)
            return
        wanted = (context.text_sha, context.json_sha, context.markdown_sha)
        bodies = (made.text, made.json, made.markdown)
        for name, sha, found, body in zip(("text", "JSON", "Markdown"), wanted, made.shas, bodies, strict=True):
            if sha == found:
                self._recovered[sha] = body
                continue
            stored = self._source.blob(sha)
            pointer = where(stored, body) if stored is not None else ""
            self._add(
                "render_differs",
                f"its {name} is rendered otherwise from its recorded results",
                question=number,
                context=context.number,
                pointer=pointer,
                sha=sha,
            )

    def _item(
        self,
        item: ItemEntry,
        line: bytes | None,
        found: NativeItem | Exception,
        body: bytes | None,
        manifest: Manifest,
        context: ContextEntry,
        again: Rebuilder,
    ) -> None:
        content = None if item.is_ids_only else self._read(item.content_sha, body, QuestionContent)
        self._findings += line_findings(item, line, found, manifest, context, content)
        if content is None:
            return
        self._findings += differences(item, content)
        for evidence in content.evidence:
            entry = next((entry for entry in item.evidence if entry.key == evidence.key), None)
            if entry is None or entry.call not in again.calls:
                continue
            self._num_evidence += 1
            made = again.result(entry.call)
            reason = in_result(evidence, made.value) if made.body is not None else made.problem
            if reason is not None:
                self._add("evidence_differs", reason, question=item.number, pointer=entry.pointer, sha=entry.result_sha)
            if entry.body_sha is not None:
                document = self._answer(entry.body_sha)
                reason = "the provider's answer is missing" if document is None else in_body(evidence, document)
                if reason is not None:
                    self._add(
                        "evidence_differs", reason, question=item.number, pointer=entry.body_pointer, sha=entry.body_sha
                    )

    def _name_changes(self, manifest: Manifest, users: Users) -> None:
        """Says of every blob that is not what its hash says who uses it, and where it differs if that can be known."""
        for sha, body in self._bad.items():
            verb = "is missing" if body is None else "was changed"
            whole = self._recovered.get(sha)
            exact = where(whole, body) if whole is not None and body is not None else None
            for number, pointers in users.of(sha):
                for pointer in (exact,) if exact is not None else pointers or ("",):
                    self._add("blob_changed", f"the content {sha} {verb}", question=number, pointer=pointer, sha=sha)

    def _answer(self, sha: str) -> Any:
        """What a provider's answer says, None where it is missing; neighbouring questions ask for it again."""
        if sha in self._answers:
            self._answers.move_to_end(sha)
            return self._answers[sha]
        body = self._source.blob(sha)
        document = self._answers[sha] = None if body is None else locate.parse(body)
        if len(self._answers) > _HELD_ANSWERS:
            self._answers.popitem(last=False)
        return document

    def _read[T: (ContextContent, QuestionContent)](self, sha: str, body: bytes | None, model: type[T]) -> T | None:
        """A revision's content; None where it cannot be read, which is told as a changed blob."""
        body = self._recovered.get(sha) or body
        try:
            return None if body is None else model.model_validate(json.loads(body))
        except (ValidationError, ValueError, RecursionError):
            return None

    def _add(
        self,
        code: str,
        message: str,
        *,
        question: int | None = None,
        context: int | None = None,
        pointer: str | None = None,
        sha: str | None = None,
    ) -> None:
        finding = Finding(code=code, message=message, question=question, context=context, pointer=pointer, sha=sha)
        if finding not in self._findings[-50:]:
            self._findings.append(finding)
