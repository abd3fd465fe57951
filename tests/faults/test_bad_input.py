"""Whatever is sent, the answer is the right 4xx in the one envelope, soon, and the server goes on serving."""

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.faults.program import GOOD, Answer, Program, connect, exchange, post_bytes, read_all

SOON_S = 20.0
"""Far above what any refusal takes, and far below what a stuck server takes."""

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
CHAT_GOOD: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
JSON = {"content-type": "application/json"}


@pytest.fixture
def client(program: Program) -> Iterator[httpx.Client]:
    """A client of the shared server, which must still serve after the test."""
    with httpx.Client(base_url=program.url, timeout=SOON_S) as client:
        yield client
    program.serves()


def parsed(response: httpx.Response) -> Answer:
    assert response.headers["x-request-id"]
    return Answer(response.status_code, dict(response.headers), response.content)


def refusal(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    answer = parsed(response)
    assert answer.status == status, answer.body[:500]
    return answer.error


def nested(levels: int) -> dict[str, Any]:
    """A JSON schema of objects within objects."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


def schema_format(schema: object) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


NOT_JSON_OBJECTS = {
    "nothing": b"",
    "words": b"hello",
    "half an object": b'{"prompt": "a"',
    "a number": b"3",
    "a string": b'"prompt"',
    "null": b"null",
    "an array": b"[1]",
    "two objects": b"{}{}",
    "a trailing comma": b'{"prompt": "a",}',
    "single quotes": b"{'prompt': 'a'}",
    "NaN": b'{"prompt": "a", "temperature": NaN}',
    "Infinity": b'{"prompt": "a", "temperature": Infinity}',
    "minus Infinity": b'{"prompt": "a", "temperature": -Infinity}',
    "1e400": b'{"prompt": "a", "temperature": 1e400}',
    "an integer of 5000 digits": b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
    "latin-1": '{"prompt": "é"}'.encode("latin-1"),
    "UTF-16": '{"prompt": "a"}'.encode("utf-16"),
    "a lone surrogate as an escape": b'{"prompt": "\\ud800"}',
    "a lone surrogate as bytes": b'{"prompt": "\xed\xa0\x80"}',
    "a lone surrogate in a key": b'{"prompt": "a", "\\udfff": 1}',
    "1,000 levels": b'{"prompt": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "a million levels": b'{"prompt": ' + b"[" * 1_000_000,
    "an unclosed string of quotes": b'{"prompt": "' + b"[" * 1000 + b'\\"' * 1_000_000,
    "gzip": gzip.compress(b"{}"),
    "NUL bytes": bytes(100),
}


@pytest.mark.parametrize("name", NOT_JSON_OBJECTS)
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT, "/tokenize", "/detokenize"])
def test_what_is_not_a_json_object_is_400(client: httpx.Client, path: str, name: str) -> None:
    refusal(client.post(path, content=NOT_JSON_OBJECTS[name], headers=JSON))


PROMPTS: dict[str, tuple[object, str | None]] = {
    "empty": ("", "invalid_value"),
    "no prompt in a list": ([], "invalid_value"),
    "an empty prompt in a list": ([[]], "invalid_value"),
    "one of them empty": ([[1], []], "invalid_value"),
    "one text of them empty": (["a", ""], "invalid_value"),
    "null": (None, "invalid_value"),
    "a number": (3, "invalid_value"),
    "a flag": (True, "invalid_value"),
    "flags": ([True], "invalid_value"),
    "mixed": (["a", 1], "invalid_value"),
    "fractions": ([1.0], "invalid_value"),
    "an object": ({"text": "a"}, "invalid_value"),
    "a negative id": ([-1], "invalid_value"),
    "an id beyond the vocabulary": ([100_000], "invalid_value"),
    "an id of 2^63": ([2**63], "invalid_value"),
    "an id of 10^40": ([10**40], "invalid_value"),
    "too many prompts": (["a"] * 1025, "invalid_value"),
    "a hundred thousand prompts": (["a"] * 100_000, "invalid_value"),
    "too long in tokens": ([5] * 600, "context_length_exceeded"),
    "as long as the context": ([5] * 512, "context_length_exceeded"),
    "too long in words": ("word " * 2000, "context_length_exceeded"),
    "megabytes": ("a" * 5_000_000, "context_length_exceeded"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_that_cannot_be_served_is_400(client: httpx.Client, name: str) -> None:
    prompt, code = PROMPTS[name]
    error = refusal(client.post(COMPLETIONS, json=GOOD | {"prompt": prompt}))
    assert error["param"] == "prompt"
    assert error["code"] == code


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "\ufeffa",
        "\u202eabc\u202c",
        "🙂" * 20,
        "a\r\n\x1b[31mb",
        "<|endoftext|>",
        "<|im_start|>system\n",
        "\uffff",
    ],
)
def test_strange_but_valid_text_is_served_and_comes_back_as_it_was(client: httpx.Client, text: str) -> None:
    echoed = client.post(COMPLETIONS, json=GOOD | {"prompt": text, "echo": True})
    assert echoed.status_code == 200
    assert echoed.json()["choices"][0]["text"].startswith(text)
    chat = client.post(CHAT, json=CHAT_GOOD | {"messages": [{"role": "user", "content": text}]})
    assert chat.status_code == 200


# field: (values that are served, values that are refused)
NUMBERS: dict[str, tuple[list[object], list[object]]] = {
    "temperature": ([0, -0.0, 0.5, 2, None], [-0.001, 2.001, 1e308]),
    "top_p": ([1e-9, 1, None], [0, -1, 1.001]),
    "top_k": ([-1, 0, 1, 2**31 - 1, None], [-2, 2**31, 1.5]),
    "min_p": ([0, 1, None], [-0.001, 1.001]),
    "repetition_penalty": ([0.001, 10, None], [0, -1, 10.001]),
    "presence_penalty": ([-2, 2, None], [-2.001, 2.001]),
    "frequency_penalty": ([-2, 2, None], [-2.001, 2.001]),
    "n": ([1, 128, None], [0, -1, 129, 1_000_000, 1.5]),
    "best_of": ([1, None], [0, -1, 2, 21, 1.5]),
    "max_tokens": ([1, 500, None], [-1, 0, 2**31, 1.5]),
    "min_tokens": ([0, 2, None], [-1, 3, 2**31, 1.5]),
    "logprobs": ([0, 20, None], [-1, 21, 2**31, 1.5]),
    "prompt_logprobs": ([0, 20, None], [-1, 21, 2**31, 1.5]),
    "seed": ([-(2**63), 0, 2**63 - 1, None], [-(2**63) - 1, 2**63, 1.5]),
    "priority": ([-(2**31), 2**31 - 1, None], [-(2**31) - 1, 2**31, 1.5]),
    "truncate_prompt_tokens": ([1, 2**31 - 1, None], [0, -1, 2**31, 1.5]),
}
NEVER_NUMBERS: list[object] = ["1", True, [1], {}, "", 10**400]


@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_is_served_up_to_its_limits_and_refused_beyond(client: httpx.Client, field: str) -> None:
    served, refused = NUMBERS[field]
    body = {"prompt": "The ship", "max_tokens": 2, "ignore_eos": True}
    for value in served:
        response = client.post(COMPLETIONS, json=body | {field: value})
        assert response.status_code == 200, (value, response.text)
    for value in [*refused, *NEVER_NUMBERS]:
        error = refusal(client.post(COMPLETIONS, json=body | {field: value}))
        assert error["param"] == field, (value, error)


@pytest.mark.parametrize(
    ("field", "served", "refused"),
    [
        ("max_completion_tokens", [1, 400, None], [0, -1, 2**31, 1.5]),
        ("top_logprobs", [0, 20, None], [-1, 21, 2**31, 1.5]),
    ],
)
def test_a_number_of_the_chat_is_too(
    client: httpx.Client, field: str, served: list[object], refused: list[object]
) -> None:
    body = {"messages": CHAT_GOOD["messages"], "logprobs": True, "stop_token_ids": [5]}
    for value in served:
        assert client.post(CHAT, json=body | {field: value}).status_code == 200, value
    for value in [*refused, *NEVER_NUMBERS]:
        refusal(client.post(CHAT, json=body | {field: value}))


@pytest.mark.parametrize("max_tokens", [509, 512, 2**31 - 1])
def test_more_tokens_than_the_context_has_are_refused_as_such(client: httpx.Client, max_tokens: int) -> None:
    error = refusal(client.post(COMPLETIONS, json={"prompt": [5] * 4, "max_tokens": max_tokens}))
    assert error["code"] == "context_length_exceeded"


# name: (fields beside a good completion, param of the refusal)
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "a model that does not exist": ({"model": "gpt-9"}, "model"),
    "a variant that does not exist": ({"model": "tiny:none"}, "model"),
    "a model without a name": ({"model": ""}, "model"),
    "a model with a path": ({"model": "../../etc/passwd"}, "model"),
    "a model with a line break": ({"model": "tiny\r\nx"}, "model"),
    "a model of a kilobyte": ({"model": "m" * 1000}, "model"),
    "a number for a model": ({"model": 1}, "model"),
    "an unknown field": ({"temprature": 1}, "temprature"),
    "two hundred unknown fields": ({f"field{number}": 1 for number in range(200)}, "field0"),
    "five stop strings": ({"stop": list("abcde")}, "stop"),
    "an empty stop string": ({"stop": ""}, "stop[0]"),
    "a stop string of a megabyte": ({"stop": "a" * 2**20}, "stop[0]"),
    "a stop id beyond the vocabulary": ({"stop_token_ids": [100_000]}, "stop_token_ids"),
    "a bias on no id": ({"logit_bias": {"a": 1}}, "logit_bias"),
    "a bias on a negative id": ({"logit_bias": {"-1": 1}}, "logit_bias"),
    "a bias beyond the vocabulary": ({"logit_bias": {"100000": 1}}, "logit_bias"),
    "too strong a bias": ({"logit_bias": {"1": 101}}, "logit_bias.1"),
    "a hundred thousand biases": ({"logit_bias": {str(token): 1 for token in range(100_000)}}, "logit_bias"),
    "no allowed token": ({"allowed_token_ids": []}, "allowed_token_ids"),
    "an allowed token that is not there": ({"allowed_token_ids": [100_000]}, "allowed_token_ids"),
    "a salt of a megabyte": ({"cache_salt": "a" * 2**20}, "cache_salt"),
    "stream options without a stream": ({"stream_options": {"include_usage": True}}, "stream_options"),
    "a word for a flag": ({"stream": "yes"}, "stream"),
    "fill in the middle": ({"suffix": "b"}, "suffix"),
    "a schema that cannot compile": (schema_format({"type": "frog"}), "response_format"),
    "a schema of 120 levels": (schema_format(nested(60)), "response_format"),
    "a schema that is no schema": (schema_format([1]), "response_format.json_schema.schema"),
    "a reference to nothing": (schema_format({"$ref": "#/$defs/none"}), "response_format"),
    "two constraints": ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs"),
    "no constraint": ({"structured_outputs": {}}, "structured_outputs"),
    "a regex that is none": ({"structured_outputs": {"regex": "(("}}, "structured_outputs"),
    "a regex of ten kilobytes": ({"structured_outputs": {"regex": "a?" * 5000}}, "structured_outputs"),
    "a grammar that is none": ({"structured_outputs": {"grammar": "no grammar"}}, "structured_outputs"),
    "JSON that is none as a schema": ({"structured_outputs": {"json": "{"}}, "structured_outputs.json"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_cannot_be_served_is_refused_by_its_name(client: httpx.Client, name: str) -> None:
    fields, param = FIELDS[name]
    is_missing_model = param == "model" and isinstance(fields["model"], str) and len(fields["model"]) < 512
    error = refusal(client.post(COMPLETIONS, json=GOOD | fields), 404 if is_missing_model else 400)
    assert error["param"] == param


@pytest.mark.parametrize(
    "regex", ["(a+)+$", "((a{1,1000}){1,1000}){1,1000}", "(a|b)*a(a|b){300}", "(.*)*x", "(x?){5000}x{5000}"]
)
def test_a_regex_that_explodes_is_served_or_refused_soon(client: httpx.Client, regex: str) -> None:
    answer = parsed(client.post(COMPLETIONS, json=GOOD | {"structured_outputs": {"regex": regex}}))
    if answer.status != 200:
        # What shows only while the text grows ends that one request.
        assert (answer.status, answer.error["code"]) in {(400, "invalid_grammar"), (500, "engine_error")}
        assert "grammar" in answer.error["message"] or "regex" in answer.error["message"]


MESSAGES: dict[str, tuple[object, str]] = {
    "none": ([], "messages"),
    "no list": ("hello", "messages"),
    "null": (None, "messages"),
    "a text": (["hello"], "messages[0]"),
    "no role": ([{"content": "a"}], "messages[0].role"),
    "a role that is none": ([{"role": "wizard", "content": "a"}], "messages[0].role"),
    "content that is none": ([{"role": "user", "content": None}], "messages[0].content"),
    "content that is a number": ([{"role": "user", "content": 3}], "messages[0].content"),
    "an image": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/"}}]}],
        "messages[0].content[0]",
    ),
    "a sound": (
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}],
        "messages[0].content[0]",
    ),
    "a text part without text": ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0]"),
    "a tool's answer to no call": ([{"role": "tool", "content": "a"}], "messages[0].tool_call_id"),
    "an unknown field": ([{"role": "user", "content": "a", "colour": "red"}], "messages[0].colour"),
    "ten thousand": ([{"role": "user", "content": "a"}] * 10_000, "messages"),
    "too many to count": ([{"role": "user", "content": "a"}] * 20_000, "messages"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_that_cannot_be_served_are_refused_by_their_place(client: httpx.Client, name: str) -> None:
    messages, param = MESSAGES[name]
    assert refusal(client.post(CHAT, json=CHAT_GOOD | {"messages": messages}))["param"] == param


def test_an_object_with_more_fields_than_could_be_meant_is_refused_in_one_line(client: httpx.Client) -> None:
    flood = {f"field{number}": 1 for number in range(100_000)}
    for path, body in ((COMPLETIONS, GOOD | flood), (CHAT, {"messages": [{"role": "user", "content": "a"} | flood]})):
        assert "fields" in refusal(client.post(path, json=body))["message"]


def test_the_last_of_two_equal_keys_counts(client: httpx.Client) -> None:
    content = b'{"prompt": "a", "n": 0, "n": 2, "max_tokens": 1}'
    response = client.post(COMPLETIONS, content=content, headers=JSON)
    assert len(response.json()["choices"]) == 2


@pytest.mark.parametrize("truncated", [{}, {"truncate_prompt_tokens": 5}])
def test_text_is_refused_before_it_is_tokenised_if_it_is_endless(
    client: httpx.Client, truncated: dict[str, int]
) -> None:
    text = "a" * (2**20 + 1)
    refusal(client.post("/tokenize", json={"prompt": text}))
    refusal(client.post(COMPLETIONS, json=GOOD | {"prompt": text} | truncated))
    refusal(client.post(CHAT, json=CHAT_GOOD | {"messages": [{"role": "user", "content": text}]} | truncated))


@pytest.mark.parametrize("tokens", [[-1], [2**31], [100_000], [1.5], ["a"], "a", None, [5] * 1_000_001])
def test_tokens_that_stand_for_nothing_are_400(client: httpx.Client, tokens: object) -> None:
    refusal(client.post("/detokenize", json={"tokens": tokens}))


def test_fifty_megabytes_are_413(client: httpx.Client) -> None:
    parts = (b"x" * 65536 for _ in range(800))
    assert refusal(client.post(COMPLETIONS, content=b"x" * 50_000_000, headers=JSON), 413)
    assert refusal(client.post(COMPLETIONS, content=parts, headers=JSON), 413)


def test_a_chunked_body_without_end_is_413_while_it_is_sent(program: Program) -> None:
    with connect(program.port, SOON_S) as connection:
        connection.sendall(
            b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        got = b""
        for _ in range(16_384):  # A gigabyte; the server takes far less of it.
            try:
                connection.sendall(chunk)
                connection.setblocking(False)
                got += connection.recv(65536)
            except BlockingIOError:
                pass
            except OSError:
                break
            finally:
                connection.settimeout(SOON_S)
    assert Answer.parse(got).status == 413
    assert Answer.parse(got).error["code"] == "request_too_large"
    program.serves()


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/jsonp"},
        {"content-type": ""},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "identity, br"},
    ],
)
def test_a_body_of_another_kind_is_415(client: httpx.Client, headers: dict[str, str]) -> None:
    refusal(client.post(COMPLETIONS, content=gzip.compress(json.dumps(GOOD).encode()), headers=headers), 415)


def test_headers_are_bounded_in_number_and_size(client: httpx.Client) -> None:
    refusal(client.get("/version", headers={f"x-{number}": "a" for number in range(300)}), 431)
    refusal(client.get("/version", headers={"x-long": "a" * 40_000}), 431)
    refusal(client.post(COMPLETIONS, json=GOOD, headers={"authorization": "Bearer " + "k" * 40_000}), 431)


GET = b"GET /version HTTP/1.1\r\nhost: a\r\n"
NOT_HTTP: dict[str, bytes] = {
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60) + b"\r\n\r\n",
    "HTTP/0.9": b"GET /version\r\n\r\n",
    "no host": b"GET /version HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"host: b\r\n\r\n",
    "a header line of a megabyte": GET + b"x: " + b"a" * 2**20 + b"\r\n\r\n",
    "a space before the colon": GET + b"x : a\r\n\r\n",
    "NUL in a header": GET + b"x: a\0b\r\n\r\n",
    "a space in the path": b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
    "a raw byte in the path": b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    "a negative length": GET + b"content-length: -1\r\n\r\n",
    "a length in words": GET + b"content-length: ten\r\n\r\n",
    "two lengths": GET + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "an unknown transfer encoding": GET + b"transfer-encoding: gzip\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_is_400_and_the_end_of_the_connection(program: Program, name: str) -> None:
    with connect(program.port, SOON_S) as connection:
        try:
            connection.sendall(NOT_HTTP[name])
            raw = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            # More was on its way than the server would read.
            assert len(NOT_HTTP[name]) > 2**16
            raw = b""
    if raw:
        answer = Answer.parse(raw)
        assert answer.status == 400
        assert answer.error["type"] == "invalid_request_error"
    program.serves()


def test_an_http_2_greeting_is_refused_in_http_1(program: Program) -> None:
    raw = read_all(_sent(program, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    assert raw.startswith(b"HTTP/1.1 4")
    program.serves()


def test_a_chunk_of_nonsense_ends_the_request(program: Program) -> None:
    raw = post_bytes(COMPLETIONS, b"").replace(b"content-length: 0", b"transfer-encoding: chunked") + b"zz\r\n"
    answer = Answer.parse(read_all(_sent(program, raw)))
    assert answer.status == 400
    assert answer.error
    program.serves()


def _sent(program: Program, raw: bytes) -> socket.socket:
    connection = connect(program.port, SOON_S)
    connection.sendall(raw)
    return connection


@pytest.mark.parametrize(
    "path",
    [
        "/v1/%00", "/%00", "/v1/../v1/models", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//v1/models",
        "/v1//models", "/v1/models/", "/static/../server/cli.py", "/static/..%2f..%2fserver%2fcli.py", "/static/%00",
        "/static/%ff", "/static//etc/passwd", "/v1/models/%ff", "/v1/models/a%0d%0ab", "/v1/models/" + "m" * 5000,
        "/%0d%0aset-cookie:%20a", "/v1/completions%20", "/V1/models", "/;/", "/a" * 2000, "/*",
        "/v1/models/..%2f..%2fetc%2fpasswd",
    ],
)  # fmt: skip
def test_an_address_of_nothing_is_404(program: Program, path: str) -> None:
    answer = exchange(program.port, b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())
    assert answer.status == 404, answer
    assert answer.error["type"] == "invalid_request_error"
    assert "set-cookie" not in answer.headers
    program.serves()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB"])
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT, "/tokenize"])
def test_another_method_is_405_and_says_which_are_allowed(program: Program, path: str, method: str) -> None:
    raw = b"%b %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % (method.encode(), path.encode())
    answer = Answer.parse(read_all(_sent(program, raw)))
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert (answer.body == b"") if method == "HEAD" else answer.error["code"] == "method_not_allowed"
