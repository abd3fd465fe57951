"""A dataset folder as the Hugging Face hub and its library `datasets` want it: a card, and a Parquet file a split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.parquet import Table
from annotator.datasets.exports.text import opened
from annotator.datasets.native import NativeItem

UNSPLIT = "test"
"""The split of questions that are not frozen: they are for measuring, not for training."""

_LICENCES = frozenset(
    {
        "apache-2.0",
        "cc0-1.0",
        "cc-by-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-sa-4.0",
        "mit",
        "odbl",
    }
)
"""Names that the hub knows; every other licence is `other` there, with its name beside it."""
_DEFAULT_CARD = "Questions about places and routes, with recorded map answers."
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the folder."""
    (path / "data").mkdir(parents=True)
    tables: dict[str, Table] = {}
    try:
        for item in items:
            split = item.split or UNSPLIT
            if split not in tables:
                tables[split] = Table(path / _file_of(split))
            outcome.num_items += 1
            tables[split].add(item)
        for table in tables.values():
            table.close()
    finally:
        for table in tables.values():
            table.abandon()
    with opened(path / "README.md") as file:
        file.write(_card(about, {split: table.num_rows for split, table in tables.items()}))


def _file_of(split: str) -> str:
    return f"data/{split}-00000-of-00001.parquet"


def _card(about: About, splits: dict[str, int]) -> str:
    num_items = sum(splits.values())
    licence = {"odbl-1.0": "odbl"}.get(about.licence.lower(), about.licence.lower())
    header: dict[str, Any] = {
        "pretty_name": about.title,
        "license": licence if licence in _LICENCES else "other",
    }
    if header["license"] == "other":
        header["license_name"] = about.licence or "see-each-item"
    header |= {
        "task_categories": ["question-answering", "multiple-choice"],
        "tags": ["maps", "geospatial", "mapqator"],
        "size_categories": [next((size for limit, size in _SIZES if num_items < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": _file_of(split)} for split in splits],
            }
        ],
    }
    rows = "".join(f"| {split} | {number} |\n" for split, number in splits.items())
    sources = "".join(f"- {line}\n" for line in about.attribution)
    return (
        f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)}---\n\n"
        f"# {about.title}\n\n{about.card.strip() or _DEFAULT_CARD}\n\n"
        f"Version {about.version or 'not frozen'}.\n\n| split | questions |\n| --- | --- |\n{rows}\n"
        f"Columns whose names end in `_json` hold JSON as text. Each `evidence` names the recorded answer "
        f"(`body_sha`, `pointer`) that the gold answer stands on.\n" + (f"\n## Sources\n{sources}" if sources else "")
    )


FORMAT = ExportFormat(
    key="hf",
    title="Hugging Face dataset",
    sentence="A folder for the Hugging Face hub or load_dataset: a card, and a Parquet file for each split.",
    write=write,
    suffix=".zip",
    is_folder=True,
)
