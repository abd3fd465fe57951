"""Fetches an extract by HTTP, and goes on where it was when the connection or the program broke off.

What has arrived is kept beside a note of its address and validator. The rest is asked for with `Range` and `If-Range`
(RFC 9110, sections 13 and 14), so a file that has changed meanwhile comes whole and never as a mixture of two; a server
that knows no ranges or gives no validator is simply asked again from the start.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx

from annotator import __version__
from annotator.errors import MapBuildError, StorageError
from annotator.maps.embedded.stages import sync_file, write_safely

MAX_DOWNLOAD_BYTES = 4 * 1024**3
"""Larger extracts are of continents; this program is not made for them."""

FREE_MARGIN_BYTES = 64 * 1024**2

_TIMEOUT = httpx.Timeout(30.0, connect=15.0)
_MAX_FRUITLESS = 4
"""Attempts in a row that bring no new byte before the download is given up."""
_MAX_WAIT_S = 30.0


class InterruptedDownloadError(MapBuildError):
    """The extract did not arrive whole; what has arrived is kept, and the same command goes on from there."""


def is_address(source: str) -> bool:
    """Whether a source is an address and no path.

    Raises:
        MapBuildError: an address that is not HTTP.
    """
    scheme, separator, _ = source.partition("://")
    if not separator:
        return False
    if scheme.lower() not in ("http", "https"):
        raise MapBuildError(
            f"extracts can be fetched with http and https, not with {scheme[:20]}; give such a URL or a file"
        )
    return True


def shown_address(url: str) -> str:
    """An address without user, password and query, which may hold secrets."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))


