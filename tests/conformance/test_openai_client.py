"""The official client against this server, as its users write it."""

import asyncio
import json
from enum import StrEnum
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from tests.api.wire import LiveServer
from tests.conformance.world import KEY, MODEL

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


class City(StrEnum):
    MONACO = "Monaco"
    NICE = "Nice"


class Trip(BaseModel):
    """Nothing in it can be long: the model that fills it in is random."""

    city: City
    days: Literal[1, 2, 3]
    by_train: bool


class Weather(BaseModel):
    """The weather of a city."""

    city: City


WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Monaco", "Nice"]}}, "required": ["city"]},
    },
}
HOTEL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "find_hotel",
        "parameters": {"type": "object", "properties": {"stars": {"enum": [3, 4, 5]}}, "required": ["stars"]},
    },
}


def test_completions(openai_client: OpenAI) -> None:
    answer = openai_client.completions.create(
        model=MODEL, prompt=["The ship", "Alice was"], n=2, max_tokens=6, logprobs=2, seed=1
    )
    assert answer.object == "text_completion"
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert len(logprobs.tokens) == len(logprobs.token_logprobs)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_echo_with_logprobs_begins_with_the_prompt(lenient_client: OpenAI) -> None:
    answer = lenient_client.completions.create(
        model=MODEL, prompt=["The ship", "Alice was"], max_tokens=3, logprobs=2, echo=True
    )
    for choice, prompt in zip(answer.choices, ("The ship", "Alice was"), strict=True):
        assert choice.text.startswith(prompt)
        assert choice.logprobs is not None
        assert choice.logprobs.token_logprobs is not None
        assert choice.logprobs.token_logprobs[0] is None
        assert "".join(choice.logprobs.tokens or []).startswith(prompt)


def test_a_stream_of_completions(openai_client: OpenAI, lenient_client: OpenAI) -> None:
    body: dict[str, Any] = {"model": MODEL, "prompt": "The ship", "max_tokens": 12, "temperature": 0}
    whole = openai_client.completions.create(**body)
    chunks = list(lenient_client.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_chat(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model=MODEL, messages=HELLO, max_completion_tokens=8, logprobs=True, top_logprobs=3, n=2, seed=3
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert choice.message.role == "assistant"
        assert isinstance(choice.message.content, str)
        assert choice.finish_reason in {"stop", "length"}
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert all(len(token.top_logprobs) == 3 for token in choice.logprobs.content)
    assert answer.model == MODEL
    assert answer.system_fingerprint


def test_an_answer_can_be_sent_back_as_the_client_gives_it(openai_client: OpenAI) -> None:
    reply = openai_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4).choices[0].message
    messages = [*HELLO, reply, {"role": "user", "content": "And?"}]
    assert openai_client.chat.completions.create(model=MODEL, messages=messages, max_tokens=2).choices


def test_seeds_repeat_a_text(openai_client: OpenAI) -> None:
    def text(seed: int) -> str | None:
        answer = openai_client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=20, seed=seed, temperature=1.5, extra_body={"ignore_eos": True}
        )
        return answer.choices[0].message.content

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(4)}) == 4


def test_stop_strings_cut_the_text(openai_client: OpenAI, lenient_client: OpenAI) -> None:
    body: dict[str, Any] = {"model": MODEL, "prompt": "Alice was", "max_tokens": 40, "temperature": 0}
    text = openai_client.completions.create(**body).choices[0].text
    stop = text[7:10]
    (choice,) = openai_client.completions.create(**body, stop=[stop, "never said"]).choices
    assert (choice.text, choice.finish_reason) == (text[: text.index(stop)], "stop")
    chunks = lenient_client.completions.create(**body, stop=stop, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == choice.text


def test_the_stream_helper_accumulates_what_comes_without_a_stream(openai_client: OpenAI) -> None:
    body: dict[str, Any] = {
        "model": MODEL, "messages": HELLO, "n": 2, "max_tokens": 16, "seed": 5, "logprobs": True, "top_logprobs": 2,
    }  # fmt: skip
    whole = openai_client.chat.completions.create(**body)
    with openai_client.chat.completions.stream(**body, stream_options={"include_usage": True}) as stream:
        kinds = {event.type for event in stream}
        # The final completion is an error where an answer ended by its length.
        final = stream.current_completion_snapshot
    assert {"chunk", "content.delta", "content.done", "logprobs.content.delta"} <= kinds
    assert final.usage == whole.usage
    for got, expected in zip(final.choices, whole.choices, strict=True):
        assert got.message.role == "assistant"
        assert got.message.content == expected.message.content
        assert got.finish_reason == expected.finish_reason
        assert got.logprobs is not None
        assert expected.logprobs is not None
        assert got.logprobs.content is not None
        assert expected.logprobs.content is not None
        assert [token.token for token in got.logprobs.content] == [token.token for token in expected.logprobs.content]


def arguments_of(answer: ChatCompletion) -> list[tuple[str, dict[str, Any]]]:
    calls = answer.choices[0].message.tool_calls or []
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls if call.type == "function"]


