"""A folder as one file, always with the same bytes: names in order, no times, no owners."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from annotator.datasets.layout import BLOBS, Part, write_archive
from annotator.errors import StorageError

_CHUNK_BYTES = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can give."""


def pack(folder: Path, target: Path, step: Callable[[], None] = lambda: None) -> None:
    """Packs a folder into a `.zip` or `.tar.zst`.

    Args:
        step: called before every file; may raise to stop.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        if target.suffix == ".zip":
            _pack_zip(folder, target, step)
        else:
            with target.open("wb") as file:
                write_archive(file, _parts(folder, step), scratch=target.parent)
    except (OSError, tarfile.TarError, zstandard.ZstdError) as error:
        raise StorageError(f"cannot write {target.name}: {error}") from None


def _pack_zip(folder: Path, target: Path, step: Callable[[], None]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder):
            step()
            about = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o644 << 16
            with path.open("rb") as file, archive.open(about, "w", force_zip64=True) as out:
                shutil.copyfileobj(file, out, _CHUNK_BYTES)


def _parts(folder: Path, step: Callable[[], None]) -> Iterator[Part]:
    for path in _files(folder):
        step()
        yield Part(path.relative_to(folder).as_posix(), _pieces(path))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece


def _files(folder: Path) -> list[Path]:
    """Files of a folder by name, recordings last, as they stand in our own layout."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: (path.relative_to(folder).parts[0] == BLOBS, path.as_posix()))
