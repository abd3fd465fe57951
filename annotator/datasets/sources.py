"""Where a snapshot's bytes are: in the database, or in files that were exported. Nothing read here is trusted."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from sqlalchemy import Connection, RowMapping, bindparam, select

from annotator.cache.blobs import get_blobs
from annotator.datasets.layout import Part, parts
from annotator.datasets.manifest import Manifest, read_manifest
from annotator.datasets.snapshots import Snapshot, manifest_bytes
from annotator.errors import TamperedError
from annotator.store.tables import blob, revision

_AT_ONCE = 32
"""Blobs that one statement reads; a recorded answer may have some megabytes."""
_OF_SHAS = select(blob).where(blob.c.sha256.in_(bindparam("shas", expanding=True)))


class Source(Protocol):
    """A snapshot's bytes as they are now, changed or not."""

    def manifest(self) -> bytes:
        """The manifest's bytes."""
        ...

    def manifest_sha(self) -> str | None:
        """The hash that the manifest should have, as it stands elsewhere; None where it stands nowhere."""
        ...

    def lines(self, manifest: Manifest) -> Iterator[bytes]:
        """The items' lines, without line ends."""
        ...

    def blob(self, sha: str) -> bytes | None:
        """What lies under a hash; None where nothing does."""
        ...

    def bodies(self, shas: Sequence[str]) -> Iterator[bytes | None]:
        """What lies under each hash, in order, a few in memory at once."""
        ...

    def spare(self, sha: str) -> bytes | None:
        """Bytes that should have this hash from another place than `blob`; None where there is none."""
        ...

    def strays(self, manifest: Manifest) -> list[str]:
        """Names of what is there and belongs to no snapshot."""
        ...


class DatabaseSource:
    """A snapshot in the database.

    Args:
        connection: a reading transaction that lives as long.
    """

    def __init__(self, connection: Connection, snapshot: Snapshot) -> None:
        self._connection = connection
        self._snapshot = snapshot

    def manifest(self) -> bytes:
        """The manifest's bytes; nothing where the blob is gone."""
        return self.blob(self._snapshot.manifest_sha) or b""

    def manifest_sha(self) -> str | None:
        """As the snapshot's row names it."""
        return self._snapshot.manifest_sha

    def lines(self, manifest: Manifest) -> Iterator[bytes]:
        """Each item's blob; an empty line where it is gone."""
        for body in self.bodies([item.item_sha for item in manifest.items]):
            yield body or b""

    def blob(self, sha: str) -> bytes | None:
        """What the row of a hash holds, unpacked as far as it can be."""
        return next(self.bodies([sha]))

    def bodies(self, shas: Sequence[str]) -> Iterator[bytes | None]:
        """What the rows of hashes hold, in order, unpacked as far as it can be."""
        for start in range(0, len(shas), _AT_ONCE):
            part = shas[start : start + _AT_ONCE]
            rows = self._connection.execute(_OF_SHAS, {"shas": part}).mappings()
            found = {row["sha256"]: _unpacked(row) for row in rows}
            for sha in part:
                yield found.get(sha)

    def spare(self, sha: str) -> bytes | None:
        """The content of a revision."""
        found = self._connection.execute(
            select(revision.c.content_json).where(revision.c.content_sha == sha).limit(1)
        ).scalar()
        return None if found is None else str(found).encode()

    def strays(self, manifest: Manifest) -> list[str]:
        """A database holds many snapshots; what belongs to none of them is nobody's business here."""
        return []


def parts_of(connection: Connection, snapshot: Snapshot) -> Iterator[Part]:
    """A snapshot of the database as files, each read when it is asked for and checked by its hash.

    Raises:
        TamperedError: something is missing or is not what was frozen.
    """
    body = manifest_bytes(connection, snapshot)
    manifest = read_manifest(body)
    return parts(
        body,
        (body for _, body in intact(connection, [item.item_sha for item in manifest.items])),
        intact(connection, manifest.file_shas),
    )


def intact(connection: Connection, shas: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Hashes and contents of a snapshot's blobs, in order, each checked, a few in memory at once.

    Raises:
        TamperedError: one is missing or is not what was frozen.
    """
    for start in range(0, len(shas), _AT_ONCE):
        part = shas[start : start + _AT_ONCE]
        found = get_blobs(connection, part)
        for sha in part:
            if sha not in found:
                raise TamperedError(f"the content {sha} of the snapshot is missing from the database")
            yield sha, found[sha].body


def _unpacked(row: RowMapping) -> bytes:
    stored = bytes(row["bytes"])
    if row["codec"] != "zlib":
        return stored
    unpacker = zlib.decompressobj()
    try:
        # Changed bytes may unpack to anything, but to no more than one byte too many.
        return unpacker.decompress(stored, row["size_bytes"] + 1)
    except zlib.error:
        return b""
