"""Which places of interest a box, a type and a keyword select: the first step of nearby and along-route searches."""

import sqlite3
from collections.abc import Sequence

from annotator.errors import InputError
from annotator.maps.embedded.folding import fold, telling
from annotator.maps.embedded.matching import MAX_WORDS, whole_words_expression
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.schema import Spot

type Box = tuple[float, float, float, float]
"""South, west, north, east in degrees."""


type Spotted = tuple[int, float, float]
"""Row id, latitude and longitude of a place."""


class Selection:
    """Places of one type or of any, with or without a keyword.

    A keyword's words must all be in the place's names, in the words for its kinds or in its other tags
    (`rows.DETAIL_KEYS`); whole words, of which plurals may stand for singulars. Addresses do not count: a street's name
    would select everything in it.

    Args:
        index: the open index.
        connection: to it.
        type: canonical place type.
        keyword: any text.
        facets: keys of `schema.FACETS` that places must have.
    """

    def __init__(
        self,
        index: OpenIndex,
        connection: sqlite3.Connection,
        type: str | None,
        keyword: str | None,
        facets: Sequence[str] = (),
    ) -> None:
        self._connection = connection
        self._number: int | None = int(Spot.ANY_POI) if type is None else index.kind_numbers.get(type)
        self._facets = tuple(facets)
        self._expression = None
        if keyword is not None:
            words = telling(fold(keyword))[:MAX_WORDS]
            if not words:
                raise InputError("a keyword needs letters or digits to look for", param="keyword")
            self._expression = whole_words_expression(index, connection, words)

    def within(self, box: Box) -> list[Spotted]:
        """What is in a box; boxes are compared with 32-bit floats, so a few places just outside may be among it."""
        if self._number is None or self._expression == "":
            return []
        south, west, north, east = box
        query = (
            "SELECT place, lat, lon FROM spot WHERE kind_from >= ? AND kind_to <= ? "
            "AND north >= ? AND south <= ? AND east >= ? AND west <= ?"
        )
        values: list[object] = [self._number, self._number, south, north, west, east]
        for facet in self._facets:
            query += " AND place IN (SELECT place FROM facet WHERE key = ?)"
            values.append(facet)
        if self._expression is not None:
            query += " AND place IN (SELECT rowid FROM text WHERE text MATCH ?)"
            values.append(self._expression)
        return self._connection.execute(query, values).fetchall()
