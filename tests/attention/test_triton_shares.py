"""Programs of decode go to heads by what these read, and together they read everything once."""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# ruff: noqa: N803

from typing import Any

import pytest
import torch
from attention_scenario import RowSpec, Scenario, Setting, Shape, retentions
from hypothesis import given, settings
from hypothesis import strategies as st

from server.attention.triton import TritonAttention
from server.attention.triton_configs import DecodeConfig
from server.kv.policy import ALL, window

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")
shares = pytest.importorskip("server.attention.triton_shares")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cpu" and not triton.knobs.runtime.interpret:
    pytest.skip("the kernels need a GPU or TRITON_INTERPRET=1", allow_module_level=True)


@triton.jit
def all_shares(
    tiles_ptr, heads_ptr, firsts_ptr, counts_ptr, wanted, num_programs, HEADS: tl.constexpr, N: tl.constexpr
):
    heads = tl.arange(0, N)
    is_head = heads < HEADS
    tiles = tl.load(tiles_ptr + heads, mask=is_head, other=7)
    counts, firsts = shares.share_programs(tiles, is_head, wanted)
    for program in range(num_programs):
        head, first, count = shares.find_share(counts, firsts, heads, program)
        tl.store(heads_ptr + program, head)
        tl.store(firsts_ptr + program, first)
        tl.store(counts_ptr + program, count)


def shares_of(tiles: list[int], wanted: int) -> list[tuple[int, int, int]]:
    """Of every program of a row's grid: its head, the head's first program and how many it has."""
    num_programs = wanted + len(tiles) - 1
    found = torch.full((3, num_programs), -1, dtype=torch.int32, device=DEVICE)
    numbers = torch.tensor(tiles, dtype=torch.int32, device=DEVICE)
    padded = triton.next_power_of_2(len(tiles))
    all_shares[1,](numbers, *found.unbind(0), wanted, num_programs, HEADS=len(tiles), N=padded)
    return [(head, first, count) for head, first, count in found.T.tolist()]


@settings(max_examples=25, deadline=None)
@given(
    tiles=st.lists(st.one_of(st.integers(1, 5), st.integers(1, 60_000)), min_size=1, max_size=6),
    wanted=st.integers(1, 16) | st.integers(64, 70),
)
def test_heads_get_programs_by_their_tiles_and_every_one_at_least_one(tiles: list[int], wanted: int) -> None:
    found = shares_of(tiles, wanted)
    owned = {head: (first, count) for head, first, count in found if count}
    assert sorted(owned) == list(range(len(tiles)))
    for head, (first, count) in owned.items():
        assert 1 <= count <= tiles[head]
        mine = [program for program, share in enumerate(found) if share == (head, first, count)]
        assert mine == list(range(first, first + count))
    used = sum(count for _, count in owned.values())
    assert all(count == 0 for _, _, count in found[used:])
    long = [head for head in owned if wanted * tiles[head] >= sum(tiles)]
    assert all(owned[head][1] == 1 for head in owned if head not in long)
    num_long = sum(owned[head][1] for head in long)
    assert num_long <= wanted
    assert {head for head, _, _ in found[:num_long]} == set(long)
    # Rounding costs less than a program for each of them, and one for the others; few tiles have no use for more.
    if long and not any(owned[head][1] == tiles[head] for head in long):
        assert num_long > wanted * sum(tiles[head] for head in long) / sum(tiles) - 1 - len(long)


@pytest.mark.parametrize(("wanted", "num_heads", "tiles", "each"), [(132, 8, 4040, 16), (24, 8, 2, 2), (4, 6, 9, 1)])
def test_equal_heads_get_what_an_even_division_gives(wanted: int, num_heads: int, tiles: int, each: int) -> None:
    found = shares_of([tiles] * num_heads, wanted)
    assert [head for head, _, count in found if count] == [head for head in range(num_heads) for _ in range(each)]


def test_the_heads_that_keep_a_million_positions_get_all_programs_but_the_others_one_each() -> None:
    found = shares_of([7813, 4, 4, 7813, 4, 4, 4, 4], 132)
    counts = {head: count for head, _, count in found if count}
    assert counts == {0: 65, 1: 1, 2: 1, 3: 65, 4: 1, 5: 1, 6: 1, 7: 1}
    # Of eight programs that each of many rows can have, four long heads have two each.
    counts = {head: count for head, _, count in shares_of([64, 4, 64, 4, 64, 4, 4, 64], 8) if count}
    assert counts == {0: 2, 1: 1, 2: 2, 3: 1, 4: 2, 5: 1, 6: 1, 7: 2}


