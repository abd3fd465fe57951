"""Reading files of strangers: JSON values one by one, JSON lines, CSV rows; never more than one of them in memory.

Files may be compressed with gzip or zstd. What is absurd is refused in one line: other encodings than UTF-8, rows of
many megabytes, nesting without end, numbers that no computer holds, files that unpack to very much more than they are.
"""

import codecs
import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from annotator.errors import InputError, TooLargeError

MAX_ROW_BYTES = 16 * 2**20
MAX_DEPTH = 64
MAX_VALUES = 500_000
MAX_DIGITS = 15
"""Whole numbers of so many digits are below 2^53, beyond which JSON readers disagree."""
MAX_UNPACKED_BYTES = 4 * 2**30
MAX_RATIO = 400
"""Real text packs to a tenth, repetitive text to a hundredth; what packs better was made to do harm."""
_FREE_BYTES = 32 * 2**20
"""So much may come of any file, however well it is packed."""
_CHUNK_BYTES = 2**18
_MAX_BLANK_LINES = 10_000
"""Between two rows; reading more of them would only keep a machine busy."""

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"


class _Measured(io.RawIOBase):
    """A decompressed stream that ends with an error when more comes out than can be meant well."""

    def __init__(self, inner: IO[bytes], packed_bytes: int) -> None:
        self._inner = inner
        self._limit = min(MAX_UNPACKED_BYTES, max(_FREE_BYTES, packed_bytes * MAX_RATIO))
        self._num_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._inner.read(len(buffer))
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise InputError(f"the compressed file is broken: {error}") from None
        self._num_read += len(piece)
        if self._num_read > self._limit:
            raise TooLargeError(f"the file unpacks to more than {self._limit // 2**20} MiB, so it is not read")
        buffer[: len(piece)] = piece
        return len(piece)


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import.

    Args:
        path: where it is, or a folder of our own export.
        name: as its owner calls it.
        keep: what stays open while rows of it are written; whoever reads the file closes it.
    """

    path: Path
    name: str
    keep: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    @contextmanager
    def stream(self) -> Iterator[IO[bytes]]:
        """Its bytes, unpacked.

        Raises:
            InputError: it cannot be read.
        """
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror}") from None
        with file:
            start = file.read(4)
            file.seek(0)
            size = self.path.stat().st_size
            if start.startswith(GZIP):
                yield io.BufferedReader(_Measured(cast(IO[bytes], gzip.GzipFile(fileobj=file)), size), _CHUNK_BYTES)
            elif start == ZSTD:
                unpacked = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file)
                yield io.BufferedReader(_Measured(cast(IO[bytes], unpacked), size), _CHUNK_BYTES)
            else:
                yield file

    def beginning(self, num_bytes: int = 4096) -> bytes:
        """Its first bytes, unpacked."""
        with self.stream() as stream:
            return stream.read(num_bytes)

    def json_values(self) -> Iterator[tuple[str, Any]]:
        """Values of a JSON array one by one with their place, or the file's only value.

        Raises:
            InputError: the file stops being JSON; what was given before is good.
        """
        with self.stream() as stream:
            yield from _json_values(stream, self.name)

    def json_lines(self) -> Iterator[tuple[str, Any]]:
        """Values of JSON lines with their place. A line that is none is given as an `InputError`."""
        with self.stream() as stream:
            num_blank = 0
            for number, line in _lines(stream):
                where = f"line {number}"
                num_blank = num_blank + 1 if isinstance(line, str) and not line.strip() else 0
                if num_blank > _MAX_BLANK_LINES:
                    raise InputError(f"{self.name} has more than {_MAX_BLANK_LINES} blank lines before line {number}")
                if isinstance(line, InputError):
                    yield where, line
                elif not num_blank:
                    yield where, _parsed(line)

    def csv_rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Rows of a CSV file by the names in its first line. Commas, semicolons and tabs are told apart by that line.

        Raises:
            InputError: it has no header or is no CSV; what was given before is good.
        """
        csv.field_size_limit(MAX_ROW_BYTES)
        with self.stream() as stream:
            text = io.TextIOWrapper(cast(Any, stream), encoding="utf-8-sig", newline="")
            try:
                header = text.readline(MAX_ROW_BYTES)
                delimiter = max(",;\t", key=header.count)
                names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
                if not any(names):
                    raise InputError(f"{self.name} has no header line")
                reader = csv.reader(text, delimiter=delimiter, strict=True)
                num_blank = 0
                for cells in reader:
                    # The header was read before the reader began to count.
                    where = f"line {reader.line_num + 1}"
                    num_blank = 0 if any(cells) else num_blank + 1
                    if num_blank > _MAX_BLANK_LINES:
                        raise InputError(f"{self.name} has more than {_MAX_BLANK_LINES} blank rows before {where}")
                    if not num_blank:
                        yield where, dict(zip(names, cells, strict=False))
            except UnicodeDecodeError:
                raise InputError(f"{self.name} is not UTF-8; save it as UTF-8") from None
            except csv.Error as error:
                raise InputError(f"{self.name} is no CSV from line {reader.line_num + 1} on: {error}") from None


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, str | InputError]]:
    number = 0
    while raw := stream.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(raw) > MAX_ROW_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_ROW_BYTES)
            yield number, InputError(f"the line is longer than {MAX_ROW_BYTES // 2**20} MiB")
            continue
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield number, InputError(f"the line is not UTF-8 (byte {error.start + 1})")


