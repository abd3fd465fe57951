"""Writes imported rows: some in each transaction, each row whole or not at all."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from annotator.cache.json_text import canonical, sha256_hex
from annotator.contexts import store as contexts
from annotator.datasets.imports.logged_calls import LeftOut, record_logged
from annotator.datasets.imports.model import NewQuestion, Row
from annotator.datasets.imports.recorded import Renaming, record_calls
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions import store as questions


@dataclass(slots=True)
class Written:
    """What has been written so far.

    Args:
        left_out: reasons why logged calls were not kept, with their numbers.
    """

    num_contexts: int = 0
    num_questions: int = 0
    num_recordings: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Written") -> None:
        """Counts what another one counted too."""
        self.num_contexts += other.num_contexts
        self.num_questions += other.num_questions
        self.num_recordings += other.num_recordings
        self.left_out += other.left_out


class Writer:
    """Makes contexts and questions of rows, for one import.

    Args:
        origin: what every revision says about where it comes from; `job` names the import.
    """

    def __init__(self, actor: Actor, project: Project, origin: dict[str, Any]) -> None:
        self._actor = actor
        self._project = project
        self._origin = origin
        self._contexts: dict[str, str] = {}
        self._calls: dict[str, Renaming] = {}
        self.written = Written()

    def count_only(self, row: Row) -> None:
        """Counts what `write` would make, and makes nothing."""
        key = _key(row)
        if key not in self._contexts:
            self._contexts[key] = ""
            self.written.num_contexts += 1
        self.written.num_questions += len(row.questions)

    def write(self, connection: Connection, row: Row, now: datetime) -> None:
        """Writes one row inside a savepoint of the caller's; what it counts and remembers holds once it is whole.

        Raises:
            InputError: it cannot be written; the caller rolls its savepoint back.
        """
        done = Written()
        renamed = record_calls(connection, self._actor, self._project, row.recorded, self._calls, now)
        kept = self._keep_logged(connection, row, done, now)
        content = row.context.model_copy(
            update={
                "items": tuple(
                    item
                    if item.tool_call_id is None
                    else item.model_copy(update={"tool_call_id": renamed[item.tool_call_id].id})
                    for item in row.context.items
                )
            }
        )
        key = _key(row)
        context_id = self._contexts.get(key)
        if context_id is None:
            origin = self._told(row) | ({"recordings": list(kept.values())} if kept else {})
            made = contexts.create(
                connection, self._actor, self._project, content=content, origin={"import": origin}, now=now
            )
            context_id = made.id
            done.num_contexts += 1
        for question in row.questions:
            self._write_question(connection, row, question, context_id, kept, renamed, now)
            done.num_questions += 1
        self._contexts[key] = context_id
        self._calls.update(renamed)
        self.written.add(done)

    def _write_question(
        self,
        connection: Connection,
        row: Row,
        question: NewQuestion,
        context_id: str,
        kept: dict[str, str],
        renamed: dict[str, Renaming],
        now: datetime,
    ) -> None:
        origin = self._told(row)
        if question.source_id:
            origin["id"] = question.source_id[:200]
        if question.references:
            origin["references"] = [{"name": name, "recording": kept.get(name)} for name in question.references]
        evidence = tuple(
            item.model_copy(
                update={
                    "tool_call_id": renamed[item.tool_call_id].id,
                    "response": None
                    if item.response is None
                    else item.response.model_copy(
                        update={"exchange_id": renamed[item.tool_call_id].exchanges[item.response.exchange_id]}
                    ),
                }
            )
            for item in question.content.evidence
        )
        questions.create(
            connection,
            self._actor,
            self._project,
            context_id,
            content=question.content.model_copy(update={"evidence": evidence}),
            origin={"import": origin},
            now=now,
        )

    def _keep_logged(self, connection: Connection, row: Row, done: Written, now: datetime) -> dict[str, str]:
        """Recordings made of logged calls, by the names of the calls."""
        kept: dict[str, str] = {}
        for call in row.calls:
            made = record_logged(connection, call, now)
            if isinstance(made, LeftOut):
                done.left_out[made.reason] += 1
            else:
                kept[call.name] = made.id
                done.num_recordings += 1
        return kept

    def _told(self, row: Row) -> dict[str, Any]:
        return {**self._origin, "where": row.where}


def _key(row: Row) -> str:
    """Equal contexts have equal keys. Titles count where there are recorded calls; the programs that write plain text
    give each question's context a title of its own.
    """
    context = row.context if row.context.tool_call_ids else row.context.model_copy(update={"title": ""})
    return sha256_hex(canonical(context.model_dump(mode="json")))
