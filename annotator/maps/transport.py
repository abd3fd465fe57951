"""HTTP to providers: one place that adds secrets, and that trusts no answer to be short, whole, quick or well-meant.

Redirects are never followed: an address comes from an adapter and the operator alone, never from an answer, so no
provider can send this server to an address inside its network.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import httpx

from annotator.errors import ProviderDisabledError, UpstreamError, UpstreamTimeoutError
from annotator.maps.calls import HttpCall, HttpResponse, Secret

CONNECT_TIMEOUT_S = 5.0
HIDDEN = "[secret]"


class HttpTransport:
    """Sends calls over HTTP.

    Args:
        user_agent: how we name ourselves.
        timeout_s: seconds for the whole exchange, however it trickles.
        max_response_bytes: longest body that is read, after decoding.
        env: where secrets are looked up; the process's environment by default.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        timeout_s: float = 20.0,
        max_response_bytes: int = 32 * 2**20,
        env: Mapping[str, str] | None = None,
    ) -> None:
        # httpx logs every URL, and with it every key that a provider wants in its query.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._env = os.environ if env is None else env
        self._client = httpx.AsyncClient(
            headers={"user-agent": user_agent, "accept": "application/json"},
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            limits=httpx.Limits(max_connections=64),
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def send(self, call: HttpCall) -> HttpResponse:
        """The answer, whatever its status.

        Raises:
            UpstreamTimeoutError: no whole answer in time.
            UpstreamError: no connection, a connection cut off, a body too long, or a redirect.
        """
        secrets = {secret: self._env.get(secret.env, "") for secret in call.secrets}
        host = urlsplit(call.url).netloc
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(call, secrets, host)
        except (TimeoutError, httpx.TimeoutException):
            raise UpstreamTimeoutError(
                f"{host} did not answer within {self._timeout_s:g} s; try again, or raise MAPQATOR_REQUEST_TIMEOUT_S"
            ) from None
        except httpx.ConnectError as error:
            raise UpstreamError(f"cannot reach {host}: {_hide(str(error), secrets)}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UpstreamError(f"{host} broke off its answer: {_hide(str(error), secrets)}") from None

    async def _exchange(self, call: HttpCall, secrets: Mapping[Secret, str], host: str) -> HttpResponse:
        headers = dict(call.headers)
        query: list[tuple[str, str | int | float | bool | None]] = list(call.query)
        for secret, value in secrets.items():
            if value and secret.place == "header":
                headers[secret.name] = secret.prefix + value
            elif value:
                query.append((secret.name, secret.prefix + value))
        content = None
        if call.form is not None:
            content = urlencode(call.form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            request = self._client.build_request(
                call.method, call.url, params=query or None, headers=headers, json=call.json, content=content
            )
        except UnicodeError:
            names = ", ".join(secret.env for secret in secrets) or "a header"
            raise ProviderDisabledError(f"{names} holds characters that no HTTP header may") from None
        response = await self._client.send(request, stream=True)
        try:
            if response.is_redirect:
                target = urlsplit(response.headers.get("location", "")).netloc or "another path"
                raise UpstreamError(
                    f"{host} answered with a redirect to {_hide(target, secrets)}, which is never followed; "
                    "if it has moved, set its address",
                    status=response.status_code,
                )
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_response_bytes:
                    raise UpstreamError(
                        f"{host} sent more than {self._max_response_bytes} bytes; ask for less, "
                        "or raise MAPQATOR_MAX_RESPONSE_BYTES",
                        status=response.status_code,
                    )
        finally:
            await response.aclose()
        return HttpResponse(
            response.status_code,
            _hide_bytes(bytes(body), secrets),
            {name.lower(): _hide(value, secrets) for name, value in response.headers.items()},
        )


def _hide(text: str, secrets: Mapping[Secret, str]) -> str:
    for value in secrets.values():
        if value:
            text = text.replace(value, HIDDEN)
    return text


def _hide_bytes(body: bytes, secrets: Mapping[Secret, str]) -> bytes:
    """A provider may echo the request; what it echoes of a key must not be recorded."""
    for value in secrets.values():
        if value:
            body = body.replace(value.encode(), HIDDEN.encode())
    return body
