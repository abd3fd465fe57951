"""Streams hold exactly what the same request gets without one, and greedy tokens are those of transformers."""

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.conformance.strict import CHATS, COMPLETIONS, only_choices, send, stream
from tests.conformance.world import MAX_ROWS
from tests.conftest import SENTENCES

over_http = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
TOLERANCE = 1e-4
"""Of log probabilities: rows of other requests may share a step and change the order of additions."""

VOCAB_SIZE = 384

words = st.sampled_from([*SENTENCES, "The", "12 brothers", "ça", "😀", "<|im_end|>", "\n\n", "x"])
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)
token_ids = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=40)
sampling = st.fixed_dictionaries(
    {
        "max_tokens": st.integers(1, 16),
        "temperature": st.sampled_from([0, 0.7, 1.0, 2.0]),
        "seed": st.integers(-(2**63), 2**63 - 1),
    },
    optional={
        "n": st.integers(1, 4),
        "top_p": st.sampled_from([0.1, 0.9]),
        "top_k": st.sampled_from([-1, 1, 20]),
        "min_p": st.just(0.05),
        "repetition_penalty": st.sampled_from([0.8, 1.3]),
        "frequency_penalty": st.sampled_from([-1.0, 1.0]),
        "logit_bias": st.just({"60": 5, "61": -100}),
        "ignore_eos": st.booleans(),
        "min_tokens": st.just(1),
        "skip_special_tokens": st.booleans(),
        "stop": st.lists(st.sampled_from(["e", " t", "th", "\n", "12", "<|im_end|>", "zzz", "\ufffd"]), max_size=3),
        "include_stop_str_in_output": st.booleans(),
        "return_token_ids": st.just(True),
        "return_tokens_as_token_ids": st.booleans(),
    },
)
completion_bodies = st.builds(
    lambda prompt, params, extra: {"prompt": prompt} | params | extra,
    st.one_of(texts, token_ids, st.lists(texts, min_size=1, max_size=3), st.lists(token_ids, min_size=1, max_size=3)),
    sampling,
    st.fixed_dictionaries({}, optional={"echo": st.booleans(), "logprobs": st.integers(0, 5)}),
)
chat_bodies = st.builds(
    lambda contents, params, extra: (
        {"messages": [{"role": "user", "content": text} for text in contents]} | params | extra
    ),
    st.lists(texts, min_size=1, max_size=3),
    sampling,
    st.sampled_from([{}, {"logprobs": True}, {"logprobs": True, "top_logprobs": 4}]),
)

Joined = dict[int, dict[str, Any]]


def joined_completion(choices: list[dict[str, Any]]) -> Joined:
    """Choices by index; pieces of the same choice put together."""
    joined: Joined = {}
    for choice in choices:
        empty: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        state = joined.setdefault(choice["index"], {"text": "", "logprobs": empty, "token_ids": []})
        state["text"] += choice["text"]
        state["token_ids"] += choice.get("token_ids", [])
        for name, values in (choice["logprobs"] or {}).items():
            state["logprobs"][name] += values
        _end(state, choice)
        if "prompt_token_ids" in choice:
            assert "prompt_token_ids" not in state
            state["prompt_token_ids"] = choice["prompt_token_ids"]
    return joined


def joined_chat(choices: list[dict[str, Any]]) -> Joined:
    joined: Joined = {}
    for choice in choices:
        state = joined.setdefault(choice["index"], {"text": "", "logprobs": [], "token_ids": []})
        state["text"] += (choice["delta"] if "delta" in choice else choice["message"]).get("content", "")
        state["token_ids"] += choice.get("token_ids", [])
        state["logprobs"] += (choice["logprobs"] or {"content": []})["content"]
        _end(state, choice)
    return joined


def _end(state: dict[str, Any], choice: dict[str, Any]) -> None:
    assert "finish_reason" not in state, "a chunk after the one that ended its choice"
    if choice["finish_reason"] is not None:
        state["finish_reason"] = choice["finish_reason"]
        state["stop_reason"] = choice.get("stop_reason")


