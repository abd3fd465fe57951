"""Finding the gates: which KV heads lose something when they only see sinks and a window.

Xiao et al., "DuoAttention" (2024), with the details of its reference code: one gate for each KV head, beginning at 1;
the loss is the squared distance of the two copies' last hidden states where pass keys are predicted, and 0.05 of the
mean gate; AdamW without weight decay; gates clamped to [0, 1] at the start of every step. Gates are kept in float32,
where the reference has the model's type, so fewer of them tie.

Everything a step does follows from the seed, its number and the state, so that a run that was killed and resumed is
the run that was not: bit for bit on a CPU, up to the order of sums on a GPU.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from server.calibrate.passkeys import Row
from server.calibrate.two_way import TwoWayForward
from server.errors import ConfigError

STATE_FILE = "state.safetensors"
SAVE_EVERY_S = 30.0
LEAST_FACTOR = 0.1
RAMP = 5
"""The learning rate rises over the first fifth of the steps and falls over the last: 400 of 2,000."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How gates are optimised.

    Args:
        lengths: tokens of rows; every step draws one of them.
        reg_weight: what the mean gate counts beside the distillation.
    """

    lengths: tuple[int, ...]
    num_steps: int = 2000
    lr: float = 0.02
    reg_weight: float = 0.05
    seed: int = 42

    def lr_factor(self, step: int) -> float:
        """What the peak learning rate is multiplied by in step 0, 1, ..."""
        ramp = self.num_steps / RAMP
        rising, falling = (step + 1) / ramp, (self.num_steps - step) / ramp
        return min(1.0, max(rising, LEAST_FACTOR), max(falling, LEAST_FACTOR))


def context_lengths(shortest: int, longest: int, count: int) -> tuple[int, ...]:
    """`count` lengths, evenly from the shortest to the longest; equal ones once."""
    return tuple(sorted({round(float(length)) for length in np.linspace(shortest, longest, count)}))


RowMaker = Callable[[int, np.random.Generator], Row]
"""(tokens, draw) -> a row of as many tokens."""


class GateSearch:
    """Optimises the gates of one model.

    Args:
        forward: the model and its gated twin.
        make_row: where the rows come from.
        recipe: how.

    Attributes:
        gates: float32 [layers, kv_heads]; may be slightly outside of [0, 1] after a step.
        step: how many steps are done.
        history: one record a step.
    """

    def __init__(self, forward: TwoWayForward, make_row: RowMaker, recipe: Recipe) -> None:
        self.recipe = recipe
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.gates = torch.ones(forward.shape, device=forward.device, requires_grad=True)
        self._forward = forward
        self._make_row = make_row
        self._optimizer = torch.optim.AdamW([self.gates], lr=recipe.lr, weight_decay=0.0)

    @property
    def is_done(self) -> bool:
        return self.step >= self.recipe.num_steps

    def take_step(self) -> dict[str, float]:
        """One step; returns its record: `step`, `length`, `distill`, `mean_gate` (both before the step), `lr`.

        Raises:
            ConfigError: the row does not fit into memory, or the model gives no finite numbers.
        """
        recipe, gates = self.recipe, self.gates
        draw = np.random.default_rng([recipe.seed, self.step])
        length = int(draw.choice(recipe.lengths))
        row = self._make_row(length, draw)
        lr = recipe.lr * recipe.lr_factor(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        with torch.no_grad():
            gates.clamp_(0.0, 1.0)
        self._optimizer.zero_grad()
        device = self._forward.device
        try:
            states = self._forward(row.token_ids.to(device), gates, row.targets.to(device))
            distance = (states.student.float() - states.reference.float()).square().mean()
            mean_gate = gates.abs().mean()
            (distance + recipe.reg_weight * mean_gate).backward()
        except torch.OutOfMemoryError:
            raise ConfigError(f"a row of {length:,} tokens does not fit on {device}: lower --max-context") from None
        record = {"step": self.step, "length": length, "distill": distance.item(), "mean_gate": mean_gate.item()}
        if not math.isfinite(record["distill"]):
            raise ConfigError(f"step {self.step}: the model's hidden states are not finite; try another --dtype")
        self._optimizer.step()
        self.step += 1
        self.history.append(record | {"lr": lr})
        return self.history[-1]

    def scores(self) -> torch.Tensor:
        """The gates as a pattern has them: float32 [layers, kv_heads] on the CPU, in [0, 1]."""
        return self.gates.detach().clamp(0.0, 1.0).cpu()

    def save(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Write everything that `resume` needs into one file, which is whole at any moment.

        Args:
            settings: JSON values that a run must share to go on from here.
        """
        folder.mkdir(parents=True, exist_ok=True)
        moments = self._optimizer.state[self.gates]
        tensors = {"gates": self.gates.detach(), "first": moments["exp_avg"], "second": moments["exp_avg_sq"]}
        notes = {"settings": json.dumps(settings), "step": str(self.step), "history": json.dumps(self.history)}
        partial = folder / f"{STATE_FILE}.partial"
        save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, partial, notes)
        os.replace(partial, folder / STATE_FILE)

    def resume(self, folder: Path, settings: Mapping[str, Any]) -> bool:
        """Go on from the state in `folder`; False, and nothing changed, if there is none.

        Raises:
            ConfigError: it belongs to a run with other settings, or is damaged.
        """
        path = folder / STATE_FILE
        if not path.is_file():
            return False
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata()
                gates, first, second = (file.get_tensor(name) for name in ("gates", "first", "second"))
            theirs, step, history = json.loads(notes["settings"]), int(notes["step"]), json.loads(notes["history"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); delete it to begin anew") from None
        mine = json.loads(json.dumps(settings))
        changed = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
        if changed:
            told = ", ".join(f"{key} {theirs.get(key)!r}, now {mine.get(key)!r}" for key in changed)
            raise ConfigError(
                f"{folder} holds a run with other settings ({told}); "
                "choose another --output, or begin anew with --restart"
            )
        with torch.no_grad():
            self.gates.copy_(gates)
        device = self.gates.device
        self._optimizer.state[self.gates] = {
            "step": torch.tensor(float(step)),
            "exp_avg": first.to(device),
            "exp_avg_sq": second.to(device),
        }
        self.step, self.history = step, history
        return True


def search(
    gates: GateSearch,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    minutes: float = math.inf,
    on_step: Callable[[Mapping[str, float]], None] = lambda record: None,
    save_every_s: float = SAVE_EVERY_S,
) -> bool:
    """Take steps until all are done or the time is up, saving often enough that little is ever lost.

    Args:
        minutes: of the clock, after which no step begins.
        save_every_s: seconds after which a state is saved, besides at the end.

    Returns:
        Whether all steps are done.
    """
    started = saved = time.monotonic()
    while not gates.is_done and time.monotonic() - started < 60 * minutes:
        on_step(gates.take_step())
        is_last = gates.is_done or time.monotonic() - started >= 60 * minutes
        if is_last or time.monotonic() - saved >= save_every_s:
            gates.save(folder, settings)
            saved = time.monotonic()
    return gates.is_done


def summary(scores: torch.Tensor) -> Sequence[str]:
    """What a pattern looks like, in lines: float32 [layers, kv_heads]."""
    flat = scores.flatten()
    low, middle, high = (float(torch.quantile(flat, share)) for share in (0.25, 0.5, 0.75))
    return (
        f"{scores.shape[0]} layers of {scores.shape[1]} KV heads; mean {float(flat.mean()):.3f}, "
        f"quartiles {low:.3f} {middle:.3f} {high:.3f}",
        f"{float((flat > 0.5).float().mean()):.0%} above one half, {int((flat >= 1).sum())} at 1, "
        f"{int((flat <= 0).sum())} at 0",
    )
