"""The whole command on a small model: what it writes, that it goes on after a kill, and what it says of bad input."""

import json
from pathlib import Path

import pytest
import torch

from server.calibrate.command import run
from server.calibrate.progress import Progress
from server.cli import main
from server.errors import ConfigError
from server.kv.patterns import read_pattern
from server.quality.filler import filler_sentences

SMALL = ("--passkeys", "2", "--key-length", "2", "--sinks", "4", "--recent", "16", "--contexts", "3", "--disable-tqdm")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    sentences = filler_sentences("command")
    path.write_text(" ".join(next(sentences) for _ in range(200)))
    return path


def calibrate(model: Path, output: Path, *more: object) -> None:
    assert run(["duo", str(model), "--output", str(output), *SMALL, *map(str, more)]) == 0


def test_gates_are_found_written_drawn_and_shown(tiny_llama, text, tmp_path, capsys):
    output = tmp_path / "duo"
    calibrate(tiny_llama, output, "--text", text, "--steps", 3, "--chat", "--key", "digits")
    pattern = read_pattern(output)
    pattern.check_shape(4, 2)
    assert (pattern.sinks, pattern.recent) == (4, 16)
    assert 0.9 < pattern.scores.mean() < 1
    config = json.loads((output / "config.json").read_text())
    assert config["num_passkeys"] == 2
    assert config["context_length_max"] == 512
    assert config["texts"] == [text.name]
    assert len(json.loads((output / "history.json").read_text())) == 3
    assert "KV head" in (output / "gates.svg").read_text()
    capsys.readouterr()
    assert run(["show", str(output), "--plot", str(tmp_path / "again.png")]) == 0
    assert "4 layers of 2 KV heads; mean 0.9" in capsys.readouterr().out
    assert (tmp_path / "again.png").read_bytes().startswith(b"\x89PNG")


def test_the_time_ends_a_run_without_a_pattern_and_the_same_command_goes_on(tiny_llama, text, tmp_path, capsys):
    options = ("--text", text, "--steps", 4)
    calibrate(tiny_llama, tmp_path / "whole", *options)
    output = tmp_path / "parts"
    while not (output / "full_attention_heads.tsv").exists():
        calibrate(tiny_llama, output, *options, "--minutes", 1e-6)
    told = capsys.readouterr().out
    assert "Stopped at step 1 of 4; the same command goes on from there." in told
    assert "Going on from step 3 of 4" in told
    assert torch.equal(read_pattern(output).scores, read_pattern(tmp_path / "whole").scores)


def test_heads_are_scored_without_training_with_and_without_a_text(tiny_llama, text, tmp_path):
    for name, options in (("own", ()), ("text", ("--text", text))):
        calibrate(tiny_llama, tmp_path / name, "--score", "--samples", 2, "--sample-length", 64, *options)
        pattern = read_pattern(tmp_path / name)
        pattern.check_shape(4, 2)
        assert pattern.scores.std() > 0
        assert json.loads((tmp_path / name / "config.json").read_text())["sample_length"] == 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give a text to hide pass keys in with --text"),
        (("--text", "nowhere"), "there is no text at nowhere"),
        (("--text", "TEXT", "--max-context", 513), "--max-context 513 is longer than the model's 512 tokens"),
        (("--text", "TEXT", "--passkeys", 10), "10 pass keys and their questions need rows of"),
        (("--text", "TEXT", "--min-context", 20), "--min-context 20 is too short: 2 pass keys"),
        (("--text", "TEXT", "--min-context", 450, "--max-context", 400), "--min-context 450 is more than"),
        (("--text", "SHORT"), "the text has 5 tokens, but rows of 512 need as many"),
        (("--text", "TEXT", "--steps", "0"), "argument --steps: must be at least 1, not 0; see rhumb calibrate duo"),
        (("--text", "TEXT", "--lr", "x"), "argument --lr: invalid"),
        (("--text", "TEXT", "--passkeys", "11"), "argument --passkeys: invalid choice"),
    ],
)
def test_bad_input_is_refused_in_one_line(tiny_llama, text, tmp_path, options, message):
    short = tmp_path / "short.txt"
    short.write_text("Hello")
    named = {"TEXT": text, "SHORT": short}
    with pytest.raises(ConfigError) as caught:
        calibrate(tiny_llama, tmp_path / "out", *(named.get(option, option) for option in options))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_an_output_holds_is_not_overwritten_unasked(tiny_llama, text, tmp_path):
    output = tmp_path / "out"
    calibrate(tiny_llama, output, "--score", "--samples", 1, "--sample-length", 32)
    before = read_pattern(output).scores
    with pytest.raises(ConfigError, match="holds a pattern already"):
        calibrate(tiny_llama, output, "--text", text, "--steps", 1)
    calibrate(tiny_llama, output, "--text", text, "--steps", 1, "--restart")
    assert not torch.equal(read_pattern(output).scores, before)
    with pytest.raises(ConfigError, match=r"other settings \(num_steps 1, now 2\)"):
        calibrate(tiny_llama, output, "--text", text, "--steps", 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write to .*; choose another --output"):
        calibrate(tiny_llama, tmp_path / "file" / "out", "--score")


def test_rhumb_itself_says_one_line_and_exits_with_2(tiny_llama, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["rhumb", "calibrate", "duo", str(tiny_llama), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "rhumb: give a text to hide pass keys in with --text FILE_OR_FOLDER, or score heads with --score"
    ]


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys):
    progress = Progress(5, 2)
    for step in (2, 3):
        progress.show({"step": step, "length": 1000, "distill": 0.25, "mean_gate": 0.5})
    progress.close()
    assert capsys.readouterr().err == "step 3 of 5: 1,000 tokens, distance 2.50e-01, mean gate 0.500\n"