def ending(openai_client: OpenAI, server: LiveServer) -> dict[str, int]:
    """A bias that ends the text as soon as its grammar lets it end."""
    return {str(token_id): 100 for token_id in server.engine.info.eos_token_ids}


def test_tools_none_and_auto_give_text(openai_client: OpenAI) -> None:
    for choice in ("none", "auto"):
        answer = openai_client.chat.completions.create(
            model=MODEL, messages=HELLO, tools=[WEATHER, HOTEL], tool_choice=choice, max_tokens=6, temperature=0
        )
        assert isinstance(answer.choices[0].message.content, str)
        assert answer.choices[0].message.tool_calls is None
        assert answer.choices[0].finish_reason in {"stop", "length"}


@pytest.mark.parametrize("names", ["required", "get_weather", "find_hotel"])
@pytest.mark.parametrize("is_parallel", [True, False])
def test_required_and_named_tools_are_called_streamed_and_not(
    openai_client: OpenAI, server: LiveServer, names: str, is_parallel: bool
) -> None:
    choice: Any = names if names == "required" else {"type": "function", "function": {"name": names}}
    body: dict[str, Any] = {
        "model": MODEL, "messages": HELLO, "tools": [WEATHER, HOTEL], "tool_choice": choice, "seed": 2,
        "parallel_tool_calls": is_parallel, "max_tokens": 200, "logit_bias": ending(openai_client, server),
    }  # fmt: skip
    answer = openai_client.chat.completions.create(**body)
    calls = arguments_of(answer)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert {name for name, _ in calls} <= ({names} if names != "required" else {"get_weather", "find_hotel"})
    for name, arguments in calls:
        assert arguments in ({"city": "Monaco"}, {"city": "Nice"}, {"stars": 3}, {"stars": 4}, {"stars": 5})
        assert ("city" in arguments) == (name == "get_weather")
    with openai_client.chat.completions.stream(**body) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    assert arguments_of(final) == calls
    assert final.choices[0].finish_reason == "tool_calls"


def test_the_result_of_a_call_can_be_sent_back(openai_client: OpenAI, server: LiveServer) -> None:
    reply = openai_client.chat.completions.create(
        model=MODEL, messages=HELLO, tools=[WEATHER], tool_choice="required", max_tokens=100,
        logit_bias=ending(openai_client, server),
    ).choices[0].message  # fmt: skip
    assert reply.tool_calls
    results = [{"role": "tool", "tool_call_id": call.id, "content": '{"sun": true}'} for call in reply.tool_calls]
    messages = [*HELLO, reply, *results]
    answer = openai_client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], max_tokens=3)
    assert answer.choices[0].finish_reason in {"stop", "length"}


def test_a_tool_made_of_a_class_is_parsed_into_it(openai_client: OpenAI, server: LiveServer) -> None:
    body: dict[str, Any] = {
        "model": MODEL, "messages": HELLO, "tools": [openai.pydantic_function_tool(Weather)], "max_tokens": 100,
        "tool_choice": "required", "parallel_tool_calls": False, "logit_bias": ending(openai_client, server),
    }  # fmt: skip
    (call,) = openai_client.chat.completions.parse(**body).choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, Weather)
    with openai_client.chat.completions.stream(**body) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, Weather)


