"""Pictures of a run, readable in print: shades with the numbers written in, marks and dashes beside colours.

matplotlib is imported here and nowhere else, and this module only when something is to be drawn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from server.errors import ConfigError
from server.quality.result import Run
from server.quality.summary import LENGTH, Row, break_down, length_of

_MARKS = "osD^vPX*"
_DASHES = ("-", "--", "-.", ":")
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    # Equal runs give equal files.
    "svg.hashsalt": "rhumb",
}


def draw(run: Run, folder: Path, suffix: str) -> list[Path]:
    """Draw what the run has: passkey by depth and length for each variant, and accuracy by length and by skill.

    Args:
        suffix: "svg" or "png".

    Returns:
        The files written.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    rows = break_down(run.records)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(_STYLE):
            return [
                *_heat_maps(run, folder, suffix),
                *_curves(run, rows, folder, suffix),
                *_bars(run, rows, folder, suffix),
            ]
    except OSError as error:
        raise ConfigError(f"cannot write pictures to {folder}: {error}") from None


def _heat_maps(run: Run, folder: Path, suffix: str) -> list[Path]:
    cells: dict[str, dict[tuple[int, int], list[bool]]] = {}
    for record in run.records:
        if record.task == "passkey":
            place = (int(record.facts["depth"]), length_of(record))
            counted = cells.setdefault(record.variant, {}).setdefault(place, [])
            if record.outcome not in ("skipped", "failed"):
                counted.append(record.outcome == "right")
    return [_heat_map(run, variant, places, folder, suffix) for variant, places in cells.items()]


def _heat_map(run: Run, variant: str, places: dict[tuple[int, int], list[bool]], folder: Path, suffix: str) -> Path:
    depths, lengths = sorted({depth for depth, _ in places}), sorted({length for _, length in places})
    figure, axes = _figure(2.2 + 0.62 * len(lengths), 1.6 + 0.32 * len(depths))
    shares = [[_share(places.get((depth, length), [])) for length in lengths] for depth in depths]
    # What was not asked stays white and is marked by a dash, so that it cannot be taken for a failure.
    shown = [[float("nan") if share is None else 100 * share for share in row] for row in shares]
    picture = axes.imshow(shown, cmap="Blues_r", vmin=0, vmax=100, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            text = "\u2013" if share is None else f"{100 * share:.0f}"
            axes.text(
                x, y, text, ha="center", va="center", color="white" if share is not None and share < 0.5 else "black"
            )
    axes.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
    axes.set_yticks(range(len(depths)), [f"{depth} %" for depth in depths])
    axes.set_xlabel("tokens of the prompt")
    axes.set_ylabel("depth of the pass key")
    num_keys = max(map(len, places.values()))
    axes.set_title(f"{run.name}, {variant}: pass keys found, %\n{_counted(num_keys, 'key')} a cell", fontsize=9)
    figure.colorbar(picture, ax=axes, label="% found")
    return _save(figure, folder / f"passkey-{_file_name(variant)}.{suffix}")


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _curves(run: Run, rows: Sequence[Row], folder: Path, suffix: str) -> list[Path]:
    """Accuracy by context length, one picture for each measurement that has several, one line for each variant."""
    paths = []
    for measure in dict.fromkeys(row["measure"] for row in rows if row["by"] == LENGTH):
        chosen = [row for row in rows if row["measure"] == measure and row["by"] == LENGTH]
        lengths = sorted({row["value"] for row in chosen})
        if len(lengths) < 2:
            continue
        figure, axes = _figure(5.2, 3.2)
        for index, variant in enumerate(run.variants):
            mine = [row for row in chosen if row["variant"] == variant]
            # Lines at one place would hide each other's bars.
            shift = 1.0 + 0.03 * (index - (len(run.variants) - 1) / 2)
            axes.errorbar(
                [row["value"] * shift for row in mine],
                [100 * row["accuracy"] for row in mine],
                yerr=_error_bars(mine),
                marker=_MARKS[index % len(_MARKS)],
                linestyle=_DASHES[index % len(_DASHES)],
                capsize=3,
                label=variant,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
        axes.minorticks_off()
        axes.set_ylim(-3, 103)
        axes.set_xlabel("tokens of the prompt")
        axes.set_ylabel("right, % (95 % intervals)")
        axes.set_title(f"{run.name}, {measure}", fontsize=9)
        axes.grid(axis="y", linewidth=0.3)
        _name_variants(run, figure)
        paths.append(_save(figure, folder / f"{_file_name(measure)}-by-length.{suffix}"))
    return paths


def _bars(run: Run, rows: Sequence[Row], folder: Path, suffix: str) -> list[Path]:
    """Accuracy by skill."""
    paths = []
    for measure in dict.fromkeys(row["measure"] for row in rows if row["by"] == "skill"):
        chosen = [row for row in rows if row["measure"] == measure and row["by"] == "skill"]
        skills = list(dict.fromkeys(row["value"] for row in chosen))
        figure, axes = _figure(5.2, 1.2 + 0.28 * len(skills) * max(1, len(run.variants) / 2))
        height = 0.8 / len(run.variants)
        for index, variant in enumerate(run.variants):
            mine = [row for row in chosen if row["variant"] == variant]
            shade = 0.35 + 0.5 * index / max(1, len(run.variants) - 1)
            axes.barh(
                [skills.index(row["value"]) + height * (index - (len(run.variants) - 1) / 2) for row in mine],
                [100 * row["accuracy"] for row in mine],
                height,
                xerr=_error_bars(mine),
                color=str(shade),
                error_kw={"capsize": 2, "linewidth": 0.8},
                label=variant,
            )
        axes.set_yticks(range(len(skills)), [skill.replace("_", " ") for skill in skills])
        axes.invert_yaxis()
        axes.set_xlim(0, 103)
        axes.set_xlabel("right, % (95 % intervals)")
        axes.set_title(f"{run.name}, {measure}", fontsize=9)
        _name_variants(run, figure)
        paths.append(_save(figure, folder / f"{_file_name(measure)}-by-skill.{suffix}"))
    return paths


def _name_variants(run: Run, figure: Figure) -> None:
    """Below the axes, where no bar or line can be hidden."""
    if len(run.variants) > 1:
        figure.legend(loc="outside lower center", ncols=4, frameon=False)


def _error_bars(rows: Sequence[Row]) -> list[list[float]]:
    """Below and above, in percent."""
    below = [100 * max(0.0, row["accuracy"] - row["interval"]["low"]) for row in rows]
    above = [100 * max(0.0, row["interval"]["high"] - row["accuracy"]) for row in rows]
    return [below, above]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _file_name(text: str) -> str:
    return "-".join("".join(character if character.isalnum() else " " for character in text).split())


def _figure(width_inch: float, height_inch: float) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes. pyplot would keep every figure alive, and look for a screen."""
    figure = Figure(figsize=(width_inch, height_inch), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> Path:
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, dpi=160, metadata=metadata)
    return path
