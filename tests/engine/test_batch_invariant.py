"""In the batch-invariant mode a request's numbers are bitwise the same alone and in any batch."""

import pytest
import torch

from server.engine.request import SamplingParams
from server.errors import ConfigError
from tests.engine.conftest import drain, request
from tests.engine.duo_oracle import duo, write_scores
from tests.engine.test_schedules import prompt_of

LENGTHS = [3, 40, 17, 70, 9, 33, 1, 52]


def params(index: int) -> SamplingParams:
    temperature = 0.0 if index % 2 else 0.8
    return SamplingParams(max_tokens=24, temperature=temperature, seed=index, ignore_eos=True, logprobs=0)


def outcome(result) -> tuple[list[int], list[float]]:
    return result.token_ids, [entry.logprob for entry in result.logprobs]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("is_duo", [False, True], ids=["full", "duo"])
def test_tokens_and_their_log_probabilities_are_bitwise_alike_alone_and_in_a_crowd(make_core, tmp_path, dtype, is_duo):
    shape = {"device": "cuda", "dtype": dtype, "batch_invariant": True, "max_rows": 8}
    variants = ["full"]
    if is_duo:
        pattern = write_scores(tmp_path)
        variants += [duo(mode, pattern, prefill=mode) for mode in ("dense", "strict")]
        shape["variants"] = tuple(variants)
    alone = {}
    core = make_core(max_step_tokens=256, **shape)
    for index, length in enumerate(LENGTHS):
        variant = variants[index % len(variants)]
        core.add(request(f"r{index}", prompt_of(length, index), params(index), variant=variant))
        alone[index] = outcome(drain(core)[f"r{index}", 0])
    for crowded in ({"max_step_tokens": 16}, {"max_step_tokens": 200, "graphs": False}, {"num_pages": 4 * 40 + 1}):
        core = make_core(**(shape | crowded))
        for index, length in enumerate(LENGTHS):
            variant = variants[index % len(variants)]
            core.add(request(f"r{index}", prompt_of(length, index), params(index), variant=variant))
        results = drain(core)
        for index in range(len(LENGTHS)):
            assert outcome(results[f"r{index}", 0]) == alone[index]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which can")
def test_the_mode_is_refused_where_there_is_no_gpu(make_core):
    with pytest.raises(ConfigError, match="leave --batch-invariant out"):
        make_core(batch_invariant=True)