def _parsed(line: str) -> Any:
    """The JSON value of a line, or why it is none."""
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return InputError(f"it is no JSON: {error.msg} at character {error.pos + 1}")
    except RecursionError:
        return InputError(f"it is nested deeper than {MAX_DEPTH} levels")


def _whole(text: str) -> int | float:
    # Infinity stands for a number that no computer holds; `check` finds it and names its row.
    return int(text) if len(text) <= MAX_DIGITS else math.inf


_DECODER = json.JSONDecoder(parse_int=_whole)


class _Text:
    """A JSON text that is read in pieces."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._name = name
        self.text = ""
        self.is_whole = False

    def more(self, num_bytes: int = _CHUNK_BYTES) -> None:
        """Reads on."""
        piece = self._stream.read(num_bytes)
        self.is_whole = not piece
        try:
            self.text += self._decoder.decode(piece, final=self.is_whole)
        except UnicodeDecodeError:
            raise InputError(f"{self._name} is not UTF-8; save it as UTF-8") from None

    def skip(self, characters: str) -> str:
        """Goes past spaces and `characters`; the next character, empty at the end."""
        while True:
            self.text = self.text.lstrip(f" \t\r\n{characters}")
            if self.text or self.is_whole:
                return self.text[:1]
            self.more()

    def value(self, where: str) -> Any:
        """The next value."""
        size = _CHUNK_BYTES
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text)
            except json.JSONDecodeError as error:
                if self.is_whole:
                    raise InputError(f"{self._name} is no JSON from {where} on: {error.msg}") from None
            except RecursionError:
                raise InputError(f"{self._name}: {where} is nested deeper than {MAX_DEPTH} levels") from None
            else:
                # A number may go on in the next piece.
                if end < len(self.text) or self.is_whole:
                    self.text = self.text[end:]
                    return value
            if len(self.text) > MAX_ROW_BYTES:
                raise TooLargeError(f"{self._name}: {where} is larger than {MAX_ROW_BYTES // 2**20} MiB, or no JSON")
            self.more(size)
            size *= 2


def _json_values(stream: IO[bytes], name: str) -> Iterator[tuple[str, Any]]:
    text = _Text(stream, name)
    first = text.skip("")
    if first != "[":
        if not first:
            raise InputError(f"{name} is empty")
        yield "item 1", text.value("its beginning")
        if text.skip(""):
            raise InputError(f"{name} goes on after its JSON; a file of JSON lines needs the format jsonl")
        return
    text.text = text.text[1:]
    number = 0
    while (following := text.skip("")) != "]":
        if not following:
            raise InputError(f"{name} ends within its list, after item {number}")
        if number and following != ",":
            raise InputError(f"{name} is no JSON after item {number}: a comma is missing")
        if number:
            text.text = text.text[1:]
            text.skip("")
        number += 1
        yield f"item {number}", text.value(f"item {number}")


def check(value: Any) -> None:
    """Raises `InputError` for what cannot be kept: numbers without an end, broken characters, nesting without end."""
    todo: list[tuple[Any, int]] = [(value, 1)]
    num_values = 0
    while todo:
        item, depth = todo.pop()
        num_values += 1
        if depth > MAX_DEPTH:
            raise InputError(f"it is nested deeper than {MAX_DEPTH} levels")
        if num_values > MAX_VALUES:
            raise InputError(f"it holds more than {MAX_VALUES} values")
        if isinstance(item, dict):
            todo.extend((part, depth + 1) for part in item)
            todo.extend((part, depth + 1) for part in item.values())
        elif isinstance(item, list):
            todo.extend((part, depth + 1) for part in item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise InputError("it holds a number that is too large, or none")
        elif isinstance(item, str):
            check_text(item)


def check_text(text: str) -> None:
    """Raises `InputError` for characters that are none: NUL, halves of surrogate pairs."""
    if "\0" in text:
        raise InputError("it holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False:
        raise InputError("it holds half of a surrogate pair, which is no character")
