"""The engine without HTTP: every token asked for is generated, and the figures add up."""

import gzip
import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from server.bench.datasets import Lengths, Prompt, random_ids
from server.bench.latency import measure_latency
from server.bench.local import LocalEngine, LocalRun
from server.bench.throughput import measure_throughput
from server.bench.trace import MiddleTrace
from server.config import EngineConfig
from server.engine.loop import load_core
from server.engine.request import EngineStats
from server.errors import ConfigError, EngineStepError


@pytest.fixture(scope="module")
def core(tiny_llama):
    core = load_core(EngineConfig(model=str(tiny_llama), num_pages=256, max_rows=8, num_threads=1))
    yield core
    core.close()


def test_a_run_gives_every_prompt_its_full_length_and_the_models_own_tokens(core, tiny_llama):
    prompts = random_ids(12, Lengths(20, 9, 0.5), core.info.vocab_size, seed=1)
    run = LocalEngine(core).run(prompts)
    assert [len(ids) for ids in run.token_ids] == [prompt.output_len for prompt in prompts]
    assert all(0 < first_token_s <= run.duration_s for first_token_s in run.first_token_s)
    assert not core.has_work

    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    model.generation_config.eos_token_id = None
    for prompt, token_ids in zip(prompts, run.token_ids, strict=True):
        expected = model.generate(
            torch.tensor([prompt.token_ids]), max_new_tokens=prompt.output_len, do_sample=False, pad_token_id=0
        )
        assert expected[0, prompt.num_tokens :].tolist() == token_ids


def test_a_run_that_cannot_be_timed_honestly_fails(core):
    too_long = Prompt("", [5] * core.info.max_model_len, output_len=50)
    with pytest.raises(EngineStepError, match="failed"):
        LocalEngine(core).run([too_long])


def test_throughput_counts_what_was_asked(core):
    prompts = random_ids(10, Lengths(16, 6), core.info.vocab_size, seed=2)
    num_done = 0

    def on_done() -> None:
        nonlocal num_done
        num_done += 1

    result = measure_throughput(core, prompts, variant=core.info.default_variant, on_done=on_done)
    assert num_done == result["num_requests"] == 10
    assert (result["total_input_tokens"], result["total_output_tokens"]) == (160, 60)
    assert result["total_num_tokens"] == 220
    assert result["tokens_per_second"] == pytest.approx(220 / result["elapsed_time"])
    assert result["output_throughput"] == pytest.approx(60 / result["elapsed_time"])
    assert result["requests_per_second"] == pytest.approx(10 / result["elapsed_time"])


def test_a_run_counts_what_it_did_itself(core):
    prompts = random_ids(3, Lengths(48, 5), core.info.vocab_size, seed=21)
    first, again = (measure_throughput(core, prompts, variant=core.info.default_variant) for _ in range(2))
    assert first["cached_input_tokens"] == 0
    assert 0 < again["cached_input_tokens"] < 3 * 48
    assert 5 <= again["num_steps"] <= first["num_steps"] < 20


def test_latency_times_each_batch_once_and_with_prompts_of_its_own(core):
    hits_before = core.stats().prefix_hits
    result = measure_latency(
        core,
        variant=core.info.default_variant,
        batch_size=3,
        input_len=40,
        output_len=4,
        num_iters=5,
        num_iters_warmup=2,
        seed=3,
    )
    assert len(result["latencies"]) == 5
    assert result["avg_latency"] == pytest.approx(sum(result["latencies"]) / 5)
    assert result["percentiles"]["50"] == pytest.approx(sorted(result["latencies"])[2])
    assert 0 < result["avg_first_token"] < result["avg_latency"]
    assert result["median_first_token"] == pytest.approx(sorted(result["first_tokens"])[2])
    # After its first token each batch has three more steps, less those in which a row began later or ended earlier.
    assert 0 < result["num_decode_steps"] <= 5 * 3
    assert 0 < result["median_decode_step"] < result["avg_latency"]
    assert core.stats().prefix_hits == hits_before


def test_prompts_that_are_computed_before_leave_decode_steps_to_be_timed(core):
    before = core.stats()
    options = {"variant": "full", "batch_size": 4, "input_len": 70, "output_len": 6, "seed": 8}
    result = measure_latency(core, **options, num_iters=2, num_iters_warmup=0, cached_prompts=True)
    # All but the last page of every prompt is found again, and so all rows decode in step from the first token on.
    assert core.stats().prefix_hits - before.prefix_hits == 2 * 4 * 64
    assert result["num_decode_steps"] == 2 * 5


