"""Engines with a real core, in a process and in a thread: requests in, deltas out."""

import asyncio
import threading
from pathlib import Path

import psutil
import pytest

from server.config import EngineConfig
from server.engine.clients import ProcessEngine, ThreadEngine
from server.engine.link import Inbox
from server.engine.process_link import ProcessLink
from server.engine.request import GrammarSpec
from server.engine.supervisor import Limits
from server.errors import EngineDeadError, EngineStepError, ModelLoadError, OverloadedError, RequestError
from tests.engine_process.conftest import StartEngine, core_processes, joined, read, request, submit, until
from tests.hold import Hold

UNENCODABLE = GrammarSpec("regex", "\ud800")

both = pytest.mark.parametrize("kind", [ThreadEngine, ProcessEngine])


async def test_a_thread_and_a_process_give_equal_tokens_texts_and_ends(start_engine: StartEngine) -> None:
    results = []
    for kind in (ThreadEngine, ProcessEngine):
        engine = await start_engine(kind)
        requests = [request(f"r{number}", 10 + 7 * number) for number in range(5)]
        requests += [request("sampled", 40, temperature=1.0, seed=5, logprobs=2)]
        deltas = await asyncio.gather(*(read(submit(engine, one)) for one in requests))
        assert [ones[-1].num_generated for ones in deltas] == [10, 17, 24, 31, 38, 40]
        results.append([(joined(ones), ones[-1].finish_reason) for ones in deltas])
    assert results[0] == results[1]
    assert all(finish == "length" for _, finish in results[0])


@both
async def test_a_bad_model_path_is_one_line_that_names_it(kind: type, tmp_path: Path) -> None:
    missing = tmp_path / "no-such-model"
    engine = kind(EngineConfig(str(missing)))
    with pytest.raises(ModelLoadError) as refused:
        await engine.start()
    assert str(missing) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not engine.is_ready
    assert str(missing) in engine.failure
    assert core_processes() == []
    await engine.stop()


async def test_samples_end_independently_and_each_exactly_once(start_engine: StartEngine) -> None:
    engine = await start_engine(ThreadEngine)
    params = {"temperature": 1.0, "seed": 3}
    free = await read(submit(engine, request("a", 60, num_samples=3, **params)))
    # Sample 1 is stopped by a piece of its own text; its siblings would run into it only by chance.
    text_of_1 = "".join(delta.text for delta in free if delta.index == 1)
    stop = text_of_1[20:26]
    deltas = await read(submit(engine, request("a", 60, num_samples=3, **params), stop=(stop,)))
    for index in range(3):
        ends = [delta.finish_reason for delta in deltas if delta.index == index and delta.finish_reason]
        text = "".join(delta.text for delta in deltas if delta.index == index)
        whole = "".join(delta.text for delta in free if delta.index == index)
        cut = whole.find(stop)
        assert ends == ["stop" if cut >= 0 else "length"]
        assert text == (whole[:cut] if cut >= 0 else whole)
    await until(lambda: engine.stats.num_running == 0)


async def test_a_reader_that_is_too_slow_gets_an_error_and_its_row_is_freed(start_engine: StartEngine) -> None:
    engine = await start_engine(ThreadEngine, Limits(max_unread_deltas=20))
    stream = submit(engine, request("slow", 400))
    await until(lambda: engine.stats.generated_tokens and engine.stats.num_running == 0)
    assert engine.stats.generated_tokens < 400
    with pytest.raises(EngineStepError, match="too slowly"):
        await read(stream)
    assert len(joined(await read(submit(engine, request("next", 5))))[0]) == 5


async def test_a_full_queue_refuses_and_takes_requests_again_when_it_has_room(
    start_engine: StartEngine, tiny_llama: Path
) -> None:
    config = EngineConfig(str(tiny_llama), max_rows=1, max_waiting=2, num_pages=600, num_threads=1)
    engine = await start_engine(ThreadEngine, config=config)
    streams = [submit(engine, request(f"r{number}", 50)) for number in range(3)]
    with pytest.raises(OverloadedError) as refused:
        submit(engine, request("one too many", 1))
    assert refused.value.retry_after_s >= 1
    assert [len(joined(deltas)[0]) for deltas in await asyncio.gather(*map(read, streams))] == [50] * 3
    assert len(joined(await read(submit(engine, request("later", 5))))[0]) == 5


