"""SkipDecode: the further a token stands in its answer, the fewer layers it runs, the lower ones missing first.

Del Corro et al., "SkipDecode" (2023). A few layers at the bottom warm the token up, then it jumps to the top ones, so
that all tokens end in the same layers. Between `max_layers` and `min_layers` the number falls linearly with the token's
index, or by a power law as in D3 (2025), until the horizon, and stays there. See docs/skip.md.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, Self, get_args

import numpy as np

from server.depth.schedule import ALWAYS, ANY, ExitSchedule, Extent, ScheduleContext
from server.errors import ConfigError

Origin = Literal["generation", "absolute"]
Decay = Literal["linear", "power"]

ARGUMENTS = ("speedup", "max_layers", "min_layers", "warmup", "horizon", "origin", "decay", "force")
DEFAULT_HORIZON = 128
LONGEST_HORIZON = 10**7
FIRST_SHARE = Fraction(5, 4)
"""Layers of the first token for each that a token runs on average, in presets."""

COST = (
    "without that its text falls apart: Llama-3.1-8B went from ROUGE-L 34 to 19 on summaries with an eighth of its "
    "layers left out (AdaSkip, 2025)"
)


@dataclass(frozen=True, slots=True)
class Skip(ExitSchedule):
    """Runs the `warmup` lowest layers and the highest ones, `max_layers` in all at first and `min_layers` in the end.

    Args:
        max_layers: layers that the pass of generated token 0 runs, warm-up included.
        min_layers: layers that are run from the horizon on; at least one above the warm-up.
        warmup: lowest layers, that every token runs.
        horizon: tokens over which the number falls; None for as many as the request may have.
        origin: whether tokens are counted from the first generated one, or from the beginning of the prompt.
        decay: `linear`, or `power`, by the same factor from token to token.
    """

    max_layers: int
    min_layers: int
    warmup: int = 1
    horizon: int | None = DEFAULT_HORIZON
    origin: Origin = "generation"
    decay: Decay = "linear"

    name = "skip"

    @classmethod
    def build(cls, arguments: Mapping[str, str], context: ScheduleContext) -> Self:
        title = f"variant {context.variant!r}"
        unknown = [name for name in arguments if name not in ARGUMENTS]
        if unknown:
            raise ConfigError(f"{title}: skip has no argument {unknown[0]!r}; it takes {', '.join(ARGUMENTS)}")
        carried = None
        if context.carried is not None and context.carried.get("name") == cls.name:
            carried = cls.from_config(context.carried, context.num_layers)
        force = _choice(arguments.get("force", "false"), "force", ("true", "false"), title)
        wanted = {name: value for name, value in arguments.items() if name != "force"}
        if not wanted:
            if carried is None:
                raise ConfigError(
                    f"{title}: this checkpoint carries no exit schedule, so say which, as in skip(speedup=2); and "
                    "fine-tune it first with 'rhumb finetune skip'"
                )
            return carried
        schedule = cls._from_text(wanted, context.num_layers, title)
        if (
            context.is_forced
            or force == "true"
            or schedule == carried
            or schedule.leaves_nothing_out(context.num_layers)
        ):
            return schedule
        taught = "to skip layers" if carried is None else f"for this schedule but for {carried.identity}"
        raise ConfigError(
            f"{title}: this checkpoint was not fine-tuned {taught}, and {COST}; fine-tune it with "
            "'rhumb finetune skip', or insist with --force-skip or skip(..., force=true)"
        )

    @classmethod
    def of_speedup(cls, speedup: float, num_layers: int, **others: Any) -> Self:
        """The preset whose tokens run `num_layers / speedup` layers on average, up to the horizon.

        Args:
            others: `warmup`, `horizon`, `origin` and `decay`.

        Raises:
            ConfigError: the model has too few layers for that.
        """
        fewest = others.get("warmup", 1) + 1
        if not 1 <= speedup <= num_layers / fewest:
            raise ConfigError(
                f"speedup must be a number from 1 to {num_layers / fewest:g} for {num_layers} layers of which at least "
                f"{fewest} run, not {speedup:g}"
            )
        average = Fraction(num_layers) / Fraction(speedup).limit_denominator(1000)
        both = _round(2 * average)
        most = min(num_layers, _round(FIRST_SHARE * average))
        least = max(both - most, fewest)
        return cls(max_layers=max(least, both - least), min_layers=least, **others)

    @classmethod
    def from_config(cls, values: Mapping[str, Any], num_layers: int) -> Self:
        """The schedule that a checkpoint carries: what `to_config` gave.

        Raises:
            ConfigError: it is not one for a model of so many layers.
        """
        texts = {name: str(value) for name, value in values.items() if name != "name"}
        return cls._from_text(texts, num_layers, "the exit schedule in the checkpoint's config.json")

    def to_config(self) -> dict[str, int | str]:
        """What a checkpoint's config says of the schedule that it was fine-tuned for."""
        return {"name": self.name, **asdict(self), "horizon": "max_tokens" if self.horizon is None else self.horizon}

    @classmethod
    def _from_text(cls, texts: Mapping[str, str], num_layers: int, title: str) -> Self:
        unknown = [name for name in texts if name not in ARGUMENTS or name == "force"]
        if unknown:
            raise ConfigError(f"{title}: skip has no parameter {unknown[0]!r}")
        others: dict[str, Any] = {}
        if "warmup" in texts:
            others["warmup"] = _whole_number(texts["warmup"], f"{title}: warmup", 0, num_layers - 1)
        horizon = texts.get("horizon", str(DEFAULT_HORIZON))
        others["horizon"] = (
            None
            if horizon == "max_tokens"
            else _whole_number(horizon, f"{title}: horizon must be max_tokens or", 1, LONGEST_HORIZON)
        )
        others["origin"] = _choice(texts.get("origin", "generation"), "origin", get_args(Origin), title)
        others["decay"] = _choice(texts.get("decay", "linear"), "decay", get_args(Decay), title)
        sizes = [name for name in ("max_layers", "min_layers") if name in texts]
        if "speedup" in texts:
            if sizes:
                raise ConfigError(f"{title}: give either speedup, or max_layers and min_layers")
            try:
                return cls.of_speedup(_number(texts["speedup"]), num_layers, **others)
            except ConfigError as error:
                raise ConfigError(f"{title}: {error}") from None
        if len(sizes) < 2:
            raise ConfigError(f"{title}: give speedup, or both max_layers and min_layers")
        fewest = others.get("warmup", 1) + 1
        least = _whole_number(texts["min_layers"], f"{title}: min_layers", fewest, num_layers)
        most = _whole_number(texts["max_layers"], f"{title}: max_layers", least, num_layers)
        return cls(max_layers=most, min_layers=least, **others)

    def depth(self, generated_index: int, extent: Extent = ANY) -> int:
        """Layers that are run, warm-up included."""
        index = generated_index + (extent.prompt_len if self.origin == "absolute" else 0)
        horizon = self._horizon(extent)
        more = range(self.min_layers + 1, self.max_layers + 1)
        return self.min_layers + sum(index <= self._last(num_layers, horizon) for num_layers in more)

    def runs(self, layer: int, depth: int, num_layers: int) -> bool:
        return layer < self.warmup or layer >= num_layers - (depth - self.warmup)

    def stops(self, num_layers: int, extent: Extent = ANY) -> np.ndarray:
        horizon = self._horizon(extent)
        before = extent.prompt_len if self.origin == "absolute" else 0
        stops = np.zeros(num_layers, dtype=np.int64)
        stops[: self.warmup] = ALWAYS
        stops[num_layers - (self.min_layers - self.warmup) :] = ALWAYS
        for depth in range(self.min_layers + 1, self.max_layers + 1):
            # The layer that runs at this depth and at no smaller one.
            stops[num_layers - (depth - self.warmup)] = max(self._last(depth, horizon) + 1 - before, 0)
        return stops

    def boundaries(self, num_layers: int) -> tuple[int, ...]:
        tops = range(num_layers - (self.max_layers - self.warmup), num_layers - (self.min_layers - self.warmup) + 1)
        return tuple(sorted({0, self.warmup, *tops}))

    def leaves_nothing_out(self, num_layers: int) -> bool:
        """Whether it is full depth under another name."""
        return self.min_layers == num_layers

    @property
    def identity(self) -> str:
        listed = ", ".join(f"{name}={value}" for name, value in self.to_config().items() if name != "name")
        return f"skip({listed})"

    def describe(self, num_layers: int) -> str:
        span = "max_tokens" if self.horizon is None else f"{self.horizon}"
        since = "generated tokens" if self.origin == "generation" else "positions"
        return (
            f"SkipDecode: {self.max_layers} of {num_layers} layers, falling to {self.min_layers} over {span} {since} "
            f"({self.decay}), {num_layers / self.mean_layers():.2f} times fewer on average; the lowest "
            f"{self.warmup} always"
        )

    def mean_layers(self) -> float:
        """Layers that a token runs on average, from the origin to the horizon."""
        horizon = self.horizon or 1000
        return self.min_layers + sum(
            min(self._last(depth, horizon) + 1, horizon) / horizon
            for depth in range(self.min_layers + 1, self.max_layers + 1)
        )

    def _horizon(self, extent: Extent) -> int:
        if self.horizon is not None:
            return self.horizon
        if extent.max_tokens is None:
            raise ConfigError("this schedule's horizon follows max_tokens, which is not known here")
        return max(extent.max_tokens, 1) + (extent.prompt_len if self.origin == "absolute" else 0)

    def _last(self, depth: int, horizon: int) -> int:
        """The last token, counted from the origin, that still runs `depth` layers; `depth` is above `min_layers`.

        Rounded half up: `depth` layers run while the exact number is at least depth - 1/2.
        """
        most, least = self.max_layers, self.min_layers
        if self.decay == "linear":
            return horizon * (2 * (most - depth) + 1) // (2 * (most - least))
        return math.floor(horizon * (math.log(most / (depth - 0.5)) / math.log(most / least)))


def _round(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"speedup must be a number such as 2, not {text!r}")
    return value


def _whole_number(text: str, what: str, least: int, most: int) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
        must = "" if "must be" in what else " must be"
        raise ConfigError(f"{what}{must} a whole number from {least} to {most}, not {text!r}")
    return int(text)


def _choice(text: str, name: str, known: tuple[str, ...], title: str) -> Any:
    if text not in known:
        raise ConfigError(f"{title}: {name} must be {' or '.join(known)}, not {text!r}")
    return text
