"""The training run: from step to step through the plan's stages, watched by the clock, resumable at every stop.

Everything a step does follows from the seed and the step's number, so that a resumed run goes on as if it had never
stopped: bit for bit on a CPU, and up to the order of sums in attention's backward pass on a GPU.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from server.assets.training.checkpoint import load_checkpoint, read_state, round_to_stored, save_checkpoint
from server.assets.training.crew import Crew
from server.assets.training.curriculum import Part, Plan, Stage, reached
from server.assets.training.evaluate import evaluate_passkey, evaluate_rows, perplexity
from server.assets.training.network import Network
from server.assets.training.optimizer import Optimizer
from server.assets.training.printer import Printer
from server.assets.training.sources import Sources
from server.assets.training.step import Stepper, room_for
from server.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Budget:
    """What ends a run, whichever comes first.

    Args:
        seconds: of the clock, from the start of the process's training, compiling included.
        steps: of this run, rounded up to a whole point of the curves.
        decay_share: last part of the run in which the learning rate falls linearly to nothing.
    """

    seconds: float = float("inf")
    steps: float = float("inf")
    decay_share: float = 0.0

    def used(self, seconds: float, steps: int) -> float:
        """Share of the budget that is gone; 1 and more when it is spent."""
        return max(
            1.0 if self.seconds <= 0 else seconds / self.seconds,
            1.0 if self.steps <= 0 else steps / self.steps,
        )

    def lr_scale(self, used: float) -> float:
        """What the learning rate is multiplied by when so much is used; never quite zero."""
        if self.decay_share <= 0:
            return 1.0
        return min(1.0, max(0.01, (1.0 - used) / self.decay_share))


@dataclass(slots=True)
class Progress:
    """Where a run stands; JSON in a checkpoint.

    Args:
        step: steps taken, of all runs.
        stage: number of the stage in the plan.
        stage_first_step: its first step.
        seconds: of all runs.
        num_tokens: of all steps, padding included.
        drawn: rows taken so far, see `DeviceRows.draw`.
    """

    step: int = 0
    stage: int = 0
    stage_first_step: int = 0
    seconds: float = 0.0
    num_tokens: int = 0
    drawn: dict[str, int] = field(default_factory=dict)


class Trainer:
    """Trains a network along a plan.

    Args:
        network, optimizer: what is trained.
        stepper: takes the steps.
        sources: where batches come from.
        plan: the stages.
        seed: of the order of parts, and of all synthetic tasks.
        printer: shows a line to whoever watches.
        crew: the processes that share every step, the stepper's too.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        stepper: Stepper,
        sources: Sources,
        plan: Plan,
        *,
        seed: int,
        printer: Printer,
        crew: Crew | None = None,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.plan = plan
        self.progress = Progress()
        self.history: dict[str, Any] = {"records": [], "stages": [], "evaluations": [], "runs": []}
        self._stepper = stepper
        self._sources = sources
        self._seed = seed
        self._printer = printer
        self._crew = crew or Crew()

    @property
    def stage(self) -> Stage:
        return self.plan.stages[self.progress.stage]

    def save(self, folder: Path) -> None:
        """Writes a checkpoint; the live state is rounded to what is stored."""
        state = {
            "seed": self._seed,
            "shape": asdict(self.network.shape),
            "pace": asdict(self.optimizer.pace),
            "stage_name": self.stage.name,
            "progress": asdict(self.progress),
            "plan": asdict(self.plan),
        }
        if self._crew.leads:
            save_checkpoint(folder, self.network, self.optimizer, state, self.history)
        else:
            round_to_stored(self.network, self.optimizer)

    def resume(self, folder: Path, *, from_stage: str | None = None) -> None:
        """Goes on where the checkpoint stopped; its plan may have been changed, but not the name of its stage.

        Args:
            folder: the checkpoint.
            from_stage: begins this stage instead.
        """
        state, self.history = read_state(folder)
        load_checkpoint(folder, self.network, self.optimizer)
        self.progress = Progress(**state["progress"])
        self.progress.stage = self.plan.stage_named(from_stage or state["stage_name"])
        if from_stage is not None:
            self.progress.stage_first_step = self.progress.step

    def run(
        self,
        budget: Budget,
        *,
        run_name: str,
        evaluate_every_s: float = float("inf"),
        save_into: Path | None = None,
    ) -> None:
        """Takes steps until the budget is spent; the curves are in `history` afterwards.

        Args:
            budget: what ends the run.
            run_name: of the machine, for the history.
            evaluate_every_s: seconds between evaluations.
            save_into: gets a checkpoint at every evaluation, against accidents; as saving rounds the state, such a run
                is not repeated bit for bit.
        """
        self.network.train()
        started = time.monotonic()
        checked = 0.0
        first_step, seconds_before = self.progress.step, self.progress.seconds
        run: dict[str, Any] = {"name": run_name, "first_step": first_step, "decay_share": budget.decay_share}
        used = budget.used(0.0, 0)
        while used < 1.0:
            lr_scale = budget.lr_scale(used)
            record = self._record(lr_scale)
            elapsed = self._crew.agreed(time.monotonic() - started)
            self.progress.seconds = seconds_before + elapsed
            record["seconds"] = round(self.progress.seconds, 2)
            self.history["records"].append(record)
            used = budget.used(elapsed, self.progress.step - first_step)
            self._printer.show(record, used)
            self._promote()
            if elapsed - checked > evaluate_every_s and used < 1.0:
                if save_into is not None:
                    self.save(save_into)
                self.evaluate()
                checked = self._crew.agreed(time.monotonic() - started)
        if self.progress.step > first_step:
            run |= {"last_step": self.progress.step, "seconds": round(time.monotonic() - started, 1)}
            self.history["runs"].append(run)

    def evaluate(self) -> dict[str, Any]:
        """Judges the network as it is and adds the result to the history."""
        self.network.eval()
        longest = max(part.length for part in self.stage.parts)
        found: dict[str, Any] = {"step": self.progress.step, "stage": self.stage.name}
        sources = self._sources
        if sources.validation is not None:
            found["questions"] = evaluate_rows(
                self.network, sources.validation, tokens_each=sources.validation_tokens, longest=longest
            )
        if sources.held_out_passkey is not None:
            found["passkey"] = evaluate_passkey(
                self.network, sources.held_out_passkey, sources.symbols, longest=longest, trials=sources.passkey_trials
            )
        for name, prose in sources.held_out.items():
            found.setdefault("perplexity", {})[name] = round(perplexity(self.network, prose), 3)
        self.history["evaluations"].append(found)
        self._printer.show_evaluation(found)
        self.network.train()
        return found

    def _record(self, lr_scale: float) -> dict[str, Any]:
        """Takes the steps of one point of the curves; only at its end the host waits for the device."""
        parts = self._parts()
        shares = torch.tensor([part.share for part in parts], dtype=torch.float64)
        sums = torch.zeros(len(parts), 4, device=self.network.embedding.device)
        counts = [0] * len(parts)
        lr = 0.0
        for _ in range(self.plan.record_every):
            warmed = min(1.0, (self.progress.step + 1) / max(1, self.plan.warmup_steps))
            lr = self.plan.peak_lr * self.stage.lr_scale * warmed * lr_scale
            chance = torch.Generator().manual_seed(mixed(self._seed, self.progress.step))
            index = int(torch.multinomial(shares, 1, generator=chance))
            sums[index] += self._step(parts[index], lr)
            counts[index] += 1
        figures = {
            part.name: _figures(values, count)
            for part, values, count in zip(parts, self._crew.total(sums).tolist(), counts, strict=True)
            if count
        }
        return {"step": self.progress.step, "stage": self.stage.name, "lr": round(lr, 8), "parts": figures}

    def _step(self, part: Part, lr: float) -> Tensor:
        rows = self.stage.rows_of(part)
        # Half the seeds belong to the choice of parts, so that no task is drawn from the number that chose it.
        seed = mixed(self._seed, self.progress.step) + 1
        batch, num_targets = self._sources.draw(part, rows, seed, self.progress.drawn)
        share = self._crew.share(batch)
        room = room_for(share.ids.numel(), self._crew.largest_share(num_targets))
        figures = self._stepper.step(share, room, lr)
        self.progress.step += 1
        self.progress.num_tokens += batch.ids.numel()
        return figures

    def _parts(self) -> list[Part]:
        parts = [part for part in self.stage.parts if self._sources.has(part)]
        if not parts:
            raise ConfigError(f"the training set has nothing for the stage {self.stage.name}; make one that has")
        return parts

    def _promote(self) -> None:
        """Begins the next stage if this one has reached its goals, or has had all its steps."""
        stage, progress = self.stage, self.progress
        if progress.stage + 1 == len(self.plan.stages):
            return
        steps = progress.step - progress.stage_first_step
        if steps < stage.min_steps:
            return
        parts = self._parts()
        accuracies = reached(parts, self._stage_records(), self.plan.window)
        # Waiting for a goal that the training set has no rows for would be in vain.
        is_hopeless = any(part.goal is not None for part in stage.parts) and all(part.goal is None for part in parts)
        is_over = is_hopeless or (stage.max_steps is not None and steps >= stage.max_steps)
        if accuracies is None and not is_over:
            return
        entry = {
            "name": stage.name,
            "first_step": progress.stage_first_step,
            "last_step": progress.step,
            "seconds": round(progress.seconds, 1),
            "is_mastered": accuracies is not None,
            "accuracies": {name: round(value, 4) for name, value in (accuracies or {}).items()},
        }
        self.history["stages"].append(entry)
        progress.stage += 1
        progress.stage_first_step = progress.step
        self._printer.show_promotion(entry, self.stage.name)

    def _stage_records(self) -> Iterator[dict[str, Any]]:
        return (record for record in self.history["records"] if record["step"] > self.progress.stage_first_step)


def mixed(seed: int, step: int) -> int:
    """An even number below 2^62 that looks unrelated for every seed and step (SplitMix64, Steele et al., 2014)."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return ((value ^ (value >> 31)) >> 3) << 1


def _figures(values: list[float], count: int) -> dict[str, float]:
    loss_sum, weight_sum, right, answers = values
    return {
        "loss": round(loss_sum / max(weight_sum, 1e-9), 5),
        "accuracy": round(right / max(answers, 1.0), 5),
        "steps": count,
    }