@both
async def test_draining_finishes_what_runs_and_refuses_what_is_new(
    kind: type, start_engine: StartEngine, hold: Hold
) -> None:
    others = set(threading.enumerate()), core_processes()
    engine = await start_engine(kind)
    with hold.on():
        running = [asyncio.create_task(read(submit(engine, request(f"r{number}", 200)))) for number in range(4)]
        await until(lambda: engine.stats.num_running == 4)
        stopping = asyncio.create_task(engine.stop(drain_s=60))
        await until(lambda: not engine.is_ready)
        assert "shutting down" in engine.failure
        with pytest.raises(EngineDeadError):
            submit(engine, request("late", 1))
    for deltas in await asyncio.gather(*running):
        assert len(joined(deltas)[0]) == 200
        assert deltas[-1].finish_reason == "length"
    await stopping
    assert core_processes() == others[1]
    assert "rhumb-engine" not in [thread.name for thread in set(threading.enumerate()) - others[0]]


@both
async def test_stopping_without_a_drain_ends_every_stream_with_an_error(
    kind: type, start_engine: StartEngine, hold: Hold
) -> None:
    engine = await start_engine(kind)
    with hold.on():
        streams = [submit(engine, request(f"r{number}", 400)) for number in range(3)]
        for stream in streams:
            await anext(stream)
        await engine.stop()
    for stream in streams:
        with pytest.raises(EngineDeadError, match="shutting down"):
            await read(stream)
    assert core_processes() == []
    await engine.stop()


async def test_the_request_table_shows_rows_and_the_prefix_cache_can_be_reset(
    start_engine: StartEngine, hold: Hold
) -> None:
    engine = await start_engine(ThreadEngine)
    with hold.on():
        stream = submit(engine, request("a long enough prompt to fill a page", 400))
        await anext(stream)
        rows = await engine.inspect()
        assert [(row.request_id, row.state, row.sample_index) for row in rows] == [
            ("a long enough prompt to fill a page", "running", 0)
        ]
        await stream.aclose()
    await until(lambda: engine.stats.num_running == 0)
    assert await engine.inspect() == []
    await until(lambda: engine.stats.pages_cached > 0)
    await engine.reset_prefix_cache()
    await until(lambda: engine.stats.pages_cached == 0)


@pytest.mark.parametrize(
    ("bad", "reason"), [({"allowed_token_ids": (2**70,)}, "64 bits"), ({"grammar": UNENCODABLE}, "Unicode")]
)
async def test_what_cannot_be_carried_to_the_process_is_the_clients_fault(
    config: EngineConfig, bad: dict[str, object], reason: str
) -> None:
    link = ProcessLink(config, Inbox(lambda message: None))
    with pytest.raises(RequestError, match=reason):
        link.send(request("a", 5, **bad))


@both
async def test_after_requests_of_every_unhappy_kind_nothing_is_left(kind: type, start_engine: StartEngine) -> None:
    engine = await start_engine(kind, Limits(max_unread_deltas=30))
    this = psutil.Process()

    async def unhappy_round(number: int) -> None:
        """One of each: closed, cancelled, forgotten, still waiting, stopped by text, too slow, refused, done."""
        name = f"round {number} "
        closed, slow = submit(engine, request(name + "closed", 300)), submit(engine, request(name + "slow", 300))
        cancelled = asyncio.create_task(read(submit(engine, request(name + "cancelled", 300, num_samples=2))))
        submit(engine, request(name + "forgotten", 300))
        waiting = [submit(engine, request(f"{name}w{index}", 300)) for index in range(8)]
        await anext(closed)
        await closed.aclose()
        cancelled.cancel()
        for stream in waiting:
            await stream.aclose()
        await read(submit(engine, request(name + "stopped", 300), stop=("e", "a", "t", " ")))
        with pytest.raises(EngineStepError):
            await read(submit(engine, request(name + "refused", 5000)))
        await until(lambda: engine.stats.num_running + engine.stats.num_waiting == 0)
        with pytest.raises(EngineStepError):
            await read(slow)
        await asyncio.wait({cancelled})
        await read(submit(engine, request(name + "done", 5)))

    async def footprint() -> tuple[int, ...]:
        await engine.reset_prefix_cache()
        await until(lambda: engine.stats.pages_used + engine.stats.pages_cached == 0)
        await until(lambda: engine.stats.num_running + engine.stats.num_waiting == 0)
        assert await engine.inspect() == []
        children = core_processes()
        return (
            len(asyncio.all_tasks()),
            this.num_fds() + sum(child.num_fds() for child in children),
            this.num_threads() + sum(child.num_threads() for child in children),
            len(engine._router._live) + engine._router._num_samples + len(engine._queries),
        )

    await unhappy_round(0)
    before = await footprint()
    for number in range(1, 9):
        await unhappy_round(number)
    # Fewer is fine: what earlier tests left behind may be collected meanwhile.
    assert all(now <= then for now, then in zip(await footprint(), before, strict=True))
