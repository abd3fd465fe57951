"""Head patterns: how much each KV head needs its whole context, from 0 (streams) to 1 (retrieves).

Xiao et al., "DuoAttention" (2024). A published pattern is a folder with `full_attention_heads.tsv`, one line of gates
a layer, and `config.json`, which tells with which window the gates were found.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from server.errors import ConfigError

GATES_FILE = "full_attention_heads.tsv"
CONFIG_FILE = "config.json"
DEFAULT_SINKS = 128
DEFAULT_RECENT = 256


@dataclass(frozen=True, eq=False)
class HeadPattern:
    """Which KV heads can do with sinks and a window.

    Args:
        scores: float32 [layers, kv_heads] on the CPU, in [0, 1]; higher needs the whole context more.
        sinks: leading positions that a streaming head keeps.
        recent: trailing positions that it keeps, the query's own included.
        name: of the pattern, for people.

    Raises:
        ConfigError: the scores are no such tensor, or the window is empty.
    """

    scores: torch.Tensor
    sinks: int = DEFAULT_SINKS
    recent: int = DEFAULT_RECENT
    name: str = "pattern"

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or self.scores.numel() == 0 or self.scores.dtype != torch.float32:
            raise ConfigError(
                f"head pattern {self.name}: scores must be float32 [layers, KV heads], "
                f"not {self.scores.dtype} {list(self.scores.shape)}"
            )
        if not bool(((self.scores >= 0) & (self.scores <= 1)).all()):
            raise ConfigError(f"head pattern {self.name}: every score must be in [0, 1]")
        if self.sinks < 0 or self.recent < 1:
            raise ConfigError(
                f"head pattern {self.name}: sinks must be 0 or more and recent 1 or more, "
                f"not {self.sinks} and {self.recent}"
            )

    @property
    def num_layers(self) -> int:
        return self.scores.shape[0]

    @property
    def num_kv_heads(self) -> int:
        return self.scores.shape[1]

    def num_streaming(self, sparsity: float) -> int:
        """How many KV heads stream: `sparsity` of all, halves rounded up.

        Raises:
            ConfigError: `sparsity` is not in [0, 1].
        """
        if not 0 <= sparsity <= 1:
            raise ConfigError(f"sparsity is the share of KV heads that stream, from 0 to 1, not {sparsity}")
        # The decimal that was written, not the binary number nearest to it: 0.29 of 50 are 14.5.
        return math.floor(Fraction(repr(float(sparsity))) * self.scores.numel() + Fraction(1, 2))

    def streaming(self, sparsity: float) -> torch.Tensor:
        """The heads that stream: bool [layers, kv_heads], with `num_streaming(sparsity)` of them true.

        Those with the lowest scores, ties by layer and then by head. So the same on every machine, and a larger
        sparsity only adds heads.
        """
        order = torch.argsort(self.scores.flatten(), stable=True)
        chosen = torch.zeros(self.scores.numel(), dtype=torch.bool)
        chosen[order[: self.num_streaming(sparsity)]] = True
        return chosen.view_as(self.scores)

    def check_shape(self, num_layers: int, num_kv_heads: int) -> None:
        """Raise a ConfigError if the pattern is not of a model with so many layers and KV heads."""
        if (self.num_layers, self.num_kv_heads) != (num_layers, num_kv_heads):
            raise ConfigError(
                f"head pattern {self.name} is for {self.num_layers} layers of {self.num_kv_heads} KV heads, but the "
                f"model has {num_layers} of {num_kv_heads}; use a pattern of this model, or make one with "
                "'rhumb calibrate duo'"
            )


def read_pattern(path: Path) -> HeadPattern:
    """A published pattern: its folder, or the file of gates in it. Gates are clipped to [0, 1].

    Without a `config.json` beside the gates the window is the paper's, 128 sinks and 256 recent positions.

    Raises:
        ConfigError: there is no pattern, or it is damaged; the message is one line.
    """
    path = Path(path)
    gates = path / GATES_FILE if path.is_dir() else path
    try:
        text = gates.read_text()
    except FileNotFoundError:
        raise ConfigError(f"{path} holds no head pattern: there is no {gates}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"head pattern {gates} cannot be read: {error}") from None
    config = _read_config(gates.with_name(CONFIG_FILE))
    return HeadPattern(
        scores=_parse_gates(text, gates).clamp(0.0, 1.0),
        sinks=_size(config, "sink_size", DEFAULT_SINKS, gates),
        recent=_size(config, "recent_size", DEFAULT_RECENT, gates),
        name=gates.absolute().parent.name,
    )


def write_pattern(directory: Path, pattern: HeadPattern, config: Mapping[str, Any]) -> None:
    """Write the published format into `directory`, creating it.

    Args:
        config: JSON values that say where the pattern comes from; `sink_size` and `recent_size` are added.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = {**config, "sink_size": pattern.sinks, "recent_size": pattern.recent}
    lines = ["\t".join(f"{gate:.18e}" for gate in layer) for layer in pattern.scores.tolist()]
    _replace(directory / CONFIG_FILE, json.dumps(config, indent=2) + "\n")
    # Last, so that a folder with gates is complete.
    _replace(directory / GATES_FILE, "\n".join(lines) + "\n")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)


def _parse_gates(text: str, path: Path) -> torch.Tensor:
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(field) for field in line.split()]
        except ValueError:
            raise ConfigError(f"head pattern {path}, line {number}: not numbers separated by tabs") from None
        if not all(math.isfinite(gate) for gate in row):
            raise ConfigError(f"head pattern {path}, line {number}: a gate is not a finite number")
        if rows and len(row) != len(rows[0]):
            raise ConfigError(f"head pattern {path}, line {number}: {len(row)} gates, but {len(rows[0])} in line 1")
        rows.append(row)
    if not rows:
        raise ConfigError(f"head pattern {path} is empty; it needs one line of gates a layer")
    return torch.tensor(rows, dtype=torch.float32)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} of a head pattern cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} of a head pattern must be a JSON object")
    return config


def _size(config: Mapping[str, Any], key: str, default: int, gates: Path) -> int:
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"head pattern {gates}: {key} of its {CONFIG_FILE} must be a whole number, not {value!r}")
    return value
