"""Every switch of the server: a command-line flag `--like-this` and an environment variable `RHUMB_LIKE_THIS`.

A flag wins over the environment, the environment over the default. `EngineSettings` becomes an
`EngineConfig`; `ServerSettings` belongs to the HTTP side alone.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID, EMBEDDED_VARIANTS
from server.config import EngineConfig, KVFormatName, WeightFormat
from server.engine.variant_specs import split_variants
from server.errors import ConfigError

_CONFIG = SettingsConfigDict(env_prefix="RHUMB_", extra="ignore", env_ignore_empty=True)

CommaSeparated = Annotated[tuple[str, ...], NoDecode]
"""Repeatable as a flag, separated by commas in the environment."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _each_variant(value: object) -> object:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        return value
    return tuple(variant for text in listed for variant in split_variants(text))


def _bytes_of(value: object) -> object:
    """`40GiB`, `512MB` or plain bytes, as an integer."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?\s*", value, re.IGNORECASE)
    if match is None:
        raise ValueError("must be a number of bytes, or a size such as 40GiB or 512MB")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index((unit or " ").lower()))


Size = Annotated[int, BeforeValidator(_bytes_of), Field(ge=1)]
"""Bytes, given as a number or with a unit."""


class EngineSettings(BaseSettings):
    """The engine's part; see `EngineConfig` for the meaning of each."""

    model_config = _CONFIG

    model: str | None = Field(None, description="Model directory or hub name; the embedded model when left out.")
    revision: str | None = Field(None, description="Revision of a hub model.")
    served_name: str | None = Field(None, description="The id clients use; by default the last part of the model.")
    load_format: Literal["safetensors", "dummy"] = Field(
        "safetensors", description="'dummy' builds random weights from config.json alone."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Type of the arithmetic.")
    weight_format: WeightFormat = Field("auto", description="How weights are kept; 'auto' is the dtype.")
    kv_format: KVFormatName = Field("auto", description="How keys and values are cached; 'auto' is the dtype.")
    device: str = Field("auto", description="'cpu', 'cuda', 'cuda:1', ...; auto takes a GPU if there is one.")
    page_size: int = Field(16, description="Positions per KV page.")
    num_pages: int | None = Field(None, description="KV pages in the pool; by default from --kv-memory.")
    kv_memory: Size | None = Field(None, description="Memory of a GPU's KV pool, such as 40GiB; by default measured.")
    max_model_len: int | None = Field(None, description="Longest prompt plus output in tokens.")
    max_rows: int | None = Field(None, description="Sequences that may run in one step; 64 on CPU, 256 on GPU.")
    max_step_tokens: int | None = Field(None, description="Token budget of one step; 2,048 on CPU, 8,192 on GPU.")
    max_mixed_tokens: int | None = Field(
        None, description="Token budget of a step in which some rows decode; 768 on GPU, all on CPU."
    )
    max_waiting: int = Field(1024, description="Requests that may queue before new ones get a 429.")
    scheduling: Literal["fcfs", "priority"] = Field("fcfs", description="Order of admission.")
    prefix_caching: bool = Field(True, description="Reuse the KV pages of equal prompt beginnings.")
    overlap: bool | None = Field(None, description="Launch a step before the last one is read; auto: only on GPU.")
    attention_backend: str = Field("auto", description="Attention backend by name; auto takes the first that can.")
    variants: CommaSeparated = Field(
        ("full",), description="Variants to serve as model:variant, name or name=policy(...); the first is default."
    )
    force_skip: bool = Field(False, description="Serve exit schedules that the model was not fine-tuned for.")
    align_ms: float = Field(0.0, ge=0, description="Longest time that new rows wait to leave the same layers out.")
    num_threads: int | None = Field(None, description="CPU threads of the model; all cores by default.")
    graphs: bool | None = Field(None, description="Replay captured CUDA graphs; auto: on GPU.")
    batch_invariant: bool = Field(False, description="Give a request bitwise the same tokens in any batch.")
    tensor_parallel: int = Field(1, ge=1, description="GPUs of this host that share every layer.")
    profile_dir: str | None = Field(None, description="Write torch profiler traces of the engine to this folder.")
    engine_seed: int = Field(0, description="Seed of dummy weights.")

    _split_variants = field_validator("variants", mode="before")(_each_variant)

    def to_config(self) -> EngineConfig:
        """The engine's configuration; without a model it serves the embedded one.

        Raises:
            ConfigError: a value that cannot work.
        """
        values = self.model_dump()
        values["seed"] = values.pop("engine_seed")
        values["kv_memory_bytes"] = values.pop("kv_memory")
        if values["model"] is None:
            values["model"] = str(EMBEDDED_MODEL)
            values["served_name"] = values["served_name"] or EMBEDDED_MODEL_ID
        return EngineConfig(**values)

    def to_served_config(self) -> EngineConfig:
        """The configuration of a server: the embedded model comes with its variants, unless others are asked for.

        Raises:
            ConfigError: a value that cannot work.
        """
        config = self.to_config()
        if self.model is None and "variants" not in self.model_fields_set:
            return replace(config, variants=EMBEDDED_VARIANTS)
        return config


class ServerSettings(BaseSettings):
    """The HTTP side: where it listens, whom it lets in, how much it accepts."""

    model_config = _CONFIG

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    tls_cert: Path | None = Field(None, description="PEM file with the certificate chain; turns HTTPS on.")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key.")
    tls_key_password: str | None = Field(None, description="Password of the private key.")
    tls_client_ca: Path | None = Field(None, description="PEM file of authorities; clients must bring a certificate.")

    api_keys: CommaSeparated = Field((), description="A bearer key to accept (repeatable); none means no check.")
    api_key_file: Path | None = Field(None, description="File with one bearer key a line.")
    public_metrics: bool = Field(False, description="Serve /metrics without a key.")
    cors_origins: CommaSeparated = Field((), description="Origin allowed to call from a browser (repeatable).")

    max_body_bytes: int = Field(16 * 2**20, ge=1024, description="Largest request body.")
    max_headers: int = Field(128, ge=8, description="Most header lines of a request.")
    max_header_bytes: int = Field(32 * 2**10, ge=1024, description="Largest sum of header bytes of a request.")
    header_timeout_s: float = Field(15.0, gt=0, description="Seconds a client may take to send its headers.")
    body_timeout_s: float = Field(30.0, gt=0, description="Seconds a client may take to send its body.")
    write_timeout_s: float = Field(60.0, gt=0, description="Seconds a streaming client may leave data unread.")
    keep_alive_s: int = Field(5, ge=0, description="Seconds an idle connection is kept.")
    sse_keep_alive_s: float = Field(15.0, gt=0, description="Seconds of silence before a stream gets a comment.")
    drain_s: float = Field(30.0, ge=0, description="Seconds that running requests may take after SIGTERM.")
    max_concurrent_requests: int = Field(4096, ge=1, description="Requests in flight before new ones get a 429.")
    api_processes: int | None = Field(
        None, ge=1, description="Processes that answer; auto: 1 on CPU, up to 4 (half of the cores) on GPU."
    )
    max_choices: int = Field(1024, ge=1, description="Most prompts times n of one request.")
    max_logprobs: int = Field(20, ge=0, description="Most alternatives per token a request may ask for.")

    lenient: bool = Field(False, description="Accept and ignore unknown request fields instead of refusing them.")
    any_model: bool = Field(False, description="Answer with the default variant whatever model a request names.")
    chat_template: Path | None = Field(None, description="Jinja file to use instead of the model's chat template.")
    tool_parser: str = Field("auto", description="Format of the model's tool calls; auto reads the chat template.")
    generation_config: Literal["model", "none"] = Field(
        "model", description="Whether the model's generation_config.json sets sampling defaults."
    )
    dev: bool = Field(False, description="Enable /reset_prefix_cache, /engine, /start_profile and /stop_profile.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")

    _split_lists = field_validator("api_keys", "cors_origins", mode="before")(_split)

    def all_api_keys(self) -> tuple[str, ...]:
        """Keys from flags, the environment and the key file.

        Raises:
            ConfigError: the key file cannot be read or holds no key.
        """
        if self.api_key_file is None:
            return self.api_keys
        try:
            lines = self.api_key_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read --api-key-file {self.api_key_file}: {error}") from None
        from_file = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        if not from_file:
            raise ConfigError(f"--api-key-file {self.api_key_file} holds no key; write one a line")
        return self.api_keys + from_file


_SINGULAR = {"api_keys": "api-key", "cors_origins": "cors-origin"}


def flag_of(name: str) -> str:
    """The command-line flag of a setting; a repeatable one is named for the one thing that it adds."""
    return f"--{_SINGULAR.get(name, name.replace('_', '-'))}"


def option_type(annotation: Any) -> Any:
    """The type of a setting's command-line option: without None, and a list for what is repeatable."""
    if get_origin(annotation) is tuple:
        return list[str]
    if get_origin(annotation) is Literal:
        return annotation
    members = [member for member in get_args(annotation) if member is not type(None)]
    if members and get_origin(members[0]) is Annotated:
        # A setting that reads text of its own kind, such as a size with a unit, is given the text.
        return str
    return members[0] if members else annotation


def load[S: BaseSettings](settings_type: type[S], flags: dict[str, Any]) -> S:
    """Settings from the flags that were given, then the environment, then defaults.

    Raises:
        ConfigError: one line that names the flag and its variable, and what is wrong.
    """
    given = {name: value for name, value in flags.items() if name in settings_type.model_fields and value is not None}
    try:
        return settings_type(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(f"{flag_of(name)} (or RHUMB_{name.upper()}): {first['msg'].lower()}") from None
