"""Nodes, ways and relations as they are collected, and their writing as an .osm.pbf file that is always the same."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import osmium
from osmium.osm import mutable

from annotator.demo.anchors import Projection
from annotator.demo.plane.geometry import Point

TIMESTAMP = "2026-01-01T00:00:00Z"
"""When all of a town was surveyed, so that its data never looks newer or older than it is."""

GENERATOR = "rhumb-town"
"""First word of the file's `generator`; the map builder knows a fictional map by it."""

# Compressed bytes depend on the zlib at hand; git and wheels compress the file anyway.
_FORMAT = "pbf,pbf_compression=none,add_metadata=version+timestamp"

_OBJECT_BYTES = 48
"""More than an object takes in a file: on average they take 19."""

type Tags = dict[str, str]
type Member = tuple[str, int, str]


@dataclass(slots=True)
class Ids:
    """The last id given to each type of object; they are all positive and never used twice."""

    node: int = 0
    way: int = 0
    relation: int = 0


@dataclass(slots=True)
class Sheet:
    """What will be written: objects in the order of their ids.

    Args:
        projection: from the drawing to the globe.
        ids: the last ids that are in use; counted on.
    """

    projection: Projection
    ids: Ids
    nodes: list[tuple[int, Point, Tags | None]] = field(default_factory=list)
    ways: list[tuple[int, list[int], Tags]] = field(default_factory=list)
    relations: list[tuple[int, list[Member], Tags]] = field(default_factory=list)
    _at: dict[tuple[str, Point], int] = field(default_factory=dict)

    def node(self, point: Point, layer: str = "") -> int:
        """The node at a point; one for all who ask in the same layer."""
        key = (layer, point)
        if key not in self._at:
            self._at[key] = self.new_node(point)
        return self._at[key]

    def has(self, point: Point) -> bool:
        """Whether there is a shared node at a point."""
        return ("", point) in self._at

    def new_node(self, point: Point, tags: Tags | None = None) -> int:
        """A node of its own."""
        self.ids.node += 1
        self.nodes.append((self.ids.node, point, tags))
        return self.ids.node

    def tag_node(self, point: Point, tags: Tags) -> int:
        """Gives the shared node at a point tags; returns its id."""
        node = self.node(point)
        first = self.nodes[0][0]
        _, position, old = self.nodes[node - first]
        self.nodes[node - first] = (node, position, {**(old or {}), **tags})
        return node

    def way(self, refs: Sequence[int], tags: Tags) -> int:
        """A way over nodes."""
        self.ids.way += 1
        self.ways.append((self.ids.way, list(refs), tags))
        return self.ids.way

    def line(self, points: Iterable[Point], tags: Tags, layer: str = "") -> int:
        """A way over points."""
        return self.way([self.node(point, layer) for point in points], tags)

    def area(self, ring: Sequence[Point], tags: Tags, layer: str = "") -> int:
        """A closed way."""
        refs = [self.node(point, layer) for point in ring]
        return self.way([*refs, refs[0]], tags)

    def relation(self, members: Sequence[Member], tags: Tags) -> int:
        """A relation of objects, each with its type (n, w, r), id and role."""
        self.ids.relation += 1
        self.relations.append((self.ids.relation, list(members), tags))
        return self.ids.relation


class PbfWriter:
    """Writes sheets to one file, all nodes first, then all ways, then all relations, in bounded memory.

    Sheets must be added in the order of their ids. The file appears under its name when everything is in it.

    Args:
        target: the file; replaced if it exists.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._num_objects = 0
        self._folder = tempfile.TemporaryDirectory(prefix=".town-", dir=target.parent)
        self._parts = [Path(self._folder.name) / f"{kind}.osm.pbf" for kind in ("nodes", "ways", "relations")]
        self._writers = [self._open(part) for part in self._parts]

    def __enter__(self) -> "PbfWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            for writer in self._writers:
                writer.close()
            if kind is None:
                self._join()
        finally:
            self._folder.cleanup()

    def _join(self) -> None:
        self._check_room(self._num_objects)
        whole = Path(self._folder.name) / "whole.osm.pbf"
        writer = self._open(whole)
        for part in self._parts:
            for thing in osmium.FileProcessor(str(part)):
                writer.add(thing)
        writer.close()
        os.replace(whole, self._target)

    def _check_room(self, num_objects: int) -> None:
        """Says that the disk is full before it is: osmium ends the whole process when it finds out while writing."""
        if shutil.disk_usage(self._folder.name).free < _OBJECT_BYTES * num_objects:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._target))

    def add(self, sheet: Sheet) -> None:
        """Writes what is on a sheet."""
        num_objects = len(sheet.nodes) + len(sheet.ways) + len(sheet.relations)
        self._num_objects += num_objects
        self._check_room(num_objects)
        nodes, ways, relations = self._writers
        degrees = sheet.projection.degrees
        for number, point, tags in sheet.nodes:
            lat, lon = degrees(point)
            nodes.add_node(
                mutable.Node(id=number, version=1, timestamp=TIMESTAMP, location=(lon, lat), tags=tags or {})
            )
        for number, refs, tags in sheet.ways:
            ways.add_way(mutable.Way(id=number, version=1, timestamp=TIMESTAMP, nodes=refs, tags=tags))
        for number, members, tags in sheet.relations:
            relations.add_relation(
                mutable.Relation(id=number, version=1, timestamp=TIMESTAMP, members=members, tags=tags)
            )

    def _open(self, path: Path) -> osmium.SimpleWriter:
        header = osmium.io.Header()
        header.set("generator", GENERATOR)
        header.set("osmosis_replication_timestamp", TIMESTAMP)
        return osmium.SimpleWriter(osmium.io.File(str(path), _FORMAT), 4 * 1024 * 1024, header)
