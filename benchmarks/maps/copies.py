"""Writes an extract many times over, side by side: a large extract for the measurements of one that is not at hand.

    python -m benchmarks.maps.copies SMALL.osm.pbf LARGE.osm.pbf --copies 320

Ids are given out anew, so that they stay dense and in order. The copies stand in rows of twenty, each beside the last.
Members of relations that the extract lacks are left out: an extract has the cut outline of its country once, and not
hundreds of times.
"""

from pathlib import Path
from typing import Annotated, Any

import osmium
import typer
from osmium.osm.mutable import Node, Relation, Way

_ROW = 20
_GAP_SHARE = 1.1


def main(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    target: Annotated[Path, typer.Argument(help="Must not exist.")],
    copies: Annotated[int, typer.Option(min=1, max=400)] = 320,
) -> None:
    """Copy an extract side by side."""
    objects: dict[str, list[Any]] = {"n": [], "w": [], "r": []}
    for thing in osmium.FileProcessor(source):
        tags = {tag.k: tag.v for tag in thing.tags}
        if thing.is_node():
            objects["n"].append((thing.id, thing.lat, thing.lon, tags))
        elif thing.is_way():
            objects["w"].append((thing.id, [node.ref for node in thing.nodes], tags))
        else:
            objects["r"].append((thing.id, [(m.type, m.ref, m.role) for m in thing.members], tags))
    new_ids = {kind: {thing[0]: number for number, thing in enumerate(some, start=1)} for kind, some in objects.items()}
    lats, lons = [node[1] for node in objects["n"]], [node[2] for node in objects["n"]]
    height, width = _GAP_SHARE * (max(lats) - min(lats)), _GAP_SHARE * (max(lons) - min(lons))

    def new_id(kind: str, old: int, copy: int) -> int:
        # What the extract lacks stays lacking: an id beyond all others.
        return new_ids[kind].get(old, len(objects[kind]) * copies + 1) + copy * len(objects[kind])

    with osmium.SimpleWriter(str(target)) as writer:
        for copy in range(copies):
            north, east = height * (copy // _ROW), width * (copy % _ROW)
            for old, lat, lon, tags in objects["n"]:
                writer.add_node(Node(id=new_id("n", old, copy), location=(lon + east, lat + north), tags=tags))
        for copy in range(copies):
            for old, refs, tags in objects["w"]:
                nodes = [new_id("n", ref, copy) for ref in refs]
                writer.add_way(Way(id=new_id("w", old, copy), nodes=nodes, tags=tags))
        for copy in range(copies):
            for old, members, tags in objects["r"]:
                here = [member for member in members if member[1] in new_ids[member[0]]]
                renamed = [(kind, new_id(kind, ref, copy), role) for kind, ref, role in here]
                writer.add_relation(Relation(id=new_id("r", old, copy), members=renamed, tags=tags))


if __name__ == "__main__":
    typer.run(main)
