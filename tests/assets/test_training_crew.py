"""Several processes train what one would."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from server.assets.train import parser, run
from server.assets.training.batch import Batch
from server.assets.training.checkpoint import read_state
from server.assets.training.crew import Crew
from server.assets.training.curriculum import Part, Plan, Stage, plan_to_json
from server.assets.training.curves import read_history
from server.errors import ConfigError, RhumbError

PARTS = (Part("questions", 256), Part("lookup", 64, options={"alphabet": 64}), Part("dialogues", 128))


def arguments(data: Path, out: Path, *more: str):
    command = ["--data", str(data), "--out", str(out), "--device", "cpu", "--smoke", "--no-export", *more]
    return parser().parse_args(command)


def write_plan(path: Path, tokens_per_step: int) -> Path:
    # A learning rate at which rounding, which the order of sums changes, stays small.
    plan = Plan((Stage("all", PARTS, tokens_per_step, max_steps=None),), peak_lr=1e-4, warmup_steps=1, record_every=2)
    path.write_text(plan_to_json(plan))
    return path


def test_two_processes_take_the_steps_of_one_and_go_on_from_its_checkpoint(training_data: Path, tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "plan.json", 1280)
    first, alone, together = (tmp_path / name for name in ("first", "alone", "together"))
    run(arguments(training_data, first, "--plan", str(plan), "--steps", "4"))
    onwards = ("--resume", str(first / "checkpoint"), "--steps", "6")
    run(arguments(training_data, alone, *onwards))
    run(arguments(training_data, together, *onwards, "--processes", "2"))

    (state, _), (expected, _) = read_state(together / "checkpoint"), read_state(alone / "checkpoint")
    for told in (state, expected):
        del told["progress"]["seconds"]
    assert state == expected
    assert state["progress"]["step"] == 10
    history, expected_history = read_history(together / "history.json"), read_history(alone / "history.json")
    assert history["runs"][-1]["name"] == "2 x cpu"
    for record, wanted in zip(history["records"], expected_history["records"], strict=True):
        assert record["parts"].keys() == wanted["parts"].keys()
        for name, figures in record["parts"].items():
            assert figures == pytest.approx(wanted["parts"][name], abs=2e-4)
    file = "checkpoint/state-00.safetensors"
    weights, wanted_weights = load_file(together / file), load_file(alone / file)
    assert weights.keys() == wanted_weights.keys()
    before = load_file(first / file)
    for name in (name for name in weights if name.startswith("weight.")):
        moved = (_value(wanted_weights[name]) - _value(before[name])).abs().max()
        assert (_value(weights[name]) - _value(wanted_weights[name])).abs().max() <= 0.02 * moved, name


def _value(packed: torch.Tensor) -> torch.Tensor:
    """A stored weight, three bytes of a float32, as a number."""
    low = packed.new_zeros((*packed.shape[:-1], 1))
    return torch.cat([low, packed], -1).contiguous().view(torch.float32)[..., 0]


def test_mistakes_end_all_processes_with_one_line(training_data: Path, tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "plan.json", 256)
    out, two = tmp_path / "out", ("--processes", "2")
    with pytest.raises(ConfigError, match="too few for 2 processes"):
        run(arguments(training_data, out, "--plan", str(plan), *two))
    with pytest.raises(ConfigError, match="1 or more"):
        run(arguments(training_data, out, "--processes", "0"))
    plan = write_plan(plan, 1280)
    with pytest.raises(RhumbError, match=r"has no tokenizer\.json") as caught:
        run(arguments(tmp_path / "nowhere", out, "--plan", str(plan), *two))
    assert "\n" not in str(caught.value)


@given(st.integers(1, 5), st.integers(1, 9))
def test_shares_are_the_whole_batch(size: int, rows: int) -> None:
    batch = Batch(torch.arange(rows * 3).view(rows, 3), torch.rand(rows, 3))
    shares = [Crew(rank, size).share(batch) for rank in range(size)]
    assert sorted(int(n) for share in shares for n in share.ids[:, 0]) == batch.ids[:, 0].tolist()
    per_row = np.arange(1, rows + 1)
    assert Crew(0, size).largest_share(per_row) == max(int((s.ids[:, 0] // 3 + 1).sum()) for s in shares)
