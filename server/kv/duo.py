"""DuoAttention: retrieval heads keep every position, streaming heads keep sinks and a recent window.

Xiao et al., "DuoAttention" (2024). Which heads stream, a pattern tells: a published one, one that
`rhumb calibrate duo` has made, or scores without training. See docs/duo.md.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import torch

from server.errors import ConfigError
from server.kv.patterns import GATES_FILE, HeadPattern, read_pattern
from server.kv.plan import Group
from server.kv.policy import ALL, ENDLESS, KVPolicy, PolicyContext, Retention, Stretch, window

ARGUMENTS = ("pattern", "sparsity", "sinks", "recent", "prefill")


@dataclass(frozen=True, slots=True)
class Prefill:
    """What streaming heads see of a prompt while it is computed.

    Args:
        mode: `dense`, everything; `strict`, what they see of everything else, sinks and window; `relaxed`, the
            reference implementation's: sinks, what was recent before the current chunk, and the chunk so far.
        chunk: positions of a relaxed chunk.
    """

    mode: Literal["dense", "strict", "relaxed"] = "dense"
    chunk: int = 0

    def __str__(self) -> str:
        return f"relaxed:{self.chunk}" if self.mode == "relaxed" else self.mode


@dataclass(eq=False)
class Duo(KVPolicy):
    """Keeps all positions for retrieval heads and `sinks + recent` for streaming heads.

    Layers with a sliding window of the model's own keep that, whatever the pattern says of them.

    Args:
        variant: the name under which groups know it.
        pattern: scores of the model's KV heads.
        sparsity: share of the KV heads of full-attention layers that stream, in [0, 1].
        sinks: leading positions that streaming heads keep.
        recent: trailing positions that streaming heads keep; the query's own counts, but for relaxed prefill, where
            the reference implementation keeps one more.
        prefill: what streaming heads see of prompts.
        is_full_attention: bool [layers], layers without a window of the model's own.
    """

    variant: str
    pattern: HeadPattern
    sparsity: float
    sinks: int
    recent: int
    prefill: Prefill
    is_full_attention: torch.Tensor
    streaming: torch.Tensor = field(init=False)
    _mode: Literal["dense", "strict", "relaxed", "full"] = field(init=False)
    """Of the prefill; `full` where no head streams, so that there is nothing to do."""

    name = "duo"

    def __post_init__(self) -> None:
        # Heads with a window already are none of those that the share is of.
        self.streaming = torch.zeros_like(self.pattern.scores, dtype=torch.bool)
        if self.is_full_attention.any():
            own = replace(self.pattern, scores=self.pattern.scores[self.is_full_attention])
            self.streaming[self.is_full_attention] = own.streaming(self.sparsity)
        self._mode = self.prefill.mode if self.streaming.any() else "full"
        self.is_uniform = self._mode in ("strict", "full")

    @classmethod
    def build(cls, arguments: Mapping[str, str], context: PolicyContext) -> Self:
        title = f"variant {context.variant!r}"
        unknown = [name for name in arguments if name not in ARGUMENTS]
        if unknown:
            raise ConfigError(f"{title}: duo has no argument {unknown[0]!r}; it takes {', '.join(ARGUMENTS)}")
        share = arguments.get("sparsity", "0.5")
        try:
            sparsity = float(share)
        except ValueError:
            raise ConfigError(f"{title}: sparsity must be a number from 0 to 1, not {share!r}") from None
        prefill = _prefill(arguments.get("prefill", "dense"), title)
        sizes = {
            name: _whole_number(arguments[name], f"{title}: {name}", least)
            for name, least in (("sinks", 0), ("recent", 1))
            if name in arguments
        }
        pattern = _pattern(arguments.get("pattern"), context, title)
        pattern.check_shape(context.num_layers, context.num_kv_heads)
        return cls(
            variant=context.variant,
            pattern=pattern,
            sparsity=sparsity,
            sinks=sizes.get("sinks", pattern.sinks),
            recent=sizes.get("recent", pattern.recent),
            prefill=prefill,
            is_full_attention=torch.tensor([size is None for size in context.sliding_windows]),
        )

    def retention(self, group: Group) -> Retention:
        if group.sliding_window is not None:
            return window(0, group.sliding_window)
        if self.variant not in group.streams:
            return ALL
        return window(self.sinks, self.recent + (self._mode == "relaxed"))

    @property
    def prefix_namespace(self) -> str | None:
        if self._mode in ("dense", "full"):
            return "dense"
        if self._mode == "relaxed":
            # What upper layers keep depends on where chunks begin, which is not where blocks do.
            return None
        heads = hashlib.blake2b(self.streaming.numpy().tobytes(), digest_size=16).hexdigest()
        return f"duo-strict {heads} {self.sinks} {self.recent}"

    @property
    def description(self) -> str:
        return (
            f"DuoAttention: {int(self.streaming.sum())} of {self.streaming.numel()} KV heads stream by pattern "
            f"{self.pattern.name}, {self.sinks} sinks, {self.recent} recent, prefill {self.prefill}"
        )

    def stretch(self, position: int, prompt_len: int) -> Stretch:
        if position >= prompt_len or self.is_uniform:
            return ENDLESS
        if self._mode == "dense":
            return Stretch(end=prompt_len, since=0)
        start = position // self.prefill.chunk * self.prefill.chunk
        return Stretch(min(start + self.prefill.chunk, prompt_len), max(start - self.recent, 0))

    def longest_stretch(self, prompt_len: int) -> int:
        # A relaxed chunk keeps, besides itself, what was recent when it began.
        longest = {"dense": prompt_len, "relaxed": self.recent + self.prefill.chunk}
        return min(longest.get(self._mode, 0), prompt_len)


def _whole_number(text: str, what: str, least: int) -> int:
    # Longer ones would not fit the kernels' integers.
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < least:
        raise ConfigError(f"{what} must be a whole number from {least} to 999999999, not {text!r}")
    return int(text)


def _prefill(text: str, title: str) -> Prefill:
    mode, _, chunk = text.partition(":")
    if mode == "relaxed":
        return Prefill("relaxed", _whole_number(chunk, f"{title}: the chunk of prefill=relaxed:CHUNK", 1))
    if text == "dense":
        return Prefill("dense")
    if text == "strict":
        return Prefill("strict")
    raise ConfigError(f"{title}: prefill must be dense, strict or relaxed:CHUNK, not {text!r}")


def _pattern(path: str | None, context: PolicyContext, title: str) -> HeadPattern:
    if path == "auto":
        return HeadPattern(context.score_heads(), name="auto")
    if path is not None:
        return read_pattern(Path(path))
    own = context.model_dir / "duo"
    if not (own / GATES_FILE).is_file():
        raise ConfigError(
            f"{title}: the model brings no head pattern ({own / GATES_FILE}); name one with pattern=PATH, have the "
            "heads scored with pattern=auto, or make one with 'rhumb calibrate duo'"
        )
    return read_pattern(own)
