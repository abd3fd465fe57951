"""Tables of a place index: one SQLite file, written once by `index.py` and only read afterwards.

`place` holds every place by falling prominence, so that the first rows of any scan are the best known. `spot` is an
R*Tree over degrees and over what a spot stands for: one entry for every place of interest, one more for each of its
kinds, and entries with numbers of their own for addresses, pieces of lines and areas (`Spot`). `text` is an FTS5 table
without content over folded words (`folding.py`); `word` is its vocabulary, for spelling.
"""

import sqlite3
from enum import IntEnum

VERSION = 3
"""Goes up when an index of an older build cannot answer any more."""

PAGE_BYTES = 4096

COLUMNS = ("name", "alt", "category", "detail", "address")
"""Columns of `text`: the local name; all other names; words for its types in several languages; words of other tags
(cuisine, brand, sport, kind); number, street, postcode and the names of the areas around it."""

SCHEMA = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- osm is 4 * OpenStreetMap id + type (0 node, 1 way, 2 relation); a merged street is known by each of its ways in ref.
CREATE TABLE place(
    id INTEGER PRIMARY KEY,
    osm INTEGER NOT NULL,
    class INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    prominence REAL NOT NULL,
    kinds TEXT NOT NULL,      -- types and tags of synonyms.py, each between spaces
    names TEXT NOT NULL,      -- folded, one a line, the local name first
    address TEXT NOT NULL,    -- folded house number, its street on a second line; empty without a number
    context INTEGER NOT NULL,
    tags TEXT NOT NULL        -- JSON object
);
CREATE TABLE ref(osm INTEGER PRIMARY KEY, place INTEGER NOT NULL);

-- What is around a place: address parts as JSON, and ids of the areas that hold it, each between spaces.
CREATE TABLE context(id INTEGER PRIMARY KEY, parts TEXT NOT NULL, areas TEXT NOT NULL);

-- Outline or line in WKB, simplified to about a metre; only where it says more than the point.
CREATE TABLE shape(place INTEGER PRIMARY KEY, wkb BLOB NOT NULL);

-- Streets that share a node: place ids of both, the smaller first.
CREATE TABLE crossing(
    a INTEGER NOT NULL, b INTEGER NOT NULL, node INTEGER NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL,
    PRIMARY KEY(a, b, node)
) WITHOUT ROWID;
CREATE INDEX crossing_node ON crossing(node);

-- Places that have a tag which searches filter by, whatever its value.
CREATE TABLE facet(key TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY(key, place)) WITHOUT ROWID;

CREATE TABLE kind(number INTEGER PRIMARY KEY, key TEXT NOT NULL, num_places INTEGER NOT NULL);

CREATE VIRTUAL TABLE spot USING rtree(
    id, south, north, west, east, kind_from, kind_to, +place INTEGER, +lat REAL, +lon REAL
);

CREATE VIRTUAL TABLE text USING fts5(
    {", ".join(COLUMNS)},
    content='', detail=column, prefix='2 3', tokenize='unicode61 remove_diacritics 2'
);

CREATE TABLE word(word TEXT PRIMARY KEY, num_places INTEGER NOT NULL) WITHOUT ROWID;
"""


FACETS = ("cuisine", "opening_hours", "wheelchair")
"""Tags of `facet`."""


class PlaceClass(IntEnum):
    """What sort of thing a place is; it decides how it is found and ranked."""

    POI = 0
    ADDRESS = 1
    LINE = 2
    """A street or a waterway, merged from its parts."""
    SETTLEMENT = 3
    """A `place=*` of a kind that people live in: city, town, suburb, hamlet."""
    BOUNDARY = 4
    """An administrative or postal area."""


class Spot(IntEnum):
    """What an entry of the R*Tree stands for, where it is not a kind (those have `kind.number`, from 1 on)."""

    ANY_POI = 0
    ADDRESS = -1
    LINE = -2
    AREA = -3
    SETTLEMENT = -4


def tune_for_building(connection: sqlite3.Connection, cache_bytes: int) -> None:
    """Makes a connection to a file that nobody else reads yet quick: a crash loses the file, which is thrown away."""
    connection.executescript(
        f"PRAGMA page_size={PAGE_BYTES}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
        f"PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=FILE; PRAGMA cache_size=-{cache_bytes // 1024};"
    )
