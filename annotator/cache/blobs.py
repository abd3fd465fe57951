"""Content under its own hash: written once, compressed where that helps, and checked whenever it is read."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, bindparam, select

from annotator.cache.json_text import sha256_hex
from annotator.errors import TamperedError
from annotator.store.sessions import Database, insert_into
from annotator.store.tables import blob

MIN_COMPRESSED_BYTES = 512
"""Shorter content is not worth the effort."""

_BATCH = 200
_BY_SHA = select(blob).where(blob.c.sha256 == bindparam("sha"))
_BY_SHAS = select(blob).where(blob.c.sha256.in_(bindparam("shas", expanding=True)))


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes as they were recorded, and the media type that their sender gave them."""

    body: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class Packed:
    """Content on its way into the database: `stored` is what is written there, `size_bytes` its length unpacked."""

    sha256: str
    stored: bytes
    codec: str
    size_bytes: int
    mime: str


@dataclass(frozen=True, slots=True)
class BlobCheck:
    """What a look at every blob found.

    Args:
        num_bytes: of content, before compression.
        tampered: hashes whose content is no longer theirs, in order.
    """

    num_blobs: int
    num_bytes: int
    tampered: tuple[str, ...]


def pack_blob(body: bytes, mime: str) -> Packed:
    """Hashes and compresses content; done before a transaction begins, because all other writers wait for that."""
    codec, stored = _compress(body)
    return Packed(sha256_hex(body), stored, codec, len(body), mime)


def put_blob(connection: Connection, packed: Packed) -> str:
    """Stores content unless it is there already; returns its sha256."""
    values = {
        "sha256": packed.sha256,
        "bytes": packed.stored,
        "codec": packed.codec,
        "size_bytes": packed.size_bytes,
        "mime": packed.mime,
    }
    connection.execute(insert_into(connection, blob).values(values).on_conflict_do_nothing())
    return packed.sha256


def get_blob(connection: Connection, sha: str) -> Content | None:
    """The content of a hash; None where there is none.

    Raises:
        TamperedError: what is stored there has another hash.
    """
    row = connection.execute(_BY_SHA, {"sha": sha}).mappings().first()
    return None if row is None else _content(row)


def get_blobs(connection: Connection, shas: Sequence[str]) -> dict[str, Content]:
    """The contents of hashes in one statement; those that are not there are left out.

    Args:
        shas: a few hundred at most.

    Raises:
        TamperedError: what is stored under one of them has another hash.
    """
    return {row["sha256"]: _content(row) for row in connection.execute(_BY_SHAS, {"shas": shas}).mappings()}


def verify_blobs(database: Database) -> BlobCheck:
    """Reads every blob and compares it with its name, a few in each transaction, so that no writer waits for long."""
    num_blobs = num_bytes = 0
    tampered: list[str] = []
    last = ""
    while True:
        names = select(blob.c.sha256).where(blob.c.sha256 > last).order_by(blob.c.sha256).limit(_BATCH)
        with database.reading() as connection:
            shas = connection.execute(names).scalars().all()
            for sha in shas:
                row = connection.execute(_BY_SHA, {"sha": sha}).mappings().one()
                num_bytes += row["size_bytes"]
                if _intact(row) is None:
                    tampered.append(sha)
        if not shas:
            return BlobCheck(num_blobs, num_bytes, tuple(tampered))
        num_blobs += len(shas)
        last = shas[-1]


def _content(row: RowMapping) -> Content:
    body = _intact(row)
    if body is None:
        raise TamperedError(
            f"the stored content {row['sha256']} was changed after it was recorded and is no evidence any more; "
            "restore the database from a backup, or ask the provider again"
        )
    return Content(body, row["mime"])


def _compress(content: bytes) -> tuple[str, bytes]:
    if len(content) > MIN_COMPRESSED_BYTES:
        packed = zlib.compress(content)
        if len(packed) < 0.9 * len(content):
            return "zlib", packed
    return "identity", content


def _intact(row: RowMapping) -> bytes | None:
    """The content of a row if it is what its hash says, else None."""
    content = bytes(row["bytes"])
    if row["codec"] == "zlib":
        try:
            # Changed bytes may unpack to anything, but to no more than one byte too many.
            content = zlib.decompressobj().decompress(content, row["size_bytes"] + 1)
        except (zlib.error, ValueError):
            return None
    return content if sha256_hex(content) == row["sha256"] else None