def test_a_response_format_made_of_a_class_is_parsed_into_it(openai_client: OpenAI) -> None:
    body: dict[str, Any] = {"model": MODEL, "messages": HELLO, "response_format": Trip, "max_tokens": 300}
    for seed in range(2):
        parsed = openai_client.chat.completions.parse(**body, seed=seed).choices[0].message.parsed
        assert isinstance(parsed, Trip)
        with openai_client.chat.completions.stream(**body, seed=seed) as stream:
            assert stream.get_final_completion().choices[0].message.parsed == parsed


def test_an_answer_cut_short_is_a_length_error_to_the_parser(openai_client: OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        openai_client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Trip, max_tokens=4)


def test_json_object_gives_an_object(openai_client: OpenAI, server: LiveServer) -> None:
    token = {name: tokens_of(server, name) for name in ("}", '"')}
    # A random model would go on until the context ends; this one closes every string and then the object.
    bias = {str(token['"']): 100, str(token["}"]): 50}
    answer = openai_client.chat.completions.create(
        model=MODEL, messages=HELLO, response_format={"type": "json_object"}, max_tokens=200, logit_bias=bias, seed=1
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)
    assert answer.choices[0].finish_reason == "stop"


def tokens_of(server: LiveServer, text: str) -> int:
    (token_id,) = server.state.serving.tokenizer.encode(text)
    return token_id


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [
        ({"regex": "(yes|no), [0-9]{2}"}, {f"{word}, {number:02}" for word in ("yes", "no") for number in range(100)}),
        ({"choice": ["Monaco", "Nice", 'a "quoted" one']}, {"Monaco", "Nice", 'a "quoted" one'}),
        ({"grammar": 'start: "left" | "right"'}, {"left", "right"}),
        ({"ebnf": 'root ::= "left" | "right"'}, {"left", "right"}),
        ({"json": {"enum": [1, 22]}}, {"1", "22"}),
    ],
)
def test_structured_outputs_hold_the_text(openai_client: OpenAI, constraint: dict[str, Any], allowed: set[str]) -> None:
    extra = {"structured_outputs": constraint}
    for seed in (0, 1):
        chat = openai_client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=60, seed=seed, extra_body=extra
        )
        assert (chat.choices[0].message.content or "").strip() in allowed
        assert chat.choices[0].finish_reason == "stop"
        plain = openai_client.completions.create(model=MODEL, prompt="a", max_tokens=60, seed=seed, extra_body=extra)
        assert plain.choices[0].text.strip() in allowed


def test_models_are_listed_and_found_by_ids_with_slashes_and_colons(openai_client: OpenAI) -> None:
    listed = [model.id for model in openai_client.models.list()]
    assert listed == [MODEL, f"{MODEL}:full"]
    for name in listed:
        model = openai_client.models.retrieve(name)
        assert (model.id, model.object, type(model.created)) == (name, "model", int)
        answer = openai_client.completions.create(model=name, prompt="a", max_tokens=1)
        assert answer.model == name
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve(f"{MODEL}:none")


def test_the_request_id_is_the_servers(openai_client: OpenAI) -> None:
    chat = openai_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=1)
    assert chat._request_id is not None
    assert chat._request_id.startswith("req_")
    raw = openai_client.completions.with_raw_response.create(
        model=MODEL, prompt="a", max_tokens=1, extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.request_id == "mine-1"
    assert raw.parse()._request_id == "mine-1"
    assert raw.headers["openai-processing-ms"].isdigit()


async def test_thirty_requests_at_once_get_the_texts_that_they_get_alone(
    openai_client: OpenAI, server: LiveServer
) -> None:
    def body(index: int) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"Number {index}"}]
        return {"model": MODEL, "messages": messages, "max_tokens": 8 + index % 5, "seed": index}

    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:

        async def streamed(index: int) -> str:
            stream = await client.chat.completions.create(**body(index), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        async def whole(index: int) -> str:
            answer = await client.chat.completions.create(**body(index))
            return answer.choices[0].message.content or ""

        texts = await asyncio.gather(*((streamed if index % 2 else whole)(index) for index in range(30)))
    alone = [openai_client.chat.completions.create(**body(index)).choices[0].message.content for index in range(30)]
    assert texts == alone
