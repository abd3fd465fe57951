"""Draws the curves of a training run.

    python -m server.assets.training.curves OUT/history.json OUT/curves.svg

Loss and accuracy of every task over the steps, a line for each task, stages as bands. Training imports nothing of
this: the machine that trains writes `history.json`, and any other draws.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from server.errors import ConfigError, RhumbError

Points = dict[str, tuple[list[int], list[float]]]
"""Steps and values by task."""


def points_of(history: Mapping[str, Any], figure: str, *, bins: int = 300) -> Points:
    """One figure of all records by task, the lengths of a task taken together, averaged to at most `bins` points.

    Args:
        history: what a training run wrote.
        figure: "loss" or "accuracy".
        bins: points of a curve.
    """
    records: Sequence[Mapping[str, Any]] = history["records"]
    per_bin = max(1, -(-len(records) // bins))
    found: Points = defaultdict(lambda: ([], []))
    for first in range(0, len(records), per_bin):
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        group = records[first : first + per_bin]
        for name, figures in (item for record in group for item in record["parts"].items()):
            total = sums[name.partition("@")[0]]
            total[0] += figures[figure] * figures["steps"]
            total[1] += figures["steps"]
        for task, (total_value, steps) in sums.items():
            found[task][0].append(group[-1]["step"])
            found[task][1].append(total_value / steps)
    return dict(found)


def draw_curves(history: Mapping[str, Any], path: Path) -> None:
    """Writes the picture; the ending of `path` says whether PNG, SVG or PDF.

    Raises:
        ConfigError: nothing was recorded.
    """
    if not history["records"]:
        raise ConfigError("the history holds no steps yet")
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    tasks = sorted(points_of(history, "loss"))
    colours = {task: f"C{index % 10}" for index, task in enumerate(tasks)}
    for axes, name in ((above, "loss"), (below, "accuracy")):
        for task, (steps, values) in sorted(points_of(history, name).items()):
            axes.plot(steps, values, color=colours[task], linewidth=1.1, label=task)
        _mark_stages(axes, history)
        axes.grid(alpha=0.25)
    above.set_ylabel("loss, nats a token")
    above.set_ylim(bottom=0)
    below.set_ylabel("answers' tokens that are right")
    below.set_ylim(0, 1.02)
    below.set_xlabel("steps")
    above.legend(ncols=5, fontsize=8, loc="upper right")
    for number, stage in enumerate(history["stages"]):
        middle = (stage["first_step"] + stage["last_step"]) / 2
        above.text(
            middle,
            1.01 + 0.035 * (number % 3),
            stage["name"],
            transform=above.get_xaxis_transform(),
            ha="center",
            fontsize=7,
        )
    # Without a date and with ids that are not random, equal curves are equal files.
    with rc_context({"svg.hashsalt": "rhumb"}):
        figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _mark_stages(axes: Any, history: Mapping[str, Any]) -> None:
    for number, stage in enumerate(history["stages"]):
        if number % 2 == 0:
            axes.axvspan(stage["first_step"], stage["last_step"], color="0.5", alpha=0.08, linewidth=0)


def read_history(path: Path) -> dict[str, Any]:
    """A run's history; raises `ConfigError` if the file is missing or holds something else."""
    try:
        history: dict[str, Any] = json.loads(path.read_text())
        if not {"records", "stages"} <= history.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError):
        raise ConfigError(f"{path} is no history.json of a training run") from None
    return history


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m server.assets.training.curves", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("history", type=Path, help="history.json of a run or a checkpoint")
    parser.add_argument("out", type=Path, help="the picture to write, .svg or .png")
    args = parser.parse_args()
    try:
        draw_curves(read_history(args.history), args.out)
    except RhumbError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