def test_decode_steps_are_those_that_all_prompts_share():
    run = LocalRun(
        duration_s=9.0,
        token_ids=[],
        first_token_s=[1.0, 2.5],
        step_end_s=[1.0, 2.5, 3.0, 4.0, 6.0, 9.0],
        last_token_s=[6.0, 9.0],
        stats=EngineStats(),
    )
    assert run.decode_steps_s == [0.5, 1.0, 2.0]


def test_the_lengths_of_the_published_crowd_are_uniform_from_100_to_1024():
    pairs = Lengths(562, 562, 0.822).draw(20000, np.random.default_rng(0))
    for lengths in zip(*pairs, strict=True):
        assert (min(lengths), max(lengths)) == (100, 1024)
        assert np.mean(lengths) == pytest.approx(562, rel=0.02)


@pytest.mark.parametrize(("output_len", "num_steps"), [(12, 3), (1, 1)])
def test_a_profile_holds_some_steps_in_the_middle(core, tmp_path, output_len, num_steps):
    prompts = random_ids(3, Lengths(20, output_len), core.info.vocab_size, seed=5)
    trace = MiddleTrace(core, tmp_path, prompts, num_steps)
    LocalEngine(core).run(prompts, on_step=trace.on_step)
    with gzip.open(trace.finish()) as file:
        events = json.load(file)["traceEvents"]
    products = [event for event in events if event.get("name") in ("aten::linear", "aten::embedding")]
    num_embedded = sum(event["name"] == "aten::embedding" for event in products)
    assert num_embedded == num_steps
    assert len(products) > num_embedded


def test_a_run_that_is_too_short_for_its_profile_says_so(core, tmp_path):
    prompts = random_ids(1, Lengths(20, 4), core.info.vocab_size, seed=6)
    trace = MiddleTrace(core, tmp_path, prompts)
    with pytest.raises(ConfigError, match="before a step"):
        trace.finish()


@pytest.mark.parametrize("dataset", ["random", "prefix_repetition"])
def test_the_throughput_command_saves_a_result_that_says_what_ran(bench, tiny_llama, tmp_path, dataset):
    path = tmp_path / "deep" / "result.json"
    run = bench(
        *("throughput", "--model", tiny_llama, "--num-prompts", 6, "--input-len", 10, "--output-len", 4),
        *("--dataset-name", dataset, "--prefix-repetition-prefix-len", 40, "--prefix-repetition-suffix-len", 6),
        *("--prefix-repetition-num-prefixes", 1, "--prefix-repetition-output-len", 4),
        *("--num-pages", 128, "--max-rows", 2, "--num-threads", 1, "--output-json", path, "--disable-tqdm"),
    )
    assert run.exit_code == 0, run.errors
    assert "Output tokens/s" in run.output
    result = json.loads(path.read_text())
    assert result.keys() >= {"date", "command", "machine", "versions", "elapsed_time", "tokens_per_second"}
    assert result["total_output_tokens"] == 24
    assert result["max_rows"] == 2
    assert (result["cached_input_tokens"] > 0) == (dataset == "prefix_repetition")


def test_the_latency_command_gives_a_batch_room_to_run_at_once(bench, tiny_llama, tmp_path):
    path = tmp_path / "result.json"
    run = bench(
        *("latency", "--model", tiny_llama, "--batch-size", 5, "--input-len", 6, "--output-len", 3),
        *("--num-iters", 2, "--num-iters-warmup", 1, "--num-pages", 128, "--max-rows", 2, "--num-threads", 1),
        *("--output-json", path, "--disable-tqdm", "--profile", tmp_path / "traces"),
    )
    assert run.exit_code == 0, run.errors
    result = json.loads(path.read_text())
    assert result.keys() >= {"avg_latency", "latencies", "percentiles", "machine", "versions"}
    assert [str(trace) for trace in (tmp_path / "traces").iterdir()] == [result["profile"]]
    assert result["max_rows"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("throughput", "--model", "/nowhere/at/all"), "/nowhere/at/all"),
        (("throughput", "--variant", "nosuch"), "--variant nosuch"),
        (("throughput", "--dataset-name", "custom"), "needs --dataset-path"),
        (("latency", "--page-size", "0"), "page_size"),
    ],
)
def test_a_mistake_is_one_line(bench, tiny_llama, arguments, message):
    own_model = () if "--model" in arguments else ("--model", tiny_llama)
    run = bench(*arguments, *own_model, "--num-pages", 64, "--disable-tqdm")
    assert run.exit_code == 2
    assert len(run.errors.strip().splitlines()) == 1
    assert message in run.errors
