"""Errors over HTTP: one envelope, a status for each kind, and never a traceback."""

import logging
import math
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from annotator import errors
from annotator.maps.validate import as_input_error
from annotator.web.render import page

error_log = logging.getLogger("mapqator.error")

_STATUS: tuple[tuple[type[errors.MapqatorError], int], ...] = (
    (errors.TooLargeError, 413),
    (errors.InputError, 400),
    (errors.SignedOutError, 401),
    (errors.ForbiddenError, 403),
    (errors.ConflictError, 409),
    (errors.NotFoundError, 404),
    (errors.ProviderDisabledError, 403),
    (errors.OfflineMissError, 409),
    (errors.RateLimitedError, 429),
    (errors.UpstreamTimeoutError, 504),
    (errors.UpstreamError, 502),
    (errors.MapBuildError, 503),
    (errors.TamperedError, 500),
    (errors.StorageError, 503),
)
"""The first that fits counts, so subclasses stand before their bases."""


class ErrorDetail(BaseModel):
    """What went wrong, for people and for machines."""

    code: str
    message: str
    param: str | None = None
    detail: dict[str, Any] | None = None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "Parameters that cannot work, or that this provider cannot honour."},
    401: {"model": ErrorBody, "description": "Nobody is signed in."},
    403: {"model": ErrorBody, "description": "The account's role does not allow it, or the provider is not enabled."},
    404: {"model": ErrorBody, "description": "There is no such thing, or none that this account may see."},
    409: {"model": ErrorBody, "description": "Somebody else came first, or there is no recording to replay."},
    413: {"model": ErrorBody, "description": "The request body is too large."},
    429: {"model": ErrorBody, "description": "A provider's rate limit; `retry-after` says when to try again."},
    502: {"model": ErrorBody, "description": "The provider failed; nothing was recorded."},
    503: {"model": ErrorBody, "description": "The database cannot be written."},
    504: {"model": ErrorBody, "description": "The provider did not answer in time."},
}


def status_of(error: errors.MapqatorError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def response(
    status: int, code: str, message: str, param: str | None = None, detail: dict[str, Any] | None = None
) -> JSONResponse:
    """An error in the envelope."""
    body = ErrorBody(error=ErrorDetail(code=code, message=message, param=param, detail=detail or None))
    return JSONResponse(body.model_dump(exclude_none=True), status)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, and not a program for an answer."""
    is_look = request.method in ("GET", "HEAD") and not request.url.path.startswith(("/api/", "/tiles/", "/static/"))
    return is_look and "text/html" in request.headers.get("accept", "")


def error_page(request: Request, status: int, message: str) -> Response:
    """An error as a page, with the way back."""
    title = {403: "Not allowed", 404: "Not found"}.get(status, "That did not work")
    state = request.app.state.mapqator
    return page(request, state, "people/error.html", status=status, heading=title, message=message)


def _target(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def install_handlers(app: FastAPI) -> None:
    """Makes every failure of `app` an answer in the envelope."""

    @app.exception_handler(errors.MapqatorError)
    async def on_known(request: Request, error: errors.MapqatorError) -> Response:
        if wants_page(request):
            if isinstance(error, errors.SignedOutError):
                return RedirectResponse(f"/login?{urlencode({'next': _target(request)})}", 303)
            return error_page(request, status_of(error), error.message)
        answer = response(
            status_of(error),
            error.code,
            error.message,
            getattr(error, "param", None),
            getattr(error, "detail", None),
        )
        if isinstance(error, errors.RateLimitedError):
            answer.headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        if answer.status_code >= 500:
            error_log.warning("%s %s: %s", request.method, request.url.path, error.message)
        return answer

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problem = as_input_error(error.errors())
        return response(400, problem.code, problem.message, problem.param)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 and wants_page(request):
            return error_page(request, 404, "There is no such page.")
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        answer = response(error.status_code, code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        error_log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        return response(500, "internal", "Something in MapQaTor failed; its log has the details.")
