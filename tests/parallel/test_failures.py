"""A team that cannot start says why, and one that loses a rank says which."""

import os
import signal
from pathlib import Path

import pytest

from server.config import EngineConfig
from server.engine.core import EngineCore
from server.engine.loop import run_core
from server.engine.request import Failed
from server.errors import ConfigError, ModelLoadError
from server.parallel import followers
from server.parallel.followers import devices_of
from tests.engine.conftest import greedy, request
from tests.parallel.conftest import SMALL, opened


@pytest.mark.parametrize("is_idle", [False, True])
def test_a_killed_rank_fails_the_core_in_one_clear_line(tiny_opt: Path, is_idle: bool):
    with opened(tiny_opt, tensor_parallel=2) as core:
        assert core._followers is not None
        (follower,) = core._followers._processes
        if not is_idle:
            core.add(request("r", [1, 2, 3], greedy(100)))
            core.step()
        os.kill(follower.pid, signal.SIGKILL)
        sent: list = []
        run_core(core, lambda _: [], sent.append)
        failed = [message for message in sent if isinstance(message, Failed)]
    assert len(failed) == 1
    assert "rank 1 was killed by SIGKILL" in failed[0].message
    assert "\n" not in failed[0].message
    assert follower.returncode == -signal.SIGKILL


def test_a_rank_that_cannot_start_fails_the_load_with_its_reason(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(followers, "FOLLOWER_MODULE", "server.parallel.no_such_module")
    with pytest.raises(ModelLoadError, match="rank 1 could not start: rank 1 exited with code 1"):
        EngineCore(EngineConfig(str(tiny_llama), tensor_parallel=2, **SMALL))


def test_too_few_gpus_are_refused_by_their_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert devices_of(EngineConfig("m", tensor_parallel=4)) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert devices_of(EngineConfig("m", device="cuda:2", tensor_parallel=2)) == ["cuda:2", "cuda:3"]
    with pytest.raises(ConfigError, match=r"tensor_parallel is 3 from cuda:2 on, .* 4 GPUs here; use at most 2"):
        devices_of(EngineConfig("m", device="cuda:2", tensor_parallel=3))
