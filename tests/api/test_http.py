"""The HTTP side itself: statuses, headers, limits, health, metrics, the page."""

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.wire import LiveServer

GOOD = {"prompt": "a", "max_tokens": 1}


def envelope(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a response, after checking everything that all errors share."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    assert response.headers["x-request-id"]
    return error


def test_unknown_addresses_and_methods_have_the_same_envelope(client: httpx.Client) -> None:
    for path in ("/nothing", "/v1/", "/v1/models/x/y", "//v1/models", "/static/none.css", "/static/../server/cli.py"):
        envelope(client.get(path), 404)
    for method, path in (("GET", "/v1/completions"), ("DELETE", "/v1/models"), ("HEAD", "/v1/chat/completions")):
        response = client.request(method, path)
        assert response.status_code == 405
        assert "allow" in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_only_plain_json_is_read(client: httpx.Client, headers: dict[str, str]) -> None:
    content = gzip.compress(b"{}") if "content-encoding" in headers else b"{}"
    envelope(client.post("/v1/completions", content=content, headers=headers), 415)


def test_a_charset_in_the_content_type_is_no_matter(client: httpx.Client) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/completions", content=json.dumps(GOOD), headers=headers).status_code == 200


def test_a_request_id_is_echoed_if_harmless_and_made_otherwise(client: httpx.Client) -> None:
    assert client.get("/version", headers={"x-request-id": "abc-1.2:3_4"}).headers["x-request-id"] == "abc-1.2:3_4"
    for bad in ("a b", "x" * 129, "a\tb", '"', "é".encode("latin-1")):
        got = client.get("/version", headers={"x-request-id": bad}).headers["x-request-id"]
        assert re.fullmatch("req_[0-9a-f]{32}", got)


def test_openai_headers_are_there(client: httpx.Client) -> None:
    headers = client.post("/v1/completions", json=GOOD).headers
    assert headers["openai-processing-ms"].isdigit()
    assert headers["openai-version"]


def test_too_many_headers_are_431(client: httpx.Client) -> None:
    envelope(client.get("/version", headers={f"x-{number}": "a" for number in range(200)}), 431)
    envelope(client.get("/version", headers={"x-long": "a" * 40_000}), 431)


def test_what_is_not_http_gets_the_envelope_too(server: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x16\x03\x01garbage\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2].splitlines()[-1] if b"\r\n" in answer else answer)


