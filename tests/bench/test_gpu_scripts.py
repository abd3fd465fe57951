"""The scripts that measure GPUs run end to end on this machine with a tiny shape, and lose nothing when a row fails."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gpu import duo as duo_script
from benchmarks.gpu import engine as engine_script
from benchmarks.gpu import formats as formats_script
from benchmarks.gpu import serve as serve_script
from benchmarks.gpu.record import Mark, Record
from benchmarks.gpu.report import fill
from benchmarks.gpu.shapes import SHAPES, build_shape, tokenizer_json
from server.bench.texts import TextMaker, load_tokenizer
from server.engine.tokenizer import Tokenizer
from server.kv.patterns import HeadPattern, write_pattern
from server.models.config import ModelConfig

ROOT = Path(__file__).resolve().parents[2]
VOCAB_SIZE = 20000
SMALL_POOL = ("--set", "num_pages=2000", "--set", "num_threads=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_shape("tiny", tmp_path_factory.mktemp("shape"), vocab_size=VOCAB_SIZE)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_one_that_the_engine_reads_and_has_a_token_for_every_id(name):
    facts = ModelConfig.from_dict(SHAPES[name])
    vocab = tokenizer_json(facts.vocab_size)["model"]["vocab"]
    assert sorted(vocab.values()) == list(range(facts.vocab_size))
    assert len(vocab) == facts.vocab_size


@pytest.fixture(scope="module")
def tokenizer(folder):
    return Tokenizer.from_directory(folder)


@given(ids=st.lists(st.integers(95, VOCAB_SIZE - 2), max_size=30))
@settings(max_examples=30)
def test_words_of_a_shape_are_plain_text_that_encodes_to_the_same_tokens(tokenizer, ids):
    text = tokenizer.decode(ids)
    assert re.fullmatch(r"( [a-z]{1,4})*", text)
    assert tokenizer.encode(text) == ids


def test_characters_and_the_end_are_plain_text_too(tokenizer):
    assert tokenizer.decode(list(range(95))) == " " + "".join(map(chr, range(33, 127)))
    assert tokenizer.eos_token_id == VOCAB_SIZE - 1
    assert tokenizer.decode([VOCAB_SIZE - 1]) == ""
    assert tokenizer.vocab_size == VOCAB_SIZE


def test_prompts_of_a_shape_have_the_length_that_was_asked_for(folder):
    tokenizer = load_tokenizer(str(folder))
    text = TextMaker(tokenizer, np.random.default_rng(0)).make(77)
    assert len(tokenizer.encode(text)) == 77


def test_a_vocabulary_beyond_the_words_of_four_letters_is_refused():
    with pytest.raises(ValueError, match="vocabulary of 50"):
        tokenizer_json(50)
    with pytest.raises(ValueError, match="more than there are words"):
        tokenizer_json(600000)


def test_a_row_that_fails_says_why_and_the_others_are_kept(tmp_path, capsys):
    path, is_repaired = tmp_path / "record.json", []
    record = Record(path, {"steps": Mark(goal=4.0, peer=6.0), "speed": Mark(goal=100.0, peer=80.0)})
    with record.row("steps", "ms") as row:
        row.value, row.floor = 5.0, 2.5
    with record.row("broken", "ms", on_error=lambda: is_repaired.append(True)):
        raise RuntimeError("no\nmemory")
    with record.row("speed", "tok/s", is_rate=True) as row:
        row.value, row.floor = 100.0, 160.0
    steps, broken, speed = json.loads(path.read_text())["rows"]
    assert (steps["times_floor"], steps["is_reached"]) == (2.0, False)
    assert steps["times_peer"] == pytest.approx(5 / 6)
    assert (broken["error"], broken["value"], is_repaired) == ("RuntimeError: no memory", None, [True])
    # A rate is turned into time: above 1 is slower, here as there.
    assert (speed["times_floor"], speed["is_reached"], speed["times_peer"]) == (1.6, True, 0.8)
    record.print_table()
    assert "MISSED" in capsys.readouterr().out


def test_the_engine_script_measures_every_row_with_one_load(tmp_path, capsys):
    path = tmp_path / "engine.json"
    engine_script.main(["--shape", "tiny", "--shrink", "64", *SMALL_POOL, "--output", str(path)])
    record = json.loads(path.read_text())
    names = [row["name"] for row in record["rows"]]
    assert names == [
        *("decode 1 x 2", "decode 1 x 16", "decode 2 x 32", "prefill 32", "prefill 128", "prefill 512"),
        *("4 requests", "decode 1 x 2048"),
    ]
    for row in record["rows"]:
        assert row["error"] is None, row
        assert row["value"] > 0
        assert row["floor"] > 0
        assert row["times_floor"] > 0
    assert len(record["facts"]["loads_s"]) == 1
    assert record["facts"]["rates"]["matmul"] > 0
    assert {"machine", "versions", "date"} <= record.keys()


def test_the_duo_script_holds_both_against_each_other_at_the_same_contexts(tmp_path):
    for family in duo_script.FAMILIES:
        scores = torch.arange(8).reshape(4, 2) / 8
        write_pattern(tmp_path / family.pattern, HeadPattern(scores, sinks=16, recent=32), {})
    path = tmp_path / "duo.json"
    flags = ["--patterns", str(tmp_path), "--shape", "tiny", "--shrink", "200", "--output", str(path)]
    duo_script.main(flags)
    rows = {row["name"]: row for row in json.loads(path.read_text())["rows"]}
    assert all(row["error"] is None and row["value"] > 0 for row in rows.values()), rows
    full, duo = rows["8B, 517,000: full"]["details"], rows["8B, 517,000: duo"]["details"]
    assert full["num_pages"] > duo["num_pages"]
    assert rows["8B, 517,000: memory saved"]["value"] == full["counted_bytes"] / duo["counted_bytes"]
    assert rows["8B, int4: longest context"]["value"] == 7_000_000 // 200
    assert rows["crowd: full"]["details"]["num_requests"] == rows["crowd: duo"]["details"]["num_requests"] == 4


def test_the_formats_script_compares_formats_by_speed_and_by_what_they_change(tmp_path):
    path = tmp_path / "formats.json"
    formats_script.main(["--shape", "tiny", "--shrink", "32", *SMALL_POOL, "--only", "kv int4", "--output", str(path)])
    rows = {row["name"]: row for row in json.loads(path.read_text())["rows"]}
    assert all(row["error"] is None for row in rows.values()), rows
    plain, packed = rows["bf16: bytes per token"], rows["kv int4: bytes per token"]
    assert packed["value"] < plain["value"] / 2
    quality = rows["kv int4: logit error, random model"]
    assert 0 < quality["value"] < 1
    assert 0 < quality["details"]["agreement"] <= 1


def test_the_serve_script_starts_a_server_reads_it_and_has_its_profile(tmp_path):
    path, traces = tmp_path / "serve.json", tmp_path / "traces"
    serve_script.main(
        [
            *("--shape", "tiny", "--num-prompts", "5", "--mean-len", "10", "--clients", "2", "--starts", "1"),
            *("--serve", "num_pages=2000", "--serve", "num_threads=1", "--serve", f"profile_dir={traces}"),
            *("--client=--profile", "--output", str(path)),
        ]
    )
    rows = {row["name"]: row for row in json.loads(path.read_text())["rows"]}
    assert all(row["error"] is None for row in rows.values()), rows
    start, crowd = rows["start to first token, new machine"], rows["2 clients"]
    parts_s = start["details"]["parts_s"]
    assert {"http", "import", "first token"} <= parts_s.keys()
    assert start["value"] >= start["details"]["ready_s"] >= start["details"]["listening_s"] > 0
    assert (crowd["details"]["completed"], crowd["details"]["failed"]) == (5, 0)
    assert rows["2 clients: inter-token p99"]["value"] > 0
    [trace] = traces.iterdir()
    with gzip.open(trace) as file:
        assert json.load(file)["traceEvents"]


def test_the_tables_of_a_document_are_written_from_the_newest_records(tmp_path):
    for date, value in (("2026-01-01", 9.0), ("2026-02-02", 5.0)):
        record = Record(tmp_path / f"{date}-gpu-engine.json", {"decode": Mark(goal=4.0, peer=6.0)})
        with record.row("decode", "ms") as row:
            row.value, row.floor = value, 2.5
    formats = Record(tmp_path / "2026-01-01-gpu-formats.json", {})
    for name, value in (("bf16", 8.0), ("kv int8", 4.0)):
        with formats.row(f"{name}: bytes per token", "B") as row:
            row.value = value
    blocks = "".join(f"<!-- table: {name} -->\nold\n<!-- end -->\n" for name in ("engine", "formats", "serve"))
    filled = fill(f"before\n{blocks}after\n", tmp_path, "")
    assert "| decode | 5.00 ms | 2.50 | 2.00 | 4.00 (missed) | 6.00 | 0.83 |" in filled
    assert "| kv int8 | 4.000 |" in filled
    assert "9.00" not in filled
    # Nothing was recorded of the server, so what stands there stays.
    assert filled.count("old") == 1
    assert filled.startswith("before\n")
    assert filled.endswith("after\n")
    assert fill(filled, tmp_path, "") == filled
    with pytest.raises(ValueError, match="does not end"):
        fill("<!-- table: engine -->", tmp_path)


def test_the_engine_scripts_import_without_the_http_stack():
    forbidden = ("pydantic", "fastapi", "starlette", "msgspec", "uvicorn")
    scripts = ("engine", "formats", "tensor_parallel", "shapes", "record")
    imports = "; ".join(f"import benchmarks.gpu.{script}" for script in scripts)
    check = f"import sys; {imports}; import server.engine.core; print([m for m in {forbidden} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
