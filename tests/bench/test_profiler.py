"""The engine's profiler: started and stopped by a client, bounded, and never the end of an engine."""

import gzip
import json

import pytest

from server.config import EngineConfig
from server.engine.client import TextParams
from server.engine.clients import ThreadEngine
from server.engine.profiler import StepProfiler
from server.engine.request import EngineRequest, SamplingParams
from server.errors import ConfigError


async def generate(engine: ThreadEngine, request_id: str, num_tokens: int) -> int:
    params = SamplingParams(max_tokens=num_tokens, temperature=0.0, ignore_eos=True)
    stream = engine.submit(EngineRequest(request_id, [5, 6, 7, 8], params), TextParams())
    return sum([len(delta.token_ids) async for delta in stream])


def num_steps_in(path: str) -> int:
    with gzip.open(path) as file:
        return sum(event.get("name") == "aten::embedding" for event in json.load(file)["traceEvents"])


async def test_a_client_gets_a_trace_of_the_steps_between_start_and_stop(tiny_llama, tmp_path):
    engine = ThreadEngine(EngineConfig(str(tiny_llama), num_pages=128, num_threads=1, profile_dir=str(tmp_path / "a")))
    await engine.start()
    try:
        assert await generate(engine, "before", 3) == 3
        await engine.start_profile()
        with pytest.raises(ConfigError, match="running already"):
            await engine.start_profile()
        assert await generate(engine, "during", 5) == 5
        first = await engine.stop_profile()
        assert num_steps_in(first) == 5
        with pytest.raises(ConfigError, match="not running"):
            await engine.stop_profile()
        await engine.start_profile()
        assert await engine.stop_profile() != first
        assert await generate(engine, "after", 3) == 3
    finally:
        await engine.stop()


async def test_without_a_folder_there_is_no_profiler_and_everything_else_works(tiny_llama):
    engine = ThreadEngine(EngineConfig(str(tiny_llama), num_pages=128, num_threads=1))
    await engine.start()
    try:
        with pytest.raises(ConfigError, match="--profile-dir"):
            await engine.start_profile()
        assert await generate(engine, "after", 3) == 3
        assert engine.info.stages_s["import"] >= 0
    finally:
        await engine.stop()


def test_a_long_recording_ends_by_itself_and_its_file_waits_for_whoever_stops_it(tmp_path):
    profiler = StepProfiler(tmp_path, max_steps=2)
    profiler.start()
    for _ in range(5):
        profiler.after_step()
    assert not profiler.is_recording
    [written] = tmp_path.iterdir()
    assert profiler.stop() == str(written)


def test_a_trace_that_cannot_be_written_is_told_when_it_is_asked_for(tmp_path):
    (tmp_path / "file").write_text("no folder")
    profiler = StepProfiler(tmp_path / "file", max_steps=1)
    profiler.start()
    profiler.after_step()
    with pytest.raises(ConfigError, match="cannot be written"):
        profiler.stop()