def assert_same(got: Any, expected: Any) -> None:
    """Equal, but for rounding in floats."""
    if isinstance(expected, float):
        assert got == pytest.approx(expected, abs=TOLERANCE)
    elif isinstance(expected, dict):
        # The order of equally likely alternatives may change, and which of them is the last to be shown.
        assert len(got) == len(expected)
        for key in got.keys() & expected.keys():
            assert_same(got[key], expected[key])
        assert got.keys() == expected.keys() or all(isinstance(value, float) for value in expected.values())
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    else:
        assert got == expected


def without_cache(usage: dict[str, Any]) -> dict[str, Any]:
    """The second of two equal requests finds more of its prompt in the cache."""
    return {name: value for name, value in usage.items() if name != "prompt_tokens_details"}


@over_http
@given(body=completion_bodies)
def test_a_stream_of_completions_joined_is_the_answer_without_one(client: httpx.Client, body: dict[str, Any]) -> None:
    whole = send(client, COMPLETIONS, **body)
    chunks = stream(client, COMPLETIONS, **body, stream_options={"include_usage": True})
    joined = joined_completion(only_choices(chunks))
    assert list(joined) == [choice["index"] for choice in whole["choices"]]
    assert_same(joined, joined_completion(whole["choices"]))
    assert without_cache(chunks[-1]["usage"]) == without_cache(whole["usage"])


@over_http
@given(body=chat_bodies)
def test_a_stream_of_chat_joined_is_the_answer_without_one(client: httpx.Client, body: dict[str, Any]) -> None:
    whole = send(client, CHATS, **body)
    chunks = stream(client, CHATS, **body, stream_options={"include_usage": True})
    joined = joined_chat(only_choices(chunks))
    assert list(joined) == [choice["index"] for choice in whole["choices"]]
    assert_same(joined, joined_chat(whole["choices"]))
    assert without_cache(chunks[-1]["usage"]) == without_cache(whole["usage"])
    assert chunks[0].get("prompt_token_ids") == whole.get("prompt_token_ids")
    assert not any("prompt_token_ids" in chunk for chunk in chunks[1:])


@over_http
@given(body=chat_bodies, wants_usage=st.booleans())
def test_the_chunks_of_a_chat_come_in_the_one_right_order(
    client: httpx.Client, body: dict[str, Any], wants_usage: bool
) -> None:
    n = body.get("n", 1)
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    chunks = stream(client, CHATS, **body, **options)
    if wants_usage:
        last = chunks.pop()
        assert last["choices"] == []
        assert last["usage"] is not None
    assert all(("usage" in chunk) == wants_usage and chunk.get("usage") is None for chunk in chunks)
    choices = [choice for (choice,) in (chunk["choices"] for chunk in chunks)]
    roles, rest = choices[:n], choices[n:]
    assert [choice["index"] for choice in roles] == list(range(n))
    for choice in roles:
        assert choice["delta"] == {"role": "assistant", "content": ""}
        assert choice["logprobs"] is None
        assert choice["finish_reason"] is None
    for index in range(n):
        *contents, finish = [choice for choice in rest if choice["index"] == index]
        assert finish["delta"] == {}
        assert finish["finish_reason"] in {"stop", "length"}
        for choice in contents:
            assert choice["delta"].keys() == {"content"}
            assert choice["finish_reason"] is None
            assert choice["logprobs"] is None or body.get("logprobs")


def _bytes_of(choice: dict[str, Any]) -> bytes:
    return bytes(byte for token in (choice["logprobs"] or {"content": []})["content"] for byte in token["bytes"])


