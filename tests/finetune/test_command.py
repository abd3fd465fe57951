"""The whole command: what it writes is a checkpoint that carries its schedule, and what it says of bad input."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from server.api.templates import ChatTemplate
from server.cli import main
from server.depth.carried import carried_schedule
from server.depth.schedule import ScheduleContext
from server.depth.skip import Skip
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.finetune.command import run
from server.finetune.examples import Encoder, hold_out, read_examples
from server.finetune.learner import Learner
from server.finetune.options import parser
from server.finetune.progress import Progress
from server.finetune.rows import Row
from tests.models.dense import load
from tests.oracle import Oracle

FLAG = re.compile(r"--[a-z][\w-]+")
SMALL = ("--steps", "4", "--batch", "4", "--lr", "0.005", "--eval-every", "2", "--eval-rows", "2", "--disable-tqdm")


def dense_loss(checkpoint: Path, row: Row, schedule: Skip) -> float:
    """Nats a response token, by the dense model that all of the engine is held to."""
    num_layers, num_positions = 8, row.num_positions
    runs = torch.ones(num_layers, num_positions, dtype=torch.bool)
    for position in range(row.prompt_len, num_positions):
        depth = schedule.depth(position - row.prompt_len)
        runs[:, position] = torch.tensor([schedule.runs(layer, depth, num_layers) for layer in range(num_layers)])
    logits = Oracle.from_directory(checkpoint).logits(row.token_ids[:-1], layer_mask=runs)[row.prompt_len - 1 :]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(row.token_ids[row.prompt_len :])).item()


def teach(model: Path, data: Path, output: Path, *more: object) -> None:
    assert run(["skip", str(model), "--data", str(data), "--output", str(output), *SMALL, *map(str, more)]) == 0


def test_the_output_is_a_whole_checkpoint_that_carries_its_schedule(thin_llama, sayings, tmp_path, capsys):
    output = tmp_path / "out"
    teach(thin_llama, sayings, output, "--speedup", 2)
    schedule = Skip.of_speedup(2, 8)
    context = ScheduleContext("skip", 8, carried_schedule(output))
    assert Skip.build({}, context) == schedule
    config, before = (json.loads((folder / "config.json").read_text()) for folder in (output, thin_llama))
    assert config == before | {"rhumb_exit_schedule": schedule.to_config()}
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (output / name).read_bytes() == (thin_llama / name).read_bytes()
    weights, original = (load_file(folder / "model.safetensors") for folder in (output, thin_llama))
    assert {name: (w.shape, w.dtype) for name, w in weights.items()} == {
        name: (w.shape, w.dtype) for name, w in original.items()
    }
    assert not torch.equal(weights["model.norm.weight"], original["model.norm.weight"])
    assert load(output).config.num_layers == 8
    record = json.loads((output / "finetune" / "record.json").read_text())
    assert record["schedule"] == schedule.identity
    assert record["steps_done"] == 4
    # What was written is what was judged.
    (example,) = hold_out(read_examples([sayings], "train"), 0.05, 42)[1]
    encoder = Encoder(Tokenizer.from_directory(output), ChatTemplate.from_directory(output), [0, 2], 128)
    assert dense_loss(output, encoder.row(example), schedule) == pytest.approx(
        record["judgement"]["scheduled"]["loss"], rel=1e-5
    )
    history = json.loads((output / "finetune" / "history.json").read_text())
    assert [step["step"] for step in history["steps"]] == [0, 1, 2, 3]
    assert "layers run" in (output / "finetune" / "curves.svg").read_text()
    assert not list((output / "finetune").glob("*.safetensors"))
    told = capsys.readouterr().out
    assert f"Written to {output}. Try it: rhumb serve {output}" in told
    assert run(["show", str(output), "--plot", str(tmp_path / "again.png")]) == 0
    assert f"taught {schedule.identity}: 4 of 4 steps" in capsys.readouterr().out
    assert (tmp_path / "again.png").read_bytes().startswith(b"\x89PNG")


def test_the_time_ends_a_run_which_still_leaves_a_checkpoint(thin_llama, sayings, tmp_path, capsys):
    teach(thin_llama, sayings, tmp_path, "--minutes", 1e-9)
    assert f"Stopped at step 0 of 4, and wrote what there is to {tmp_path}" in capsys.readouterr().out
    mine, original = (load_file(folder / "model.safetensors") for folder in (tmp_path, thin_llama))
    assert all(torch.equal(mine[name], original[name]) for name in original)


class KilledError(Exception):
    """Stands for kill -9: nothing is tidied up."""


@pytest.mark.parametrize("options", [(), ("--lora", "4")])
def test_a_run_that_is_killed_goes_on_with_resume_to_the_same_checkpoint(
    thin_llama, sayings, tmp_path, monkeypatch, options
):
    save = Learner.save

    def killed(learner: Learner, *more) -> None:
        save(learner, *more)
        if learner.step == 2:
            raise KilledError

    output = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "save", killed)
        with pytest.raises(KilledError):
            teach(thin_llama, sayings, output, *options, "--save-every", 0)
    assert not (output / "config.json").exists()
    with pytest.raises(ConfigError, match="holds a run that is not done; go on with --resume"):
        teach(thin_llama, sayings, output, *options)
    with pytest.raises(ConfigError, match=r"other settings \(lr 0.005, now 0.1\)"):
        teach(thin_llama, sayings, output, *options, "--resume", "--lr", 0.1)
    teach(thin_llama, sayings, output, *options, "--resume")
    teach(thin_llama, sayings, tmp_path / "whole", *options)
    mine, whole = (load_file(folder / "model.safetensors") for folder in (output, tmp_path / "whole"))
    assert all(torch.equal(mine[name], whole[name]) for name in whole)
    histories = [(folder / "finetune" / "history.json").read_text() for folder in (output, tmp_path / "whole")]
    assert histories[0] == histories[1]


def test_a_carried_schedule_can_be_taught_on_and_full_depth_takes_it_away(thin_llama, sayings, tmp_path):
    teach(thin_llama, sayings, tmp_path / "skip", "--schedule", "skip(max_layers=6, min_layers=4, horizon=9)")
    assert carried_schedule(tmp_path / "skip")["horizon"] == 9
    teach(tmp_path / "skip", sayings, tmp_path / "more", "--schedule", "skip", "--steps", 1)
    assert carried_schedule(tmp_path / "more") == carried_schedule(tmp_path / "skip")
    teach(tmp_path / "skip", sayings, tmp_path / "full", "--schedule", "full", "--held-out", sayings)
    assert carried_schedule(tmp_path / "full") is None
    last = json.loads((tmp_path / "full" / "finetune" / "history.json").read_text())["evaluations"][-1]
    assert last["scheduled"] == last["full"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--speedup", 5), "speedup must be a number from 1 to 4 for 8 layers"),
        (("--schedule", "skip(max_layers=9, min_layers=2)"), "max_layers must be a whole number from 2 to 8"),
        (("--schedule", "leap"), "there is no exit schedule 'leap'; known are full, skip"),
        (("--schedule", "skip", "--speedup", "2"), "not allowed with argument"),
        (("--max-length", 129), "--max-length 129 is longer than the model's 128 tokens"),
        (("--max-length", 5), "every held-out example has more tokens than --max-length"),
        (("--lr", "x"), "argument --lr: invalid"),
        (("--warmup", "1.5"), "argument --warmup: must be between 0 and 1, not 1.5"),
        (("--data", "nowhere.jsonl"), "cannot read nowhere.jsonl"),
        (("--lora", "17"), "--lora 17 is more than k_proj"),
        (("--device", "tpu"), "device 'tpu' is unknown"),
    ],
)
def test_bad_input_is_refused_in_one_line(thin_llama, sayings, tmp_path, options, message):
    with pytest.raises(ConfigError) as caught:
        teach(thin_llama, sayings, tmp_path / "out", *options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "config.json").exists()


def test_what_an_output_holds_is_not_overwritten_unasked(thin_llama, sayings, tmp_path):
    with pytest.raises(ConfigError, match="is the model itself"):
        teach(thin_llama, sayings, thin_llama)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds a model already; choose another --output"):
        teach(thin_llama, sayings, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write to .*; choose another --output"):
        teach(thin_llama, sayings, tmp_path / "file" / "out")
    with pytest.raises(ConfigError, match="holds no record of a run"):
        run(["show", str(tmp_path)])


def test_rhumb_itself_says_one_line_and_exits_with_2(thin_llama, tmp_path, monkeypatch, capsys):
    given = ["rhumb", "finetune", "skip", str(thin_llama), "--data", "no.jsonl", "--output", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", given)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rhumb: cannot read no.jsonl")


def test_the_document_names_every_option_and_no_other():
    text = (Path(__file__).resolve().parents[2] / "docs" / "finetune.md").read_text()
    listed = {
        flag for line in text.splitlines() if line.startswith("| `--") for flag in FLAG.findall(line.split("|")[1])
    }
    commands = parser("rhumb finetune")._subparsers._group_actions[0].choices
    known = {flag for action in commands["skip"]._actions for flag in action.option_strings}
    assert listed == {flag for flag in known if flag.startswith("--")} - {"--help", "--output"}


def test_without_a_terminal_progress_is_lines(thin_llama, capsys):
    progress = Progress(5, 2)
    for step in (2, 3):
        progress.show({"step": step, "loss": 1.25, "accuracy": 0.5})
    progress.close()
    assert capsys.readouterr().err == "step 3 of 5: loss 1.2500, 50.0% of tokens right\n"
