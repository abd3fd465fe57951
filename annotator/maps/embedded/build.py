"""Turns an OpenStreetMap extract into a map: fetch, look, index, base map, routing tiles, manifest; then it is there.

Each stage that is done stays done when the build is interrupted. A build that fails leaves nothing behind, except what
arrived of a download that broke off, and a map of the same name stays until the new one is whole.
"""

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annotator.errors import MapBuildError, MapqatorError, StorageError
from annotator.maps.embedded import schema
from annotator.maps.embedded.basemap import build_basemap
from annotator.maps.embedded.download import (
    MAX_DOWNLOAD_BYTES,
    InterruptedDownloadError,
    download,
    is_address,
    shown_address,
)
from annotator.maps.embedded.engine import BASEMAP_FILE, INDEX_FILE
from annotator.maps.embedded.extract import Extract, inspect_extract
from annotator.maps.embedded.graph import (
    NO_GRAPH,
    ROUTER,
    ROUTER_VERSION,
    TILES_FILE,
    GraphSummary,
    build_graph,
    unsorted,
)
from annotator.maps.embedded.index import build_index
from annotator.maps.embedded.manifest import (
    BUILDER_VERSION,
    FILE_NAME,
    SCHEMA_VERSION,
    TOWN_GENERATOR,
    Box,
    Manifest,
    check_name,
    check_namespace,
    name_of_source,
    read_manifest,
    title_of_source,
)
from annotator.maps.embedded.stages import (
    DOWNLOAD_FOLDER,
    MAPS_FOLDER,
    Progress,
    Workshop,
    no_progress,
    sync_file,
    write_safely,
)

ROOM_FACTOR = 30
ROOM_BYTES = 64 * 1024**2
"""A build takes up to `ROOM_FACTOR` times the extract, and this, of the disk; most of it only on the way."""

_OSM = {"namespace": "osm", "licence": "ODbL-1.0", "attribution": "© OpenStreetMap contributors"}
_TOWN = {"namespace": "town", "licence": "CC0-1.0", "attribution": "Fictional town, not a real place"}


def build_map(
    source: str,
    *,
    data_dir: Path,
    name: str | None = None,
    title: str | None = None,
    namespace: str | None = None,
    licence: str | None = None,
    attribution: str | None = None,
    progress: Progress = no_progress,
    force: bool = False,
    max_download_bytes: int = MAX_DOWNLOAD_BYTES,
) -> Manifest:
    """Builds a map, or finds that it is there already.

    Args:
        source: path or http(s) URL of an `.osm.pbf`.
        data_dir: the program's data; the map becomes `data_dir/maps/NAME`.
        name: key of the provider that the map will be; by default made of the source's.
        title: name for people.
        namespace: what place ids begin with; by default `osm`, or `town` for a generated town.
        licence: of the data.
        attribution: line shown with the data.
        progress: is told the stage and its share that is done.
        force: build even if a map of the same extract by the same builder is there.

    Raises:
        MapBuildError: the source is no whole extract, cannot be fetched, or somebody else is building this map.
        InputError: the name is not possible.
        StorageError: the disk is full or cannot be written.
    """
    is_remote = is_address(source)
    name = check_name(name_of_source(source) if name is None else name)
    given = {"namespace": namespace, "licence": licence, "attribution": attribution, "title": title}
    if namespace is not None:
        check_namespace(namespace)
    with Workshop(data_dir / MAPS_FOLDER, name) as workshop:
        try:
            path = _fetch(source, workshop, progress, max_download_bytes) if is_remote else Path(source)
            build = _Build(workshop, path, shown_address(source) if is_remote else path.name, given, progress)
            return build.run(force=force)
        except InterruptedDownloadError:
            raise
        except MapqatorError:
            workshop.discard()
            raise
        except OSError as error:
            workshop.discard()
            raise StorageError(f"cannot build the map '{name}' ({error.strerror or error})") from None


def _fetch(source: str, workshop: Workshop, progress: Progress, max_bytes: int) -> Path:
    folder = workshop.folder / DOWNLOAD_FOLDER
    return download(source, folder, lambda share: progress("download", share), max_bytes=max_bytes)


