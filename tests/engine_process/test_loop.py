"""The core's loop, around a core whose every step is written down in the test."""

import logging
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from server.config import EngineConfig
from server.engine import loop
from server.engine.loop import HEARTBEAT_S, run_core, serve
from server.engine.request import (
    Abort,
    EngineInfo,
    EngineRequest,
    EngineStats,
    Failed,
    FromCore,
    Inspect,
    Inspection,
    Ready,
    ResetPrefixCache,
    RowInfo,
    SampleOutput,
    SamplingParams,
    Shutdown,
    StepOutputs,
    ToCore,
)
from server.errors import ModelLoadError

INFO = EngineInfo("m", "/m", 8, 8, [0], None, ["full"], "full", 4, 4, 1, 4, "float32", "cpu", "torch", {}, 1, 0.0)
ROW = RowInfo("a", 0, "full", "running", 1, 2, 3, 4, 0.5)


class CountingCore:
    """Gives each request one token a step: 0, 1, 2, ... until `max_tokens`. Keeps a diary."""

    info = INFO

    def __init__(self) -> None:
        self.diary: list[object] = []
        self._left: dict[str, int] = {}
        self._done: dict[str, int] = {}

    @property
    def has_work(self) -> bool:
        return bool(self._left)

    def add(self, request: EngineRequest) -> None:
        self._left[request.request_id] = request.params.max_tokens
        self._done[request.request_id] = 0

    def abort(self, request_ids: list[str], sample_index: int | None = None) -> None:
        self.diary.append((request_ids, sample_index))
        for request_id in request_ids:
            self._left.pop(request_id, None)

    def step(self) -> list[SampleOutput]:
        outputs = []
        for request_id in list(self._left):
            token = self._done[request_id]
            self._done[request_id] += 1
            self._left[request_id] -= 1
            is_last = self._left[request_id] == 0
            if is_last:
                del self._left[request_id]
            outputs.append(SampleOutput(request_id, 0, [token], finish_reason="length" if is_last else None))
        return outputs

    def stats(self) -> EngineStats:
        return EngineStats(num_running=len(self._left))

    def inspect(self) -> list[RowInfo]:
        return [ROW]

    def reset_prefix_cache(self) -> None:
        self.diary.append("reset")

    def close(self) -> None:
        self.diary.append("closed")


class Script:
    """Messages that the loop receives, one list a call; shuts down at the end unless `on_idle` goes on."""

    def __init__(self, *batches: list[ToCore]) -> None:
        self._batches = list(batches)
        self.timeouts_s: list[float] = []
        self.on_idle: Callable[[], list[ToCore]] = lambda: [Shutdown()]

    def receive(self, timeout_s: float) -> list[ToCore]:
        self.timeouts_s.append(timeout_s)
        if self._batches:
            return self._batches.pop(0)
        return self.on_idle() if timeout_s > 0 else []


def request(request_id: str, max_tokens: int) -> EngineRequest:
    return EngineRequest(request_id, [1], SamplingParams(max_tokens))


def tokens(sent: list[FromCore], request_id: str) -> list[int]:
    return [
        token
        for message in sent
        if isinstance(message, StepOutputs)
        for output in message.outputs
        if output.request_id == request_id
        for token in output.token_ids
    ]


def test_requests_that_come_between_steps_all_run_to_their_ends() -> None:
    sent: list[FromCore] = []
    script = Script([request("a", 5)], [], [request("b", 2), request("c", 1)])
    run_core(CountingCore(), script.receive, sent.append)
    assert [tokens(sent, name) for name in "abc"] == [[0, 1, 2, 3, 4], [0, 1], [0]]
    assert sent[-1].stats.num_running == 0


def test_the_loop_never_waits_for_messages_while_there_is_work() -> None:
    script = Script([request("a", 3)])
    run_core(CountingCore(), script.receive, lambda message: None)
    first, *working, last = script.timeouts_s
    assert first > 0
    assert last > 0
    assert working == [0.0, 0.0]


def test_messages_reach_the_core_and_questions_are_answered() -> None:
    sent: list[FromCore] = []
    core = CountingCore()
    script = Script([request("a", 9), Inspect(3), Abort(["a"], 0), ResetPrefixCache()])
    run_core(core, script.receive, sent.append)
    assert Inspection(3, [ROW]) in sent
    assert core.diary == [(["a"], 0), "reset"]
    assert tokens(sent, "a") == []


def test_an_abort_is_reported_at_once_so_that_admission_sees_the_free_place() -> None:
    sent: list[FromCore] = []
    run_core(CountingCore(), Script([request("a", 9)], [Abort(["a"])]).receive, sent.append)
    assert sent[-1] == StepOutputs([], EngineStats(num_running=0))


def test_an_idle_core_is_heard_of_every_half_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now_s))
    sent_s: list[float] = []
    script = Script()

    def wait_idly() -> list[ToCore]:
        nonlocal now_s
        now_s += script.timeouts_s[-1]  # What a socket without messages does.
        return [Shutdown()] if len(sent_s) == 3 else []

    script.on_idle = wait_idly
    run_core(CountingCore(), script.receive, lambda message: sent_s.append(now_s))
    assert sent_s == [100 + HEARTBEAT_S, 100 + 2 * HEARTBEAT_S, 100 + 3 * HEARTBEAT_S]


def test_a_step_that_raises_is_reported_in_one_line_and_ends_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[FromCore] = []
    core = CountingCore()

    def explode() -> list[SampleOutput]:
        raise RuntimeError("device lost\nnative stack follows\n" * 100)

    core.step = explode  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        run_core(core, Script([request("a", 1)]).receive, sent.append)
    assert sent[-1] == Failed("the engine core failed: RuntimeError: device lost")
    assert "Traceback" in caplog.text


def test_serving_says_ready_first_and_closes_the_core_last(monkeypatch: pytest.MonkeyPatch) -> None:
    core = CountingCore()
    monkeypatch.setattr(loop, "load_core", lambda config: core)
    sent: list[FromCore] = []
    serve(EngineConfig("m"), Script([request("a", 1)]).receive, sent.append)
    assert sent[0] == Ready(INFO)
    assert tokens(sent, "a") == [0]
    assert core.diary == ["closed"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModelLoadError("no config.json in /m: name a directory with a model"), "no config.json in /m"),
        (KeyError("weight"), "the model could not be loaded: KeyError: 'weight'"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_failed_message(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def refuse(config: EngineConfig) -> CountingCore:
        raise error

    monkeypatch.setattr(loop, "load_core", refuse)
    sent: list[FromCore] = []
    serve(EngineConfig("m"), Script().receive, sent.append)
    [failed] = sent
    assert isinstance(failed, Failed)
    assert failed.message.startswith(message)