def test_each_chunk_has_the_logprobs_of_just_its_text(stories_client: httpx.Client) -> None:
    body = {"messages": [_user("Once upon a time")], "max_tokens": 30, "n": 3, "seed": 1, "logprobs": True}
    shown = dict.fromkeys(range(3), b"")
    for choice in only_choices(stream(stories_client, CHATS, **body, ignore_eos=True)):
        assert _bytes_of(choice).decode() == choice["delta"].get("content", "")
        shown[choice["index"]] += _bytes_of(choice)
    assert all(len(text) > 30 for text in shown.values())


@over_http
@given(body=chat_bodies)
def test_logprobs_never_run_ahead_of_the_text_nor_miss_any_of_it(client: httpx.Client, body: dict[str, Any]) -> None:
    """The random model's tokens are cut within characters, so that a chunk may show but a part of its last token."""
    body = body | {"logprobs": True, "skip_special_tokens": False, "stop": None, "ignore_eos": True}
    num_tokens = dict.fromkeys(range(body.get("n", 1)), 0)
    texts = dict.fromkeys(num_tokens, "")
    scored = dict.fromkeys(num_tokens, b"")
    for choice in only_choices(stream(client, CHATS, **body)):
        index = choice["index"]
        texts[index] += choice["delta"].get("content", "")
        scored[index] += _bytes_of(choice)
        num_tokens[index] += len((choice["logprobs"] or {"content": []})["content"])
        assert texts[index].startswith(scored[index].decode("utf-8", "replace"))
    assert all(texts[index] == scored[index].decode("utf-8", "replace") for index in texts)
    assert set(num_tokens.values()) == {body["max_tokens"]}


@over_http
@given(body=completion_bodies.filter(lambda body: isinstance(body["prompt"], list)))
def test_prompts_together_get_the_choices_that_they_get_alone(client: httpx.Client, body: dict[str, Any]) -> None:
    is_one = isinstance(body["prompt"][0], int)
    prompts = [body["prompt"]] if is_one else body["prompt"]
    together = send(client, COMPLETIONS, **body)
    alone = [send(client, COMPLETIONS, **body | {"prompt": prompt}) for prompt in prompts]
    choices = [choice for answer in alone for choice in answer["choices"]]
    renumbered = [choice | {"index": index} for index, choice in enumerate(choices)]
    assert_same(together["choices"], renumbered)
    for name in ("prompt_tokens", "completion_tokens"):
        assert together["usage"][name] == sum(answer["usage"][name] for answer in alone)


@pytest.mark.parametrize("path", [COMPLETIONS, CHATS])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_stop_string_cuts_the_text_wherever_chunks_part(stories_client: httpx.Client, path: str, seed: int) -> None:
    story = "Once upon a time"
    prompt = {"prompt": story} if path == COMPLETIONS else {"messages": [{"role": "user", "content": story}]}
    # The tokens of both are asked for in completions' four arrays or chat's list.
    scores = {"logprobs": 0} if path == COMPLETIONS else {"logprobs": True}
    body = prompt | scores | {"max_tokens": 32, "seed": seed, "temperature": 1.0, "ignore_eos": True}
    join = joined_completion if path == COMPLETIONS else joined_chat
    free = join(send(stories_client, path, **body)["choices"])[0]
    text = free["text"]
    scored = free["logprobs"]["tokens"] if path == COMPLETIONS else [token["token"] for token in free["logprobs"]]
    assert "".join(scored) == text
    ends = list(accumulate(map(len, scored)))
    for start, length in ((0, 1), (9, 5), (20, 1), (31, 17), (len(text) - 3, 3)):
        stop = text[start : start + length]
        first_end = text.index(stop) + len(stop)
        expected = text[: text.index(stop)]
        # A beginning of this one is everywhere, so much of the text is held back and let go again.
        stops = [stop, text[start : start + 2] + "§"]
        whole = send(stories_client, path, **body, stop=stops)
        chunks = stream(stories_client, path, **body, stop=stops, stream_options={"include_usage": True})
        joined = join(only_choices(chunks))
        assert joined[0]["text"] == expected
        assert (joined[0]["finish_reason"], joined[0]["stop_reason"]) == ("stop", stop)
        assert_same(joined, join(whole["choices"]))
        num_tokens = 1 + sum(end < first_end for end in ends)
        assert whole["usage"]["completion_tokens"] == chunks[-1]["usage"]["completion_tokens"] == num_tokens


