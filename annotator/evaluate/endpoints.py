"""Servers of models that runs may ask: where they are, and the name of the variable with their key, never the key.

Whoever administers the installation adds them. `local` is always there: the server that `--assist-url` names, which
`make up` starts. Two rules keep an endpoint from becoming a way to this machine's secrets or to its network: a key
comes only from a variable whose name begins with `MAPQATOR_MODEL_KEY`, and plain http goes to this machine alone or to
hosts that the operator allowed by `MAPQATOR_MODEL_HOSTS`.
"""

import ipaddress
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, RowMapping, select

from annotator.assist.endpoint import KEY_ENV
from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.evaluate.config import Protocol
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.settings import Settings
from annotator.store.ids import new_id
from annotator.store.tables import model_endpoint

LOCAL = "local"
"""The endpoint that needs no adding."""

SECRET_ENV = re.compile(r"MAPQATOR_MODEL_KEY(_[A-Z0-9]+)*")
MAX_URL = 2000
MAX_ENDPOINTS = 200

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_OWN_PARAMS = frozenset(
    {"model", "messages", "tools", "stream", "stream_options", "max_tokens", "temperature", "top_p", "seed", "n"}
)
"""What a run decides and an endpoint's params must not."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server.

    Args:
        base_url: up to and with `/v1`.
        model: asked where a run names none; empty takes the server's first.
        secret_env: name of the environment variable that holds its key; None where it needs none.
        protocol: how models ask map tools here.
        params: sent with every request on top of what a run decides.
    """

    name: str
    base_url: str
    model: str = ""
    secret_env: str | None = None
    protocol: Protocol = "tools"
    params: Mapping[str, Any] | None = None

    def headers(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """What tells the server who asks. The only place where a key is read.

        Raises:
            InputError: the variable is not set.
        """
        if self.secret_env is None:
            return {}
        key = (os.environ if env is None else env).get(self.secret_env)
        if not key:
            if self.name == LOCAL:
                return {}
            raise InputError(f"the endpoint '{self.name}' needs its key in the environment variable {self.secret_env}")
        return {"authorization": f"Bearer {key}"}


def check_url(url: str, allowed_hosts: Sequence[str] = ()) -> str:
    """An address as it is kept, without a slash at its end.

    Args:
        allowed_hosts: host names to which plain http may go.

    Raises:
        InputError: says what would be right.
    """
    if len(url) > MAX_URL or any(sign.isspace() or ord(sign) < 0x20 for sign in url):
        raise InputError(f"an address has at most {MAX_URL} characters and no spaces", param="base_url")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or parts.username is not None:
        raise InputError("an address looks like http://127.0.0.1:8000/v1, without a password", param="base_url")
    if parts.query or parts.fragment:
        raise InputError("an address ends with its path, such as /v1; it has no ? and no #", param="base_url")
    if not _is_loopback(host) and host not in {name.lower() for name in allowed_hosts}:
        if parts.scheme == "http":
            raise InputError(
                f"http:// goes to this machine only, or what is sent could be read; use https://, or let the operator "
                f"allow {host} by MAPQATOR_MODEL_HOSTS",
                param="base_url",
            )
        if _is_private(host):
            raise InputError(
                f"{host} is in a private network; the operator can allow it by MAPQATOR_MODEL_HOSTS", param="base_url"
            )
    return url.rstrip("/")


def local_endpoint(settings: Settings) -> Endpoint | None:
    """The server beside this program; None where the operator turned the AI help off."""
    if not settings.assist_url:
        return None
    return Endpoint(LOCAL, settings.assist_url.rstrip("/"), settings.assist_model, KEY_ENV)


def listing(connection: Connection, settings: Settings) -> list[Endpoint]:
    """All endpoints, `local` first, the others by name."""
    local = local_endpoint(settings)
    rows = connection.execute(select(model_endpoint).order_by(model_endpoint.c.name)).mappings()
    return ([] if local is None else [local]) + [_read(row) for row in rows]


def find(connection: Connection, settings: Settings, name: str) -> Endpoint:
    """An endpoint by name.

    Raises:
        NotFoundError: lists those that there are.
    """
    found = listing(connection, settings)
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in found) or "none; add one with `mapqator evaluate endpoints add`"
    raise NotFoundError(f"there is no endpoint '{name[:64]}'; there are {known}")


def add(connection: Connection, actor: Actor, made: Endpoint, allowed_hosts: Sequence[str], *, now: datetime) -> None:
    """Adds an endpoint.

    Raises:
        InputError: its name, address, variable or params cannot be.
        ConflictError: the name is taken.
    """
    _check(made)
    base_url = check_url(made.base_url, allowed_hosts)
    names = connection.execute(select(model_endpoint.c.name)).scalars().all()
    if made.name in names:
        raise ConflictError(f"there is already an endpoint '{made.name}'; remove it first")
    if len(names) >= MAX_ENDPOINTS:
        raise ConflictError(f"there are {MAX_ENDPOINTS} endpoints; remove one first")
    connection.execute(
        model_endpoint.insert(),
        {
            "id": new_id(now),
            "name": made.name,
            "base_url": base_url,
            "model": made.model,
            "secret_env": made.secret_env,
            "protocol": made.protocol,
            "params_json": canonical(dict(made.params or {})).decode(),
            "created_by": actor.account_id,
            "created_at": now,
            "updated_at": now,
        },
    )
    record(connection, actor, "endpoint.create", made.name, detail={"host": urlsplit(base_url).hostname}, now=now)


def remove(connection: Connection, actor: Actor, name: str, *, now: datetime) -> None:
    """Removes an endpoint; runs that asked it stay.

    Raises:
        NotFoundError: there is none of that name, or it is `local`.
    """
    if name == LOCAL:
        raise NotFoundError("'local' is the server of --assist-url and cannot be removed")
    if connection.execute(model_endpoint.delete().where(model_endpoint.c.name == name)).rowcount == 0:
        raise NotFoundError(f"there is no endpoint '{name[:64]}'")
    record(connection, actor, "endpoint.delete", name, now=now)


def _check(made: Endpoint) -> None:
    if made.name == LOCAL or not _NAME.fullmatch(made.name):
        raise InputError(f"'{made.name[:80]}' is no name for an endpoint; use a-z, 0-9 and hyphens", param="name")
    if made.secret_env is not None and not SECRET_ENV.fullmatch(made.secret_env):
        raise InputError(
            "the variable with the key has a name such as MAPQATOR_MODEL_KEY or MAPQATOR_MODEL_KEY_OPENAI, so that no "
            "other secret of this machine can be sent away",
            param="secret_env",
        )
    taken = sorted(_OWN_PARAMS & set(made.params or {}))
    if taken:
        raise InputError(f"{', '.join(taken)} is decided by each run, not by the endpoint", param="params")
    if len(canonical(dict(made.params or {}))) > MAX_URL:
        raise InputError("an endpoint's params are too long", param="params")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _read(row: RowMapping) -> Endpoint:
    return Endpoint(
        name=row["name"],
        base_url=row["base_url"],
        model=row["model"],
        secret_env=row["secret_env"],
        protocol=row["protocol"],
        params=json.loads(row["params_json"]),
    )
