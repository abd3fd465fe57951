"""A run as a JSON file: figures first, then every item, so that other figures can be made of it later."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from server.bench.machine import describe_run
from server.errors import ConfigError
from server.quality.items import Record
from server.quality.summary import break_down, compare_variants, summarise

SCHEMA = "rhumb.quality/1"


@dataclass(frozen=True, slots=True)
class Run:
    """What one command asked and got.

    Args:
        name: of the model, for headings.
        variants: in the order given; the others are compared with the first.
        model: `Model.describe`.
        settings: what decides the items.
        is_complete: False if the run was interrupted.
    """

    name: str
    variants: tuple[str, ...]
    model: dict[str, Any]
    settings: dict[str, Any]
    records: Sequence[Record]
    is_complete: bool
    seed: int

    def to_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "schema": SCHEMA,
            **describe_run(),
            "name": self.name,
            "variants": list(self.variants),
            "model": self.model,
            "settings": self.settings,
            "seed": self.seed,
            "is_complete": self.is_complete,
            "summary": summarise(self.records, self.seed),
            "breakdowns": break_down(self.records),
            "comparisons": compare_variants(self.records, self.variants, self.seed),
            "items": [asdict(record) for record in self.records],
        }


def load_run(path: Path) -> Run:
    """A saved run; raises `ConfigError` if the file holds none."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}; give a file that `rhumb eval --output-json` wrote") from None
    if not isinstance(saved, dict) or saved.get("schema") != SCHEMA:
        raise ConfigError(f"{path} is not of the schema {SCHEMA}: give a file that `rhumb eval --output-json` wrote")
    names = [field.name for field in fields(Record)]
    try:
        return Run(
            name=saved["name"],
            variants=tuple(saved["variants"]),
            model=saved["model"],
            settings=saved["settings"],
            records=[Record(**{name: item[name] for name in names}) for item in saved["items"]],
            is_complete=saved["is_complete"],
            seed=saved["seed"],
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path} lacks something or is damaged: {type(error).__name__}: {error}") from None
