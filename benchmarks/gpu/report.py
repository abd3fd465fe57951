"""Tables for a document out of recorded JSON files.

    python -m benchmarks.gpu.report docs/gpu.md

Every block between `<!-- table: NAME -->` and `<!-- end -->` of the document is written anew from the newest
`benchmarks/gpu/*-NAME.json`, with a link to it. A block without a record is left as it is.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- table: ", "<!-- end -->"


def number(value: float | None, digits: int = 2) -> str:
    """For reading: a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def compared(record: dict[str, Any]) -> list[str]:
    """Figure, floor, goal and peer, and how many times the first is of floor and peer."""
    lines = [
        "| | measured | floor | of it | goal | vLLM 0.26.0 | of it |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in record["rows"]:
        if row["error"] is not None:
            lines.append(f"| {row['name']} | failed: {row['error']} | | | | | |")
            continue
        goal = "" if row["goal"] is None else f"{number(row['goal'])}{'' if row['is_reached'] else ' (missed)'}"
        cells = [
            f"{number(row['value'])} {row['unit']}",
            number(row["floor"]),
            number(row["times_floor"]),
            goal,
            number(row["peer"]),
            number(row["times_peer"]),
        ]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    return lines


def by_format(record: dict[str, Any]) -> list[str]:
    """One line per format: bytes, steps, and error and agreement of each judged model."""
    columns: dict[str, None] = {}
    cells: dict[str, dict[str, str]] = {}
    for row in record["rows"]:
        name, _, what = row["name"].rpartition(": ")
        shown = "failed" if row["value"] is None else number(row["value"], 3)
        if row["value"] is not None and "agreement" in row["details"]:
            shown = f"{row['value']:.2g} ({row['details']['agreement']:.1%})"
        columns[f"{what}, {row['unit']}"] = None
        cells.setdefault(name, {})[f"{what}, {row['unit']}"] = shown
    head = ["| format | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    return head + [
        f"| {name} | " + " | ".join(row.get(column, "-") for column in columns) + " |" for name, row in cells.items()
    ]


TABLES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "engine": compared,
    "serve": compared,
    "formats": by_format,
    "tensor_parallel": compared,
}


def fill(text: str, records: Path = HERE, prefix: str = "../benchmarks/gpu/") -> str:
    """The document with its tables written anew.

    Args:
        records: the folder of the JSON files; the last by name is the newest.
        prefix: the way from the document to that folder.

    Raises:
        ValueError: a block does not end, or is of a kind that is unknown.
    """
    start = 0
    while (begin := text.find(BEGIN, start)) >= 0:
        name = text[begin + len(BEGIN) :].split(" ", 1)[0]
        end = text.find(END, begin)
        if name not in TABLES or end < 0:
            raise ValueError(f"the block {name!r} is not one of {', '.join(TABLES)}, or does not end with {END}")
        found = sorted(records.glob(f"*-{name}.json"))
        if found:
            record = json.loads(found[-1].read_text(encoding="utf-8"))
            source = f"[{found[-1].name}]({prefix}{found[-1].name})"
            block = "\n".join([f"{BEGIN}{name} -->", *TABLES[name](record), "", f"From {source}.", ""])
            text = text[:begin] + block + text[end:]
            end = begin + len(block)
        start = end
    return text


def main() -> None:
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
