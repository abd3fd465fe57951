"""Whole runs with a real engine: in this process, over HTTP, interrupted, and of models that only continue text."""

import json
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from server.config import EngineConfig
from server.quality.evaluation import run_items
from server.quality.local import LocalModel
from server.quality.result import load_run
from server.quality.scoring import score
from server.quality.tasks.perplexity import perplexity_items
from tests.api.wire import LiveServer
from tests.quality.made import TEXT, context, question, write_lines

SMALL = ("--num-threads", 1, "--num-pages", 256, "--disable-tqdm")
FEW = ("--passkey-lengths", "160,300", "--passkey-depths", "0,50,100", "--passkey-repeats", 1, "--copy-passages", 16)
FEWER = (*FEW, "--copy-lengths", 128, "--copy-repeats", 1, "--max-reply", 6)


@pytest.fixture(scope="module")
def plain_model(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random Llama without its chat template."""
    folder = tmp_path_factory.mktemp("plain")
    for path in tiny_llama.iterdir():
        shutil.copy(path, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def model(tiny_llama: Path):
    model = LocalModel(EngineConfig(model=str(tiny_llama), num_threads=1, num_pages=256, max_rows=4))
    yield model
    model.close()


def test_every_task_is_asked_saved_and_drawn_with_the_embedded_model(rhumb, questions_file, text_file, tmp_path):
    saved, pictures = tmp_path / "run.json", tmp_path / "pictures"
    run = rhumb(
        *("--questions", questions_file, "--forms", "text,closed", "--text", text_file, "--window", 40),
        *("--max-model-len", 512, "--max-turns", 2, "--output-json", saved, "--plots", pictures),
        *SMALL,
        *FEWER,
    )
    assert run.exit_code == 0, run.errors
    found = json.loads(saved.read_text())
    assert found["is_complete"] is True
    assert {"machine", "versions", "command"} <= found.keys()

    items = found["items"]
    assert len({(item["task"], item["id"]) for item in items}) == len(items)
    count = {task: sum(item["task"] == task for item in items) for task in ("map", "passkey", "copy", "tools")}
    assert count == {"map": 8, "passkey": 6, "copy": 3, "tools": 1}
    answers = {each["id"]: each["answer"] for line in _lines(questions_file) for each in line["questions"]}
    for item in items:
        if item["task"] == "map":
            assert item["outcome"] == score(answers[item["id"].partition("/")[0]], item["reply"])
            assert item["prompt_tokens"] > 0
            assert 0 < item["completion_tokens"] <= 6
    for row in found["summary"]:
        assert sum(row["outcomes"].values()) == row["num_items"]
        assert row["measure"] in run.output
    assert [row["measure"] for row in found["summary"]][:2] == ["map: text", "map: closed"]
    assert {path.name for path in pictures.iterdir()} == {
        *("passkey-full.svg", "passkey-by-length.svg"),
        *("map-text-by-skill.svg", "map-closed-by-skill.svg", "tools-by-skill.svg"),
    }

    shown = rhumb("show", saved, "--no-breakdowns")
    assert shown.exit_code == 0
    assert shown.output.splitlines() == run.output.splitlines()[: len(shown.output.splitlines())]
    same = rhumb("compare", saved, saved)
    assert same.exit_code == 0
    assert "full, paired with full" in same.output


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_server_gives_what_the_engine_gives_in_this_process(rhumb, tiny_llama, questions_file, text_file, tmp_path):
    flags = (*("--questions", questions_file, "--text", text_file, "--window", 300, "--disable-tqdm"), *FEWER)
    here = rhumb(tiny_llama, *flags, "--num-threads", 1, "--output-json", tmp_path / "here.json")
    assert here.exit_code == 0, here.errors
    server = LiveServer(tiny_llama)
    try:
        there = rhumb("--base-url", f"{server.url}/v1", *flags, "--output-json", tmp_path / "there.json")
        names = rhumb("--base-url", server.url, *FEWER, "--tasks", "copy", "--variants", "tiny,tiny:full")
        wrong = rhumb("--base-url", server.url, "--tasks", "copy", "--variants", "tiny,huge")
    finally:
        server.stop()
    assert there.exit_code == 0, there.errors
    assert "tiny:full, paired with tiny" in names.output
    assert wrong.exit_code == 2
    assert "no model 'huge'; it has tiny, tiny:full" in wrong.errors

    first, second = (load_run(tmp_path / name) for name in ("here.json", "there.json"))
    asked = {record.id: record for record in second.records if record.task == "map"}
    assert len(asked) == 4
    for record in first.records:
        if record.task == "map":
            same = asked[record.id]
            assert (same.outcome, same.completion_tokens) == (record.outcome, record.completion_tokens)
            assert (same.prompt_tokens, same.reply) == (record.prompt_tokens, record.reply)
    nats = [sum(r.facts["nats"] for r in run.records if r.task == "perplexity") for run in (first, second)]
    assert nats[1] == pytest.approx(nats[0], rel=1e-5)


def test_a_model_without_chat_template_continues_plain_prompts(rhumb, plain_model, tmp_path):
    accepted = {"kind": "text", "accepted": ["nothing like this"]}
    asked = write_lines(tmp_path / "asked.jsonl", [context(0, [question(0, accepted)])])
    flags = ("--questions", asked, "--tasks", "map", "--max-reply", 8, *SMALL)
    first = rhumb(plain_model, *flags, "--output-json", tmp_path / "first.json")
    assert first.exit_code == 0, first.errors
    assert "no chat template" in first.errors
    record = load_run(tmp_path / "first.json").records[0]
    assert record.outcome == "wrong"
    assert record.reply.startswith("Answer:")

    # The same question, but what the model says is the right answer.
    line = record.reply.removeprefix("Answer:").lstrip().split("\n")[0]
    write_lines(asked, [context(0, [question(0, {"kind": "text", "accepted": [line]})])])
    assert rhumb(plain_model, *flags, "--output-json", tmp_path / "second.json").exit_code == 0
    assert load_run(tmp_path / "second.json").records[0].outcome == "right"
    compared = rhumb("compare", tmp_path / "first.json", tmp_path / "second.json", "--output-json", tmp_path / "c.json")
    assert compared.exit_code == 0
    [row] = json.loads((tmp_path / "c.json").read_text())["comparisons"]
    assert (row["difference"], row["only_first_right"], row["only_second_right"], row["p"]) == (1.0, 0, 1, 1.0)


def test_a_server_whose_model_has_no_chat_template_gets_plain_prompts_too(rhumb, plain_model, questions_file, tmp_path):
    server = LiveServer(plain_model)
    try:
        run = rhumb(
            *("--base-url", server.url, "--questions", questions_file, "--tasks", "map,tools"),
            *("--max-reply", 4, "--output-json", tmp_path / "run.json", "--disable-tqdm"),
        )
    finally:
        server.stop()
    assert run.exit_code == 0, run.errors
    records = load_run(tmp_path / "run.json").records
    assert all(record.reply.startswith("Answer:") for record in records if record.task == "map")
    assert [(record.outcome, record.reason) for record in records if record.task == "tools"] == [
        ("skipped", "the model has no chat template")
    ]


def test_what_does_not_fit_is_skipped_and_said(rhumb, tiny_llama, tmp_path):
    run = rhumb(
        *(tiny_llama, "--tasks", "passkey", "--passkey-lengths", "200,4000", "--passkey-depths", "0,100"),
        *("--passkey-repeats", 1, "--output-json", tmp_path / "run.json", *SMALL),
    )
    assert run.exit_code == 0, run.errors
    assert "2 of passkey with full skipped: prompt and reply are longer than the model's 512 tokens" in run.output
    [row] = json.loads((tmp_path / "run.json").read_text())["summary"]
    assert (row["num_items"], row["num_counted"], row["outcomes"]["skipped"]) == (4, 2, 2)


def test_an_interruption_keeps_what_was_done(rhumb, tiny_llama, monkeypatch, tmp_path):
    @contextmanager
    def interrupting(title: str, total: int, *, is_hidden: bool):
        left = [3]

        def on_done() -> None:
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGINT)

        yield on_done

    monkeypatch.setattr("server.quality.cli.progress", interrupting)
    run = rhumb(tiny_llama, "--tasks", "copy", "--output-json", tmp_path / "run.json", "--max-rows", 1, *SMALL)
    assert run.exit_code == 130
    assert "interrupted" in run.output
    saved = load_run(tmp_path / "run.json")
    assert not saved.is_complete
    assert len(saved.records) == 3
    assert saved.settings["num_items"] > 3


def test_perplexity_is_that_of_the_models_own_probabilities(model, tiny_llama):
    items = perplexity_items(model, {"prose": TEXT}, 48, 16)
    records = []
    run_items(model, items, ["full"], records, lambda: None)
    reference = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    ids = torch.tensor(model._tokenizer.encode(TEXT))
    nats, end = 0.0, 0
    while end < len(ids):
        begun, end = end, min(len(ids), 48 if end == 0 else end + 16)
        window = ids[max(0, end - 48) : end]
        with torch.no_grad():
            logprobs = reference(window[None]).logits[0].log_softmax(-1)
        picked = logprobs[:-1].gather(1, window[1:, None])[:, 0]
        nats -= float(picked[-(end - max(begun, 1)) :].sum())
    assert sum(record.facts["nats"] for record in records) == pytest.approx(nats, rel=1e-4)
    assert sum(record.facts["num_tokens"] for record in records) == len(ids) - 1
    # Nothing predicts the first token, so its bytes do not count either.
    first = len(model._tokenizer.token_text_and_bytes(int(ids[0]))[1])
    assert sum(record.facts["num_bytes"] for record in records) == len(TEXT.encode()) - first


@settings(deadline=None, max_examples=40)
@given(st.text("ab cé\n", max_size=200), st.integers(2, 40), st.data())
def test_windows_count_every_token_once_and_give_the_rest_as_context(model, text, length, data):
    stride = data.draw(st.integers(1, length - 1))
    ids = model._tokenizer.encode(text)
    windows = model.windows(text, length, stride)
    assert [token_id for window in windows for token_id in window.content[window.start :]] == ids[1:]
    assert all(len(window.content) <= length and window.start < len(window.content) for window in windows)
    # Every window after the first has as much context as fits.
    assert all(window.start >= min(length - stride, len(ids) - 1) for window in windows[1:])
