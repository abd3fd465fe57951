"""A picture of a comparison: how often each run is right, with its interval, and what it costs in speed.

Readable in print: numbers and marks beside colours. matplotlib is imported here and nowhere else in this program, and
this module only when something is to be drawn.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from annotator.errors import ConfigError
from annotator.evaluate.compare import Comparison, Row
from annotator.evaluate.statistics import Interval

SUFFIXES = (".svg", ".png")
_MAX_NAME = 40
_MARKS = "osD^vPX*"
_REFERENCES = {"chance": ("chance", ":"), "majority": ("commonest answer", "--"), "human": ("people", "-.")}
_ROOM = 0.85
"""Share up to which a number fits beside its interval."""
_MARK_AREA, _LARGEST_AREA = 36.0, 220.0
"""In square points: of a mark where no cache is known, and of the largest cache."""
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    # Equal comparisons give equal files.
    "svg.hashsalt": "mapqator",
}


def draw(comparison: Comparison, path: Path) -> None:
    """Draws the rows of a comparison: accuracy with intervals, across them chance and the like, and beside them
    accuracy by tokens a second, where known, with marks as large as the KV cache of a request.

    Raises:
        ConfigError: the file ends in neither .svg nor .png, or cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path} is no picture that can be drawn; name a file that ends in .svg or .png")
    rows, names = comparison.rows, _names(comparison)
    has_speed = any(row.tokens_per_s is not None for row in rows)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0 if has_speed else 5.0, 1.6 + 0.38 * len(rows)), layout="constrained")
        panels = figure.subplots(1, 2 if has_speed else 1, squeeze=False, width_ratios=[3, 2] if has_speed else [1])
        _bars(panels[0][0], rows, names)
        _references(panels[0][0], comparison)
        if has_speed:
            _costs(panels[0][1], rows, names)
        figure.suptitle(f"{comparison.snapshot}, {comparison.num} questions, bars: 95 %", fontsize=9)
        try:
            figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _names(comparison: Comparison) -> list[str]:
    """What to call each run: its model, and its mode where they differ."""
    has_modes = len({row.run.mode for row in comparison.rows}) > 1
    names = [
        f"{row.run.model}, {row.run.mode.replace('_', ' ')}" if has_modes else row.run.model for row in comparison.rows
    ]
    names = [
        name if names.count(name) == 1 else f"{name} ({row.run.name})"
        for name, row in zip(names, comparison.rows, strict=True)
    ]
    # A dollar sign would begin a formula.
    return [(name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…").replace("$", r"\$") for name in names]


def _interval(row: Row) -> Interval:
    return row.wilson if row.clustered is None else row.clustered


def _bars(axes: Axes, rows: tuple[Row, ...], names: list[str]) -> None:
    places = range(len(rows))
    axes.barh(places, [row.accuracy for row in rows], color="#9ecae1", edgecolor="#2171b5", height=0.6)
    for place, row in zip(places, rows, strict=True):
        low, high = _interval(row)
        axes.plot([low, high], [place, place], color="black", linewidth=1.2, marker="|", markersize=7)
        # Beside the interval, or within where that would leave the picture.
        at, side = (high + 0.015, "left") if high < _ROOM else (low - 0.015, "right")
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(at, place, f"{100 * row.accuracy:.1f} %", va="center", ha=side, bbox=ground)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("right")


def _references(axes: Axes, comparison: Comparison) -> None:
    """Chance, the commonest answer and people as lines across the bars, where they are known."""
    for name, (words, style) in _REFERENCES.items():
        share = next((one.share for one in comparison.references if one.name == name), None)
        if share is not None:
            axes.axvline(share, color="#636363", linewidth=1.0, linestyle=style, label=f"{words} {100 * share:.1f} %")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _costs(axes: Axes, rows: tuple[Row, ...], names: list[str]) -> None:
    largest = max((row.kv_bytes.mean for row in rows if row.kv_bytes is not None), default=0.0)
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        if row.tokens_per_s is not None:
            low, high = _interval(row)
            speed = row.tokens_per_s.p50
            axes.plot([speed, speed], [low, high], color="#bdbdbd", linewidth=1.0, zorder=1)
            size, words = _size(row, largest)
            mark = _MARKS[index % len(_MARKS)]
            label = f"{name}{words}"
            axes.scatter(speed, row.accuracy, s=size, marker=mark, color="#2171b5", alpha=0.75, label=label, zorder=2)
    axes.set_ylim(0, 1)
    axes.set_xlim(0, 1.1 * axes.get_xlim()[1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("tokens a second, median over questions")
    axes.set_ylabel("right")
    axes.legend(fontsize=7, frameon=False, loc="best", markerscale=0.5)


def _size(row: Row, largest: float) -> tuple[float, str]:
    """The area of a mark, and what it stands for."""
    if row.kv_bytes is None or not largest:
        return _MARK_AREA, ""
    return _LARGEST_AREA * row.kv_bytes.mean / largest, f", {row.kv_bytes.mean / 1e6:.3g} MB KV"
