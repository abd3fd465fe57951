"""Where the page templates and static files lie, in a checkout and in an installed wheel alike."""

from pathlib import Path

from server.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent


def _find(packaged: str, checkout: str) -> Path:
    """The folder inside the package (a wheel puts it there), else the one beside it (a checkout)."""
    for path in (_PACKAGE / packaged, _PACKAGE.parent / checkout):
        if path.is_dir():
            return path
    raise ConfigError(f"the folder {checkout}/ is missing from this installation; install rhumb again")


def templates_dir() -> Path:
    """Folder of the jinja2 page templates."""
    return _find("_templates", "templates")


def static_dir() -> Path:
    """Folder of stylesheets and scripts."""
    return _find("_static", "static")