class _Build:
    def __init__(
        self, workshop: Workshop, path: Path, source: str, given: dict[str, str | None], progress: Progress
    ) -> None:
        self._workshop = workshop
        self._path = path
        self._source = source
        self._given = given
        self._progress = progress

    def run(self, *, force: bool) -> Manifest:
        self._progress("check", 0.0)
        extract = inspect_extract(self._path)
        identity = self._identity(extract)
        key = {
            "file_sha256": extract.sha256,
            "builder": BUILDER_VERSION,
            "index": schema.VERSION,
            "router": f"{ROUTER} {ROUTER_VERSION}",
        }
        existing = read_manifest(self._workshop.final)
        if existing is not None and not force and _is_same(existing, key, identity):
            self._workshop.discard()
            return existing
        self._check_room(extract)
        self._workshop.begin(key)
        self._progress("check", 1.0)
        index = self._stage("index", lambda tell: self._index(extract, tell))
        basemap = self._stage("base map", lambda tell: self._basemap(extract, tell))
        graph = self._stage("routing", lambda tell: self._graph(extract, basemap["num_road_ways"], tell))
        manifest = self._manifest(extract, identity, index, basemap, GraphSummary(**graph))
        if inspect_extract(self._path).sha256 != extract.sha256:
            raise MapBuildError(f"{self._path.name} was changed while it was being read; build again")
        write_safely(self._workshop.folder / FILE_NAME, manifest.model_dump_json(indent=2).encode())
        shutil.rmtree(self._workshop.folder / DOWNLOAD_FOLDER, ignore_errors=True)
        self._workshop.publish()
        return manifest

    def _identity(self, extract: Extract) -> dict[str, str]:
        defaults = _TOWN if extract.generator.startswith(TOWN_GENERATOR) else _OSM
        given = {key: value for key, value in self._given.items() if value is not None}
        return defaults | {"title": title_of_source(self._source) or self._workshop.name} | given

    def _check_room(self, extract: Extract) -> None:
        needed = ROOM_FACTOR * extract.num_bytes + ROOM_BYTES
        free = shutil.disk_usage(self._workshop.folder).free
        if free < needed:
            raise StorageError(
                f"building a map of {self._path.name} takes up to {needed // 2**20} MiB of disk, and "
                f"{free // 2**20} MiB are free; make room"
            )

    def _stage(self, name: str, run: Callable[[Callable[[float], None]], dict[str, Any]]) -> dict[str, Any]:
        done = self._workshop.done(name)
        if done is None:
            highest = 0.0

            def tell(share: float) -> None:
                # Estimates may fall back; a bar must not.
                nonlocal highest
                highest = max(highest, min(1.0, share))
                self._progress(name, highest)

            tell(0.0)
            done = run(tell)
            self._workshop.finish(name, done)
        self._progress(name, 1.0)
        return done

    def _index(self, extract: Extract, tell: Callable[[float], None]) -> dict[str, Any]:
        path = self._workshop.folder / INDEX_FILE
        _sweep(self._workshop.folder, f".{INDEX_FILE}-*")
        try:
            summary = build_index(extract.path, path, progress=tell)
        except MapBuildError as error:
            if "out of order" not in error.message:
                raise
            raise unsorted(extract.path.name) from None
        sync_file(path)
        return asdict(summary) | {"sha256": _sha256(path)}

    def _basemap(self, extract: Extract, tell: Callable[[float], None]) -> dict[str, Any]:
        path = self._workshop.folder / BASEMAP_FILE
        summary = build_basemap(extract, path, tell)
        return {
            "num_by_layer": summary.num_by_layer,
            "num_road_ways": summary.num_road_ways,
            "box": summary.box.model_dump(),
            "sha256": _sha256(path),
        }

    def _graph(self, extract: Extract, num_road_ways: int, tell: Callable[[float], None]) -> dict[str, Any]:
        return asdict(build_graph(extract.path, self._workshop.folder, tell) if num_road_ways else NO_GRAPH)

    def _manifest(
        self,
        extract: Extract,
        identity: dict[str, str],
        index: dict[str, Any],
        basemap: dict[str, Any],
        graph: GraphSummary,
    ) -> Manifest:
        box = Box(**basemap["box"])
        folder = self._workshop.folder
        parts = [INDEX_FILE, BASEMAP_FILE, *([TILES_FILE] if graph.num_tiles else [])]
        return Manifest(
            schema_version=SCHEMA_VERSION,
            name=self._workshop.name,
            **identity,
            source=self._source,
            file_sha256=extract.sha256,
            file_bytes=extract.num_bytes,
            osm_timestamp=extract.timestamp,
            bbox=box,
            center=box.center,
            country_code=index["country_code"],
            index_version=schema.VERSION,
            index_sha256=index["sha256"],
            basemap_sha256=basemap["sha256"],
            tiles_sha256=graph.sha256,
            router=ROUTER,
            router_version=ROUTER_VERSION,
            builder_version=BUILDER_VERSION,
            counts={
                **{key.removeprefix("num_"): index[key] for key in sorted(index) if key.startswith("num_")},
                **{f"drawn_{layer}": number for layer, number in basemap["num_by_layer"].items()},
                "road_ways": basemap["num_road_ways"],
                "routing_tiles": graph.num_tiles,
            },
            part_bytes={name: (folder / name).stat().st_size for name in parts},
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ).signed()


def _is_same(existing: Manifest, key: dict[str, Any], identity: dict[str, str]) -> bool:
    """Whether a map is what would be built."""
    built = {
        "file_sha256": existing.file_sha256,
        "builder": existing.builder_version,
        "index": existing.index_version,
        "router": f"{existing.router} {existing.router_version}",
    }
    return built == key and all(getattr(existing, field) == value for field, value in identity.items())


def _sweep(folder: Path, pattern: str) -> None:
    """Removes what an earlier attempt at a stage left."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
