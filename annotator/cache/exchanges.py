"""The store of recordings: what was asked, what came, byte for byte, and what was made of it.

A recording is written whole in one transaction or not at all, and is never rewritten: asking again adds an exchange
beside the old one. Whatever is read is checked against its hash.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Select, bindparam, or_, select, union_all
from ulid import ULID

from annotator.cache import tool_calls
from annotator.cache.blobs import Content, get_blob, pack_blob, put_blob
from annotator.cache.diff import Diff, diff
from annotator.cache.hits import HitCounter, write_hits
from annotator.cache.json_text import sha256_hex
from annotator.cache.keys import RequestKey
from annotator.cache.records import CallOutcome, Exchange, ToolCall, exchange_row, read_exchange
from annotator.cache.storing import storable
from annotator.errors import NotFoundError, StorageError, TamperedError, UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolParams
from annotator.maps.provider import ProviderInfo
from annotator.store.sessions import Database, insert_into
from annotator.store.tables import cache_head, exchange, snapshot, snapshot_blob, tool_call
from annotator.store.times import to_text, utc_now

__all__ = ["Exchange", "ExchangeStore"]

KEPT_HEADERS = (
    "age",
    "cache-control",
    "content-language",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "retry-after",
)
"""Headers of an answer that say something about its content; the others, cookies first, are not recorded."""

_HEAD = (
    select(exchange)
    .join(cache_head, cache_head.c.exchange_id == exchange.c.id)
    .where(cache_head.c.namespace == bindparam("namespace"), cache_head.c.request_hash == bindparam("request_hash"))
)
_BY_ID = select(exchange).where(exchange.c.id == bindparam("id"))


class ExchangeStore:
    """Records exchanges and tool calls, and finds them again. Safe to use from many threads.

    Args:
        database: with this program's tables.
        clock: the present, by which content expires.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._clock = clock
        self._hits = HitCounter()

    def find(self, namespace: str, key: RequestKey) -> Exchange | None:
        """The recording that answers a request, and counts a hit; None if there is none or it has expired.

        Raises:
            StorageError: the database cannot be read.
        """
        with self.database.reading() as connection:
            found = _one(connection, _HEAD, namespace=namespace, request_hash=key.sha256)
        now = self._clock()
        if found is None or found.is_expired(now):
            return None
        self._hits.count(found.id, now)
        return found

    def read(self, recorded: Exchange) -> HttpResponse:
        """The answer as it came.

        Raises:
            NotFoundError: its content has expired.
            TamperedError: what is stored is not what came.
        """
        if not recorded.is_expired(self._clock()):
            if sha256_hex(recorded.request_json.encode()) != recorded.request_hash:
                raise TamperedError(f"the request of exchange {recorded.id} was changed after it was recorded")
            with self.database.reading() as connection:
                content = get_blob(connection, recorded.body_sha)
            if content is not None:
                return HttpResponse(recorded.status, content.body, recorded.headers, recorded.data_vintage)
            if recorded.expires_at is None:
                raise TamperedError(f"the content {recorded.body_sha} of exchange {recorded.id} is missing")
        raise NotFoundError(
            f"the content of exchange {recorded.id} expired on {_day(recorded.expires_at)} by the terms of "
            f"{recorded.provider}; ask again to record it anew"
        )

    def record(
        self,
        namespace: str,
        info: ProviderInfo,
        key: RequestKey,
        response: HttpResponse,
        elapsed_ms: float,
        *,
        is_answer: bool | None = None,
    ) -> Exchange:
        """Records an answer and makes it the one that `find` gives; durable when it returns.

        A refusal is recorded too, for ten minutes, but never takes the place of an answer that is still valid.

        Args:
            elapsed_ms: how long the provider took.
            is_answer: whether the provider's adapter reads it; by default a 2xx.

        Raises:
            UpstreamError: an answer with this status is never recorded.
            StorageError: the terms forbid storage, or the database cannot be written; nothing was recorded.
        """
        if info.policy.storage == "none":
            raise StorageError(f"the terms of {info.title} forbid recording its answers; ask in mode live")
        is_answer = 200 <= response.status < 300 if is_answer is None else is_answer
        keep = storable(info.policy, response.status, is_answer=is_answer)
        if keep is None:
            raise UpstreamError(
                f"{info.title} answered HTTP {response.status}, which is no answer that can be recorded",
                status=response.status,
            )
        now = self._clock()
        packed = pack_blob(response.body, _mime(response))
        with self._hits.taken() as hits, self.database.writing() as connection:
            body_sha = put_blob(connection, packed)
            head = _one(connection, _HEAD, namespace=namespace, request_hash=key.sha256)
            recorded = Exchange(
                id=str(ULID.from_datetime(now)),
                request_hash=key.sha256,
                provider=info.key,
                adapter_version=info.version,
                method=key.method,
                url=key.redacted_url,
                request_json=key.canonical_json,
                request_body_sha=key.body_sha,
                status=response.status,
                headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
                body_sha=body_sha,
                body_bytes=len(response.body),
                is_answer=is_answer,
                fetched_at=now,
                elapsed_ms=round(elapsed_ms, 3),
                data_vintage=response.data_vintage,
                expires_at=None if keep.ttl_s is None else now + timedelta(seconds=keep.ttl_s),
                state="live",
                supersedes=None if head is None else head.id,
            )
            connection.execute(exchange.insert(), exchange_row(recorded))
            if is_answer or head is None or not head.is_answer or head.is_expired(now):
                _move_head(connection, namespace, recorded)
            write_hits(connection, hits)
        return recorded

    def exchange(self, exchange_id: str) -> Exchange:
        """An exchange by its id, expired or not.

        Raises:
            NotFoundError: there is none.
        """
        with self.database.reading() as connection:
            found = _one(connection, _BY_ID, id=exchange_id)
        if found is None:
            raise NotFoundError(f"there is no exchange {exchange_id}")
        return found

    def by_body_sha(self, sha: str) -> tuple[Exchange, ...]:
        """Every exchange in which these bytes came, the latest first, expired or not."""
        return self._all(exchange.c.body_sha == sha, exchange.c.fetched_at.desc())

    def history(self, request_hash: str) -> tuple[Exchange, ...]:
        """Every exchange of one request, the first one first, expired or not."""
        return self._all(exchange.c.request_hash == request_hash, exchange.c.fetched_at)

    def changes(self, recorded: Exchange) -> Diff | None:
        """What differs from the answer before; None where there was none or its content is gone.

        Raises:
            TamperedError: one of the two is not what came.
        """
        if recorded.supersedes is None:
            return None
        with suppress(NotFoundError):
            return diff(self.read(self.exchange(recorded.supersedes)).body, self.read(recorded).body)
        return None

    def kept_place_ids(self, recorded: Exchange) -> tuple[str, ...]:
        """What is left of a redacted exchange: the provider's own ids of its places; empty for any other.

        Raises:
            TamperedError: what is stored is not what was kept.
        """
        left = select(exchange.c.blob_sha).where(exchange.c.id == recorded.id, exchange.c.state == "redacted")
        with self.database.reading() as connection:
            sha = connection.execute(left).scalar()
            content = None if sha is None else get_blob(connection, sha)
        return () if content is None else tuple(json.loads(content.body)["place_ids"])

    def blob(self, sha: str, *, with_frozen: bool = True) -> Content:
        """The body of an exchange, the result of a tool call, or a frozen dataset's content, by its hash.

        What a frozen dataset holds may be shown for as long as the dataset is there: nothing is frozen that expires.

        Args:
            with_frozen: whether content counts that only a frozen dataset holds; False for those who may not see it.

        Raises:
            NotFoundError: nothing of that hash was recorded, or all of it has expired.
            TamperedError: what is stored is not what came.
        """
        now = self._clock()
        is_known = union_all(
            select(exchange.c.id).where(exchange.c.body_sha == sha),
            select(tool_call.c.id).where(tool_call.c.result_sha == sha),
        )
        recorded = (
            select(exchange.c.id).where(
                exchange.c.blob_sha == sha, or_(exchange.c.state == "redacted", _is_valid(exchange.c.expires_at, now))
            ),
            select(tool_call.c.id).where(tool_call.c.result_blob == sha, _is_valid(tool_call.c.expires_at, now)),
        )
        frozen = (
            select(snapshot_blob.c.snapshot_id).where(snapshot_blob.c.sha == sha),
            select(snapshot.c.id).where(snapshot.c.manifest_sha == sha),
        )
        may_be_shown = union_all(*recorded, *(frozen if with_frozen else ()))
        with self.database.reading() as connection:
            if connection.execute(may_be_shown.limit(1)).first() is not None:
                content = get_blob(connection, sha)
                if content is None:
                    raise TamperedError(f"the content {sha} is missing from the database")
                return content
            if connection.execute(is_known.limit(1)).first() is not None:
                raise NotFoundError(
                    f"the content {sha} has expired, or was never stored, by its provider's terms; only its hash stays"
                )
        raise NotFoundError(f"nothing with the hash {sha} was recorded")

    def record_tool_call(
        self,
        info: ProviderInfo,
        params: ToolParams,
        result: bytes | None,
        exchanges: Sequence[Exchange],
        outcome: CallOutcome,
        latency_ms: float,
        *,
        error_code: str | None = None,
    ) -> str:
        """Records a tool call beside its exchanges; returns its id.

        Args:
            result: canonical JSON; None when there was none. Where the provider's terms forbid storage, only its hash
                is kept, and otherwise it expires with the first of its exchanges.
            exchanges: those behind it, in the order of asking.
            error_code: of the error that ended it.

        Raises:
            StorageError: the database cannot be written; nothing was recorded.
        """
        call = tool_calls.new_call(info, params, result, exchanges, outcome, latency_ms, error_code, self._clock())
        may_store = info.policy.storage != "none"
        packed = pack_blob(result, "application/json") if result is not None and may_store else None
        # Whatever will refer to this row is durable, and with it all that came before.
        with self._hits.taken() as hits, self.database.writing(is_durable=False) as connection:
            tool_calls.insert_call(connection, call, packed)
            write_hits(connection, hits)
        return call.id

    def tool_call(self, tool_call_id: str) -> ToolCall:
        """A tool call by its id; `blob` gives its result.

        Raises:
            NotFoundError: there is none.
        """
        with self.database.reading() as connection:
            found = tool_calls.select_call(connection, tool_call_id)
        if found is None:
            raise NotFoundError(f"there is no tool call {tool_call_id}")
        return found

    def flush_hits(self) -> None:
        """Writes the hits that no recording has taken along yet; to be called before the program ends."""
        with self._hits.taken() as hits:
            if hits:
                with self.database.writing(is_durable=False) as connection:
                    write_hits(connection, hits)

    def _all(self, condition: ColumnElement[bool], order: ColumnElement[datetime]) -> tuple[Exchange, ...]:
        with self.database.reading() as connection:
            rows = connection.execute(select(exchange).where(condition).order_by(order)).mappings()
            return tuple(read_exchange(row) for row in rows)


def _one(connection: Connection, statement: Select[tuple[object, ...]], **values: str) -> Exchange | None:
    row = connection.execute(statement, values).mappings().first()
    return None if row is None else read_exchange(row)


def _move_head(connection: Connection, namespace: str, recorded: Exchange) -> None:
    insert = insert_into(connection, cache_head).values(
        namespace=namespace, request_hash=recorded.request_hash, exchange_id=recorded.id
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["namespace", "request_hash"], set_={"exchange_id": insert.excluded.exchange_id}
        )
    )


def _is_valid(expires_at: ColumnElement[datetime | None], now: datetime) -> ColumnElement[bool]:
    return or_(expires_at.is_(None), expires_at > now)


def _mime(response: HttpResponse) -> str:
    """The media type by the sender's word, without characters that PostgreSQL's text cannot hold."""
    given = response.headers.get("content-type", "")[:200]
    return "".join(character for character in given if character.isprintable()) or "application/octet-stream"


def _day(moment: datetime | None) -> str:
    return "an earlier day" if moment is None else to_text(moment)[:10]
