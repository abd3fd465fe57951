"""A picture of a head pattern: one cell for each KV head, dark where it needs its whole context.

matplotlib is imported here and nowhere else in this package, and this module only when something is to be drawn:
machines that only calibrate may have none.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from server.errors import ConfigError
from server.kv.patterns import HeadPattern

SUFFIXES = ("svg", "png")
_MOST_NUMBERS = 130
"""Cells up to which scores are written into them; more would not be readable."""

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "svg.fonttype": "none",
    # Equal patterns give equal files.
    "svg.hashsalt": "rhumb",
}


def draw_pattern(pattern: HeadPattern, path: Path, title: str) -> None:
    """Draw the scores as a heat map, layers from left to right.

    Raises:
        ConfigError: the file cannot be written, or is neither .svg nor .png.
    """
    if path.suffix.removeprefix(".") not in SUFFIXES:
        raise ConfigError(f"{path} is no picture that can be drawn; name a file that ends in .svg or .png")
    with mpl.rc_context(_STYLE):
        has_numbers = pattern.scores.numel() <= _MOST_NUMBERS
        cell_inch = 0.42 if has_numbers else 0.22
        size = (2.2 + cell_inch * pattern.num_layers, 1.4 + max(0.8, cell_inch * pattern.num_kv_heads))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(pattern.scores.T.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        if has_numbers:
            for layer, row in enumerate(pattern.scores.tolist()):
                for head, score in enumerate(row):
                    color = "white" if score > 0.6 else "black"
                    axes.text(layer, head, f"{score:.2f}", ha="center", va="center", color=color, fontsize=7)
        axes.set_xlabel("layer")
        axes.set_ylabel("KV head")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(title, fontsize=9)
        figure.colorbar(picture, ax=axes, label="0 streams, 1 retrieves")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error}") from None
