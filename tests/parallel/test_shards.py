"""What each rank keeps: the ranks' parts of a checkpoint are the checkpoint, and heads are dealt out evenly."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config import EngineConfig
from server.errors import ConfigError, ModelLoadError
from server.models.registry import load_model
from server.parallel.shards import assign_heads
from server.parallel.team import Alone


@dataclass
class Seat(Alone):
    """A place in a team, for loading only."""

    rank: int
    size: int


@st.composite
def head_patterns(draw: st.DrawFn) -> tuple[int, np.ndarray]:
    """A number of ranks, and bool [layers, kv_heads]."""
    size = draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 6)), size * draw(st.integers(1, 4)))
    bits = draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return size, np.array(bits).reshape(shape)


@settings(max_examples=40, deadline=None)
@given(head_patterns())
def test_every_head_has_one_rank_and_retrieval_heads_are_spread_evenly(pattern):
    size, is_retrieval = pattern
    num_layers, num_kv_heads = is_retrieval.shape
    assigned = assign_heads(num_layers, num_kv_heads, size, is_retrieval)
    counts = np.stack([is_retrieval[layer][assigned[layer]].sum(1) for layer in range(num_layers)])
    for layer in range(num_layers):
        assert sorted(assigned[layer].ravel().tolist()) == list(range(num_kv_heads))
        assert (np.diff(assigned[layer], axis=1) > 0).all()
        assert counts[layer].max() - counts[layer].min() == (is_retrieval[layer].sum() % size > 0)
    # What a layer cannot spread evenly goes to whoever had the fewest.
    totals = counts.sum(0)
    assert totals.max() - totals.min() <= 1


def test_without_a_pattern_ranks_have_neighbouring_heads():
    assert assign_heads(2, 4, 2).tolist() == [[[0, 1], [2, 3]]] * 2


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("load_format", ["safetensors", "dummy"])
def test_the_parts_of_all_ranks_are_the_whole(tiny_opt: Path, load_format, size):
    config = EngineConfig(str(tiny_opt), device="cpu", load_format=load_format)
    whole = list(load_model(config)[0].weights())
    ranks = [list(load_model(config, Seat(rank, size))[0].weights()) for rank in range(size)]
    for parameter, parts in zip(whole, zip(*ranks, strict=True), strict=True):
        assert all(part.num_elements == parameter.data.numel() for part in parts)
        pieces = zip(*(part.data.split(list(part.parts.values())) for part in parts), strict=True)
        joined = []
        for name, tensors in zip(parameter.parts, pieces, strict=True):
            cut = parts[0].cuts.get(name)
            if cut is None:
                # A bias that is added after the sum over ranks would count more than once.
                assert all(torch.equal(tensors[0], tensor) for tensor in tensors if tensor.any())
                joined.append(tensors[0])
            else:
                joined.append(torch.cat(tensors, cut.dim))
        assert torch.equal(torch.cat(joined), parameter.data), list(parameter.parts)


def test_a_bias_behind_a_sum_counts_once(tiny_opt: Path):
    config = EngineConfig(str(tiny_opt), device="cpu")
    biases = [
        {name: part.data for part in load_model(config, Seat(rank, 2))[0].weights() for name in part.parts}
        for rank in range(2)
    ]
    for name in ("layers.0.self_attn.out_proj.bias", "layers.1.fc2.bias"):
        assert biases[0][name].any()
        assert not biases[1][name].any()


@pytest.mark.parametrize(
    ("changes", "size", "message"), [({}, 3, "KV heads"), ({"num_attention_heads": 8, "ffn_dim": 47}, 8, "MLP width")]
)
def test_what_does_not_divide_is_refused(tmp_path: Path, tiny_opt: Path, changes, size, message):
    text = (tiny_opt / "config.json").read_text()
    for key, value in changes.items():
        old = {"num_attention_heads": 4, "ffn_dim": 48}[key]
        text = text.replace(f'"{key}": {old}', f'"{key}": {value}')
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=rf"tensor_parallel is {size}, .*{message}"):
        load_model(EngineConfig(str(tmp_path), device="cpu", load_format="dummy"), Seat(0, size))


def test_a_tensor_of_another_shape_is_refused_as_a_whole(tmp_path: Path, tiny_opt: Path):
    for file in tiny_opt.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"ffn_dim": 48', '"ffn_dim": 64'))
    with pytest.raises(ModelLoadError, match=r"fc1.* has shape \[48(, 32)?\], but config.json makes it \[64(, 32)?\]"):
        load_model(EngineConfig(str(tmp_path), device="cpu"), Seat(1, 2))
