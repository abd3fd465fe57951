"""Configuration of the engine. Plain dataclasses, so that the engine imports without the HTTP stack."""

from dataclasses import dataclass, field
from typing import Literal

from server.errors import ConfigError

LoadFormat = Literal["safetensors", "dummy"]
SchedulingPolicy = Literal["fcfs", "priority"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What one engine serves and how much of the machine it may use.

    Args:
        model: a directory with `config.json` and safetensors, or a hub name.
        revision: the hub revision, if `model` is a hub name.
        served_name: the id clients use; defaults to the last part of `model`.
        load_format: `dummy` builds random weights from `config.json` alone.
        dtype: `auto` is float32 on CPU and the checkpoint's own on GPU.
        device: `auto` is `cuda` where there is one, else `cpu`.
        page_size: positions per KV page.
        num_pages: pages in the pool; derived from `kv_memory_bytes` when None.
        kv_memory_bytes: bytes for the pool; derived from the machine when None.
        max_model_len: longest prompt plus output, in tokens; the checkpoint's own limit when None.
        max_rows: sequences that may run in one step.
        max_step_tokens: token budget of one step.
        max_waiting: requests that may queue before new ones are refused.
        scheduling: order of admission.
        prefix_caching: reuse the pages of equal prompt beginnings.
        overlap: launch a step before the previous one's tokens are read; `None` means only on GPU.
        attention_backend: `auto` takes the first backend without a reason against it.
        variants: `name -> description` is built elsewhere; these are the names to serve.
        num_threads: CPU threads for the model; all cores when None.
        seed: base seed of dummy weights and of requests that bring none.
    """

    model: str
    revision: str | None = None
    served_name: str | None = None
    load_format: LoadFormat = "safetensors"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    page_size: int = 16
    num_pages: int | None = None
    kv_memory_bytes: int | None = None
    max_model_len: int | None = None
    max_rows: int = 64
    max_step_tokens: int = 2048
    max_waiting: int = 1024
    scheduling: SchedulingPolicy = "fcfs"
    prefix_caching: bool = True
    overlap: bool | None = None
    attention_backend: str = "auto"
    variants: tuple[str, ...] = field(default=("full",))
    num_threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("page_size", "max_rows", "max_step_tokens", "max_waiting"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.max_step_tokens < self.max_rows:
            raise ConfigError(
                f"max_step_tokens ({self.max_step_tokens}) must be at least max_rows ({self.max_rows}), "
                "so that every running row can advance in every step"
            )
