"""The maps on this machine: found again whenever they are asked for, so that one built meanwhile is there at once."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from annotator.errors import NotFoundError, StorageError
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.embedded.manifest import FILE_NAME, Manifest, read_manifest
from annotator.maps.embedded.stages import MAPS_FOLDER, Workshop

type _Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: _Stamp
    manifest: Manifest | None


class MapLibrary:
    """Finds, opens and removes built maps. Safe to use from several threads.

    Args:
        data_dir: the program's data; maps are in its folder `maps`, one a folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / MAPS_FOLDER
        self._lock = Lock()
        self._known: dict[str, _Known] = {}
        self._open: dict[str, EmbeddedMap] = {}

    def manifests(self) -> list[Manifest]:
        """All maps by name; folders that hold none, or a half-built or foreign one, are passed over."""
        with self._lock:
            return self._manifests()

    def manifest(self, name: str) -> Manifest:
        """One map's manifest.

        Raises:
            NotFoundError: there is no such map.
        """
        found = next((manifest for manifest in self.manifests() if manifest.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no map '{name[:64]}'; `mapqator map list` shows those that there are")
        return found

    def open(self, name: str) -> EmbeddedMap:
        """The map of that name, as it is now on disk.

        Raises:
            NotFoundError: there is no such map.
            StorageError: a file of it is missing or cut off.
        """
        return self.open_build(self.manifest(name).build_sha)

    def open_build(self, build_sha: str) -> EmbeddedMap:
        """The map of that build.

        Raises:
            NotFoundError: it is not on this machine.
            StorageError: a file of it is missing or cut off.
        """
        with self._lock:
            manifest = self._of_build(build_sha)
            opened = self._open.get(build_sha)
            if opened is None:
                opened = self._open[build_sha] = EmbeddedMap(self._folder / manifest.name)
            return opened

    def require_build(self, build_sha: str) -> None:
        """Raises `NotFoundError` if a build is not on this machine any more."""
        with self._lock:
            self._of_build(build_sha)

    def remove(self, name: str) -> None:
        """Removes a map and all its files.

        Raises:
            NotFoundError: there is no such map.
            MapBuildError: it is just being built again.
            StorageError: its files cannot be removed.
        """
        manifest = self.manifest(name)
        with Workshop(self._folder, name) as workshop:
            workshop.discard()
            with self._lock:
                self._open.pop(manifest.build_sha, None)
                try:
                    # Out of sight first: half a map must never be found.
                    (self._folder / manifest.name).rename(workshop.folder)
                    shutil.rmtree(workshop.folder)
                except OSError as error:
                    raise StorageError(f"cannot remove the map '{name}' ({error.strerror})") from None

    def close(self) -> None:
        """Closes all open maps."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _of_build(self, build_sha: str) -> Manifest:
        found = next((manifest for manifest in self._manifests() if manifest.build_sha == build_sha), None)
        if found is None:
            raise NotFoundError(
                f"the map build {build_sha[:12]} is not on this machine any more; build it again of the same extract, "
                "or use what was recorded of it in replay mode"
            )
        return found

    def _manifests(self) -> list[Manifest]:
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if not entry.name.startswith("."))
        except OSError:
            names = []
        found = [manifest for name in names if (manifest := self._read(name)) is not None]
        for gone in self._open.keys() - {manifest.build_sha for manifest in found}:
            # Not closed here: another thread may be answering from it. Its files go with its last user.
            del self._open[gone]
        self._known = {name: self._known[name] for name in names if name in self._known}
        return found

    def _read(self, name: str) -> Manifest | None:
        """A map's manifest, read again only when its file is another one."""
        try:
            status = (self._folder / name / FILE_NAME).stat()
        except OSError:
            return None
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(name)
        if known is None or known.stamp != stamp:
            manifest = read_manifest(self._folder / name)
            # A folder that was copied under another name would give answers in the name of the first.
            known = _Known(stamp, manifest if manifest is not None and manifest.name == name else None)
            self._known[name] = known
        return known.manifest
