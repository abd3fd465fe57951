"""Which attention backends exist, best first, and which one serves a configuration."""

from importlib import import_module

from server.attention.backend import AttentionBackend, AttentionSpec
from server.errors import ConfigError

BACKENDS: dict[str, str] = {
    "cpu": "server.attention.cpu:CpuAttention",
    "torch": "server.attention.reference:ReferenceAttention",
    "triton": "server.attention.triton:TritonAttention",
}
"""Name -> `module:class`, imported when first looked at."""

PREFERENCE: dict[str, tuple[str, ...]] = {"cpu": ("cpu", "torch"), "cuda": ("triton", "torch")}
"""Device type -> names, best first. Other devices have only the reference."""


def backend_class(name: str) -> type[AttentionBackend]:
    """The class registered as `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in BACKENDS:
        raise ConfigError(f"there is no attention backend {name!r}; choose auto, {', '.join(BACKENDS)}")
    module, _, attribute = BACKENDS[name].partition(":")
    found: type[AttentionBackend] = getattr(import_module(module), attribute)
    return found


def select_backend(spec: AttentionSpec, wanted: str = "auto") -> tuple[type[AttentionBackend], dict[str, list[str]]]:
    """Choose a backend for `spec`.

    Args:
        wanted: a name, or `auto` for the first one on this device without a reason against it.

    Returns:
        The class, and for every backend that was tried and refused, its reasons.

    Raises:
        ConfigError: `wanted` is unknown or refuses `spec`, or every backend refuses; has the reasons.
    """
    names = PREFERENCE.get(spec.device.type, ("torch",)) if wanted == "auto" else (wanted,)
    refusals: dict[str, list[str]] = {}
    for name in names:
        candidate = backend_class(name)
        reasons = candidate.supports(spec)
        if not reasons:
            return candidate, refusals
        refusals[name] = reasons
    listed = "; ".join(f"{name}: {', '.join(reasons)}" for name, reasons in refusals.items())
    hint = "" if wanted == "auto" else "; choose another attention backend, or auto"
    raise ConfigError(f"no attention backend can serve this configuration ({listed}){hint}")
