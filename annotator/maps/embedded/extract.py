"""A first look at an extract, before any work: is it a whole OpenStreetMap PBF file, of what, from when.

The frame of the file is walked from blob to blob without unpacking them, which finds a download that was cut off in
milliseconds. Source of the format: the OpenStreetMap wiki, "PBF Format".
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import osmium

from annotator.errors import MapBuildError
from annotator.maps.embedded.manifest import Box

_MAX_BLOB_HEADER_BYTES = 64 * 1024
_MAX_BLOB_BYTES = 32 * 1024 * 1024

_OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"BZh", "compressed with bzip2; turn it into PBF with `osmium cat IN.osm.bz2 -o OUT.osm.pbf`"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"<!DOCTYPE html", "a web page; check the address that it was fetched from"),
    (b"<html", "a web page; check the address that it was fetched from"),
    (b"<?xml", "XML; turn it into PBF with `osmium cat IN.osm -o OUT.osm.pbf`"),
    (b"<osm", "XML; turn it into PBF with `osmium cat IN.osm -o OUT.osm.pbf`"),
)


@dataclass(frozen=True, slots=True)
class Extract:
    """An extract that may be built.

    Args:
        path: the file.
        sha256: of its content.
        num_bytes: its size.
        generator: the program that wrote it, as the header says; may be empty.
        timestamp: age of the data, ISO 8601, if the header tells.
        box: what it covers, if the header tells.
    """

    path: Path
    sha256: str
    num_bytes: int
    generator: str
    timestamp: str | None
    box: Box | None


def inspect_extract(path: Path) -> Extract:
    """Looks at a file.

    Raises:
        MapBuildError: it is missing, empty, cut off, or no extract of OpenStreetMap in PBF.
    """
    try:
        with path.open("rb") as file:
            num_bytes = _walk(file, path.name)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MapBuildError(f"cannot read the extract {path} ({error.strerror})") from None
    try:
        reader = osmium.io.Reader(osmium.io.File(str(path), "pbf"), osmium.osm.NOTHING)
        try:
            header = reader.header()
        finally:
            reader.close()
    except RuntimeError as error:
        raise MapBuildError(
            f"{path.name} has a header that cannot be read ({_one_line(error)}); fetch it again"
        ) from None
    if header.has_multiple_object_versions:
        raise MapBuildError(
            f"{path.name} holds the history of the map; take one moment of it with `osmium time-filter` first"
        )
    return Extract(
        path=path,
        sha256=sha256,
        num_bytes=num_bytes,
        generator=header.get("generator"),
        timestamp=header.get("osmosis_replication_timestamp") or header.get("timestamp") or None,
        box=_box(header),
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _box(header: osmium.io.Header) -> Box | None:
    box = header.box()
    if not box.valid():
        return None
    low, high = box.bottom_left, box.top_right
    if low.lat >= high.lat or low.lon >= high.lon:
        return None
    return Box(south=low.lat, west=low.lon, north=high.lat, east=high.lon)


def _walk(file: BinaryIO, name: str) -> int:
    """Goes from blob to blob; returns the number of bytes."""
    num_bytes = file.seek(0, 2)
    if num_bytes == 0:
        raise MapBuildError(f"{name} is empty; fetch it again")
    file.seek(0)
    _check_magic(file.read(64), name)
    position = 0
    num_blobs = 0
    while position < num_bytes:
        file.seek(position)
        kind, blob_bytes, header_bytes = _blob_header(file, name, num_blobs)
        if num_blobs == 0 and kind != "OSMHeader":
            raise MapBuildError(f"{name} is not an OpenStreetMap extract in PBF; give an .osm.pbf file")
        position += 4 + header_bytes + blob_bytes
        num_blobs += 1
    if position > num_bytes:
        raise MapBuildError(f"{name} is cut off after {num_bytes} bytes; fetch it again")
    if num_blobs == 1:
        raise MapBuildError(f"{name} holds no map data, only a header")
    return num_bytes


def _check_magic(start: bytes, name: str) -> None:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, what in _OTHER_FORMATS:
        if text[: len(magic)].lower() == magic.lower():
            raise MapBuildError(f"{name} is not an extract in PBF but {what}")


def _blob_header(file: BinaryIO, name: str, number: int) -> tuple[str, int, int]:
    """Type of the next blob, bytes of the blob, and bytes of this header."""
    refused = MapBuildError(
        f"{name} is not an OpenStreetMap extract in PBF; give an .osm.pbf file"
        if number == 0
        else f"{name} is broken after {file.tell()} bytes; fetch it again"
    )
    start = file.read(4)
    (header_bytes,) = struct.unpack(">I", start) if len(start) == 4 else (0,)
    if not 0 < header_bytes <= _MAX_BLOB_HEADER_BYTES:
        raise refused
    header = file.read(header_bytes)
    if len(header) < header_bytes:
        raise refused if number == 0 else MapBuildError(f"{name} is cut off; fetch it again")
    try:
        fields = _fields(header)
        kind, blob_bytes = bytes(fields[1]).decode("ascii"), int(fields[3])
    except (IndexError, LookupError, TypeError, ValueError):
        raise refused from None
    if not 0 < blob_bytes <= _MAX_BLOB_BYTES:
        raise refused
    return kind, blob_bytes, header_bytes


def _fields(message: bytes) -> dict[int, bytes | int]:
    """Fields of a protobuf message that has only numbers and strings."""
    found: dict[int, bytes | int] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == 0:
            found[tag >> 3] = value
        elif tag & 7 == 2 and at + value <= len(message):
            found[tag >> 3] = message[at : at + value]
            at += value
        else:
            raise ValueError("not a blob header")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("not a number")
