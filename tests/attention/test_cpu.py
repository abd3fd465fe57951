"""What the compiled CPU backend promises beyond the contract."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from attention_scenario import RowSpec, Scenario, Shape, rows, shapes
from hypothesis import given, settings
from hypothesis import strategies as st

from server.attention import cpu
from server.kv.policy import ALL, window

pytest.importorskip("numba")

SHAPE = Shape(2, 4, 2, 32, 16, ((0, 1, 2, 3), (4, 5, 6, 7)))


@pytest.fixture
def always_on_a_team(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cpu, "TEAM_WORK", 0)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def alone(scenario: Scenario, row: int) -> Scenario:
    """The same problem with one row of it."""
    starts = scenario.batch().query_starts
    q = scenario.q[:, starts[row] : starts[row + 1]]
    return Scenario(scenario.shape, [scenario.row_specs[row]], q, [scenario.k[row]], [scenario.v[row]], seed=row)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=shapes(), seed=st.integers(0, 2**32))
def test_a_decoded_token_is_the_same_to_the_last_bit_alone_and_in_any_crowd(
    data: st.DataObject, shape: Shape, seed: int
) -> None:
    scenario = Scenario.random(shape, data.draw(rows(shape, max_new=1)), seed)
    crowd = scenario.attend(cpu.CpuAttention)
    for row in range(len(scenario.row_specs)):
        for layer, result in enumerate(alone(scenario, row).attend(cpu.CpuAttention)):
            assert torch.equal(result[0], crowd[layer][row])


@pytest.mark.parametrize("num_threads", [2, 3, 5])
@pytest.mark.parametrize("num_rows", [1, 2, 9, 40])
@pytest.mark.parametrize("num_new", [1, 6])
def test_threads_change_no_bit(always_on_a_team: None, num_threads: int, num_rows: int, num_new: int) -> None:
    row_specs = [RowSpec(17 * row, num_new, (ALL, window(5, 20 + row))) for row in range(num_rows)]
    torch.set_num_threads(1)
    expected = Scenario.random(SHAPE, row_specs, seed=5).attend(cpu.CpuAttention)
    torch.set_num_threads(num_threads)
    for layer, result in enumerate(Scenario.random(SHAPE, row_specs, seed=5).attend(cpu.CpuAttention)):
        assert torch.equal(result, expected[layer])


def test_engines_in_several_threads_of_one_process_attend_at_once(always_on_a_team: None) -> None:
    row_specs = [RowSpec(30 * row, 1, (ALL, ALL)) for row in range(12)]
    torch.set_num_threads(2)

    def run(seed: int) -> bool:
        scenario = Scenario.random(SHAPE, row_specs, seed)
        results = scenario.attend(cpu.CpuAttention)
        return all(
            torch.allclose(result.double(), scenario.expected(layer), atol=2e-5) for layer, result in enumerate(results)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(24)))


@pytest.mark.parametrize("broken", ["q", "k", "v"])
def test_a_nan_in_a_row_shows_in_its_result_and_in_no_other(broken: str) -> None:
    scenario = Scenario.random(SHAPE, [RowSpec(20, 1, (ALL, ALL)), RowSpec(20, 1, (ALL, ALL))], seed=2)
    if broken == "q":
        scenario.q[:, 0] = float("nan")
    else:
        getattr(scenario, broken)[0][:, -1] = float("nan")
    for result in scenario.attend(cpu.CpuAttention):
        assert result[0].isnan().all()
        assert result[1].isfinite().all()


def test_it_says_why_it_cannot_serve_other_dtypes_and_devices() -> None:
    spec = SHAPE.spec()
    assert cpu.CpuAttention.supports(spec) == []
    assert "not in torch.bfloat16" in " ".join(cpu.CpuAttention.supports(replace(spec, dtype=torch.bfloat16)))
    assert "not on cuda" in " ".join(cpu.CpuAttention.supports(replace(spec, device=torch.device("cuda"))))
    assert "scores" in " ".join(cpu.CpuAttention.supports(replace(spec, needs_scores=True)))


@pytest.mark.slow
def test_it_compiles_where_no_cache_can_be_written() -> None:
    """As in a container with a read-only image and no home."""
    # The only place left for a cache is beside a zipped package, and ours is none.
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}
    program = "from server.attention import cpu_kernels; assert cpu_kernels.attend"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, env=environment, timeout=280)