def test_models_lists_the_model_and_its_variants(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["tiny", "tiny:full"]
    assert all(model["max_model_len"] == 512 and model["object"] == "model" for model in listed["data"])
    assert client.get("/v1/models/tiny:full").json() == listed["data"][1]
    assert envelope(client.get("/v1/models/org/tiny"), 404)["code"] == "model_not_found"


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_tokenize_and_detokenize_are_inverse(client: httpx.Client, prefix: str) -> None:
    text = "The ship <|im_end|> left — ça va? 😀"
    got = client.post(f"{prefix}/tokenize", json={"prompt": text, "return_token_strs": True}).json()
    assert got["count"] == len(got["tokens"]) == len(got["token_strs"])
    assert got["max_model_len"] == 512
    back = client.post(f"{prefix}/detokenize", json={"tokens": got["tokens"]}).json()
    assert back == {"prompt": text}
    envelope(client.post(f"{prefix}/detokenize", json={"tokens": [384]}), 400)
    envelope(client.post(f"{prefix}/tokenize", json={}), 400)
    envelope(
        client.post(f"{prefix}/tokenize", json={"prompt": "a", "messages": [{"role": "user", "content": "a"}]}), 400
    )


def test_health_says_live_and_ready(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "reason": None}
    for path in ("/health", "/ping"):
        response = client.get(path)
        assert (response.status_code, response.content) == (200, b"")
    assert client.get("/version").json().keys() == {"version"}


def test_metrics_count_what_happened(client: httpx.Client) -> None:
    def value(name: str) -> float:
        text = client.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    name = 'vllm:request_success_total{finished_reason="length",model_name="tiny"}'
    before = value(name)
    for _ in range(3):
        assert client.post("/v1/completions", json=GOOD | {"ignore_eos": True}).status_code == 200
    assert value(name) == before + 3
    response = client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for series in (
        "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
        "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total", "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total", "vllm:num_preemptions_total", "vllm:time_to_first_token_seconds_bucket",
        "vllm:e2e_request_latency_seconds_sum", "vllm:iteration_tokens_total_count", "vllm:cache_config_info",
        "rhumb:layers_skipped_total", "rhumb:request_mean_depth_layers_count", "rhumb:http_requests_total",
    ):  # fmt: skip
        assert series in response.text, series
    assert value('vllm:iteration_tokens_total_count{model_name="tiny"}') > 0
    client.get("/secret-" + "x" * 50)
    assert "secret" not in client.get("/metrics").text


def test_openapi_describes_bodies_errors_and_streams(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    for path in ("/v1/completions", "/v1/chat/completions"):
        operation = schema["paths"][path]["post"]
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference.rpartition("/")[2] in schema["components"]["schemas"]
        assert {"400", "401", "404", "413", "415", "429", "503"} <= operation["responses"].keys()
        assert operation["responses"]["200"]["content"].keys() == {"application/json", "text/event-stream"}
        assert "422" not in operation["responses"]
    text = json.dumps(schema)
    for reference in set(re.findall(r"#/components/schemas/([\w-]+)", text)):
        assert reference in schema["components"]["schemas"], reference


def test_the_page_shows_the_state_and_its_twin_says_the_same(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "Ready" in page.text
    assert "tiny" in page.text
    assert not re.search(r"""(src|href)=["']https?:""", page.text)
    twin = client.get("/status.json").json()
    assert (twin["is_ready"], twin["model"], twin["variants"]) == (True, "tiny", ["full"])
    assert twin["curl"] in page.text.replace("&#39;", "'").replace("&#34;", '"')
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert client.get(asset).status_code == 200


def test_development_routes_are_absent_by_default(client: httpx.Client) -> None:
    envelope(client.post("/reset_prefix_cache"), 404)


@pytest.fixture(scope="module")
def strict(tiny_llama: Path) -> Iterator[LiveServer]:
    """Small limits, keys, CORS and the development routes."""
    live = LiveServer(
        tiny_llama,
        {"max_rows": 1, "max_waiting": 1},
        api_keys=("sk-one", "sk-two"),
        cors_origins=("https://app.example",),
        max_body_bytes=4096,
        body_timeout_s=0.5,
        header_timeout_s=0.5,
        dev=True,
    )
    yield live
    live.stop()


@pytest.fixture
def guest(strict: LiveServer) -> Iterator[httpx.Client]:
    with strict.client() as client:
        yield client


@pytest.fixture
def member(strict: LiveServer) -> Iterator[httpx.Client]:
    with strict.client(headers={"authorization": "Bearer sk-two"}) as client:
        yield client


def test_without_a_key_only_health_answers(guest: httpx.Client, member: httpx.Client) -> None:
    for path in ("/v1/models", "/metrics", "/", "/openapi.json", "/nothing"):
        response = guest.get(path)
        assert envelope(response, 401)["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
    assert guest.get("/health").status_code == 200
    assert member.get("/v1/models").status_code == 200
    assert "Authorization: Bearer" in member.get("/status.json").json()["curl"]


def test_a_preflight_needs_no_key(guest: httpx.Client) -> None:
    headers = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    response = guest.options("/v1/completions", headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    other = guest.options("/v1/completions", headers=headers | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_large_body_is_413_by_its_length_or_by_its_chunks(member: httpx.Client) -> None:
    big = json.dumps({"prompt": "x" * 5000}).encode()
    for content in (big, (big[start : start + 100] for start in range(0, len(big), 100))):
        response = member.post("/v1/completions", content=content, headers={"content-type": "application/json"})
        assert envelope(response, 413)["code"] == "request_too_large"


def test_a_fifty_megabyte_body_gets_its_answer(member: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    assert envelope(member.post("/v1/completions", content=b"x" * 50_000_000, headers=headers), 413)


def test_an_endless_chunked_body_is_413(strict: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-one\r\n"
            b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        answer = b""
        try:
            for _ in range(10_000):
                connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
        except OSError:
            pass
        while b"\r\n\r\n" not in answer and (part := connection.recv(4096)):
            answer += part
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_slow_body_is_408(strict: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-one\r\n"
            b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("begun", [b"", b"POST /v1/comp", b"GET /health HTTP/1.1\r\nhost: a\r\nx: "])
def test_slow_headers_close_the_connection(strict: LiveServer, begun: bytes) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", strict.port), timeout=20) as connection:
        connection.sendall(begun)
        assert connection.recv(4096) == b""
    assert time.monotonic() - started < 10


def test_a_full_queue_is_429_with_the_time_to_wait(member: httpx.Client, strict: LiveServer) -> None:
    body = {"prompt": "a", "max_tokens": 500, "ignore_eos": True, "stream": True}
    with strict.held(), member.stream("POST", "/v1/completions", json=body) as first:
        next(first.iter_raw())
        many = {"prompt": ["a"] * 8, "max_tokens": 1}
        response = member.post("/v1/completions", json=many)
        error = envelope(response, 429)
    assert (error["type"], error["code"]) == ("rate_limit_error", "server_overloaded")
    assert int(response.headers["retry-after"]) >= 1
    metrics = member.get("/metrics").text
    assert re.search(r'vllm:admission_rejections_total\{model_name="tiny"\} [1-9]', metrics)


def test_the_prefix_cache_can_be_forgotten_in_development(member: httpx.Client) -> None:
    body = {"prompt": list(range(100)), "max_tokens": 1}

    def cached() -> int:
        usage = member.post("/v1/completions", json=body).json()["usage"]
        return int(usage["prompt_tokens_details"]["cached_tokens"])

    cached()
    assert cached() == 96
    assert member.post("/reset_prefix_cache").status_code == 200
    assert cached() == 0
