"""Every accepted request ends exactly once, whatever the core, the reader and the clock do in between."""

import asyncio
import gc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.client import Delta, TextParams
from server.engine.request import (
    Abort,
    EngineRequest,
    EngineStats,
    FinishReason,
    SampleOutput,
    SamplingParams,
    StepOutputs,
    ToCore,
)
from server.engine.router import RequestRouter
from server.engine.stream import Stream
from server.errors import EngineDeadError, EngineStepError, OverloadedError, RequestError

STOP_TOKEN = 99
"""The text of this token completes the stop string of every request here."""
BAD_TOKEN = 98
"""This token breaks the tokenizer."""


class PlainAssembler:
    """Writes token ids as decimal text and stops at `STOP_TOKEN`."""

    def __init__(self, index: int) -> None:
        self._index = index

    def feed(self, output: SampleOutput) -> Delta | None:
        assert output.sample_index == self._index
        if BAD_TOKEN in output.token_ids:
            raise ValueError("no such token")
        finish: FinishReason | None = "stop" if STOP_TOKEN in output.token_ids else output.finish_reason
        if not output.token_ids and finish is None:
            return None
        return Delta(output.sample_index, "".join(map(str, output.token_ids)), output.token_ids, finish_reason=finish)


class Client:
    """A router whose messages to the core are kept in `sent`."""

    def __init__(self, max_unread_deltas: int = 100) -> None:
        self.sent: list[ToCore] = []
        self.router = RequestRouter(self.sent.append, max_unread_deltas)

    def submit(self, request_id: str, num_samples: int = 1) -> Stream:
        request = EngineRequest(request_id, [1], SamplingParams(100), num_samples=num_samples)
        indices = iter(range(num_samples))
        return self.router.submit(request, TextParams(), lambda request, text: PlainAssembler(next(indices)))

    def step(self, *outputs: SampleOutput, num_waiting: int = 0) -> None:
        self.router.receive(StepOutputs(list(outputs), EngineStats(num_waiting=num_waiting)))

    @property
    def aborts(self) -> list[Abort]:
        return [message for message in self.sent if isinstance(message, Abort)]


def output(request_id: str, *token_ids: int, index: int = 0, finish: FinishReason | None = None) -> SampleOutput:
    error = "NaN in the logits" if finish == "error" else None
    return SampleOutput(request_id, index, list(token_ids), finish_reason=finish, error=error)


async def test_samples_of_a_request_end_independently_and_the_stream_after_the_last() -> None:
    client = Client()
    stream = client.submit("a", num_samples=2)
    client.step(output("a", 1), output("a", 2, index=1))
    client.step(output("a", 3, finish="length"), output("a", 4, index=1))
    client.step(output("a", STOP_TOKEN, index=1))
    deltas = [delta async for delta in stream]
    assert [(delta.index, delta.text, delta.finish_reason) for delta in deltas] == [
        (0, "1", None),
        (1, "2", None),
        (0, "3", "length"),
        (1, "4", None),
        (1, "99", "stop"),
    ]
    assert client.aborts == [Abort(["a"], 1)]
    assert client.router.num_requests == 0


async def test_what_a_core_still_says_of_an_ended_sample_is_dropped() -> None:
    client = Client()
    stream = client.submit("a")
    client.step(output("a", STOP_TOKEN), output("a", 5), output("a", 6, finish="length"), output("b", 7))
    assert [delta.text async for delta in stream] == ["99"]


async def test_closing_aborts_once_and_only_what_still_runs() -> None:
    client = Client()
    running, finished = client.submit("a"), client.submit("b")
    client.step(output("b", 1, finish="length"))
    assert [delta.text async for delta in finished] == ["1"]
    for stream in (running, finished, running):
        await stream.aclose()
    assert client.aborts == [Abort(["a"])]
    with pytest.raises(StopAsyncIteration):
        await anext(running)


async def test_closing_an_old_stream_does_not_touch_a_new_request_of_the_same_id() -> None:
    client = Client()
    old = client.submit("a")
    await old.aclose()
    new = client.submit("a")
    await old.aclose()
    client.step(output("a", 1, finish="length"))
    assert [delta.text async for delta in new] == ["1"]
    assert client.aborts == [Abort(["a"])]


async def test_cancelling_the_reader_aborts() -> None:
    client = Client()
    stream = client.submit("a")
    reader = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await stream.aclose()
    assert client.aborts == [Abort(["a"])]


async def test_forgetting_the_stream_aborts() -> None:
    client = Client()
    stream = client.submit("a")
    del stream
    gc.collect()
    await client.router.wait_idle()
    assert client.aborts == [Abort(["a"])]


async def test_a_failed_sample_fails_its_request_alone_and_stops_its_siblings() -> None:
    client = Client()
    failing, neighbour = client.submit("a", num_samples=2), client.submit("b")
    client.step(output("a", 1), output("a", index=1, finish="error"), output("b", 2, finish="length"))
    assert (await anext(failing)).text == "1"
    with pytest.raises(EngineStepError, match="NaN in the logits"):
        await anext(failing)
    with pytest.raises(StopAsyncIteration):
        await anext(failing)
    assert [delta.text async for delta in neighbour] == ["2"]
    assert client.aborts == [Abort(["a"])]