def download(
    url: str,
    folder: Path,
    progress: Callable[[float], None],
    *,
    max_bytes: int = MAX_DOWNLOAD_BYTES,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetches a file into a folder, which is its own.

    Args:
        url: http or https; redirects are followed.
        folder: keeps what has arrived and what is known of it.
        progress: is told the share that has arrived, where the server says how much there is.
        max_bytes: a larger file is refused.
        wait: waits so many seconds before the next attempt.

    Returns:
        The whole file.

    Raises:
        InterruptedDownloadError: it broke off again and again; what arrived is kept.
        MapBuildError: the server refuses it or cannot be reached, or it is too large.
        StorageError: the disk is full.
    """
    return _Download(url, folder, progress, max_bytes, wait).run()


class _Download:
    def __init__(
        self,
        url: str,
        folder: Path,
        progress: Callable[[float], None],
        max_bytes: int,
        wait: Callable[[float], None],
    ) -> None:
        self._url = url
        self._shown = shown_address(url)
        # Hashed, for an address may hold a password.
        self._address = hashlib.sha256(url.encode()).hexdigest()
        self._progress = progress
        self._max_bytes = max_bytes
        self._wait = wait
        folder.mkdir(exist_ok=True)
        self._whole = folder / "extract.osm.pbf"
        self._partial = folder / "extract.osm.pbf.part"
        self._notes_path = folder / "notes.json"
        self._notes = self._read_notes()

    def run(self) -> Path:
        if self._whole.exists():
            return self._whole
        fruitless = 0
        while True:
            before = self._num_arrived()
            try:
                with httpx.Client(timeout=_TIMEOUT, follow_redirects=True, trust_env=True) as client:
                    self._attempt(client)
                break
            except (httpx.TransportError, httpx.TooManyRedirects) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
            except _AttemptFailedError as error:
                reason = str(error)
            except OSError as error:
                raise StorageError(f"cannot store {self._shown} ({error.strerror}); see that there is room") from None
            fruitless = fruitless + 1 if self._num_arrived() <= before else 0
            if fruitless >= _MAX_FRUITLESS:
                self._give_up(reason)
            self._wait(min(_MAX_WAIT_S, 2.0**fruitless))
        sync_file(self._partial)
        self._partial.replace(self._whole)
        return self._whole

    def _give_up(self, reason: str) -> NoReturn:
        arrived = self._num_arrived()
        if not arrived:
            raise MapBuildError(f"cannot fetch {self._shown} ({reason})")
        raise InterruptedDownloadError(
            f"cannot fetch {self._shown} ({reason}); {arrived} bytes are kept, and the same command goes on from there"
        )

    def _attempt(self, client: httpx.Client) -> None:
        arrived = self._num_arrived()
        headers = {"accept-encoding": "identity", "user-agent": f"mapqator/{__version__}"}
        if arrived and self._notes.get("validator"):
            headers |= {"range": f"bytes={arrived}-", "if-range": self._notes["validator"]}
        with client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == 416 and arrived:
                # Everything is here already, or what is here belongs to another file.
                if _total_of(response) != arrived:
                    self._start_over()
                    raise _AttemptFailedError("the file has changed")
                return
            if response.status_code == 206:
                self._check_continuation(response, arrived)
            elif response.status_code == 200:
                self._start_over()
                self._note(response)
            elif response.status_code in (408, 425, 429) or response.status_code >= 500:
                raise _AttemptFailedError(f"the server answers {response.status_code} {response.reason_phrase}")
            else:
                raise MapBuildError(
                    f"the server answers {response.status_code} {response.reason_phrase} for {self._shown}; "
                    "check the address"
                )
            self._receive(response)

    def _check_continuation(self, response: httpx.Response, arrived: int) -> None:
        content_range = response.headers.get("content-range", "")
        is_next = content_range.startswith(f"bytes {arrived}-")
        if not is_next or _total_of(response) != self._notes.get("total"):
            self._start_over()
            raise _AttemptFailedError(
                f"the server continues with '{content_range[:60]}', which does not fit what is here"
            )

    def _note(self, response: httpx.Response) -> None:
        etag = response.headers.get("etag", "")
        # A weak tag does not promise the same bytes, and only those can be continued.
        validator = etag if etag and not etag.startswith("W/") else response.headers.get("last-modified", "")
        length = response.headers.get("content-length", "")
        total = int(length) if length.isascii() and length.isdecimal() else None
        self._notes = {"address": self._address, "validator": validator, "total": total}
        self._check_room(total or 0)
        write_safely(self._notes_path, json.dumps(self._notes).encode())

    def _check_room(self, total: int) -> None:
        self._check_size(total)
        free = shutil.disk_usage(self._partial.parent).free
        if total + FREE_MARGIN_BYTES > free:
            raise StorageError(f"{self._shown} has {total} bytes, and the disk has {free} left; make room")

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise MapBuildError(
                f"{self._shown} is larger than the limit of {self._max_bytes} bytes; take one of a smaller region"
            )

    def _receive(self, response: httpx.Response) -> None:
        total = self._notes.get("total")
        with self._partial.open("ab") as file:
            arrived = file.tell()
            for chunk in response.iter_raw():
                arrived += len(chunk)
                self._check_size(arrived)
                file.write(chunk)
                self._progress(min(1.0, arrived / total) if total else 0.0)
        if total is not None and arrived != total:
            raise _AttemptFailedError(f"{arrived} of {total} bytes came")

    def _start_over(self) -> None:
        self._partial.unlink(missing_ok=True)

    def _num_arrived(self) -> int:
        return self._partial.stat().st_size if self._partial.exists() else 0

    def _read_notes(self) -> dict[str, Any]:
        """Notes of an earlier run on this address; everything of another address is thrown away."""
        try:
            notes = json.loads(self._notes_path.read_bytes())
        except (OSError, ValueError):
            notes = None
        if isinstance(notes, dict) and notes.get("address") == self._address:
            return notes
        for path in (self._whole, self._partial, self._notes_path):
            path.unlink(missing_ok=True)
        return {}


class _AttemptFailedError(Exception):
    """This attempt failed; the next may not."""


def _total_of(response: httpx.Response) -> int | None:
    total = response.headers.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdecimal() else None
