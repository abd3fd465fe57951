"""Where static files, templates and the embedded town lie, in a checkout and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

TOWN = _PACKAGE / "demo" / "town.osm.pbf"
"""The extract of the embedded town."""


def _folder(name: str) -> Path:
    """A folder of the repository's top level, which the wheel carries inside the package."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name


def static_dir() -> Path:
    """Style sheets, scripts and vendored libraries."""
    return _folder("static")


def templates_dir() -> Path:
    """Jinja templates."""
    return _folder("templates")