async def test_a_token_without_text_fails_its_request_alone() -> None:
    client = Client()
    failing, neighbour = client.submit("a"), client.submit("b")
    client.step(output("a", BAD_TOKEN), output("b", 2, finish="length"))
    with pytest.raises(EngineStepError):
        await anext(failing)
    assert [delta.text async for delta in neighbour] == ["2"]
    assert client.aborts == [Abort(["a"])]


async def test_a_reader_that_is_too_slow_loses_its_request_and_nothing_else() -> None:
    client = Client(max_unread_deltas=3)
    slow, fast = client.submit("a"), client.submit("b")
    for token in range(4):
        client.step(output("a", token), output("b", token))
        assert (await anext(fast)).text == str(token)
    for token in range(3):
        assert (await anext(slow)).text == str(token)
    assert (await anext(slow)).text == "3"
    with pytest.raises(EngineStepError, match="too slowly"):
        await anext(slow)
    assert client.aborts == [Abort(["a"])]
    assert client.router.num_requests == 1


async def test_when_the_core_dies_what_it_finished_is_kept_and_the_rest_fails_once() -> None:
    client = Client()
    finished, running = client.submit("a"), client.submit("b")
    client.step(output("a", 1, finish="length"), output("b", 2))
    client.router.fail_all("killed")
    assert [delta.text async for delta in finished] == ["1"]
    assert (await anext(running)).text == "2"
    with pytest.raises(EngineDeadError, match="killed"):
        await anext(running)
    with pytest.raises(StopAsyncIteration):
        await anext(running)
    assert client.aborts == []


async def test_the_queue_takes_max_waiting_requests_beyond_the_rows_and_then_refuses() -> None:
    client = Client()
    streams = []
    for name in "abc":  # Two rows and one that waits.
        client.router.check_capacity(max_rows=2, max_waiting=1)
        streams.append(client.submit(name))
    with pytest.raises(OverloadedError) as refused:
        client.router.check_capacity(max_rows=2, max_waiting=1)
    assert 1.0 <= refused.value.retry_after_s <= 60.0
    await streams[0].aclose()
    client.router.check_capacity(max_rows=2, max_waiting=1)


async def test_the_queue_is_also_full_when_the_core_says_so() -> None:
    client = Client()
    client.step(num_waiting=5)  # Out of pages, not of rows.
    client.router.check_capacity(max_rows=100, max_waiting=6)
    with pytest.raises(OverloadedError):
        client.router.check_capacity(max_rows=100, max_waiting=5)


async def test_two_running_requests_cannot_share_an_id() -> None:
    client = Client()
    stream = client.submit("a")
    with pytest.raises(RequestError, match="'a'"):
        client.submit("a")
    assert len(client.sent) == 1
    await stream.aclose()


async def test_a_burst_of_outputs_leaves_the_event_loop_free_every_few_milliseconds() -> None:
    client = Client(max_unread_deltas=10**6)
    stream = client.submit("a")
    client.step(*[output("a", 1)] * 50_000, output("a", 2, finish="length"))
    num_turns = 0
    while client.router.num_requests:
        await asyncio.sleep(0)
        num_turns += 1
    assert num_turns >= 3  # 50,000 texts cannot be made in two slices of 5 ms.
    assert len([delta async for delta in stream]) == 50_001


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["token", "stop", "length", "error", "bad", "close", "read", "turn", "die"]),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(events=EVENTS)
def test_every_request_ends_exactly_once_in_any_order_of_events(events: list[tuple[str, int, int]]) -> None:
    asyncio.run(_play(events))


async def _play(events: list[tuple[str, int, int]]) -> None:
    client = Client(max_unread_deltas=4)
    streams = {f"r{number}": client.submit(f"r{number}", num_samples=2) for number in range(4)}
    closed: set[str] = set()
    finishes: Counter[str] = Counter()
    errors: Counter[str] = Counter()

    async def read(name: str) -> bool:
        """One delta, if one is there; False at the end of the stream."""
        try:
            async with asyncio.timeout(None if not client.router.num_requests else 0.01):
                delta = await anext(streams[name])
        except StopAsyncIteration:
            return False
        except (EngineStepError, EngineDeadError):
            errors[name] += 1
        except TimeoutError:
            closed.add(name)  # The reader gave up, which aborts.
        else:
            finishes[name] += delta.finish_reason is not None
        return True

    for event, number, index in events:
        name = f"r{number}"
        match event:
            case "token":
                client.step(output(name, 1, index=index))
            case "stop":
                client.step(output(name, STOP_TOKEN, index=index))
            case "bad":
                client.step(output(name, BAD_TOKEN, index=index))
            case "length" | "error":
                client.step(output(name, 1, index=index, finish=event))
            case "close":
                await streams[name].aclose()
                closed.add(name)
            case "read":
                await read(name)
            case "turn":
                await asyncio.sleep(0)
            case "die":
                client.router.fail_all("killed")
    client.router.fail_all("the end")
    assert client.router.num_requests == 0
    await client.router.wait_idle()
    for name in streams:
        while await read(name):
            pass
        if errors[name]:
            assert errors[name] == 1
        elif name not in closed:
            assert finishes[name] == 2
        assert finishes[name] <= 2
    whole = [abort.request_ids[0] for abort in client.aborts if abort.sample_index is None]
    assert len(whole) == len(set(whole))
    client.router.check_capacity(max_rows=0, max_waiting=1)  # No sample is counted any more.
