"""The workshop of one build: a folder that nobody else builds in, and which of its stages are done.

Everything is made in `maps/.building-NAME` and becomes `maps/NAME` in one step when it is whole. A stage that is done
is written down with what it gave, so a build that was interrupted goes on where it was; the notes hold for one extract
and one version of the builder only.
"""

import ctypes
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from annotator.errors import MapBuildError, StorageError

MAPS_FOLDER = "maps"
_BUILDING = ".building-"
_REPLACED = ".replaced-"
_NOTES = "stages.json"
DOWNLOAD_FOLDER = "download"
"""Inside the workshop; what was fetched is kept even when something else is built of it."""

_MIN_FREE_BYTES = 8 * 1024**2

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Progress(Protocol):
    """Is told how far a stage is, as a share from 0 to 1."""

    def __call__(self, stage: str, share: float) -> None: ...


def no_progress(stage: str, share: float) -> None:
    """Tells nobody."""


class Workshop:
    """Where one map is built, locked against others while the block runs.

    Args:
        maps: folder of all maps.
        name: of the map.

    Raises:
        MapBuildError: another process builds a map of this name.
        StorageError: the folder cannot be written.
    """

    def __init__(self, maps: Path, name: str) -> None:
        self.name = name
        self.folder = maps / f"{_BUILDING}{name}"
        self.final = maps / name
        self._replaced = maps / f"{_REPLACED}{name}"
        self._lock_path = maps / f"{_BUILDING}{name}.lock"
        self._lock = -1
        self._key: dict[str, Any] = {}
        self._done: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
            self._recover()
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write to {self.folder.parent} ({error.strerror})") from None
        self._read_notes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)

    def begin(self, key: Mapping[str, Any]) -> None:
        """Says what is built; stages that were done for anything else are forgotten, and their files with them.

        Args:
            key: everything that the stages depend on, as JSON values.
        """
        if self._key == key:
            return
        for path in self.folder.iterdir():
            if path.name == DOWNLOAD_FOLDER:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self._key, self._done = dict(key), {}
        self._write_notes()

    def done(self, stage: str) -> dict[str, Any] | None:
        """What a stage gave, or None if it must be done."""
        return self._done.get(stage)

    def finish(self, stage: str, outcome: Mapping[str, Any]) -> None:
        """Writes down that a stage is done and what it gave, after its files are safe on disk."""
        self._done[stage] = dict(outcome)
        self._write_notes()

    def publish(self) -> None:
        """Makes the folder the map of its name; a map that it replaces is there until that moment."""
        if not self.final.exists():
            self.folder.rename(self.final)
        elif _exchange(self.folder, self.final):
            shutil.rmtree(self.folder)
        else:
            self.final.rename(self._replaced)
            self.folder.rename(self.final)
        (self.final / _NOTES).unlink(missing_ok=True)
        shutil.rmtree(self._replaced, ignore_errors=True)

    def discard(self) -> None:
        """Leaves nothing of the build behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take_lock(self) -> int:
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                raise MapBuildError(
                    f"another process is building the map '{self.name}'; wait for it, or choose another --name"
                ) from None
            # Whoever held the lock before may have removed the file; then this lock guards nothing.
            if self._lock_path.exists() and os.fstat(lock).st_ino == self._lock_path.stat().st_ino:
                return lock
            os.close(lock)

    def _recover(self) -> None:
        """Puts back a map whose replacement was interrupted between two renames."""
        if self._replaced.exists() and not self.final.exists():
            self._replaced.rename(self.final)
        shutil.rmtree(self._replaced, ignore_errors=True)

    def _read_notes(self) -> None:
        try:
            notes = json.loads((self.folder / _NOTES).read_bytes())
            self._key, self._done = dict(notes["key"]), dict(notes["done"])
        except (OSError, ValueError, LookupError, TypeError):
            self._key, self._done = {}, {}

    def _write_notes(self) -> None:
        write_safely(self.folder / _NOTES, json.dumps({"key": self._key, "done": self._done}).encode())


def write_safely(path: Path, content: bytes) -> None:
    """Replaces a file so that a crash leaves either the old content or the new."""
    partial = path.with_name(f"{path.name}.part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def require_room(folder: Path) -> None:
    """Raises `StorageError` if the disk is as good as full: libraries say in many ways that a write failed."""
    if shutil.disk_usage(folder).free < _MIN_FREE_BYTES:
        raise StorageError("the disk is full; make room and build again")


def sync_file(path: Path) -> None:
    """Waits until a file's content is on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Lets two folders change names in one step; False where the file system or the C library cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    failed = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if failed and (number := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(number, os.strerror(number), str(one))
    return not failed
