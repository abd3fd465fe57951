"""The place index as the tools ask it: one object, opened once, for any number of threads."""

from pathlib import Path
from types import TracebackType
from typing import Self

from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.search import text_search
from annotator.maps.params import TextSearchParams
from annotator.maps.results import PlaceList


class PlaceIndex:
    """Answers place tools from a file of `build_index`.

    Args:
        path: the index.
        namespace: what place ids begin with: `osm` for real data, another word for fictional towns.
        provider: key that its places carry.

    Raises:
        NotFoundError: there is no such file.
        MapBuildError: it is no index, or one of another version.
    """

    def __init__(self, path: Path, *, namespace: str = "osm", provider: str = "embedded") -> None:
        self._index = OpenIndex(path, namespace=namespace, provider=provider)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back."""
        self._index.close()

    def text_search(self, params: TextSearchParams) -> PlaceList:
        """Places by name, kind or address: see `search.py`."""
        return text_search(self._index, params)
