"""What verifying found."""

from collections import defaultdict
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from annotator.datasets.manifest import Manifest


class Finding(BaseModel):
    """Something that is not what was frozen.

    Args:
        code: what kind; it never changes.
        message: one line for people.
        question: number of the question that it touches; None where it touches none, or all.
        context: number of the context.
        pointer: JSON Pointer of what changed: into the document that `message` names.
        sha: hash of the content that changed.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    question: int | None = None
    context: int | None = None
    pointer: str | None = None
    sha: str | None = None


class Report(BaseModel):
    """The outcome of verifying a snapshot.

    Args:
        manifest_sha: of the manifest's bytes as they are.
        num_bytes: of all blobs.
        num_evidence: values that were looked up again.
        num_withheld: blobs that terms let nobody pass on, and that were therefore not looked at.
        findings: empty when every byte is what was frozen.
        num_more: findings beyond those listed.
    """

    model_config = ConfigDict(frozen=True)

    is_ok: bool
    dataset: str = ""
    version: str = ""
    manifest_sha: str
    num_items: int = 0
    num_contexts: int = 0
    num_calls: int = 0
    num_blobs: int = 0
    num_bytes: int = 0
    num_evidence: int = 0
    num_withheld: int = 0
    findings: tuple[Finding, ...] = ()
    num_more: int = 0


class Users:
    """Who uses a blob: the questions, each with the pointers of its evidence in it.

    Args:
        manifest: of the snapshot.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._of: defaultdict[str, dict[int, list[str]]] = defaultdict(dict)
        bodies = {exchange.id: exchange.body_sha for exchange in manifest.exchanges}
        calls = {call.id: call for call in manifest.calls}
        contexts = {context.id: context for context in manifest.contexts}
        for item in manifest.items:
            for sha in (item.content_sha, item.item_sha):
                self._of[sha].setdefault(item.number, [])
            context = contexts.get(item.context)
            if context is not None:
                for sha in (context.content_sha, context.text_sha, context.json_sha, context.markdown_sha):
                    self._of[sha].setdefault(item.number, [])
            for call_id in (*(() if context is None else context.calls), *(entry.call for entry in item.evidence)):
                call = calls.get(call_id)
                if call is not None:
                    behind = (bodies[exchange_id] for exchange_id in call.exchanges if exchange_id in bodies)
                    for sha in (call.result_sha, *behind):
                        self._of[sha].setdefault(item.number, [])
            for entry in item.evidence:
                self._of[entry.result_sha].setdefault(item.number, []).append(entry.pointer)
                if entry.body_sha is not None and entry.body_pointer is not None:
                    self._of[entry.body_sha].setdefault(item.number, []).append(entry.body_pointer)

    def of(self, sha: str) -> Iterator[tuple[int | None, tuple[str, ...]]]:
        """Numbers of questions, each with pointers of its evidence in the blob; None where nobody uses it."""
        if sha not in self._of:
            yield None, ()
        else:
            for number, pointers in sorted(self._of[sha].items()):
                yield number, tuple(dict.fromkeys(pointers))


def as_lines(report: Report) -> Iterator[str]:
    """Each finding in one line, for a terminal."""
    for finding in report.findings:
        about = [] if finding.question is None else [f"question {finding.question}"]
        about += [] if finding.context is None else [f"context {finding.context}"]
        about += [] if finding.pointer is None else [f"at {finding.pointer or 'the whole document'}"]
        yield f"{', '.join(about) or 'snapshot'}: {finding.message} [{finding.code}]"
