"""The Triton kernels give the tokens of the torch path; interpreted on CPU where there is no GPU."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sampler_oracle as oracle
import torch
from choosing import choose
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine import draw, drawer
from server.engine.draw import uniform
from server.engine.drawer import RandomRows, TorchDrawer
from server.engine.request import SamplingParams
from server.engine.row_parameters import RowParameters
from server.engine.sampler import Sampler

pytest.importorskip("triton")
from server.engine import triton_sampling
from server.engine.triton_sampling import TritonDrawer
from server.engine.triton_sampling_kernels import uniform_kernel

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
VOCAB = 300

params_strategy = st.builds(
    SamplingParams,
    max_tokens=st.just(1),
    temperature=st.sampled_from([2e-5, 0.1, 1.0, 2.0]),
    top_k=st.sampled_from([0, 0, 2, 7, 150, VOCAB]),
    top_p=st.sampled_from([1.0, 1.0, 0.95, 0.4, 1e-9]),
    min_p=st.sampled_from([0.0, 0.0, 0.02, 1.0]),
    seed=st.integers(0, 2**63 - 1),
)


def _numpy_weigh(z: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    return out.copy_(torch.from_numpy(np.exp(z.numpy())).mul_(2.0**draw.WEIGHT_BITS))


@contextmanager
def the_interpreters_weights() -> Iterator[None]:
    """NumPy's `exp`, which the interpreter uses, may round otherwise than torch's; on CUDA they agree."""
    with pytest.MonkeyPatch.context() as patch:
        if DEVICE.type == "cpu":
            patch.setattr(draw, "weigh", _numpy_weigh)
            patch.setattr(drawer, "weigh", _numpy_weigh)
        yield


def logits_of(kind: str, num_rows: int, vocab_size: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_rows, vocab_size, generator=random) * 2
    match kind:
        case "tied":
            logits = logits.round()
        case "equal":
            logits = torch.zeros(num_rows, vocab_size)
        case "one":
            logits = torch.full((num_rows, vocab_size), -math.inf)
            logits[:, vocab_size // 3] = 1.0
        case "far":
            logits *= 100
    return logits.to(DEVICE)


def both_draws(
    logits: torch.Tensor, params: list[SamplingParams], generated: np.ndarray
) -> tuple[list[int], list[int]]:
    """Tokens of the kernels and of torch."""
    num_rows, vocab_size = logits.shape
    parameters = RowParameters(vocab_size, num_rows, DEVICE)
    for row, one in enumerate(params):
        parameters.set(row, one, row)
    places = np.arange(num_rows)
    index = torch.from_numpy(np.stack([places] * 3)).to(DEVICE)
    rows = RandomRows(places, places, index, int(np.bitwise_or.reduce(parameters.flags)))
    tokens = []
    for path in (TritonDrawer(vocab_size, num_rows, parameters, DEVICE), TorchDrawer(vocab_size, parameters, DEVICE)):
        best = path.best(logits)
        with the_interpreters_weights():
            drawn = path.draw(logits, best, rows, generated, torch.from_numpy(generated).to(DEVICE))
        tokens.append(drawn.masked_fill(best.is_bad, -1).tolist())
    return tokens[0], tokens[1]


def test_uniform_numbers_are_bitwise_those_of_the_host():
    random = np.random.default_rng(3)
    keys = random.integers(0, 2**64, 22, dtype=np.uint64)
    keys[:2] = 0, 2**64 - 1
    indices = np.concatenate([[0, 2**31], random.integers(0, 2**20, 20)])
    out = torch.empty(keys.size, dtype=torch.float64, device=DEVICE)
    sent = torch.from_numpy(keys.view(np.int64)).to(DEVICE), torch.from_numpy(indices).to(DEVICE)
    uniform_kernel[(keys.size,)](*sent, out)
    assert out.tolist() == uniform(keys, indices.astype(np.uint64)).tolist()


@settings(deadline=None, max_examples=12)
@given(
    params=st.lists(params_strategy, min_size=1, max_size=2),
    kind=st.sampled_from(["smooth", "tied", "equal", "one", "far"]),
    capacity=st.sampled_from([16, 4096]),
    seed=st.integers(0, 2**32),
    generated=st.integers(0, 2**31),
)
def test_kernels_draw_what_torch_draws_from_a_list_or_from_the_whole_row(params, kind, capacity, seed, generated):
    """Lists of 16 are too short for most rows, so that passes over the vocabulary must narrow them down."""
    logits = logits_of(kind, len(params), VOCAB, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triton_sampling, "CAPACITY", capacity)
        fast, slow = both_draws(logits, params, np.full(len(params), generated))
    assert fast == slow


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("vocab_size", [5, 4096, 5000])
def test_the_best_token_is_the_lowest_of_the_largest_and_bad_rows_are_flagged(dtype, vocab_size):
    logits = torch.randn(7, vocab_size).mul(2).round().to(dtype)
    logits[1, vocab_size - 1] = 50.0
    logits[2, [3, 4]] = 60.0
    logits[3, vocab_size - 2] = math.nan
    logits[4, 0] = math.inf
    logits[5] = -math.inf
    logits[6, 1:] = -math.inf
    sampler = Sampler(vocab_size, 7, DEVICE, "triton")
    for _ in range(2):
        token_ids, is_bad = sampler.greedy(logits.to(DEVICE))
        assert is_bad.tolist() == [False, False, False, True, True, True, False]
        expected = torch.from_numpy(logits.float().numpy().argmax(1)).masked_fill(is_bad.cpu(), 0)
        assert token_ids.tolist() == expected.tolist()


def test_the_kernels_pass_the_compilers_front_end_though_there_is_no_gpu():
    """The interpreter takes what the compiler refuses, such as a variable that changes its shape."""
    script = Path(__file__).with_name("compile_sampling.py")
    root = script.parents[2]
    environment = os.environ | {"TRITON_INTERPRET": "0", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_more_lines_than_rows_are_refused():
    sampler = Sampler(VOCAB, 2, DEVICE, "triton")
    with pytest.raises(ValueError, match="takes 2 lines"):
        sampler.greedy(torch.zeros(3, VOCAB, device=DEVICE))


def test_a_row_is_drawn_alike_alone_and_among_others_in_any_place():
    kinds = [
        {},
        {"top_k": 5},
        {"top_p": 0.8},
        {"logit_bias": {3: 2.0}, "top_k": 40, "top_p": 0.9},
        {"temperature": 0.0},
    ]
    params = [SamplingParams(max_tokens=1, seed=i, **kind) for i, kind in enumerate(kinds)]
    logits = logits_of("smooth", len(params), VOCAB, 1)
    sampler = Sampler(VOCAB, 8, DEVICE, "triton")

    def tokens(order: list[int], first_row: int) -> dict[int, int]:
        for row, i in enumerate(order):
            sampler.add(first_row + row, params[i], 0, [1], [])
        rows = [first_row + row for row in range(len(order))]
        sampled = choose(sampler, logits[order], rows, [9] * len(order))
        return dict(zip(order, sampled.token_ids.tolist(), strict=True))

    together = tokens([0, 1, 2, 3, 4], 0)
    assert tokens([3, 4, 0, 2, 1], 2) == together
    assert {i: tokens([i], 5)[i] for i in range(5)} == together


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_on_a_gpu_tokens_of_a_large_vocabulary_are_those_of_torch(dtype):
    vocab_size, num_rows = 128_256, 48
    choices = [
        SamplingParams(max_tokens=1, temperature=t, top_k=k, top_p=p, min_p=m, seed=i)
        for i, (t, k, p, m) in enumerate(
            (t, k, p, m) for t in (0.4, 1.0) for k in (0, 50, 3000) for p in (1.0, 0.97, 0.6, 0.01) for m in (0.0, 0.05)
        )
    ]
    for scale in (1.0, 3.0, 12.0):
        logits = (torch.randn(num_rows, vocab_size, device=DEVICE) * scale).to(dtype)
        fast, slow = both_draws(logits, choices, np.arange(num_rows))
        assert fast == slow


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA device")
def test_on_a_gpu_greedy_replays_from_a_captured_graph():
    sampler = Sampler(128_256, 64, DEVICE)
    logits = torch.randn(64, 128_256, device=DEVICE, dtype=torch.bfloat16)
    sampler.greedy(logits)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        token_ids, is_bad = sampler.greedy(logits)
    for _ in range(3):
        logits.normal_()
        logits[5, 100] = math.nan
        graph.replay()
        eager = sampler.greedy(logits)
        assert torch.equal(token_ids, eager[0])
        assert is_bad.nonzero().tolist() == [[5]]


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("fields", [{}, {"top_k": 9}, {"top_p": 0.8}, {"min_p": 0.1, "temperature": 1.4}])
def test_on_a_gpu_draws_follow_the_distribution(fields):
    """Pearson's chi-squared of 30,000 draws at consecutive token indices."""
    vocab_size, num_rows, num_steps = 23, 300, 100
    params = SamplingParams(max_tokens=1, **fields)
    x = (torch.randn(vocab_size, generator=torch.Generator().manual_seed(5)) * 1.5).tolist()
    sampler = Sampler(vocab_size, num_rows, DEVICE)
    for row in range(num_rows):
        sampler.add(row, params, row, [0], [])
    logits = torch.tensor([x] * num_rows, device=DEVICE)
    steps = [choose(sampler, logits, range(num_rows), [step] * num_rows).token_ids for step in range(num_steps)]
    observed = torch.bincount(torch.stack(steps).flatten(), minlength=vocab_size).tolist()
    expected = [p * num_rows * num_steps for p in oracle.probabilities(x, params, params.top_p)]
    assert all(o == 0 for o, e in zip(observed, expected, strict=True) if e == 0)
    terms = [(o - e) ** 2 / e for o, e in zip(observed, expected, strict=True) if e > 0]
    assert sum(terms) < len(terms) - 1 + 4.5 * math.sqrt(2 * (len(terms) - 1))
