"""A core between several API processes: whose output is whose, and who hears of what."""

import socket
from collections.abc import Iterator

import pytest

from server.engine.request import (
    Abort,
    EngineRequest,
    EngineStats,
    Failed,
    Inspect,
    Inspection,
    ResetPrefixCache,
    SampleOutput,
    SamplingParams,
    Shutdown,
    StepOutputs,
    ToCore,
)
from server.engine.switchboard import Switchboard, pass_channel
from server.engine.transport import Channel, Message

WAIT_S = 60.0


class World:
    """A switchboard, its main channel's other end, and the API processes' ends as channels too."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._newcomers, newcomers = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self.main = Channel(ours)
        self.board = Switchboard(Channel(theirs), newcomers)
        self._ends: list[Channel] = [self.main]

    def join(self) -> Channel:
        """A new API process."""
        end = Channel(pass_channel(self._newcomers))
        self._ends.append(end)
        self.board.receive(0.0)
        return end

    def leave(self, end: Channel) -> None:
        self._ends.remove(end)
        end.close(0.0)

    def heard(self) -> list[ToCore]:
        """What the core gets to hear, once it hears anything."""
        return self.board.receive(WAIT_S)

    def step(self, *outputs: SampleOutput, **stats: object) -> None:
        self.board.send(StepOutputs(list(outputs), EngineStats(**stats)))

    def close(self) -> None:
        self.board.close(0.0)
        self._newcomers.close()
        for end in self._ends:
            end.close(0.0)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def request(request_id: str, num_samples: int = 1) -> EngineRequest:
    return EngineRequest(request_id, [1], SamplingParams(5), num_samples=num_samples)


def outputs_of(messages: list[Message]) -> list[tuple[str, int, list[int]]]:
    steps = [message for message in messages if isinstance(message, StepOutputs)]
    return [(each.request_id, each.sample_index, each.token_ids) for step in steps for each in step.outputs]


def test_outputs_go_to_the_process_that_asked_and_to_no_other(world: World) -> None:
    one, two = world.join(), world.join()
    one.send(request("a", 2))
    assert world.heard() == [request("a", 2)]
    two.send(request("b"))
    assert world.heard() == [request("b")]
    world.step(
        SampleOutput("b", 0, [7]), SampleOutput("a", 1, [8]), SampleOutput("c", 0, [9]), SampleOutput("a", 0, [5])
    )
    assert outputs_of(one.receive(WAIT_S)) == [("a", 1, [8]), ("a", 0, [5])]
    assert outputs_of(two.receive(WAIT_S)) == [("b", 0, [7])]
    # The first sample's end is not the request's; nothing follows the last one's.
    world.step(SampleOutput("a", 0, [1], "length"))
    world.step(SampleOutput("a", 1, [2], "length"))
    world.step(SampleOutput("a", 1, [3]))
    assert outputs_of(one.receive(WAIT_S)) == [("a", 0, [1]), ("a", 1, [2])]


def test_an_id_that_another_process_uses_is_refused_until_it_is_free(world: World) -> None:
    one, two = world.join(), world.join()
    one.send(request("a"))
    assert len(world.heard()) == 1
    two.send(request("a", 2))
    assert world.board.receive(0.05) == []
    [refusal] = two.receive(WAIT_S)
    assert isinstance(refusal, StepOutputs)
    assert [(each.sample_index, each.finish_reason) for each in refusal.outputs] == [(0, "error"), (1, "error")]
    world.step(SampleOutput("a", 0, [1], "length"))
    two.send(request("a"))
    assert world.heard() == [request("a")]


def test_a_process_can_abort_only_what_is_its_own(world: World) -> None:
    one, two = world.join(), world.join()
    one.send(request("a", 2))
    world.heard()
    two.send(Abort(["a"]))
    assert world.board.receive(0.05) == []
    one.send(Abort(["a", "unknown"], 1))
    assert world.heard() == [Abort(["a"], 1)]
    # The end of a sample that was aborted meanwhile is not the end of the request.
    world.step(SampleOutput("a", 1, [1], "length"), SampleOutput("a", 0, [2]))
    assert outputs_of(one.receive(WAIT_S))[-1] == ("a", 0, [2])


def test_the_end_of_a_process_aborts_its_requests_and_nobody_elses(world: World) -> None:
    one, two = world.join(), world.join()
    one.send(request("a"))
    world.heard()
    two.send(request("b"))
    world.heard()
    one.send(Inspect(1))
    world.heard()
    world.leave(one)
    assert world.heard() == [Abort(["a"])]
    # An answer that it asked for goes nowhere.
    world.board.send(Inspection(1, []))
    world.step(SampleOutput("a", 0, [1]), SampleOutput("b", 0, [2]))
    assert outputs_of(two.receive(WAIT_S)) == [("b", 0, [2])]


def test_questions_of_equal_number_are_told_apart(world: World) -> None:
    one, two = world.join(), world.join()
    asked = []
    for line in (one, two):
        line.send(Inspect(0))
        [question] = world.heard()
        assert isinstance(question, Inspect)
        asked.append(question.query_id)
    assert asked[0] != asked[1]
    for query_id in reversed(asked):
        world.board.send(Inspection(query_id, []))
    assert one.receive(WAIT_S) == two.receive(WAIT_S) == [Inspection(0, [])]


def test_only_the_starter_of_the_core_can_shut_it_down(world: World) -> None:
    line = world.join()
    line.send(Shutdown())
    assert world.board.receive(0.05) == []
    other = world.join()
    other.send(ResetPrefixCache())
    assert world.heard() == [ResetPrefixCache()]
    world.main.send(Shutdown())
    assert world.heard() == [Shutdown()]


def test_whoever_comes_late_hears_how_the_loading_ended(world: World) -> None:
    early = world.join()
    world.board.send(Failed("no such model"))
    late = world.join()
    for line in (early, late, world.main):
        assert line.receive(WAIT_S) == [Failed("no such model")]


def test_each_steps_tokens_are_counted_by_one_process_and_the_queue_is_known_to_all(world: World) -> None:
    lines = [world.join(), world.join(), world.join()]
    lines[1].send(request("a"))
    world.heard()
    for number in range(6):
        world.step(SampleOutput("a", 0, [1]), num_waiting=number, iteration_tokens=[number])
    told = [message for line in lines for message in line.receive(WAIT_S) if isinstance(message, StepOutputs)]
    assert sorted(count for message in told for count in message.stats.iteration_tokens) == list(range(6))
    assert sum(message.stats.num_waiting == 5 for message in told) == len(lines)
