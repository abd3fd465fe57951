"""How a snapshot lies in a folder or in a `.tar.zst` file:

    manifest.json        exactly the bytes whose sha256 names the snapshot (RFC 8785)
    manifest.sha256      that hash and a line end
    items.jsonl          one native item a line, canonical, in the manifest's order
    blobs/ab/abcdef...   recorded bodies, results, renderings and contents, each under the sha256 of its bytes

What a provider's terms keep in (the manifest's `withheld`) is left out. An archive holds the same paths in this order,
so that it can be written and read as a stream; where blobs are looked up by name, it is unpacked to a folder first.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import zstandard

from annotator.cache.json_text import sha256_hex
from annotator.datasets.manifest import Manifest
from annotator.errors import InputError, TooLargeError

MANIFEST = "manifest.json"
MANIFEST_SHA = "manifest.sha256"
ITEMS = "items.jsonl"
BLOBS = "blobs"

MAX_RATIO = 500
"""Bytes that one byte of an archive may unpack to; contexts and items repeat themselves, but not more than that."""
ALWAYS_UNPACKED_BYTES = 2**28
"""An archive that unpacks to no more is never refused for it."""
_NAMES = re.compile(rf"{MANIFEST}|{MANIFEST_SHA}|{ITEMS}|{BLOBS}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")
_CHUNK_BYTES = 2**20


def blob_path(sha: str) -> str:
    """Where a blob lies below the root, for instance `blobs/ab/abcdef...`."""
    return f"{BLOBS}/{sha[:2]}/{sha}"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the layout; `content` is its bytes, given in pieces for what may be large."""

    path: str
    content: Iterable[bytes]


def parts(manifest: bytes, lines: Iterable[bytes], blobs: Iterable[tuple[str, bytes]]) -> Iterator[Part]:
    """All files of a snapshot in order, each made when it is asked for.

    Args:
        manifest: its exact bytes.
        lines: canonical items.
        blobs: hash and bytes of those that may leave.
    """
    yield Part(MANIFEST, (manifest,))
    yield Part(MANIFEST_SHA, (f"{sha256_hex(manifest)}\n".encode(),))
    yield Part(ITEMS, (piece for line in lines for piece in (line, b"\n")))
    for sha, body in blobs:
        yield Part(blob_path(sha), (body,))


def write_folder(folder: Path, files: Iterable[Part]) -> None:
    """Writes a snapshot into a folder, which is made."""
    for part in files:
        path = folder / part.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(part.content)


def write_archive(out: IO[bytes], files: Iterable[Part], *, scratch: Path | None = None) -> None:
    """Writes a snapshot as `.tar.zst`; the same snapshot always gives the same bytes.

    Args:
        scratch: folder for one part at a time, whose size has to be known before it is written.
    """
    with (
        zstandard.ZstdCompressor(level=6).stream_writer(out, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        TemporaryDirectory(dir=scratch) as folder,
    ):
        for part in files:
            with (Path(folder) / "part").open("w+b") as file:
                file.writelines(part.content)
                about = tarfile.TarInfo(part.path)
                about.size = file.tell()
                file.seek(0)
                archive.addfile(about, file)


class Folder:
    """A snapshot in a folder.

    Args:
        root: the folder.

    Raises:
        InputError: it holds no manifest.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not (root / MANIFEST).is_file():
            raise InputError(f"{root} holds no {MANIFEST}; name the folder or .tar.zst of a native export")

    def manifest(self) -> bytes:
        """The manifest's bytes."""
        return (self.root / MANIFEST).read_bytes()

    def manifest_sha(self) -> str | None:
        """The manifest's hash as it stands beside it; None without one."""
        path = self.root / MANIFEST_SHA
        return path.read_bytes().decode("ascii", "replace").removesuffix("\n") if path.is_file() else None

    def lines(self, manifest: Manifest | None = None) -> Iterator[bytes]:
        """Canonical items, without their line ends; nothing where there is no file."""
        path = self.root / ITEMS
        if path.is_file():
            with path.open("rb") as file:
                for line in file:
                    yield line.removesuffix(b"\n")

    def blob(self, sha: str) -> bytes | None:
        """What lies under a hash, whether it is that or not; None where nothing does."""
        path = self.root / blob_path(sha)
        return path.read_bytes() if path.is_file() else None

    def bodies(self, shas: Sequence[str]) -> Iterator[bytes | None]:
        """What lies under each hash, in order."""
        return map(self.blob, shas)

    def spare(self, sha: str) -> bytes | None:
        """Nothing lies twice in a folder."""
        return None

    def strays(self, manifest: Manifest) -> list[str]:
        """Paths of files that do not belong to this snapshot, in order."""
        expected = {MANIFEST, MANIFEST_SHA, ITEMS, *(blob_path(sha) for sha in manifest.file_shas)}
        found = (path for path in self.root.rglob("*") if path.is_file() or path.is_symlink())
        return sorted(name for path in found if (name := path.relative_to(self.root).as_posix()) not in expected)


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """A snapshot in a folder or a `.tar.zst` file, which is unpacked to a temporary folder meanwhile.

    Raises:
        InputError: it is neither.
        TooLargeError: it unpacks to more than any snapshot has.
    """
    if path.is_dir():
        yield Folder(path)
        return
    if not path.is_file():
        raise InputError(f"there is no folder or file {path}")
    with TemporaryDirectory(prefix="mapqator-") as folder:
        _unpack(path, Path(folder))
        yield Folder(Path(folder))


def _unpack(path: Path, folder: Path) -> None:
    most = left = max(ALWAYS_UNPACKED_BYTES, MAX_RATIO * path.stat().st_size)
    try:
        with (
            path.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as unpacked,
            tarfile.open(fileobj=io.BufferedReader(unpacked, _CHUNK_BYTES), mode="r|") as archive,
        ):
            for about in archive:
                if about.isdir():
                    continue
                # Only names of the layout are written, so that no archive reaches outside of the folder.
                if not about.isreg() or not _NAMES.fullmatch(about.name):
                    raise InputError(f"{path.name} holds '{about.name[:100]}', which belongs to no snapshot")
                left -= about.size
                if left < 0:
                    raise TooLargeError(f"{path.name} unpacks to more than {most} bytes, which no snapshot does")
                _write(archive, about, folder / about.name)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise InputError(f"{path.name} is no .tar.zst of a snapshot, or is broken: {error}") from None


def _write(archive: tarfile.TarFile, about: tarfile.TarInfo, target: Path) -> None:
    content = archive.extractfile(about)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while content is not None and (chunk := content.read(_CHUNK_BYTES)):
            file.write(chunk)