def test_text_is_held_back_only_while_it_may_become_a_stop_string(stories_client: httpx.Client) -> None:
    body = {"prompt": "Once upon a time", "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    free = [choice["text"] for choice in only_choices(stream(stories_client, COMPLETIONS, **body))]
    unrelated = [choice["text"] for choice in only_choices(stream(stories_client, COMPLETIONS, **body, stop="§§§§"))]
    assert unrelated == free
    likely = [choice["text"] for choice in only_choices(stream(stories_client, COMPLETIONS, **body, stop=["e§"]))]
    assert "".join(likely) == "".join(free)
    assert not any(text.endswith("e") for text in likely[:-1])
    # What is held back when the tokens end was no stop string after all.
    unfinished = body | {"stop": ["".join(free)[-3:] + "§"]}
    assert "".join(choice["text"] for choice in only_choices(stream(stories_client, COMPLETIONS, **unfinished))) == (
        "".join(free)
    )
    assert send(stories_client, COMPLETIONS, **unfinished)["choices"][0]["text"] == "".join(free)


@pytest.mark.parametrize("echo", [False, True])
def test_text_offsets_say_where_each_token_begins_in_the_whole_text(stories_client: httpx.Client, echo: bool) -> None:
    body = {"prompt": "Once upon a time", "max_tokens": 30, "temperature": 0, "logprobs": 0, "echo": echo}
    whole = joined_completion(send(stories_client, COMPLETIONS, **body, ignore_eos=True)["choices"])[0]
    streamed = joined_completion(only_choices(stream(stories_client, COMPLETIONS, **body, ignore_eos=True)))[0]
    for choice in (whole, streamed):
        generated = choice["logprobs"]["tokens"][-30:]
        start = len(body["prompt"]) if echo else 0
        ends = list(accumulate(map(len, generated), initial=start))
        assert choice["logprobs"]["text_offset"][-30:] == ends[:-1]
        assert ends[-1] == len(choice["text"])


@pytest.mark.parametrize("path", [COMPLETIONS, CHATS])
@pytest.mark.parametrize("n", [1, 3])
def test_continuous_usage_counts_up_to_the_total(client: httpx.Client, path: str, n: int) -> None:
    prompt = {"prompt": ["The ship", "Alice was"]} if path == COMPLETIONS else {"messages": [_user("Hello")]}
    body = prompt | {"max_tokens": 12, "seed": 3, "n": n, "return_token_ids": True, "ignore_eos": True}
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = stream(client, path, **body, stream_options=options)
    usages = [chunk["usage"] for chunk in chunks]
    counts = [usage["completion_tokens"] for usage in usages]
    assert counts == sorted(counts)
    num_shown = 0
    for chunk, count in zip(chunks, counts, strict=True):
        num_shown += sum(len(choice.get("token_ids", [])) for choice in chunk["choices"])
        assert num_shown <= count
    assert counts[-2] == counts[-1] == num_shown
    assert len({usage["prompt_tokens"] for usage in usages}) == 1
    assert chunks[-1]["choices"] == []
    whole = send(client, path, **body)
    assert without_cache(usages[-1]) == without_cache(whole["usage"])
    plain = stream(client, path, **body, stream_options={"include_usage": False, "continuous_usage_stats": True})
    assert all("usage" not in chunk for chunk in plain)


@over_http
@given(body=completion_bodies)
def test_returned_token_ids_stand_for_the_returned_text(client: httpx.Client, body: dict[str, Any]) -> None:
    shown = {"echo": False, "stop": None, "skip_special_tokens": False, "return_token_ids": True, "ignore_eos": True}
    body = body | shown
    for choice in send(client, COMPLETIONS, **body)["choices"]:
        assert len(choice["token_ids"]) == body["max_tokens"]
        prompt, both = (_text_of(client, choice["prompt_token_ids"] + ids) for ids in ([], choice["token_ids"]))
        # A prompt may end, or an answer begin, inside of a character.
        if not prompt.endswith("\ufffd"):
            assert both == prompt + choice["text"]


def _text_of(client: httpx.Client, ids: list[int]) -> str:
    text: str = client.post("/detokenize", json={"tokens": ids}).json()["prompt"]
    return text


def _user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def reference_ids(model: LlamaForCausalLM, prompt_ids: list[int], max_tokens: int) -> list[int]:
    """Greedy tokens of transformers, the end token included if it came."""
    prompt = torch.tensor([prompt_ids])
    with torch.inference_mode():
        output = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=max_tokens
        )
    ids: list[int] = output[0, len(prompt_ids) :].tolist()
    return ids


