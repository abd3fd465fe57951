"""The recorded CPU comparison: its checkpoint, and that all systems do the same work."""

import json

import pytest
from transformers import AutoTokenizer

from benchmarks.cpu import compare
from benchmarks.cpu.checkpoint import SHAPE, VOCAB_SIZE, build_checkpoint, ids_of, text_of
from benchmarks.cpu.compare import Sample, summarise
from benchmarks.cpu.systems import Crowd, RhumbOffline, load_transformers
from benchmarks.cpu.worker import Isolated
from server.errors import RhumbError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_checkpoint(tmp_path_factory.mktemp("llama-7m"))


def test_the_checkpoint_is_the_llama_of_the_comparison(checkpoint):
    model = load_transformers(checkpoint)
    assert sum(parameter.numel() for parameter in model.parameters()) == 7_096_576
    assert json.loads((checkpoint / "config.json").read_text()).items() >= SHAPE.items()


def test_words_stand_for_ids_one_to_one(checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ids = list(range(VOCAB_SIZE))
    assert tokenizer.encode(text_of(ids[3:])) == ids[3:]
    assert ids_of(tokenizer.decode(ids)) == ids


def test_a_result_is_the_median_of_its_samples():
    samples = [Sample.of("a", 8, i, [Crowd(duration_s, [[1] * 10])]) for i, duration_s in enumerate([1.0, 5.0, 2.0])]
    samples.append(Sample.of("a", 1, 0, [Crowd(1.0, [[1] * 3], [0.25]), Crowd(1.0, [[1] * 3], [0.75])]))
    eight, one = summarise(samples)
    assert (eight.median_output_tokens_per_s, eight.min_output_tokens_per_s) == (5.0, 2.0)
    assert (eight.max_output_tokens_per_s, len(eight.samples)) == (10.0, 3)
    assert (one.samples[0].output_tokens_per_s, one.samples[0].median_first_token_s) == (3.0, 0.5)


@pytest.mark.slow
def test_systems_in_processes_of_their_own_give_the_same_tokens_and_the_record_says_so(tmp_path, capsys):
    path = tmp_path / "record.json"
    systems = "rhumb-http,continuous"
    compare.main(repeats=1, crowds="2", systems=systems, input_len=9, output_len=5, threads=1, seed=0, output=path)
    record = json.loads(path.read_text())
    assert {result["system"] for result in record["results"]} == set(record["equal_tokens"])
    assert list(record["equal_tokens"].values()) == [1.0, 1.0]
    assert record["num_threads"] == 1
    printed = capsys.readouterr().out
    assert "vLLM CPU build (not this run)" in printed
    assert "rhumb, HTTP streaming / transformers continuous batching" in printed


def test_a_system_that_cannot_start_says_why(tmp_path):
    system = Isolated(RhumbOffline(tmp_path / "nowhere", 1), 1)
    try:
        with pytest.raises(RhumbError, match="nowhere"):
            system.open()
    finally:
        system.close()
