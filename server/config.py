"""Configuration of the engine. Plain dataclasses, so that the engine imports without the HTTP stack."""

from dataclasses import dataclass, field
from typing import Literal

from server.engine.variant_specs import parse_variants
from server.errors import ConfigError

LoadFormat = Literal["safetensors", "dummy"]
WeightFormat = Literal["auto", "fp8", "int8"]
KVFormatName = Literal["auto", "float32", "bfloat16", "float16", "fp8", "int8", "int4"]
SchedulingPolicy = Literal["fcfs", "priority"]

DEFAULT_VARIANTS = ("full",)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What one engine serves and how much of the machine it may use.

    Args:
        model: a directory with `config.json` and safetensors, or a hub name.
        revision: the hub revision, if `model` is a hub name.
        served_name: the id clients use; defaults to the last part of `model`.
        load_format: `dummy` builds random weights from `config.json` alone.
        dtype: of activations, and of weights that are not quantised; `auto` is float32 on CPU and the checkpoint's
            own on GPU.
        weight_format: how the matrices of the layers are kept; `auto` is `dtype`.
        kv_format: how cached keys and values are kept; `auto` is `dtype`.
        device: `auto` is `cuda` where there is one, else `cpu`.
        page_size: positions per KV page.
        num_pages: pages in the pool; derived from `kv_memory_bytes` when None.
        kv_memory_bytes: bytes for the pool; derived from the machine when None.
        max_model_len: longest prompt plus output, in tokens; the checkpoint's own limit when None.
        max_rows: sequences that may run in one step; by default 64 on CPU and 256 on GPU.
        max_step_tokens: token budget of one step; by default 2,048 on CPU and 8,192 on GPU.
        max_mixed_tokens: token budget of a step in which some rows decode, so that a long prompt does not hold up
            their next token (a quarter of it is left for prompts, however many decode, and a long queue of prompts
            takes up to three times as many); by default 768 on GPU and the whole budget on CPU.
        max_waiting: requests that may queue before new ones are refused.
        scheduling: order of admission.
        prefix_caching: reuse the pages of equal prompt beginnings.
        overlap: launch a step before the previous one's tokens are read; `None` means only on GPU.
        attention_backend: `auto` takes the first backend without a reason against it.
        variants: what to serve, as `--variants` has it, see `server/engine/variant_specs.py`; the first is default. A
            checkpoint that carries an exit schedule is served by it, too, where only `full` is named.
        force_skip: serve exit schedules that the checkpoint was not fine-tuned for.
        align_ms: longest time for which a new row with an exit schedule waits for those that run to end, so that rows
            stand at like positions and leave the same layers out; 0 waits for nobody.
        num_threads: CPU threads for the model; all cores when None.
        graphs: replay captured CUDA graphs where a step allows it; `None` means on GPU.
        batch_invariant: compute every token with the same arithmetic whatever runs beside it, at some cost in speed.
        tensor_parallel: GPUs (or CPU processes) that share every layer.
        profile_dir: where to write a torch profiler trace; no profile when None.
        seed: base seed of dummy weights and of requests that bring none.
    """

    model: str
    revision: str | None = None
    served_name: str | None = None
    load_format: LoadFormat = "safetensors"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    weight_format: WeightFormat = "auto"
    kv_format: KVFormatName = "auto"
    device: str = "auto"
    page_size: int = 16
    num_pages: int | None = None
    kv_memory_bytes: int | None = None
    max_model_len: int | None = None
    max_rows: int | None = None
    max_step_tokens: int | None = None
    max_mixed_tokens: int | None = None
    max_waiting: int = 1024
    scheduling: SchedulingPolicy = "fcfs"
    prefix_caching: bool = True
    overlap: bool | None = None
    attention_backend: str = "auto"
    variants: tuple[str, ...] = field(default=DEFAULT_VARIANTS)
    force_skip: bool = False
    align_ms: float = 0.0
    num_threads: int | None = None
    graphs: bool | None = None
    batch_invariant: bool = False
    tensor_parallel: int = 1
    profile_dir: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        sizes = ("page_size", "max_rows", "max_step_tokens", "max_mixed_tokens", "max_waiting", "tensor_parallel")
        for name in sizes:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")
        if not 0 <= self.align_ms < float("inf"):
            raise ConfigError(f"align_ms must be a time of at least 0, not {self.align_ms}")
        if None not in (self.max_rows, self.max_step_tokens):
            _check_budget(self.max_step_tokens, self.max_rows)
        parse_variants(self.variants)

    def resolve(self, device_type: str) -> "ResolvedLimits":
        """The limits of a step on this type of device, defaults filled in.

        Raises:
            ConfigError: they cannot work together.
        """
        on_gpu = device_type == "cuda"
        max_rows = self.max_rows or (256 if on_gpu else 64)
        max_step_tokens = self.max_step_tokens or max(8192 if on_gpu else 2048, max_rows)
        _check_budget(max_step_tokens, max_rows)
        return ResolvedLimits(
            max_rows=max_rows,
            max_step_tokens=max_step_tokens,
            max_mixed_tokens=min(self.max_mixed_tokens or (768 if on_gpu else max_step_tokens), max_step_tokens),
            overlap=on_gpu if self.overlap is None else self.overlap,
            graphs=on_gpu if self.graphs is None else self.graphs and on_gpu,
        )


@dataclass(frozen=True, slots=True)
class ResolvedLimits:
    """What `EngineConfig` leaves open until the device is known; names as there."""

    max_rows: int
    max_step_tokens: int
    max_mixed_tokens: int
    overlap: bool
    graphs: bool


def _check_budget(max_step_tokens: int | None, max_rows: int | None) -> None:
    assert max_step_tokens is not None
    assert max_rows is not None
    if max_step_tokens < max_rows:
        raise ConfigError(
            f"max_step_tokens ({max_step_tokens}) must be at least max_rows ({max_rows}), "
            "so that every running row can advance in every step"
        )
