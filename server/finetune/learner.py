"""Learner: takes steps, and keeps what is needed to go on.

AdamW, the learning rate rising over the first steps and then falling along a cosine; loss on response tokens only, the
mean over all tokens of a step's rows. Everything a step does follows from the seed and the state, so that a run that
was killed and resumed is the run that was not: bit for bit on a CPU, up to the order of sums on a GPU.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from server.errors import ConfigError
from server.finetune.feed import Feed
from server.finetune.forward import ScheduledForward
from server.finetune.rows import Reach, RowBatch, parts_of

STATE_FILE = "state.safetensors"
CLIP_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How weights are learned.

    Args:
        lr: peak learning rate.
        batch: rows of a step.
        pass_tokens: positions that are computed together, padding included; changes memory, speed and rounding only.
        warmup: share of the steps in which the learning rate rises.
    """

    num_steps: int
    lr: float
    batch: int
    pass_tokens: int
    warmup: float = 0.03
    weight_decay: float = 0.0

    def lr_factor(self, step: int) -> float:
        """What the peak learning rate is multiplied by in step 0, 1, ..."""
        rising = max(1, round(self.warmup * self.num_steps))
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising + 1) / (self.num_steps - rising + 1)))


class Learner:
    """Teaches a model its schedule.

    Args:
        forward: the model; what its parameters with `requires_grad` hold is learned.
        reach: the schedule.
        feed: where rows come from.
        recipe: how.

    Attributes:
        step: how many steps are done.
        history: `steps` with one record each, and `evaluations`.
    """

    def __init__(self, forward: ScheduledForward, reach: Reach, feed: Feed, recipe: Recipe) -> None:
        self.forward = forward
        self.reach = reach
        self.recipe = recipe
        self.step = 0
        self.history: dict[str, list[dict[str, Any]]] = {"steps": [], "evaluations": []}
        self._feed = feed
        self._cursor = 0
        self._learned = {name: weight for name, weight in forward.model.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._learned.values(), lr=recipe.lr, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
        )

    @property
    def is_done(self) -> bool:
        return self.step >= self.recipe.num_steps

    @property
    def num_learned(self) -> int:
        """Numbers that are learned."""
        return sum(weight.numel() for weight in self._learned.values())

    @property
    def num_passed_over(self) -> int:
        """Examples that were too long."""
        return self._cursor - self.step * self.recipe.batch

    def take_step(self) -> dict[str, Any]:
        """One step; returns its record: `step`, `loss` and `accuracy` (before the step), `tokens`, `lr`, `norm`.

        Raises:
            ConfigError: rows do not fit into memory, or the loss is not finite.
        """
        recipe = self.recipe
        rows, cursor = self._feed.take(self._cursor, recipe.batch)
        num_targets = sum(row.num_targets for row in rows)
        lr = recipe.lr * recipe.lr_factor(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.zero_grad()
        device = self.forward.device
        cost, num_right = torch.zeros((), device=device), torch.zeros((), device=device)
        try:
            for part in parts_of(rows, recipe.pass_tokens):
                costs, is_right = self.forward.losses(RowBatch.of(part, device), self.reach)
                (costs.sum() / num_targets).backward()
                cost += costs.detach().sum()
                num_right += is_right.sum()
            norm = float(torch.nn.utils.clip_grad_norm_(self._learned.values(), CLIP_NORM))
            loss = cost.item() / num_targets
            if not math.isfinite(loss) or not math.isfinite(norm):
                raise ConfigError(f"step {self.step}: the loss is not finite; lower --lr, or try --dtype float32")
            self._optimizer.step()
        except torch.OutOfMemoryError:
            raise ConfigError(
                f"{recipe.pass_tokens:,} tokens at once do not fit on {device} beside the weights: "
                "lower --pass-tokens or --max-length, or learn by --lora"
            ) from None
        record = {"step": self.step, "loss": loss, "accuracy": num_right.item() / num_targets, "tokens": num_targets}
        self.step += 1
        self._cursor = cursor
        self.history["steps"].append(record | {"lr": lr, "norm": norm})
        return self.history["steps"][-1]

    def save(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Write everything that `resume` needs into one file, which is whole at any moment; after one step or more.

        Args:
            settings: JSON values that a run must share to go on from here.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for name, weight in self._learned.items():
            moments = self._optimizer.state[weight]
            tensors[f"weight.{name}"] = weight.detach().cpu()
            tensors[f"first.{name}"] = moments["exp_avg"].cpu()
            tensors[f"second.{name}"] = moments["exp_avg_sq"].cpu()
        notes = {
            "settings": json.dumps(settings),
            "step": str(self.step),
            "cursor": str(self._cursor),
            "history": json.dumps(self.history),
        }
        partial = folder / f"{STATE_FILE}.partial"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, notes)
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
                theirs, history = json.loads(notes["settings"]), json.loads(notes["history"])
                step, cursor = int(notes["step"]), int(notes["cursor"])
                _check_same(path.parent, theirs, json.loads(json.dumps(settings)))
                for name, weight in self._learned.items():
                    with torch.no_grad():
                        weight.copy_(file.get_tensor(f"weight.{name}"))
                    self._optimizer.state[weight] = {
                        "step": torch.tensor(float(step)),
                        "exp_avg": file.get_tensor(f"first.{name}").to(weight.device),
                        "exp_avg_sq": file.get_tensor(f"second.{name}").to(weight.device),
                    }
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); begin anew with --restart") from None
        self.step, self._cursor, self.history = step, cursor, history
        return True


def _check_same(folder: Path, theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    changed = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
    if changed:
        told = ", ".join(f"{key} {theirs.get(key)!r}, now {mine.get(key)!r}" for key in changed)
        raise ConfigError(
            f"{folder} holds a run with other settings ({told}); choose another --output, or begin anew with --restart"
        )
