"""A run can stop anywhere and go on as if it had not, learns in stages, and works from the command line."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from server.assets.card import card_of
from server.assets.train import parser, run
from server.assets.training.arrays import save_arrays
from server.assets.training.batch import Batch, find_targets
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
from server.assets.training.evaluate import answers_right
from server.assets.training.export import config_of
from server.assets.training.loop import Budget, Trainer, mixed
from server.assets.training.network import Network, Shape
from server.assets.training.optimizer import Optimizer, Pace
from server.assets.training.passkey import Passkey
from server.assets.training.printer import Printer
from server.assets.training.rows import DeviceRows, Prose
from server.assets.training.shards import WEIGHT_ONE, Kind, Row, Shard
from server.assets.training.sources import Sources, open_sources
from server.assets.training.step import Stepper, loss_of, room_for
from server.assets.training.symbols import plain_symbols, symbols_of
from server.assets.training.tasks import Draw
from server.assets.training.tokenizer import save_tokenizer, train_tokenizer
from server.errors import ConfigError

TEXT = (
    "The rain had stopped, and the old man went out into the garden to look at his roses. He had lived in that house "
    "for thirty years, and he knew every stone of the path. - Phone: +1 506 555 0629. It is 109 m away.\n\n"
)
SHAPE = Shape(
    vocab_size=64, hidden_size=32, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=16, intermediate_size=48
)
COPYING = Part("copying", 24, options={"alphabet": 16})
LOOKUP = Part("lookup", 24, options={"alphabet": 16})


def row(tokenizer: Tokenizer, question: str, reply: str, kind: Kind) -> Row:
    given = tokenizer.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids
    said = tokenizer.encode(f"{reply}<|im_end|>").ids
    weights = [10] * len(given) + [WEIGHT_ONE] * len(said) + [0]
    return Row(np.array([*given, *said, 0], np.uint16), np.array(weights, np.uint8), kind)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training set of a few rows."""
    folder = tmp_path_factory.mktemp("data")
    tokenizer = train_tokenizer([TEXT], 400)
    save_tokenizer(tokenizer, folder)
    stream = np.array(tokenizer.encode(TEXT * 60).ids, np.uint16)
    save_arrays(folder / "text.arrays", {"books": stream, "held_out": stream[:1500], "wikitext": stream[:0]})
    for name, count in (("questions", 12), ("validation", 4), ("dialogues", 5)):
        kinds = (Kind.VERBATIM, Kind.JSON, Kind.NONE, Kind.TOOLS)
        rows = [row(tokenizer, TEXT * (1 + i % 3), f"It is {i} m.", kinds[i % 4]) for i in range(count)]
        Shard.of(rows).save(folder / f"{name}.shard")
    (folder / "manifest.json").write_text("{}")
    return folder


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


def test_every_part_of_the_default_plan_can_be_drawn(data: Path) -> None:
    sources, _ = open_sources(data, torch.device("cpu"), seed=0)
    seen = set()
    for part in (part for stage in default_plan().stages for part in stage.parts):
        kind = (part.task, part.options.get("style"))
        if kind not in seen and part.length <= 1024 and sources.has(part):
            seen.add(kind)
            batch, num_targets = sources.draw(part, 2, 1, {})
            assert batch.ids.shape == (2, part.length)
            assert 0 < int((batch.weights[:, 1:] > 0).sum()) <= num_targets
    assert {task for task, _ in seen} >= {"copying", "lookup", "records", "smallest", "passkey", "books", "questions"}


def test_rows_come_once_each_before_any_comes_again(data: Path) -> None:
    shard = Shard.open(data / "questions.shard")
    rows = DeviceRows(shard, torch.device("cpu"), "questions")
    numbers = rows.rows_of(256)
    assert len(numbers) >= 3
    texts = {tuple(shard.row(int(n))[0].tolist()): int(n) for n in numbers}

    def drawn_in(seed: int) -> Iterator[int]:
        drawn: dict[str, int] = {}
        for _ in range(4):
            batch, _ = rows.draw(Draw(plain_symbols(64), len(numbers) - 1, 256, 0), drawn, seed=seed)
            for ids in batch.ids.tolist():
                yield next(number for text, number in texts.items() if tuple(ids[: len(text)]) == text)

    order = list(drawn_in(0))
    for first in range(0, len(order) - len(numbers) + 1, len(numbers)):
        assert Counter(order[first : first + len(numbers)]) == Counter(numbers.tolist())
    assert order == list(drawn_in(0)) != list(drawn_in(1))


