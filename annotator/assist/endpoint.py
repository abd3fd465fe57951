"""A served language model over the OpenAI API: which models there are, and one chat completion."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from annotator.errors import UpstreamError, UpstreamFormatError, UpstreamTimeoutError

KEY_ENV = "MAPQATOR_ASSIST_KEY"
"""Environment variable of the endpoint's key, read here and nowhere else."""

ASSUMED_CONTEXT_TOKENS = 8192
"""Of a model whose server does not say how long its context is."""

_LOOK_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked.

    Args:
        context_tokens: prompt and answer together.
    """

    name: str
    context_tokens: int


class Endpoint:
    """One OpenAI-compatible server. Safe to use from many threads.

    Args:
        base_url: up to and with `/v1`.
        model: the model to ask; empty takes the server's first.
        timeout_s: seconds for one answer.
    """

    def __init__(
        self, base_url: str, model: str = "", *, timeout_s: float = 120.0, env: Mapping[str, str] | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._model = model
        key = (os.environ if env is None else env).get(KEY_ENV)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            headers=headers, timeout=httpx.Timeout(timeout_s, connect=_LOOK_TIMEOUT_S), follow_redirects=False
        )

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def model(self, wanted: str = "") -> Model:
        """The model that is asked.

        Args:
            wanted: a name that goes before the configured one.

        Raises:
            UpstreamError: the server cannot be reached, or has no such model.
        """
        listed = self._json("GET", "/models", timeout_s=_LOOK_TIMEOUT_S).get("data")
        if not isinstance(listed, list) or not listed:
            raise UpstreamFormatError(f"the server at {self.base_url} lists no model")
        name = wanted or self._model
        found = next((item for item in listed if not name or item.get("id") == name), None)
        if found is None:
            known = ", ".join(str(item.get("id")) for item in listed[:5])
            raise UpstreamError(f"the server at {self.base_url} has no model '{name}'; it has {known}")
        length = found.get("max_model_len")
        return Model(str(found["id"]), length if isinstance(length, int) and length > 0 else ASSUMED_CONTEXT_TOKENS)

    def complete(
        self, model: str, messages: list[dict[str, str]], schema: Mapping[str, Any], *, max_tokens: int
    ) -> str:
        """The model's answer to `messages`, as JSON of `schema` where the server can hold it to that.

        Raises:
            UpstreamError: the server failed or refused.
        """
        body: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0.7,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "suggestion", "schema": dict(schema), "strict": True},
            },
        }
        try:
            answer = self._json("POST", "/chat/completions", body)
        except UpstreamError as error:
            if error.status not in (400, 404, 422):
                raise
            # Not every server knows schemas; the prompt asks for the same JSON in words.
            del body["response_format"]
            answer = self._json("POST", "/chat/completions", body)
        try:
            return str(answer["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError):
            raise UpstreamFormatError(f"the server at {self.base_url} answered without a message") from None

    def _json(self, method: str, path: str, body: Any = None, timeout_s: float | None = None) -> dict[str, Any]:
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s
        try:
            response = self._client.request(method, f"{self.base_url}{path}", json=body, timeout=timeout)
        except httpx.TimeoutException:
            raise UpstreamTimeoutError(f"the model at {self.base_url} did not answer in time; try again") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise UpstreamError(
                f"no model answers at {self.base_url}; start one with `make up`, or name another with --assist-url"
            ) from None
        try:
            answer = response.json()
        except json.JSONDecodeError:
            answer = None
        if response.is_success and isinstance(answer, dict):
            return answer
        said = answer.get("error") if isinstance(answer, dict) else None
        words = said.get("message") if isinstance(said, dict) else said or f"HTTP {response.status_code}"
        raise UpstreamError(f"the model at {self.base_url} refused: {words}", status=response.status_code)