def assert_greedy_equals(choice: dict[str, Any], expected: list[int], end_ids: set[int]) -> None:
    ended = expected[-1] in end_ids
    assert choice["token_ids"] == (expected[:-1] if ended else expected)
    assert choice["finish_reason"] == ("stop" if ended else "length")


def load_reference(folder: Path) -> tuple[LlamaForCausalLM, set[int]]:
    model = LlamaForCausalLM.from_pretrained(folder).eval()
    end_ids = model.generation_config.eos_token_id
    model.generation_config.pad_token_id = 0
    return model, set(end_ids if isinstance(end_ids, list) else [end_ids])


def test_greedy_completions_are_those_of_transformers(stories_client: httpx.Client, stories260k: Path) -> None:
    model, end_ids = load_reference(stories260k)
    tokenizer = AutoTokenizer.from_pretrained(stories260k)
    prompts = ["Once upon a time", "The little dog", "One day, Tim and Lily", "She was", "A"]
    body = {"prompt": prompts, "max_tokens": 60, "temperature": 0, "return_token_ids": True}
    whole = joined_completion(send(stories_client, COMPLETIONS, **body)["choices"])
    streamed = joined_completion(only_choices(stream(stories_client, COMPLETIONS, **body)))
    for index, prompt in enumerate(prompts):
        prompt_ids = tokenizer(prompt)["input_ids"]
        expected = reference_ids(model, prompt_ids, 60)
        text = tokenizer.decode(prompt_ids + expected, skip_special_tokens=True)
        for choice in (whole[index], streamed[index]):
            assert choice["prompt_token_ids"] == prompt_ids
            assert_greedy_equals(choice, expected, end_ids)
            assert prompt + choice["text"] == text


def test_greedy_chats_are_those_of_transformers(client: httpx.Client, tiny_llama: Path) -> None:
    model, end_ids = load_reference(tiny_llama)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    for messages in ([_user("Hello")], [_user(SENTENCES[0]), {"role": "assistant", "content": "No."}, _user("Why?")]):
        prompt_ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        answer = send(client, CHATS, messages=messages, max_tokens=80, temperature=0, return_token_ids=True)
        assert answer["prompt_token_ids"] == prompt_ids
        assert_greedy_equals(answer["choices"][0], reference_ids(model, prompt_ids, 80), end_ids)


def test_a_crowd_of_streams_gets_what_each_gets_alone(client: httpx.Client) -> None:
    """More rows than the batch has, so that some wait and join later."""
    body = {"prompt": "The ship", "n": MAX_ROWS + 4, "max_tokens": 10, "seed": 9, "temperature": 1.0}
    together = joined_completion(only_choices(stream(client, COMPLETIONS, **body)))
    assert len(together) == MAX_ROWS + 4
    few = joined_completion(send(client, COMPLETIONS, **body | {"n": 3})["choices"])
    assert_same([together[index] for index in few], list(few.values()))
    assert len({json.dumps(state["text"]) for state in together.values()}) > MAX_ROWS
