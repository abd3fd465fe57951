"""Messages survive the border between API and core, however the socket cuts them."""

import math
import socket
import threading
import time
import timeit
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import EngineConfig
from server.engine.process import config_from_json, config_to_json
from server.engine.request import (
    EngineRequest,
    EngineStats,
    FromCore,
    GrammarSpec,
    Inspect,
    SampleOutput,
    SamplingParams,
    Shutdown,
    StepOutputs,
    ToCore,
    TokenLogprobs,
)
from server.engine.transport import Channel, FrameReader, encode

# Everything but lone surrogates, which are refused before they are sent.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
for primitive, strategy in ((str, TEXT), (int, INTEGERS), (float, st.floats(allow_nan=False))):
    st.register_type_strategy(primitive, strategy)

MESSAGE_TYPES = [*get_args(ToCore), *get_args(FromCore)]


@pytest.mark.parametrize("message_type", MESSAGE_TYPES, ids=lambda record: record.__name__)
@given(data=st.data())
def test_every_message_comes_back_equal_and_of_its_own_type(message_type: type, data: st.DataObject) -> None:
    message = data.draw(st.from_type(message_type))
    assert FrameReader().feed(encode(message)) == [message]


@given(messages=st.lists(st.one_of([st.from_type(record) for record in MESSAGE_TYPES]), max_size=5), data=st.data())
def test_messages_keep_their_order_wherever_the_stream_is_cut(messages: list, data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = FrameReader()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += reader.feed(stream[start:end])
    assert received == messages


def test_a_logprob_that_is_not_a_number_survives() -> None:
    output = SampleOutput("a", 0, [1], logprobs=[TokenLogprobs(1, math.nan, 1, [], [-math.inf])])
    [message] = FrameReader().feed(encode(StepOutputs([output], EngineStats())))
    [logprobs] = message.outputs[0].logprobs
    assert math.isnan(logprobs.logprob)
    assert logprobs.top_logprobs == [-math.inf]


@pytest.mark.parametrize("junk", [b"\x02\x00\x00\x00\xff\xc0", b"\x02\x00\x00\x00\x00\xc1"])
def test_bytes_that_are_no_message_are_refused(junk: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        FrameReader().feed(junk)


@given(config=st.builds(EngineConfig, model=st.text(), kv_memory_bytes=st.none() | st.integers(0, 2**62)))
def test_a_configuration_survives_the_command_line(config: EngineConfig) -> None:
    text = config_to_json(config)
    assert text.isascii()
    assert config_from_json(text) == config


def test_a_step_of_32_rows_costs_far_less_than_the_step() -> None:
    message = StepOutputs(
        [SampleOutput(f"cmpl-{row:032x}", 0, [row]) for row in range(32)], EngineStats(iteration_tokens=[32])
    )
    carry = timeit.Timer(lambda: FrameReader().feed(encode(message)), timer=time.thread_time)
    assert min(carry.repeat(number=20, repeat=50)) / 20 < 1e-3  # Near 0.1 ms; leaves room for a slow machine.


@pytest.fixture
def ends():
    """A core's channel and the socket at the client's end."""
    ours, theirs = socket.socketpair()
    channel = Channel(theirs)
    yield channel, ours
    channel.close(0.1)
    ours.close()


def test_a_core_never_waits_for_a_reader_that_does_not_read(ends: tuple[Channel, socket.socket]) -> None:
    channel, ours = ends
    message = StepOutputs([SampleOutput("a", 0, list(range(1000)))], EngineStats())
    num_messages = 1000  # Far more than the socket's buffer takes.
    for _ in range(num_messages):
        channel.send(message)
    reader = FrameReader()
    received = []
    ours.settimeout(60)
    while len(received) < num_messages:
        channel.receive(0.0)  # Sends on what the socket has room for now.
        received += reader.feed(ours.recv(1 << 16))
    assert received == [message] * num_messages


def test_a_waiting_core_wakes_for_a_message_and_sends_its_backlog_meanwhile(
    ends: tuple[Channel, socket.socket],
) -> None:
    channel, ours = ends
    message = StepOutputs([SampleOutput("a", 0, list(range(100_000)))], EngineStats())
    for _ in range(4):
        channel.send(message)
    received = []

    def read_all_then_answer() -> None:
        reader = FrameReader()
        ours.settimeout(60)
        while len(received) < 4:
            received.extend(reader.feed(ours.recv(1 << 16)))
        ours.sendall(encode(Inspect(7)))

    thread = threading.Thread(target=read_all_then_answer)
    thread.start()
    assert channel.receive(60.0) == [Inspect(7)]
    thread.join()
    assert received == [message] * 4


def test_a_wait_ends_in_time_and_the_end_of_the_client_reads_as_shutdown(ends: tuple[Channel, socket.socket]) -> None:
    channel, ours = ends
    start_s = time.monotonic()
    assert channel.receive(0.05) == []
    assert 0.05 <= time.monotonic() - start_s < 5
    ours.sendall(encode(Inspect(1)))
    ours.close()
    assert channel.receive(60.0) == [Inspect(1), Shutdown()]
    channel.send(Shutdown())  # To nobody, and no error.
    assert channel.receive(60.0) == [Shutdown()]


def test_what_cannot_be_carried_is_an_error_at_the_sender() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode(EngineRequest("a", [1], SamplingParams(1), cache_salt="\ud800"))
    with pytest.raises(OverflowError):
        encode(EngineRequest("a", [2**64], SamplingParams(1)))
    grammar = GrammarSpec("regex", "\ud800")
    with pytest.raises(UnicodeEncodeError):
        encode(EngineRequest("a", [1], SamplingParams(1, grammar=grammar)))