def test_rows_are_padded_weighed_and_chosen_by_kind(data: Path) -> None:
    shard = Shard.open(data / "questions.shard")
    rows = DeviceRows(shard, torch.device("cpu"), "questions")
    for only, has_flags in (
        ("", lambda kind: True),
        ("VERBATIM", lambda kind: bool(kind & Kind.VERBATIM)),
        ("!JSON+!TOOLS", lambda kind: not kind & (Kind.JSON | Kind.TOOLS)),
    ):
        wanted = [i for i in range(shard.rows) if 128 < shard.lengths[i] <= 256 and has_flags(shard.kinds[i])]
        assert rows.rows_of(256, only).tolist() == wanted
    number = rows.rows_of(256)[:1]
    ids, weights = shard.row(int(number[0]))
    batch = rows.take(number, 256)
    assert batch.ids[0].tolist() == ids.tolist() + [0] * (256 - len(ids))
    assert batch.weights[0].tolist() == pytest.approx([w / WEIGHT_ONE for w in weights] + [0] * (256 - len(ids)))
    assert rows.num_targets(number) == int((weights > 0).sum())
    judged = rows.take(number, 256, min_weight=1.0).weights[0]
    assert int((judged > 0).sum()) == rows.num_targets(number, min_weight=1.0) == int((weights == WEIGHT_ONE).sum())


@pytest.mark.parametrize("depth", [None, 0.0, 1.0])
def test_a_passkey_stands_in_the_book_and_is_asked_for_at_the_end(data: Path, depth: float | None) -> None:
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    symbols = symbols_of(tokenizer)
    passkey = Passkey(
        tokenizer, symbols, Prose(np.array(tokenizer.encode(TEXT * 60).ids, np.uint16), torch.device("cpu"))
    )
    for seed in range(4):
        batch = passkey.one(Draw(symbols, 2, 256, seed), depth=depth)
        for ids, weights in zip(batch.ids, batch.weights, strict=True):
            key = tokenizer.decode(ids[weights == 1].tolist())
            told, _, reply = tokenizer.decode(ids.tolist(), skip_special_tokens=False).partition("<|im_end|>\n")
            assert key.isdigit()
            assert 5 <= len(key) <= 7
            assert f" {key}" in told
            assert reply.startswith(f"<|im_start|>assistant\n{key}<|im_end|>")
            if depth is not None:
                assert (told.index(key) < len(told) / 3) == (depth == 0.0)
    batch = passkey.several(Draw(symbols, 2, 512, 0), count=3)
    for ids in batch.ids:
        told, *turns = tokenizer.decode(ids.tolist(), skip_special_tokens=False).split(
            "<|im_end|>\n<|im_start|>assistant\n"
        )
        questions = [told, *turns][:3]
        for question, reply in zip(questions, turns, strict=True):
            name = question.rsplit("What is the pass key of", 1)[1].removesuffix("?")
            assert f"The pass key of{name} is {reply.partition('<|im_end|>')[0]}." in told


def test_an_answer_is_right_only_if_all_its_tokens_are() -> None:
    class Parrot(Network):
        """Predicts the token after the one it sees."""

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(ids + 1, 64).float()

        def logits(self, hidden: torch.Tensor) -> torch.Tensor:
            return hidden

    ids = torch.tensor([[1, 2, 3, 9, 10, 11, 4], [5, 7, 8, 20, 21, 30, 31]])
    weights = torch.tensor([[0, 1, 1, 0.1, 1, 1, 0], [0, 1, 1, 0.1, 1, 0, 1]])
    # Row 1: "2 3" right, "10 11" right. Row 2: "7 8" wrong at 7, "21" right, "31" right.
    assert answers_right(Parrot(SHAPE, seed=0), Batch(ids, weights)) == (4, 5)


def test_the_loss_is_the_weighted_mean_over_targets_whatever_the_room() -> None:
    network = Network(SHAPE, seed=0)
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.randint(64, (3, 16), generator=generator), torch.rand(3, 16, generator=generator).round(decimals=1)
    )
    hidden = network(batch.ids)
    logits = network.logits(hidden)[:, :-1].flatten(0, 1)
    losses = torch.nn.functional.cross_entropy(logits, batch.ids[:, 1:].flatten(), reduction="none")
    weights = batch.weights[:, 1:].flatten()
    for room in (45, 48, 60):
        loss, figures = loss_of(network, hidden.flatten(0, 1), find_targets(batch, room))
        torch.testing.assert_close(loss, (losses * weights).sum() / weights.sum())
        assert float(figures[1]) == pytest.approx(float(weights.sum()))
    assert [room_for(1600, count) for count in (100, 101, 400, 401, 1600)] == [100, 400, 400, 1600, 1600]


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


def test_a_tiny_model_is_trained_resumed_and_exported_from_the_command_line(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server.assets.train", "--data", str(data), "--device", "cpu", "--smoke"]
    out = tmp_path / "first"
    done = subprocess.run([*command, "--out", str(out), "--steps", "24"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "copying is mastered" in done.stderr
    history = read_history(out / "history.json")
    assert history["records"][-1]["step"] == 24
    assert {"questions", "passkey", "perplexity"} <= history["evaluations"][-1].keys()

    again = [
        "--out",
        str(tmp_path / "second"),
        "--resume",
        str(out / "checkpoint"),
        "--steps",
        "6",
        "--decay-share",
        "1",
    ]
    run(parser().parse_args([*command[3:], *again]))
    state, history = read_state(tmp_path / "second" / "checkpoint")
    assert state["progress"]["step"] == 30
    assert [entry["last_step"] for entry in history["runs"]] == [24, 30]
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