def attention_of(scenario: Scenario) -> TritonAttention:
    plan = scenario.plan.to(scenario.setting.device)
    return TritonAttention(scenario.spec, plan, scenario.pool, scenario.tables)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Shape, list[RowSpec], int]:
    """Decode rows of a layer whose heads keep different positions, and programs wanted for all rows together."""
    num_kv_heads = draw(st.sampled_from([2, 3, 4]))
    size = draw(st.sampled_from([n for n in (1, 2) if num_kv_heads % n == 0]))
    heads = draw(st.permutations(range(num_kv_heads)))
    groups = tuple(tuple(heads[start : start + size]) for start in range(0, num_kv_heads, size))
    row = st.builds(
        RowSpec,
        history=st.integers(0, 127),
        num_new=st.just(1),
        retentions=st.tuples(*[st.one_of(st.just(ALL), retentions)] * len(groups)),
    )
    rows = draw(st.lists(row, min_size=1, max_size=2))
    return Shape(1, num_kv_heads, 1, 128, 4, groups), rows, draw(st.integers(1, 24))


@settings(max_examples=8, deadline=None)
@given(crowd=crowds())
def test_every_position_that_a_head_sees_is_read_once(crowd: tuple[Shape, list[RowSpec], int]) -> None:
    shape, rows, wanted = crowd
    lengths = [row.history + 1 for row in rows]
    # All keys are alike, and position j's value is the unit vector j: results tell how often each was read.
    k = [torch.zeros(1, length, shape.num_kv_heads, 128) for length in lengths]
    v = [torch.eye(128)[None, :length, None].repeat(1, 1, shape.num_kv_heads, 1) for length in lengths]
    q = torch.ones(1, len(rows), shape.num_kv_heads, 128)
    scenario = Scenario(shape, rows, q, k, v, 0, Setting(device=DEVICE))
    attention = attention_of(scenario)
    attention.launcher.decode_config = DecodeConfig(16, 4, 1, wanted)
    attention.launcher.make_scratch()
    for _ in range(2):
        result = attention.attend(0, *scenario.new(0), scenario.batch()).view(len(rows), -1, 128).cpu()
        for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            positions = torch.arange(128)
            for group, kept in zip(shape.groups, row.retentions, strict=True):
                seen = (positions < kept.sinks) | (positions > row.history - kept.recent) | (positions >= kept.since)
                seen &= positions < length
                for head in group:
                    torch.testing.assert_close(result[index, head] * seen.sum(), seen.float(), rtol=1e-4, atol=1e-4)


def test_scratch_holds_a_part_for_every_program_however_many_rows_there_are() -> None:
    retained = (ALL, window(2, 3), window(1, 4))
    scenario = Scenario.random(Shape(1, 3, 1, 16, 4, ((0,), (1,), (2,))), [RowSpec(60, 1, retained)], 1)
    launcher: Any = attention_of(scenario).launcher
    assert launcher.is_even == [False]
    for num_rows in (1, 2, 4):
        programs = launcher.programs_per_row(num_rows)
        assert launcher._scratch[0].shape[0] >= num_rows * (programs + 2 if programs > 1 else 0)


def test_unequal_shares_of_halved_heads_equal_dense_attention() -> None:
    retained = (window(9, 20), ALL, window(0, 1))
    rows = [RowSpec(150, 1, retained), RowSpec(90, 1, retained[::-1]), RowSpec(0, 1, retained)]
    shape = Shape(1, 3, 2, 24, 5, ((2,), (0,), (1,)))
    scenario = Scenario.random(shape, rows, 4, Setting(kv_format="int4", device=DEVICE))
    attention = attention_of(scenario)
    attention.launcher.decode_config = DecodeConfig(16, 4, 1, 21)
    attention.launcher.make_scratch()
    result = attention.attend(0, *scenario.new(0), scenario.batch()).cpu()
    torch.testing.assert_close(result.double(), scenario.expected(0), rtol=1e-4, atol=2e-5)
