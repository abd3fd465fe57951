"""Static files under an address that changes with them, so that a browser keeps each for good and asks for it once."""

import functools
import hashlib
import re
from pathlib import Path, PurePosixPath

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from annotator.paths import static_dir

_IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)["'](\.{1,2}/[^"']+)["']""")
"""Scripts name each other relatively, so that all of them stay under the one address."""


class Assets:
    """The files of one folder.

    Args:
        folder: with everything that pages ask for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.build = _hash_of(folder)[:12]
        self._modules: dict[str, tuple[str, ...]] = {}

    def url(self, path: str) -> str:
        """The address of a file, such as `annotator/page.js`."""
        return f"/static/{self.build}/{path}"

    def modules(self, *entries: str) -> tuple[str, ...]:
        """Addresses of scripts and of all that they import, near ones first, so that a page can name them at once:
        otherwise the browser learns of each only after it has read the one before.
        """
        key = "\n".join(entries)
        if key not in self._modules:
            found = dict.fromkeys(entries)
            waiting = list(entries)
            while waiting:
                path = waiting.pop(0)
                for name in _IMPORT.findall((self._folder / path).read_text(encoding="utf-8")):
                    imported = _joined(path, name)
                    if imported not in found:
                        found[imported] = None
                        # A vendored library is one file, and a large one to look through.
                        waiting += [] if imported.startswith("vendor/") else [imported]
            self._modules[key] = tuple(self.url(path) for path in found)
        return self._modules[key]


@functools.cache
def assets() -> Assets:
    """The files of this program, looked at once."""
    return Assets(static_dir())


def mount(app: FastAPI) -> None:
    """Serves the files under their lasting addresses, and under `/static` for whoever links to one from elsewhere."""
    files = StaticFiles(directory=static_dir())
    app.mount(f"/static/{assets().build}", _Lasting(files), name="assets")
    app.mount("/static", files, name="static")


class _Lasting:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_lasting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["cache-control"] = "public, max-age=31536000, immutable"
            await send(message)

        await self._app(scope, receive, with_lasting)


def _joined(path: str, name: str) -> str:
    """The file that `path` means by a relative name."""
    steps: list[str] = list(PurePosixPath(path).parent.parts)
    for step in PurePosixPath(name).parts:
        if step == "..":
            steps.pop()
        elif step != ".":
            steps.append(step)
    return "/".join(steps)


def _hash_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
