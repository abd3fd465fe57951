"""The curves of a run: loss as it learns, held-out loss beside full depth, and what each depth costs in the end.

matplotlib is imported here and nowhere else in this package, and this module only when something is to be drawn:
machines that only learn may have none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from server.errors import ConfigError

_MOST_POINTS = 300
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "svg.fonttype": "none",
    # Equal histories give equal files.
    "svg.hashsalt": "rhumb",
}


def draw_history(history: Mapping[str, Any], path: Path, title: str) -> None:
    """Draw what `record.HISTORY_FILE` holds.

    Raises:
        ConfigError: the file cannot be written, or is neither .svg nor .png.
    """
    if path.suffix not in (".svg", ".png"):
        raise ConfigError(f"{path} is no picture that can be drawn; name a file that ends in .svg or .png")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        curves, depths = figure.subplots(1, 2, width_ratios=(3, 2))
        records = history["steps"]
        per_point = max(1, -(-len(records) // _MOST_POINTS))
        groups = [records[first : first + per_point] for first in range(0, len(records), per_point)]
        losses = [sum(record["loss"] for record in group) / len(group) for group in groups]
        curves.plot([group[-1]["step"] for group in groups], losses, color="0.7", linewidth=1, label="learning")
        evaluations = history["evaluations"]
        steps = [evaluation["step"] for evaluation in evaluations]
        for kind, label, color in (("scheduled", "held out, by the schedule", "C0"), ("full", "at full depth", "C1")):
            values = [evaluation[kind]["loss"] for evaluation in evaluations]
            curves.plot(steps, values, color=color, marker="o", markersize=3, label=label)
        curves.set_xlabel("steps")
        curves.set_ylabel("loss, nats a token")
        curves.set_ylim(bottom=0)
        curves.legend(fontsize=8)
        for evaluation, label, color in ((evaluations[0], "before", "0.7"), (evaluations[-1], "after", "C0")):
            by_depth = sorted((int(depth), one["loss"]) for depth, one in evaluation["scheduled"]["by_depth"].items())
            depths.plot(*zip(*by_depth, strict=True), color=color, marker="o", markersize=3, label=label)
        depths.set_xlabel("layers run")
        depths.set_ylim(bottom=0)
        depths.legend(fontsize=8)
        for axes in (curves, depths):
            axes.grid(alpha=0.25)
        figure.suptitle(title, fontsize=9)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error}") from None
