"""A session on a GPU keeps to its time, and what one step does is no other step's loss."""

import importlib
import json
import os
import sys

import pytest
import torch

from benchmarks.gpu import session, try_mixed, try_prefill, try_products, try_ragged, try_sustained
from benchmarks.gpu.session import Step, choose, reason_against, run_steps, table

SMALL_ENGINE = (
    *("--shape", "tiny", "--set", "num_pages=600", "--set", "num_threads=1", "--set", "max_rows=4"),
    *("--set", "graphs=false"),
)


def python(name: str, code: str, expected_s: float = 5.0, num_gpus: int = 0) -> Step:
    return Step(name, ("-c", code), expected_s, num_gpus=num_gpus)


def test_steps_go_on_after_one_that_fails_and_leave_their_files_and_last_words(tmp_path):
    writes = "import os, pathlib; pathlib.Path(os.environ['OUT'], 'figures.json').write_text('{}'); print('said')"
    steps = [python("good", writes), python("bad", "raise SystemExit('no memory')"), python("last", "print('here')")]
    done = run_steps(steps, tmp_path, total_s=60)
    assert [one.outcome for one in done] == ["ok", "failed", "ok"]
    assert done[0].files == ["good/figures.json", "good/log.txt"]
    assert [one.tail[-1] for one in done] == ["said", "no memory", "here"]
    assert [one["name"] for one in json.loads((tmp_path / "session.json").read_text())] == ["good", "bad", "last"]
    assert "good/figures.json" in table(done)
    assert "no memory" in table(done)


def test_a_step_that_takes_too_long_is_ended_with_everything_that_it_started(tmp_path):
    # The child waits for ever and holds the write end of a pipe, which closes when it dies.
    read_end, write_end = os.pipe()
    child = "import sys, threading; threading.Event().wait()"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}], close_fds=False).wait()"
    os.set_inheritable(write_end, True)
    original = session.subprocess.Popen
    try:
        session.subprocess.Popen = lambda *args, **options: original(*args, pass_fds=(write_end,), **options)
        done = session.run_step(python("endless", code), tmp_path, limit_s=1.0)
    finally:
        session.subprocess.Popen = original
        os.close(write_end)
    assert done.outcome == "too long"
    assert os.read(read_end, 1) == b"", "somebody still holds the pipe"
    os.close(read_end)


def test_what_does_not_fit_the_time_or_the_machine_is_left_out_with_a_reason(tmp_path):
    steps = [python("long", "print()", expected_s=100.0), python("many", "print()", num_gpus=99)]
    done = run_steps(steps, tmp_path, total_s=30)
    assert [one.outcome for one in done] == ["left out", "left out"]
    assert "takes about 100 s" in done[0].tail[0]
    assert "needs 99 GPUs" in done[1].tail[0]
    assert reason_against(Step("odd", (), 1.0, needs=("no_such_module",), num_gpus=0), 60) == (
        "not installed: no_such_module"
    )


def test_steps_run_in_the_order_asked_for_and_unknown_names_are_refused():
    assert [step.name for step in choose("serve,engine", "")] == ["serve", "engine"]
    assert "tests" not in [step.name for step in choose("", "tests")]
    with pytest.raises(SystemExit, match="no step is called nonsense"):
        choose("nonsense", "")


@pytest.mark.parametrize(
    "step", [step for step in session.STEPS if "benchmarks" in step.arguments[1]], ids=lambda step: step.name
)
def test_every_step_runs_a_script_that_knows_its_flags(step, monkeypatch, capsys):
    _, name, *flags = step.arguments
    monkeypatch.setattr(sys, "argv", [name, *flags, "--nonsense"])
    with pytest.raises(SystemExit):
        importlib.import_module(name).main()
    assert capsys.readouterr().err.endswith("unrecognized arguments: --nonsense\n")


