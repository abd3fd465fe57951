"""A run on the terminal: what came out, variants side by side, and what it depends on."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from server.quality.result import Run
from server.quality.summary import LENGTH, Row, break_down, common_reasons, compare_variants, summarise

_ODD_OUTCOMES = {
    "invalid": "without an answer",
    "abstained": "abstained",
    "skipped": "skipped",
    "failed": "failed",
}


def print_run(run: Run, *, with_breakdowns: bool = True) -> None:
    """Everything there is to see of a run."""
    console = Console()
    title = run.name if run.is_complete else f"{run.name} (interrupted: what was done until then)"
    console.print(title, style="bold", highlight=False, soft_wrap=True)
    summary = summarise(run.records, run.seed)
    measures = list(dict.fromkeys(row["measure"] for row in summary))
    summary.sort(key=lambda row: (measures.index(row["measure"]), run.variants.index(row["variant"])))
    console.print(_summary_table(summary))
    notes = [f"{row['measure']}, {row['variant']}: {note}" for row in summary if (note := _besides(row))]
    for line in (*notes, *common_reasons(run.records)):
        console.print(line, highlight=False, soft_wrap=True)
    if len(run.variants) > 1:
        console.print()
        print_comparison(compare_variants(run.records, run.variants, run.seed))
    if with_breakdowns:
        for title, table in _breakdown_tables(break_down(run.records), run.variants):
            console.print(title, highlight=False, soft_wrap=True)
            console.print(table)


def print_comparison(rows: Sequence[Row]) -> None:
    """Pairs of variants, one line for each measurement, and how to read it."""
    console = Console()
    for second, first in dict.fromkeys((row["second"], row["first"]) for row in rows):
        console.print(f"{second}, paired with {first}", highlight=False, soft_wrap=True)
        table = _table()
        for column in ("measure", "pairs", "difference", "only it", "p", "visible"):
            is_text = column == "measure"
            table.add_column(column, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
        for row in rows:
            if (row["second"], row["first"]) == (second, first):
                table.add_row(row["measure"], f"{row['num_pairs']:,}", *_difference_cells(row))
        console.print(table)
    for row in rows:
        if "similarity_difference" in row:
            alike = f"{100 * row['similarity_difference']:+.1f} [{_signed(row['similarity_interval'])}]"
            console.print(f"{row['measure']}, {row['second']}: {alike} points alike", highlight=False)
    left_out = [f"{row['num_left_out']} of {row['measure']}" for row in rows if row["num_left_out"]]
    if left_out:
        console.print(f"left out, because they do not count in both: {', '.join(left_out)}", highlight=False)
    console.print(
        "difference: points of accuracy, or bits a byte, with a 95 % bootstrap interval by context\n"
        "only it: right with this variant only, and with the other only; p: exact McNemar of these\n"
        "visible: a smaller true difference would have been missed in more than one of five runs",
        highlight=False,
        soft_wrap=True,
    )


def _difference_cells(row: Row) -> tuple[str, ...]:
    if "difference" in row:
        interval, visible = row["interval"], row["smallest_visible"]
        return (
            f"{100 * row['difference']:+.1f} [{_signed(interval)}]",
            f"{row['only_second_right']} : {row['only_first_right']}",
            "<0.001" if row["p"] < 0.001 else f"{row['p']:.3f}",
            "-" if visible is None else f"{100 * visible:.1f}",
        )
    if "bits_per_byte_difference" in row:
        interval = row["bits_per_byte_interval"]
        text = f"{row['bits_per_byte_difference']:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]"
        return (text, "-", "-", "-")
    return ("nothing counts in both", "-", "-", "-")


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False)


def _signed(interval: dict[str, float]) -> str:
    return f"{100 * interval['low']:+.1f}, {100 * interval['high']:+.1f}"


def _summary_table(rows: Sequence[Row]) -> Table:
    table = _table()
    for column in ("measure", "variant", "items", "result", "95 % interval"):
        is_text = column in ("measure", "variant")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    for row in rows:
        table.add_row(row["measure"], row["variant"], f"{row['num_items']:,}", *_result_cells(row))
    return table


def _result_cells(row: Row) -> tuple[str, str]:
    if "accuracy" in row:
        return f"{100 * row['accuracy']:.1f} %", _percents(row["interval"])
    if "perplexity" in row:
        interval = row["perplexity_interval"]
        return f"{row['perplexity']:,.3f} ppl", f"{interval['low']:,.3f}-{interval['high']:,.3f}"
    return "-", ""


def _besides(row: Row) -> str:
    parts = [f"{row['outcomes'][name]} {word}" for name, word in _ODD_OUTCOMES.items() if row["outcomes"].get(name)]
    if row.get("num_clusters", 0) < row.get("num_counted", 0) and 0 < row["accuracy"] < 1:
        # Questions about one context are not independent, which Wilson's interval takes them to be. Where all came out
        # alike there is nothing to draw from.
        parts.insert(0, f"by context {_percents(row['by_cluster'])}")
    if "similarity" in row:
        parts.insert(0, f"{100 * row['similarity']:.1f} % alike")
    if "rouge_l" in row:
        parts.insert(0, f"BLEU {row['bleu']:.1f}, ROUGE-L {row['rouge_l']:.1f}")
    if "stated" in row:
        parts.insert(0, f"{100 * row['stated']:.1f} % of facts stated")
    if "bits_per_byte" in row:
        parts.insert(0, f"{row['bits_per_byte']:.4f} bits a byte, {row['num_tokens']:,} tokens")
    return ", ".join(parts)


def _percents(interval: dict[str, float]) -> str:
    return f"{100 * interval['low']:.1f}-{100 * interval['high']:.1f}"


def _breakdown_tables(rows: Sequence[Row], variants: Sequence[str]) -> list[tuple[str, Table]]:
    tables = []
    for measure, name in dict.fromkeys((row["measure"], row["by"]) for row in rows):
        chosen = [row for row in rows if (row["measure"], row["by"]) == (measure, name)]
        values = list(dict.fromkeys(row["value"] for row in chosen))
        if len(values) < 2 and name != LENGTH:
            # It would repeat the summary.
            continue
        table = _table()
        table.add_column(name.replace("_", " "), justify="right" if isinstance(values[0], int) else "left")
        table.add_column("items", justify="right")
        for variant in variants:
            table.add_column(variant, justify="right", overflow="fold")
        for value in values:
            cells = {row["variant"]: row for row in chosen if row["value"] == value}
            most = max(row["num_counted"] for row in cells.values())
            shown = [_accuracy_cell(cells[variant], most) if variant in cells else "-" for variant in variants]
            table.add_row(shown_value(name, value), f"{most:,}", *shown)
        tables.append((f"{measure}, by {name.replace('_', ' ')}: right, %", table))
    return tables


def _accuracy_cell(row: Row, most: int) -> str:
    """Accuracy with its interval, and of how many, where that is less than of another variant."""
    count = "" if row["num_counted"] == most else f" of {row['num_counted']}"
    return f"{100 * row['accuracy']:.1f} [{_percents(row['interval'])}]{count}"


def shown_value(name: str, value: Any) -> str:
    """A value of a breakdown for reading."""
    if name == "depth":
        return f"{value} %"
    return f"{value:,}" if isinstance(value, int) else str(value)
