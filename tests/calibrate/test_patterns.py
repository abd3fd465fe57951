"""Head patterns: exact counts, nested sets, ties in order, and the published files."""

import json
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ConfigError
from server.kv.patterns import HeadPattern, read_pattern, write_pattern

# Few distinct scores, so that most patterns have ties.
SCORES = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1, width=32)
SPARSITY = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.29, 0.5, 0.75, 1.0])


@st.composite
def patterns(draw: st.DrawFn) -> HeadPattern:
    layers, heads = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    scores = draw(st.lists(SCORES, min_size=layers * heads, max_size=layers * heads))
    return HeadPattern(torch.tensor(scores, dtype=torch.float32).view(layers, heads))


@given(patterns(), SPARSITY)
def test_streaming_heads_are_the_lowest_by_score_layer_and_head(pattern, sparsity):
    slots = sorted(
        (pattern.scores[layer, head].item(), layer, head)
        for layer in range(pattern.num_layers)
        for head in range(pattern.num_kv_heads)
    )
    count = math.floor(Fraction(str(sparsity)) * len(slots) + Fraction(1, 2))
    expected = torch.zeros_like(pattern.scores, dtype=torch.bool)
    for _, layer, head in slots[:count]:
        expected[layer, head] = True
    assert torch.equal(pattern.streaming(sparsity), expected)


@given(patterns(), SPARSITY, SPARSITY)
def test_a_larger_sparsity_only_adds_streaming_heads(pattern, one, other):
    fewer, more = pattern.streaming(min(one, other)), pattern.streaming(max(one, other))
    assert not (fewer & ~more).any()


def test_half_a_head_rounds_up_as_written_in_decimals():
    pattern = HeadPattern(torch.zeros(5, 10))
    # 0.29 * 50 is 14.499999999999998 in binary.
    assert pattern.streaming(0.29).sum() == 15
    assert pattern.streaming(0.0).sum() == 0
    assert pattern.streaming(1.0).all()


@given(patterns(), st.integers(0, 500), st.integers(1, 500))
def test_what_is_written_is_read_back(tmp_path_factory, pattern, sinks, recent):
    folder = tmp_path_factory.mktemp("patterns") / "mine"
    written = HeadPattern(pattern.scores, sinks, recent, "mine")
    write_pattern(folder, written, {"method": "by hand", "sink_size": -1})
    found = read_pattern(folder)
    assert torch.equal(found.scores, written.scores)
    assert (found.sinks, found.recent, found.name) == (sinks, recent, "mine")
    assert json.loads((folder / "config.json").read_text())["method"] == "by hand"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "full_attention_heads.tsv"]


def test_gates_outside_of_0_to_1_are_clipped_and_the_window_is_the_papers(tmp_path):
    file = tmp_path / "gates.tsv"
    file.write_text("-1e-4\t0.5\n1.25\t1\n")
    pattern = read_pattern(file)
    assert torch.equal(pattern.scores, torch.tensor([[0.0, 0.5], [1.0, 1.0]]))
    assert (pattern.sinks, pattern.recent, pattern.name) == (128, 256, tmp_path.name)


@pytest.mark.parametrize(
    ("gates", "config", "message"),
    [
        (None, None, "holds no head pattern"),
        ("", None, "is empty"),
        ("0.5\tx\n", None, "line 1: not numbers"),
        ("0.5\t0.5\n\n0.5\n", None, "line 3: 1 gates, but 2"),
        ("0.5\tnan\n", None, "line 1: a gate is not a finite number"),
        ("0.5\n", "[1]", "must be a JSON object"),
        ("0.5\n", "{", "cannot be read"),
        ("0.5\n", '{"sink_size": "many"}', "sink_size of its config.json must be a whole number"),
        ("0.5\n", '{"recent_size": 0}', "recent 1 or more"),
    ],
)
def test_a_damaged_pattern_is_refused_in_one_line(tmp_path, gates, config, message):
    if gates is not None:
        (tmp_path / "full_attention_heads.tsv").write_text(gates)
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ConfigError) as caught:
        read_pattern(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pattern_of_another_model_is_refused_with_both_shapes():
    pattern = HeadPattern(torch.zeros(2, 3), name="mine")
    pattern.check_shape(2, 3)
    with pytest.raises(ConfigError, match=r"mine is for 2 layers of 3 KV heads, but the model has 3 of 2"):
        pattern.check_shape(3, 2)


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, math.nan])
def test_a_share_outside_of_0_to_1_is_refused(sparsity):
    with pytest.raises(ConfigError, match="from 0 to 1"):
        HeadPattern(torch.zeros(2, 2)).streaming(sparsity)


@pytest.mark.parametrize("scores", [torch.zeros(4), torch.zeros(2, 0), torch.zeros(2, 2, dtype=torch.float64)])
def test_scores_of_another_shape_or_type_are_refused(scores):
    with pytest.raises(ConfigError, match=r"must be float32 \[layers, KV heads\]"):
        HeadPattern(scores)


@pytest.mark.parametrize(
    ("name", "shape", "mean"),
    [("Llama-2-7B-32K-Instruct", (32, 32), 0.419), ("Llama-3-8B-Instruct-Gradient-1048k", (32, 8), 0.769)],
)
def test_published_patterns_are_read(shared_data, name, shape, mean):
    folder = shared_data / "duo-patterns" / name
    if not folder.is_dir():
        pytest.skip(f"needs the published pattern in {folder}, which is not here")
    pattern = read_pattern(folder)
    pattern.check_shape(*shape)
    assert (pattern.sinks, pattern.recent, pattern.name) == (128, 256, name)
    assert pattern.scores.mean().item() == pytest.approx(mean, abs=5e-4)
    assert pattern.scores.min() == 0
    for sparsity in (0.25, 0.5, 0.75):
        assert pattern.streaming(sparsity).sum() == sparsity * pattern.scores.numel()