def test_budgets_are_tried_one_after_another_on_one_core(tmp_path, capsys):
    path = tmp_path / "mixed.json"
    try_mixed.main(
        [*SMALL_ENGINE, "--shrink", "64", "--clients", "3", "--settings", "8x2,32x1gu", "--output", str(path)]
    )
    records = json.loads(path.read_text())["records"]
    assert [record["setting"] for record in records] == ["8x2", "32x1gu"]
    assert all(record["tokens_per_s"] > 0 for record in records)
    assert max(size["prompt_tokens_to"] for record in records for size in record["sizes"]) <= 256
    assert "tok/s" in capsys.readouterr().out


def test_prompts_are_timed_at_several_step_sizes(tmp_path):
    path = tmp_path / "prefill.json"
    try_prefill.main([*SMALL_ENGINE, "--lengths", "40", "--steps", "16,64,128", "--output", str(path)])
    [record] = json.loads(path.read_text())["records"]
    # 128 would run the same one step as 64.
    assert list(record["ms_by_step_tokens"]) == ["16", "64"]
    assert record["rested_ms"] > 0


def test_idle_moments_are_those_that_no_kernel_covers():
    spans = [
        (100.0, 1100.0, "nvjet_tst_128x256"),
        (600.0, 3100.0, "cudnn_sdpa_fprop"),
        (5100.0, 6100.0, "add_rms_norm_kernel"),
        (6100.0, 6600.0, "elementwise"),
    ]
    parts = try_prefill.parts_of(spans, whole_ms=7.5)
    shares = {"products": 1, "attention": 2.5, "norms, gates": 1, "RoPE, KV": 0, "other": 0.5}
    assert parts == pytest.approx(shares | {"idle": 2, "before and after": 1})


def test_sustained_rates_come_by_second(tmp_path):
    path = tmp_path / "sustained.json"
    try_sustained.main(["--seconds", "0.05", "--output", str(path)])
    records = json.loads(path.read_text())["records"]
    assert all(record["tflop_per_s_by_second"][0] > 0 for record in records)
    assert try_sustained.by_second([(0.1, 1.0), (0.9, 3.0), (1.5, 7.0)]) == [2.0, 7.0]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Triton")
def test_candidates_are_right_before_they_are_timed_and_whole_steps_are_compared(tmp_path, capsys):
    path = tmp_path / "products.json"
    try_products.main(["--quick", "--rows", "16", "--streams", "16", "--output", str(path)])
    records = json.loads(path.read_text())["records"]
    streams = [record for record in records if record.get("stream")]
    assert {record["matrix"] for record in streams} == {"qkv", "out", "gate_up", "down"}
    assert max(record["error"] for record in streams) < 0.02
    assert "WRONG" not in capsys.readouterr().out
    chains = [record for record in records if "chain" in record]
    assert {"cublas", "cublaslt", "better of both", "engine"} <= {chain["chain"] for chain in chains}
    assert all(chain["error"] < 0.02 for chain in chains)


def test_rows_between_those_that_were_measured_count_like_the_next():
    trials = []
    for num_rows, is_faster in ((8, True), (32, True), (64, False), (128, True)):
        trials.append(try_products.Trial(torch.device("cpu"), num_rows, False, True))
        trials[-1].is_lt_faster = {"out": is_faster}
    assert try_products.lt_lines(trials) == ["    (72, 72): (range(1, 33), range(65, 129)),"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Triton")
def test_rows_of_all_lengths_are_attended_to_in_every_order(tmp_path, capsys):
    path = tmp_path / "ragged.json"
    try_ragged.main(["--quick", "--rows", "3", "--output", str(path)])
    records = json.loads(path.read_text())["records"]
    assert [record["order"] for record in records] == ["even", "as they came", "longest first"]
    assert all(record["us"] > 0 and record["error"] < 0.01 for record in records)
    assert abs(records[0]["positions"] - records[1]["positions"]) <= 3
    assert "WRONG" not in capsys.readouterr().out


def test_lengths_of_a_crowd_are_those_of_prompts_and_begun_answers():
    lengths = try_ragged.crowd_lengths(2000, shrink=1)
    assert min(lengths) > 100
    assert max(lengths) <= 2049
    # Prompts of 562 at the mean, and half of answers that are met the more often the longer they are.
    assert abs(sum(lengths) / 2000 - (562 + 680 / 2)) < 30
