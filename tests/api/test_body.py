"""Bodies that are not what they should be get a message, never a traceback."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.api.body import MAX_DEPTH, parse_object, validate
from server.api.errors import ApiError
from server.api.protocol.chat import ChatCompletionRequest
from server.api.protocol.completions import CompletionRequest
from server.errors import RequestError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_every_json_object_comes_back_as_it_was(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_request_error(body: bytes) -> None:
    try:
        value = parse_object(body)
    except RequestError:
        return
    assert isinstance(value, dict)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "could not parse"),
        (b"{", "could not parse"),
        (b"not json", "could not parse"),
        (b"[1]", "must be a JSON object"),
        (b"3", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": [-Infinity]}', "-Infinity"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udc00x": 1}', "surrogate"),
        (b'{"a": [{"b": "x\\uDBFFy"}]}', "surrogate"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b"[" * 1_000_000, "nested"),
    ],
)
def test_a_bad_body_says_what_is_wrong(body: bytes, part: str) -> None:
    with pytest.raises(RequestError, match=part):
        parse_object(body)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_duplicate_keys_keep_the_last() -> None:
    assert parse_object(b'{"a": 1, "a": 2}') == {"a": 2}


def test_depth_counts_levels_and_not_brackets_in_strings() -> None:
    parse_object(json.dumps({"a": "[{" * 1000 + '"\\'}).encode())
    lists = MAX_DEPTH - 1
    parse_object(b'{"a": ' + b"[" * lists + b"]" * lists + b"}")
    with pytest.raises(RequestError, match="nested"):
        parse_object(b'{"a": ' + b"[" * (lists + 1) + b"]" * (lists + 1) + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * 1_000_000,
        b'{"a": "' + b"[" * 1000 + b'\\"' * 1_000_000,
        b"[" * 1000 + b'"' * 2_000_000,
        b'{"a": [' + b"[1]," * 400_000 + b"[1]]}",
    ],
)
def test_no_body_of_megabytes_costs_more_than_its_length(body: bytes) -> None:
    started_s = time.process_time()
    with contextlib.suppress(RequestError):
        parse_object(body)
    assert time.process_time() - started_s < 5


def refusal(request_type: type, values: dict[str, object], *, lenient: bool = False) -> ApiError:
    with pytest.raises(ApiError) as caught:
        validate(request_type, values, lenient=lenient)
    assert caught.value.status == 400
    return caught.value


def test_unknown_fields_are_named_all_of_them() -> None:
    error = refusal(CompletionRequest, {"prompt": "a", "temprature": 1, "guide": 2})
    assert error.message == "Unrecognized request arguments supplied: temprature, guide"
    assert error.param == "temprature"
    one = refusal(CompletionRequest, {"prompt": "a", "temprature": 1})
    assert one.message == "Unrecognized request argument supplied: temprature"


def test_unknown_fields_are_ignored_when_lenient() -> None:
    assert validate(CompletionRequest, {"prompt": "a", "temprature": 1}, lenient=True).prompt == "a"


@pytest.mark.parametrize(
    "field", ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"]
)
def test_harmless_openai_fields_are_accepted(field: str) -> None:
    validate(CompletionRequest, {"prompt": "a", field: "x"}, lenient=False)


@pytest.mark.parametrize("field", ["suffix", "guided_json", "prompt_embeds", "functions", "audio", "chat_template"])
@pytest.mark.parametrize("lenient", [False, True])
def test_fields_that_would_change_the_answer_are_refused_even_when_lenient(field: str, lenient: bool) -> None:
    error = refusal(CompletionRequest, {"prompt": "a", field: {"x": 1}}, lenient=lenient)
    assert error.param == field
    assert error.code == "unsupported_parameter"


def test_an_unsupported_field_that_is_off_is_no_matter() -> None:
    validate(CompletionRequest, {"prompt": "a", "suffix": None, "use_beam_search": False}, lenient=False)


LIMITS: dict[str, tuple[float | None, float | None]] = {
    "temperature": (0, 2),
    "top_p": (None, 1),
    "min_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "n": (1, 128),
    "max_tokens": (0, None),
    "min_tokens": (0, None),
    "top_k": (-1, None),
    "logprobs": (0, None),
    "seed": (-(2**63), 2**63 - 1),
    "best_of": (0, 20),
}


@pytest.mark.parametrize("field", LIMITS)
def test_numbers_are_taken_up_to_their_limits_and_not_beyond(field: str) -> None:
    low, high = LIMITS[field]
    for limit, outside in ((low, -1), (high, 1)):
        if limit is not None:
            validate(CompletionRequest, {"prompt": "a", field: limit}, lenient=False)
            assert refusal(CompletionRequest, {"prompt": "a", field: limit + outside}).param == field
    for wrong in ("1", True, [1], {}, float("nan"), float("inf"), 10**400):
        assert refusal(CompletionRequest, {"prompt": "a", field: wrong}).param == field
    validate(CompletionRequest, {"prompt": "a", field: None}, lenient=False)


@pytest.mark.parametrize("prompt", ["", "a", ["a", ""], [1, 2], [[1], [2, 3]]])
def test_the_four_shapes_of_a_prompt_are_taken(prompt: object) -> None:
    assert validate(CompletionRequest, {"prompt": prompt}, lenient=False).prompt == prompt


@pytest.mark.parametrize("prompt", [None, 1, [], [[]], [1, "a"], [[1], "a"], [True], [[1.5]], {"a": 1}, [[1], []]])
def test_other_prompts_are_refused(prompt: object) -> None:
    assert refusal(CompletionRequest, {"prompt": prompt}).param == "prompt"


def test_a_missing_field_is_called_missing() -> None:
    error = refusal(CompletionRequest, {})
    assert error.message == "Missing required parameter: 'prompt'."
    assert error.code == "missing_required_parameter"


@pytest.mark.parametrize("stop", [[""], "", ["a"] * 5, ["x" * 1001], [1], 1])
def test_bad_stop_strings_are_refused(stop: object) -> None:
    assert (refusal(CompletionRequest, {"prompt": "a", "stop": stop}).param or "").startswith("stop")


def test_one_stop_string_is_a_list_of_one() -> None:
    assert validate(CompletionRequest, {"prompt": "a", "stop": "x"}, lenient=False).stop == ["x"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "wizard", "content": "a"}, "messages[0].role"),
        ({"role": "user", "content": 3}, "messages[0].content"),
        ({"role": "user", "content": "a", "colour": 1}, "messages[0].colour"),
        ({"content": "a"}, "messages[0].role"),
        ("hello", "messages[0]"),
    ],
)
def test_a_bad_message_is_named_by_its_path(message: object, param: str) -> None:
    assert refusal(ChatCompletionRequest, {"messages": [message]}).param == param


def test_errors_stay_small_whatever_is_sent() -> None:
    messages = [{"role": "user" * 100, "content": {"x": "y" * 10_000}} for _ in range(1000)]
    error = refusal(ChatCompletionRequest, {"messages": messages, "stop": list(range(1000))})
    assert len(error.encoded()) < 4000
    unknown = {f"field{number}" + "x" * 1000: 1 for number in range(1000)}
    assert len(refusal(ChatCompletionRequest, {"messages": [], **unknown}).encoded()) < 4000
