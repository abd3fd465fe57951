"""A run can stop anywhere and go on as if it had not, learns in stages, and works from the command line."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import LlamaForCausalLM

from server.assets.card import card_of
from server.assets.train import parser, run
from server.assets.training.checkpoint import MAX_FILE_BYTES, load_checkpoint, read_state
from server.assets.training.curriculum import (
    Part,
    Plan,
    Stage,
    default_plan,
    load_plan,
    plan_from_json,
    plan_to_json,
    reached,
)
from server.assets.training.curves import draw_curves, points_of, read_history
from server.assets.training.export import config_of
from server.assets.training.loop import Budget, Trainer, mixed
from server.assets.training.network import Network, Shape
from server.assets.training.optimizer import Optimizer, Pace
from server.assets.training.printer import Printer
from server.assets.training.sources import Sources
from server.assets.training.step import Stepper
from server.assets.training.symbols import plain_symbols
from server.errors import ConfigError

SHAPE = Shape(
    vocab_size=64, hidden_size=32, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=16, intermediate_size=48
)
COPYING = Part("copying", 24, options={"alphabet": 16})
LOOKUP = Part("lookup", 24, options={"alphabet": 16})


def trainer(plan: Plan, *, uses_muon: bool = True) -> Trainer:
    network = Network(SHAPE, seed=0)
    optimizer = Optimizer(network, Pace(uses_muon=uses_muon))
    stepper = Stepper(network, optimizer)
    sources = Sources(plain_symbols(SHAPE.vocab_size), 0)
    return Trainer(network, optimizer, stepper, sources, plan, seed=0, printer=Printer(has_bar=False))


def tensors(run: Trainer) -> dict[str, torch.Tensor]:
    return {**dict(run.network.named_parameters()), **run.optimizer.state()}


def without_clock(history: dict) -> list[dict]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history["records"]]


TWO_STAGES = Plan(
    (
        Stage("first", (COPYING, LOOKUP), 192, min_steps=4, max_steps=8),
        Stage("second", (LOOKUP,), 192, max_steps=None),
    ),
    record_every=2,
    window=1,
)


@pytest.mark.parametrize("uses_muon", [True, False])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path, uses_muon: bool) -> None:
    whole = trainer(TWO_STAGES, uses_muon=uses_muon)
    whole.run(Budget(steps=6), run_name="cpu")
    whole.save(tmp_path)
    whole.run(Budget(steps=6), run_name="cpu")

    resumed = trainer(TWO_STAGES, uses_muon=uses_muon)
    resumed.resume(tmp_path)
    resumed.run(Budget(steps=6), run_name="cpu")
    assert resumed.progress.step == whole.progress.step == 12
    assert resumed.stage.name == "second"
    for name, tensor in tensors(whole).items():
        assert torch.equal(tensors(resumed)[name], tensor), name
    assert without_clock(resumed.history) == without_clock(whole.history)
    assert resumed.progress.drawn == whole.progress.drawn


def test_a_run_by_the_clock_saves_on_its_way(tmp_path: Path) -> None:
    run = trainer(TWO_STAGES)
    run.run(Budget(steps=6), run_name="cpu", evaluate_every_s=0.0, save_into=tmp_path)
    # After the last point nothing is left to guard: whoever called saves.
    assert read_state(tmp_path)[0]["progress"]["step"] == 4
    assert [found["step"] for found in run.history["evaluations"]] == [2, 4]


def test_what_is_stored_is_small_and_close_to_what_was_there(tmp_path: Path) -> None:
    run = trainer(TWO_STAGES)
    run.run(Budget(steps=4), run_name="cpu")
    exact = {name: tensor.detach().clone() for name, tensor in tensors(run).items()}
    run.save(tmp_path)
    for name, tensor in tensors(run).items():
        largest = float(exact[name].abs().max())
        step = 2.0**-16 if not name.startswith(("first.", "second.")) else 1 / 127
        assert float((tensor.detach() - exact[name]).abs().max()) <= step * largest
    assert float(run.optimizer.state()["num_steps"]) == 4
    state, _ = read_state(tmp_path)
    assert state["stage_name"] == "first"


def test_the_embedded_models_checkpoint_is_carried_in_small_files(tmp_path: Path) -> None:
    network = Network(Shape(), seed=0)
    run = Trainer(
        network,
        Optimizer(network, Pace()),
        Stepper(network, Optimizer(network, Pace())),
        Sources(plain_symbols(4096), 0),
        TWO_STAGES,
        seed=0,
        printer=Printer(has_bar=False),
    )
    run.save(tmp_path)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert max(sizes) <= MAX_FILE_BYTES + 4096
    assert sum(sizes) <= 50 * 2**20
    assert len(sizes) <= 8


def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(tmp_path: Path) -> None:
    run = trainer(TWO_STAGES)
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        run.resume(tmp_path)
    run.save(tmp_path)
    network = Network(replace(SHAPE, hidden_size=16), seed=0)
    with pytest.raises(ConfigError, match="cannot be used here"):
        load_checkpoint(tmp_path, network, Optimizer(network, Pace()))
    with pytest.raises(ConfigError, match="cannot be used here"):
        load_checkpoint(tmp_path, run.network, Optimizer(run.network, Pace(uses_muon=False)))
    (tmp_path / "state-00.safetensors").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="cannot be used here"):
        run.resume(tmp_path)
    (tmp_path / "state.json").write_text('{"format": "rhumb.training/0"}')
    with pytest.raises(ConfigError, match=r"rhumb\.training/0"):
        run.resume(tmp_path)


def point(**accuracies: float) -> dict:
    return {"parts": {name: {"accuracy": value} for name, value in accuracies.items()}}


def test_a_stage_ends_when_all_its_goals_are_reached_over_the_whole_window() -> None:
    copying = Part("copying", 8, goal=0.9)
    parts = (copying, Part("lookup", 8, goal=0.5), Part("books", 8))
    good = point(**{"copying@8": 0.95, "lookup@8": 0.6, "books@8": 0.1})
    bad = point(**{"copying@8": 0.7, "lookup@8": 0.6, "books@8": 0.1})
    assert reached(parts, [good, good], 2) == {"copying@8": 0.95, "lookup@8": 0.6}
    assert reached(parts, [bad, good, good], 2) is not None
    assert reached(parts, [good, bad], 2) is None
    assert reached(parts, [good], 2) is None
    assert reached(parts, [point(**{"copying@8": 1.0})] * 3, 2) is None
    assert reached((Part("books", 8),), [good] * 9, 2) is None


def test_stages_are_promoted_by_accuracy_and_never_for_their_time_alone() -> None:
    never = Part("lookup", 24, goal=1.1, options={"alphabet": 16})
    easy = Part("copying", 24, goal=0.0, options={"alphabet": 16})
    absent = Part("questions", 128, goal=0.5)
    stages = (
        Stage("a", (easy,), 96, min_steps=4),
        Stage("b", (never,), 96, min_steps=2, max_steps=6),
        Stage("c", (easy, replace(never, goal=None), absent), 96, min_steps=2),
        Stage("d", (replace(easy, goal=None), absent), 96, min_steps=4),
        Stage("e", (never,), 96),
    )
    run = trainer(Plan(stages, record_every=2, window=2))
    run.run(Budget(steps=20), run_name="cpu")
    told = [(e["name"], e["last_step"] - e["first_step"], e["is_mastered"]) for e in run.history["stages"]]
    # b has had all its steps, and there is nothing to draw for d's goal; the last one stays, as there is none after it.
    assert told == [("a", 4, True), ("b", 6, False), ("c", 4, True), ("d", 4, False)]
    assert run.stage.name == "e"


def test_the_learning_rate_warms_up_and_falls_at_the_end() -> None:
    plan = replace(TWO_STAGES, warmup_steps=4, peak_lr=0.01)
    run = trainer(plan)
    run.run(Budget(steps=20, decay_share=0.5), run_name="cpu")
    rates = [record["lr"] for record in run.history["records"]]
    assert rates[:5] == pytest.approx([0.005, 0.01, 0.01, 0.01, 0.01])
    assert rates[5:] == pytest.approx([0.01, 0.008, 0.006, 0.004, 0.002])


def test_a_plan_survives_its_file_and_mistakes_are_named(tmp_path: Path) -> None:
    plan = default_plan()
    assert plan_from_json(plan_to_json(plan)) == plan
    assert len({part.name for part in plan.stages[-1].parts}) == len(plan.stages[-1].parts)
    facts = json.loads(plan_to_json(plan))
    facts["stages"][0]["parts"][0]["task"] = "juggling"
    with pytest.raises(ConfigError, match="juggling"):
        plan_from_json(json.dumps(facts))
    with pytest.raises(ConfigError, match="--print-plan"):
        plan_from_json('{"stages": [{"title": "x", "parts": []}]}')
    with pytest.raises(ConfigError, match="cannot read the plan"):
        load_plan(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="no stage 'x'"):
        plan.stage_named("x")


def test_seeds_of_steps_are_all_different() -> None:
    seeds = {mixed(seed, step) for seed in range(20) for step in range(500)}
    assert len(seeds) == 10_000
    assert all(seed % 2 == 0 and 0 <= seed < 2**62 for seed in seeds)


def test_curves_hold_what_was_recorded_and_become_a_picture(tmp_path: Path) -> None:
    run = trainer(TWO_STAGES)
    run.run(Budget(steps=12), run_name="cpu")
    points = points_of(run.history, "loss", bins=1000)
    assert points["lookup"][0][-1] == 12
    last = run.history["records"][-1]["parts"]
    assert points["lookup"][1][-1] == last[LOOKUP.name]["loss"]
    for name in ("curves.svg", "curves.png"):
        draw_curves(run.history, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
    first = (tmp_path / "curves.svg").read_bytes()
    draw_curves(run.history, tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_bytes() == first
    with pytest.raises(ConfigError, match=r"no history\.json"):
        read_history(tmp_path / "curves.svg")


def test_a_tiny_model_is_trained_resumed_and_exported_from_the_command_line(
    training_data: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "server.assets.train", "--data", str(training_data), "--device", "cpu", "--smoke"]
    out = tmp_path / "first"
    done = subprocess.run([*command, "--out", str(out), "--steps", "12"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "copying is mastered" in done.stderr
    history = read_history(out / "history.json")
    assert history["records"][-1]["step"] == 12
    assert {"questions", "passkey", "perplexity"} <= history["evaluations"][-1].keys()

    again = [
        "--out",
        str(tmp_path / "second"),
        "--resume",
        str(out / "checkpoint"),
        "--steps",
        "4",
        "--decay-share",
        "1",
    ]
    run(parser().parse_args([*command[3:], *again]))
    state, history = read_state(tmp_path / "second" / "checkpoint")
    assert state["progress"]["step"] == 16
    assert [entry["last_step"] for entry in history["runs"]] == [12, 16]
    # Without any time the checkpoint is only judged and exported, and stays what it is.
    again = ["--out", str(tmp_path / "third"), "--resume", str(tmp_path / "second" / "checkpoint"), "--minutes", "0"]
    run(parser().parse_args([*command[3:], *again]))
    for name in ("checkpoint/state-00.safetensors", "model/model.safetensors"):
        assert (tmp_path / "third" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert read_history(tmp_path / "third" / "history.json")["runs"] == history["runs"]
    model = LlamaForCausalLM.from_pretrained(tmp_path / "second" / "model")
    with safe_open(tmp_path / "second" / "model" / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118
    assert model.config.hidden_size == 32


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--device", "cpu"], "--data"),
        (["--data", "nowhere", "--out", "x", "--device", "cpu"], "nowhere"),
        (["--data", "nowhere", "--out", "x", "--resume", "nowhere", "--device", "cpu"], "state.json"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        run(parser().parse_args(arguments))
    assert "\n" not in str(caught.value)


def test_a_card_tells_the_course_and_the_figures() -> None:
    run = trainer(TWO_STAGES)
    run.run(Budget(steps=12), run_name="one device")
    state = {
        "shape": asdict(SHAPE),
        "pace": asdict(Pace()),
        "plan": asdict(TWO_STAGES),
        "stage_name": run.stage.name,
        "progress": asdict(run.progress),
    }
    figures = {"accuracy": 0.9, "num_counted": 40, "interval": {"low": 0.77, "high": 0.96}}
    evaluation = {
        "variants": ["full", "window"],
        "summary": [
            {"measure": "map: text", "variant": "full", **figures},
            {"measure": "map: text", "variant": "window", **figures},
        ],
        "breakdowns": [{"measure": "map: text", "by": "length", "value": 1024, "variant": "full", **figures}],
    }
    manifest = {"held_out_titles": ["Oroonoko"]}
    card = card_of(config_of(SHAPE, 0), state, run.history, manifest, [evaluation], [("Hello!", "Hello.")])
    assert f"| parameters | {Network(SHAPE, seed=0).num_parameters:,}, stored in bfloat16 |" in card
    assert "| first | 8 | no | - |" in card
    assert card.count("| map: text | all | 40 | 90.0% | 77.0% to 96.0% |") == 1
    assert "|  | 1,024 | 40 | 90.0% | 77.0% to 96.0% |" in card
    assert "*Oroonoko*" in card
    assert "> **Hello!** Hello." in card
