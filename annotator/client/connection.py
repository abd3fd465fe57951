"""One connection to MapQaTor: requests, errors, lists page by page, jobs, files."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

type Json = dict[str, Any]

_CHUNK_BYTES = 2**20
_LOOK_EVERY_S = 0.2


class ApiError(Exception):
    """MapQaTor refused; the message says what to do.

    Args:
        status: HTTP status.
        code: for machines.
        param: the field at fault, where one is.
        detail: what a program needs to put it right, such as the current revision of a conflict.
    """

    def __init__(self, message: str, *, status: int, code: str, param: str | None, detail: Json) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.detail = detail


class JobError(Exception):
    """An import or export failed or was cancelled.

    Args:
        job: as it ended; its `result` says what had been done.
    """

    def __init__(self, job: Json) -> None:
        super().__init__(job["message"])
        self.job = job


class Connection:
    """Speaks to one MapQaTor.

    Args:
        url: for instance `http://127.0.0.1:8100`.
        token: needed where people sign in.
        timeout_s: seconds that an answer may take.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 120.0) -> None:
        headers = {"accept": "application/json"} | ({} if token is None else {"authorization": f"Bearer {token}"})
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Json:
        """What is at a path; query parameters that are None are left out."""
        return self._read(self._http.get(path, params=_given(query)))

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """Sends JSON."""
        return self._read(self._http.request(method, path, json=body, params=_given(query)))

    def all(self, path: str, name: str, **query: Any) -> Iterator[Json]:
        """Every row of a list, asked for page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page[name]
            cursor = page.get("next")
            if cursor is None:
                return

    def upload(self, path: str, file: Path, **query: Any) -> Json:
        """Sends a file's bytes as they are read."""
        with file.open("rb") as stream:
            answer = self._http.post(
                path,
                params=_given(query),
                content=iter(lambda: stream.read(_CHUNK_BYTES), b""),
                headers={"content-type": "application/octet-stream"},
            )
        return self._read(answer)

    def download(self, path: str, target: Path) -> Path:
        """Writes what is at a path to a file, which is there whole or not at all."""
        part = target.with_name(f".{target.name}.part")
        try:
            with self._http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    self._read(answer)
                with part.open("wb") as out:
                    out.writelines(answer.iter_bytes(_CHUNK_BYTES))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def wait(self, path: str, job: Json) -> Json:
        """A job when it is done.

        Raises:
            JobError: it failed or was cancelled.
        """
        while job["state"] in ("waiting", "running"):
            time.sleep(_LOOK_EVERY_S)
            job = self.get(f"{path}/{job['id']}")
        if job["state"] != "done":
            raise JobError(job)
        return job

    def _read(self, answer: httpx.Response) -> Json:
        try:
            body: Any = answer.json() if answer.content else {}
        except ValueError:
            body = {}
        if answer.is_success:
            return body if isinstance(body, dict) else {"items": body}
        error = body.get("error", {}) if isinstance(body, dict) else {}
        raise ApiError(
            error.get("message", f"MapQaTor answered {answer.status_code} without a reason"),
            status=answer.status_code,
            code=error.get("code", "unknown"),
            param=error.get("param"),
            detail=error.get("detail") or {},
        )


def _given(query: Json) -> Json:
    return {name: value for name, value in query.items() if value is not None}
