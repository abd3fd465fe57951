"""Every switch of MapQaTor: a command-line flag `--like-this` and an environment variable `MAPQATOR_LIKE_THIS`.

A flag wins over the environment, the environment over the default. Keys of providers are no settings: each provider
names the environment variable that holds its own, and only the transport reads it.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from annotator.errors import ConfigError

CommaSeparated = Annotated[tuple[str, ...], NoDecode]
"""Repeatable as a flag, separated by commas in the environment."""


def default_data_dir() -> Path:
    """`mapqator` in the user's data folder (XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "mapqator"


def default_assist_url() -> str:
    """Rhumb beside this program: `make up RHUMB_PORT=9000` gives its port to both."""
    port = os.environ.get("RHUMB_PORT", "")
    return f"http://127.0.0.1:{port if port.isdecimal() else 8000}/v1"


class Settings(BaseSettings):
    """Where MapQaTor keeps its data, whom it may ask, and where it listens."""

    model_config = SettingsConfigDict(
        env_prefix="MAPQATOR_", env_nested_delimiter="__", extra="ignore", env_ignore_empty=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of maps and, by default, the database."
    )
    database_url: str | None = Field(None, description="SQLAlchemy URL; by default mapqator.sqlite in the data folder.")

    provider: str | None = Field(None, description="Provider of calls that name none; by default the map built last.")
    enable: CommaSeparated = Field((), description="Provider to enable (repeatable); its terms are yours to keep.")
    urls: dict[str, str] = Field({}, description="Address of a provider that you run: KEY=URL (repeatable).")
    contact: str | None = Field(None, description="E-mail or page that providers may write to; part of the User-Agent.")
    request_timeout_s: float = Field(20.0, gt=0, le=600, description="Seconds a provider may take to answer.")
    max_response_bytes: int = Field(32 * 2**20, ge=1024, description="Largest answer of a provider that is read.")
    max_wait_s: float = Field(30.0, ge=0, description="Longest wait for a provider's rate limit before a 429.")
    town: bool = Field(True, description="Build the embedded town when there is no map yet.")
    demo: bool = Field(True, description="Make the demo project when there is none yet and nobody signs in.")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8100, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: int = Field(2**20, ge=1024, description="Largest request body.")
    login: Literal["auto", "none", "required"] = Field(
        "auto", description="Whether people sign in; auto: not on loopback addresses, always on others."
    )
    public_url: str | None = Field(
        None, description="Address at which others reach this program, for links and logins."
    )
    oidc_issuer: str | None = Field(
        None, description="Issuer of single sign-on (OpenID Connect); its client secret is MAPQATOR_OIDC_CLIENT_SECRET."
    )
    oidc_client_id: str | None = Field(None, description="Client id of this program at the issuer.")
    oidc_signup: bool = Field(True, description="Make an account for whoever the issuer lets in and who has none yet.")
    webhook_private_hosts: CommaSeparated = Field(
        (), description="Host that webhooks may reach although it is this machine or in a private network (repeatable)."
    )
    assist_url: str = Field(
        default_factory=default_assist_url,
        description="OpenAI-compatible endpoint of the AI help and of evaluation; empty turns it off.",
    )
    assist_model: str = Field("", description="Model of the AI help; by default the endpoint's first.")
    model_hosts: CommaSeparated = Field(
        (), description="Host that endpoints of models may reach over http or in a private network (repeatable)."
    )
    resume_runs: bool = Field(
        True, description="Go on with evaluation runs that were going on when the program ended or was killed."
    )
    max_upload_bytes: int = Field(512 * 2**20, ge=1024, description="Largest file that can be imported over HTTP.")
    allowed_hosts: CommaSeparated = Field((), description="Host name to answer to; by default this machine's own.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")

    @field_validator("enable", "allowed_hosts", "webhook_private_hosts", "model_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("urls", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        pairs = [str(item).partition("=") for item in value]
        if not all(key and equals and url for key, equals, url in pairs):
            raise ValueError("must look like valhalla=http://127.0.0.1:8002")
        return {key: url for key, _, url in pairs}

    @model_validator(mode="after")
    def _no_open_door(self) -> Self:
        if self.login == "none" and not self.is_loopback:
            raise ValueError(f"--login none would let everybody in who reaches {self.host}; use --login required")
        return self

    @model_validator(mode="after")
    def _whole_oidc(self) -> Self:
        if self.oidc_issuer is None:
            return self
        if not self.oidc_client_id:
            raise ValueError("--oidc-issuer needs --oidc-client-id")
        if not self.is_loopback and self.public_url is None:
            raise ValueError("--oidc-issuer needs --public-url, to which the issuer sends people back")
        return self

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"must look like https://maps.example.org, not '{value}'")
        return value.rstrip("/")

    @field_validator("urls")
    @classmethod
    def _http_only(cls, value: dict[str, str]) -> dict[str, str]:
        for key, url in value.items():
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"the address of {key} must begin with http:// or https://, not '{url}'")
        return {key.lower(): url.rstrip("/") for key, url in value.items()}

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can connect."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def is_single_user(self) -> bool:
        """Whether whoever sits at this machine is let in without a login."""
        return self.login == "none" or (self.login == "auto" and self.is_loopback)

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'mapqator.sqlite').resolve()}"


_SINGULAR = {
    "urls": "url",
    "allowed_hosts": "allowed-host",
    "webhook_private_hosts": "webhook-private-host",
    "model_hosts": "model-host",
}


def flag_of(name: str) -> str:
    """The command-line flag of a setting; a repeatable one is named for the one thing that it adds."""
    return f"--{_SINGULAR.get(name, name.replace('_', '-'))}"


def load(flags: dict[str, Any]) -> Settings:
    """Settings from the flags that were given, then the environment, then defaults.

    Raises:
        ConfigError: one line that names the flag and its variable, and what is wrong.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise ConfigError(what) from None
        name = str(first["loc"][0])
        what = what.lower()
        raise ConfigError(f"{flag_of(name)} (or MAPQATOR_{name.upper()}): {what}") from None
