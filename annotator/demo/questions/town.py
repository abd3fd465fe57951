"""A town of a seed with its map, opened for asking: the same answers as over HTTP, without database or server."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from annotator.cache.json_text import canonical
from annotator.demo.sizes import SIZES
from annotator.demo.town import build_town
from annotator.errors import ConfigError, StorageError
from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.embedded.stages import MAPS_FOLDER
from annotator.maps.local import LOCAL_TOOLS
from annotator.maps.params import ToolName
from annotator.maps.providers.local import KEY as LOCAL
from annotator.maps.validate import parse_params

PROVIDER = "town"
"""Key of the map in contexts: as the annotator calls the town that it ships with."""


class OpenTown:
    """The town of a seed and size. Made in a temporary folder, which `close` removes.

    Args:
        seed: of the town.
        size: name of its size, see `annotator.demo.sizes`.
        scratch: where to make the temporary folder; None for the system's place.

    Raises:
        ConfigError: there is no such size.
        StorageError: the temporary folder cannot be written.
    """

    def __init__(self, seed: int, size: str, *, scratch: Path | None = None) -> None:
        if size not in SIZES:
            raise ConfigError(f"'{size}' is no size of towns; the sizes are {', '.join(SIZES)}")
        self.seed = seed
        self.size = size
        self._answers: dict[tuple[str, bytes], tuple[dict[str, Any], dict[str, Any]]] = {}
        with ExitStack() as resources:
            try:
                made = tempfile.TemporaryDirectory(prefix="mapqator-town-", dir=scratch)
                folder = Path(resources.enter_context(made))
                extract = folder / f"{PROVIDER}.osm.pbf"
                self.summary = build_town(seed, extract, size=SIZES[size])
            except OSError as error:
                raise StorageError(f"cannot make a town in a temporary folder: {error.strerror or error}") from None
            build_map(str(extract), data_dir=folder, name=PROVIDER, title=self.summary.name)
            self._map = EmbeddedMap(folder / MAPS_FOLDER / PROVIDER)
            resources.callback(self._map.close)
            self._resources = resources.pop_all()

    @property
    def name(self) -> str:
        """What the town is called in English, the language of almost all contexts."""
        return self.summary.names["en"]

    @property
    def country_code(self) -> str:
        """ISO 3166 code of the country in which it pretends to lie."""
        return self.summary.country_code

    def ask(self, tool: ToolName, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """A tool's canonical result as JSON values, without what is None. Nobody may change it.

        Raises:
            InputError: parameters that the tool cannot answer.
        """
        return self.answer(tool, params)[1]

    def answer(self, tool: ToolName, params: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """A call's canonical parameters and its canonical result, both as they come back from a recording.

        Raises:
            InputError: parameters that the tool cannot answer.
        """
        key = (tool, canonical(dict(params)))
        found = self._answers.get(key)
        if found is None:
            parsed = parse_params(tool, params)
            result = LOCAL_TOOLS[tool](parsed) if tool in LOCAL_TOOLS else self._map.answer(tool, parsed)
            found = self._answers[key] = (
                json.loads(canonical(parsed.canonical())),
                json.loads(canonical(result.model_dump(mode="json", exclude_none=True))),
            )
        return found

    def provider(self, tool: ToolName) -> str:
        """Key of who answers a tool: the map, or the program itself."""
        return LOCAL if tool in LOCAL_TOOLS else PROVIDER

    def close(self) -> None:
        """Closes the map and removes its files."""
        self._resources.close()
        self._answers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
