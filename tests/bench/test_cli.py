"""The commands as a user types them."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi.responses import JSONResponse

from tests.ports import free_port

VLLM_KEYS = {
    "date",
    "backend",
    "model_id",
    "num_prompts",
    "request_rate",
    "burstiness",
    "max_concurrency",
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
} | {
    f"{statistic}_{metric}_ms"
    for statistic in ("mean", "median", "std", "p50", "p99")
    for metric in ("ttft", "tpot", "itl", "e2el")
}
OUR_KEYS = {"command", "versions", "machine", "total_output_tokens_retokenized", "client_cpu_share"}
DETAIL_KEYS = {"input_lens", "output_lens", "start_times", "ttfts", "itls", "latencies", "generated_texts", "errors"}


@pytest.fixture
def serve(bench, peer, tiny_llama, tmp_path):
    def run(*arguments: object):
        return bench(
            "serve",
            *("--base-url", peer.url),
            *("--tokenizer", tiny_llama),
            *("--random-input-len", 12, "--random-output-len", 5),
            *("--result-dir", tmp_path, "--result-filename", "result.json", "--disable-tqdm"),
            *arguments,
        )

    return run


@pytest.mark.parametrize("backend", ["openai", "openai-chat"])
def test_serve_saves_the_keys_that_vllm_users_read(serve, peer, tmp_path, backend):
    run = serve(
        *("--backend", backend, "--num-prompts", 9, "--request-rate", 300, "--max-concurrency", 3),
        *("--metric-percentiles", "50,99", "--num-warmups", 4),
        *("--goodput", "ttft:60000", "e2el:60000", "--header", "x-a=b", "x-c=d"),
        "--save-result",
    )
    assert run.exit_code == 0, run.errors
    result = json.loads((tmp_path / "result.json").read_text())
    assert result.keys() >= VLLM_KEYS | OUR_KEYS
    assert not result.keys() & DETAIL_KEYS
    assert (result["completed"], result["failed"], result["num_prompts"]) == (9, 0, 9)
    assert (result["total_input_tokens"], result["total_output_tokens"]) == (9 * 7, 9 * 5)
    assert result["total_input_tokens_by_client"] == 9 * 12
    assert result["request_goodput"] == pytest.approx(result["request_throughput"])
    # The last of nine requests at 300 a second leaves after 30 ms.
    assert result["duration"] >= 9 / 300
    # One probe and four warm-ups before the nine.
    assert len(peer.bodies) == 1 + 4 + 9
    asked = [json.dumps([body.get("prompt"), body.get("messages")]) for body in peer.bodies]
    assert not set(asked[:5]) & set(asked[5:]), "a warm-up prompt would be in the prefix cache"
    assert peer.peak_running <= 3
    assert (peer.headers[-1]["x-a"], peer.headers[-1]["x-c"]) == ("b", "d")


def test_serve_saves_every_request_when_asked(serve, tmp_path):
    run = serve("--num-prompts", 4, "--save-detailed")
    assert run.exit_code == 0, run.errors
    result = json.loads((tmp_path / "result.json").read_text())
    assert result.keys() >= DETAIL_KEYS
    assert {len(result[key]) for key in DETAIL_KEYS} == {4}
    assert result["output_lens"] == [5] * 4
    assert result["request_goodput"] is None
    assert result["request_rate"] == "inf"


def test_tokens_are_counted_by_the_client_when_the_server_reports_none(serve, peer, tiny_llama, tmp_path, tokenizers):
    peer.has_usage = False
    run = serve("--num-prompts", 2, "--save-result")
    assert run.exit_code == 0, run.errors
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["total_output_tokens"] == 2 * len(tokenizers["bytes"].encode("Once upon a time"))
    assert result["total_input_tokens"] == 2 * 12


def test_the_tokenizer_is_found_where_the_server_says_its_model_is(bench, peer, tiny_llama):
    peer.root = str(tiny_llama)
    run = bench(
        *("serve", "--base-url", peer.url, "--num-prompts", 1, "--random-input-len", 8, "--random-output-len", 3),
        "--disable-tqdm",
    )
    assert run.exit_code == 0, run.errors


def test_serve_fails_when_every_request_does_and_says_why(serve, peer):
    peer.refusal = JSONResponse({"error": {"message": "the engine is down"}}, status_code=503)
    run = serve("--num-prompts", 3, "--ready-check-timeout-sec", 0)
    assert run.exit_code == 2
    assert "3 requests: HTTP 503: the engine is down" in run.errors
    assert "rhumb: no request succeeded" in run.errors


def test_a_request_that_can_never_succeed_ends_the_ready_check_at_once(serve, peer):
    peer.refusal = JSONResponse({"error": {"message": "unknown field top_q"}}, status_code=400)
    run = serve("--num-prompts", 3, "--ready-check-timeout-sec", 60)
    assert run.exit_code == 2
    assert "unknown field top_q" in run.errors
    assert len(peer.bodies) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "other"), "--model other is not served; served are story"),
        (("--profile",), "no profiler"),
        (("--goodput", "speed:1"), "NAME:MILLISECONDS"),
        (("--extra-body", "{"), "--extra-body is not JSON"),
        (("--request-rate", "0"), "--request-rate must be above 0"),
        (("--ramp-up-strategy", "linear"), "needs --ramp-up-start-rps"),
        (("--ramp-up-start-rps", "1"), "need --ramp-up-strategy"),
        (("--dataset-name", "sharegpt"), "needs --dataset-path"),
        (("--random-range-ratio", "2"), "--random-range-ratio"),
        (("--base-url", "nonsense"), "--base-url nonsense"),
        (("--base-url", "http://127.0.0.1:1"), "no server answers at http://127.0.0.1:1"),
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(serve, arguments, message):
    run = serve("--num-prompts", 2, "--ready-check-timeout-sec", 0, *arguments)
    assert run.exit_code == 2
    lines = run.errors.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("rhumb: ")
    assert message in lines[0]


@pytest.fixture
def real_server(tiny_llama) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "server.cli", "serve", str(tiny_llama)]
    options = ["--port", str(port), "--num-pages", "256", "--num-threads", "1"]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.mark.slow
def test_our_own_server_is_waited_for_and_counts_tokens_as_the_client_does(bench, real_server, tiny_llama, tmp_path):
    for backend in ("openai", "openai-chat"):
        run = bench(
            *("serve", "--base-url", real_server, "--tokenizer", tiny_llama, "--backend", backend),
            *("--num-prompts", 6, "--random-input-len", 30, "--random-output-len", 7, "--ignore-eos"),
            *("--max-concurrency", 2, "--ready-check-timeout-sec", 200, "--disable-tqdm"),
            *("--save-detailed", "--result-dir", tmp_path, "--result-filename", f"{backend}.json"),
        )
        assert run.exit_code == 0, run.errors
        result = json.loads((tmp_path / f"{backend}.json").read_text())
        assert result["errors"] == [""] * 6
        assert result["output_lens"] == [7] * 6
        if backend == "openai":
            # Exact lengths are the promise of the random prompts; a chat template adds tokens of its own.
            assert result["input_lens"] == [30] * 6
            assert result["total_input_tokens"] == result["total_input_tokens_by_client"]
        assert result["max_concurrent_requests"] == 2


def test_ctrl_c_ends_with_the_exit_code_of_an_interruption(bench, monkeypatch):
    def interrupted(config: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("server.bench.offline.load_core", interrupted)
    assert bench("latency", "--disable-tqdm").exit_code == 130
