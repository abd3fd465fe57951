"""DuoAttention in the engine is the masked oracle, in any crowd, chunks, pages, preemptions and cache hits."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Qwen3Config, Qwen3ForCausalLM

from server.engine.request import SamplingParams
from tests.engine.conftest import Results, collect, drain, greedy, request
from tests.engine.crowds import crowd_of, run_crowd
from tests.engine.duo_oracle import assert_greedy, duo, mask_of, write_scores
from tests.engine.test_schedules import prompt_of
from tests.oracle import Oracle

PREFILLS = ["dense", "strict", "relaxed:7"]


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    return write_scores(tmp_path_factory.mktemp("pattern"))


def logprobs(core, variant, prompt, num_tokens=6):
    """Log probabilities of the prompt's tokens and of the generated ones."""
    core.add(request(variant, prompt, greedy(num_tokens, logprobs=0, prompt_logprobs=0), variant=variant))
    result = drain(core)[variant, 0]
    return torch.tensor([entry.logprob for entry in [*result.prompt_logprobs[1:], *result.logprobs]])


@st.composite
def variant_lists(draw):
    """`full` and two to three variants of duo."""
    arguments = st.fixed_dictionaries(
        {
            "sparsity": st.sampled_from([0.25, 0.5, 0.75, 1]),
            "sinks": st.integers(0, 6),
            "recent": st.integers(1, 12),
            "prefill": st.sampled_from(["dense", "strict", "relaxed:1", "relaxed:5", "relaxed:16"]),
        }
    )
    return draw(st.lists(arguments, min_size=2, max_size=3))


arrivals = st.lists(
    st.tuples(st.integers(1, 45), st.integers(1, 14), st.integers(0, 5), st.integers(1, 3), st.integers(0, 3)),
    min_size=2,
    max_size=6,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    arguments=variant_lists(),
    arrivals=arrivals,
    page_size=st.sampled_from([1, 3, 4, 16]),
    max_step_tokens=st.sampled_from([4, 7, 32, 200]),
    spare_pages=st.integers(0, 30),
    overlap=st.booleans(),
    prefix_caching=st.booleans(),
    aborts=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=2),
)
def test_a_crowd_of_variants_gets_the_masked_oracles_tokens_whatever_happens(
    make_core, oracle, pattern, arguments, arrivals, page_size, max_step_tokens, spare_pages, overlap, prefix_caching,
    aborts,
):  # fmt: skip
    variants = ["full", *(duo(f"v{index}", pattern, **chosen) for index, chosen in enumerate(arguments))]
    longest = max(length + num_tokens for length, num_tokens, *_ in arrivals)
    core = make_core(
        variants=tuple(variants),
        page_size=page_size,
        max_step_tokens=max_step_tokens,
        num_pages=(-(-longest // page_size) + 2) * 4 + spare_pages + 1,
        max_model_len=longest,
        overlap=overlap,
        prefix_caching=prefix_caching,
    )
    wanted = crowd_of(core, arrivals)
    results = run_crowd(core, wanted, aborts)
    for name, (prompt, _, variant, _, _) in wanted.items():
        assert_greedy(oracle, core, variant, prompt, results[name, 0])


@pytest.mark.parametrize("prefill", PREFILLS)
@pytest.mark.parametrize("sparsity", [0.5, 1])
def test_prompts_and_tokens_have_the_masked_oracles_log_probabilities(make_core, oracle, pattern, prefill, sparsity):
    core = make_core(variants=(duo("duo", pattern, prefill=prefill, sparsity=sparsity),), max_step_tokens=9)
    prompt = prompt_of(50)
    core.add(request("r", prompt, greedy(20, logprobs=0, prompt_logprobs=0), variant="duo"))
    result = drain(core)["r", 0]
    ids = prompt + result.token_ids
    expected = oracle.logits(ids, head_mask=mask_of(core, "duo", len(prompt)))[:-1].log_softmax(-1)
    expected = expected.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    found = torch.tensor([entry.logprob for entry in [*result.prompt_logprobs[1:], *result.logprobs]])
    assert (found - expected).abs().max() < 1e-4
    unmasked = oracle.logits(ids)[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    assert (found - unmasked).abs().max() > 1e-2


@pytest.mark.parametrize("prefill", ["dense", "strict"])
def test_no_chunking_changes_prompt_or_tokens(make_core, pattern, prefill):
    prompt = prompt_of(41)
    expected = None
    for budget in (200, 4, 7, 15, 16, 17):
        core = make_core(variants=(duo("duo", pattern, prefill=prefill),), max_step_tokens=budget, page_size=16)
        found = logprobs(core, "duo", prompt)
        expected = found if expected is None else expected
        assert (found - expected).abs().max() < 1e-4


def test_relaxed_prefill_depends_on_its_own_chunks_and_on_no_scheduler(make_core, pattern):
    """The reference's results do depend on where its calls cut a prompt; here the variant says where."""
    prompt = prompt_of(41)
    variants = tuple(duo(f"relaxed{chunk}", pattern, prefill=f"relaxed:{chunk}") for chunk in (8, 16))
    found = {
        (name, budget): logprobs(make_core(variants=variants, max_step_tokens=budget), name, prompt)
        for name in ("relaxed8", "relaxed16")
        for budget in (5, 200)
    }
    for name in ("relaxed8", "relaxed16"):
        assert (found[name, 5] - found[name, 200]).abs().max() < 1e-4
    assert (found["relaxed8", 5] - found["relaxed16", 5]).abs().max() > 1e-2


def test_relaxed_prefill_is_dense_where_one_chunk_holds_the_prompt_and_strict_where_each_holds_a_token(
    make_core, pattern
):
    """But for the window of the reference, which holds one position more."""
    core = make_core(
        variants=(
            duo("dense", pattern, recent=9),
            duo("strict", pattern, recent=9, prefill="strict"),
            duo("whole", pattern, recent=8, prefill="relaxed:40"),
            duo("single", pattern, recent=8, prefill="relaxed:1"),
        )
    )
    found = {name: logprobs(core, name, prompt_of(40)) for name in core.variants}
    assert (found["whole"] - found["dense"]).abs().max() < 1e-4
    assert (found["single"] - found["strict"]).abs().max() < 1e-4
    assert (found["dense"] - found["strict"]).abs().max() > 1e-2


@pytest.mark.parametrize("prefill", PREFILLS)
def test_parameters_that_leave_nothing_out_change_nothing(make_core, pattern, prefill):
    core = make_core(
        variants=(
            "full",
            duo("none", pattern, sparsity=0, prefill=prefill),
            duo("wide", pattern, sinks=0, recent=300, prefill=prefill),
            duo("wider", pattern, sinks=0, recent=999999999, prefill=prefill),
            duo("sunk", pattern, sinks=999999999, recent=1, prefill=prefill),
            duo("short", pattern, sparsity=1, sinks=30, recent=40, prefill=prefill),
        ),
        prefix_caching=False,
    )
    full = logprobs(core, "full", prompt_of(60), 8)
    assert torch.equal(logprobs(core, "none", prompt_of(60), 8), full)
    for name in ("wide", "wider", "sunk", "short"):
        assert (logprobs(core, name, prompt_of(60), 8) - full).abs().max() < 1e-5


def test_preempting_at_every_step_changes_no_token(make_core, oracle, pattern):
    """The recomputed prompt is dense again, or strict, or cut as before, and what was generated is windowed again."""
    variants = tuple(duo(prefill.partition(":")[0], pattern, prefill=prefill) for prefill in PREFILLS)
    for when in range(1, 16, 3):
        core = make_core(variants=variants, max_step_tokens=8, max_rows=3, overlap=when % 2 == 1)
        results: Results = {}
        for index, name in enumerate(core.variants):
            core.add(request(name, prompt_of(25, index), greedy(14), variant=name))
        for _ in range(when):
            collect(results, core.step())
        for sequence in list(core.scheduler.running):
            core.scheduler.preempt(sequence)
        drain(core, results)
        for index, name in enumerate(core.variants):
            assert_greedy(oracle, core, name, prompt_of(25, index), results[name, 0])


def test_samples_of_one_prompt_part_ways_and_let_go_of_the_prompt_they_share(make_core, oracle, pattern):
    core = make_core(variants=(duo("duo", pattern),), page_size=4)
    prompt = prompt_of(37)
    params = SamplingParams(max_tokens=30, temperature=1.2, seed=5, ignore_eos=True, logprobs=0)
    core.add(request("r", prompt, params, num_samples=3, variant="duo"))
    results = drain(core)
    assert len({tuple(results["r", sample].token_ids) for sample in range(3)}) == 3
    for sample in range(3):
        result = results["r", sample]
        ids = prompt + result.token_ids
        expected = oracle.logits(ids[:-1], head_mask=mask_of(core, "duo", len(prompt)))[len(prompt) - 1 :]
        expected = expected.log_softmax(-1).gather(1, torch.tensor(result.token_ids)[:, None])[:, 0]
        found = torch.tensor([entry.logprob for entry in result.logprobs])
        assert (found - expected).abs().max() < 1e-4


def test_a_window_models_own_windows_stay_as_they_are(make_core, tiny_mistral, tmp_path):
    """Every layer of this model slides, so there is nothing left for duo."""
    scores = write_scores(tmp_path, 2, 3, torch.rand(3, 2, generator=torch.Generator().manual_seed(1)))
    core = make_core(model=tiny_mistral, variants=("full", duo("duo", scores, sparsity=1)), prefix_caching=False)
    assert core.variants["duo"].retentions == core.variants["full"].retentions
    assert torch.equal(logprobs(core, "duo", prompt_of(50)), logprobs(core, "full", prompt_of(50)))
    assert logprobs(core, "duo", prompt_of(50)).numel() == 55


@pytest.fixture(scope="module")
def half_sliding(tmp_path_factory, tiny_llama):
    """A random Qwen3 of which every other layer slides over 11 positions."""
    folder = tmp_path_factory.mktemp("half-sliding")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((tiny_llama / name).read_text())
    config = Qwen3Config(
        vocab_size=384, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, sliding_window=11, use_sliding_window=True,
        layer_types=["full_attention", "sliding_attention"] * 2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Qwen3ForCausalLM(config)
        for parameter in model.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.12)
    model.save_pretrained(folder)
    return folder


def test_of_a_model_with_windows_only_the_other_layers_stream(make_core, half_sliding, pattern):
    variants = [duo(mode, pattern, sparsity=s, prefill=mode) for mode, s in (("dense", 1), ("strict", 0.5))]
    core = make_core(model=half_sliding, variants=("full", *variants, duo("relaxed", pattern, prefill="relaxed:5")))
    # The share is one of the four heads of full-attention layers.
    assert [int(core.variants[name].policy.streaming.sum()) for name in ("dense", "strict")] == [4, 2]
    judge = Oracle.from_directory(half_sliding)
    for index, name in enumerate(core.variants):
        core.add(request(name, prompt_of(30, index), greedy(20), variant=name))
    results = drain(core)
    for index, name in enumerate(core.variants):
        assert_greedy(judge, core, name, prompt_of(30, index), results[name, 0])


@pytest.mark.parametrize("kv_format", ["bfloat16", "fp8", "int8", "int4"])
def test_quantised_pages_serve_every_variant(make_core, oracle, pattern, kv_format):
    """The dense oracle with rounded keys and values, masked."""
    from tests.engine.test_kv_formats import TOLERANCE, rounded

    core = make_core(
        variants=("full", *(duo(f"v{i}", pattern, prefill=p) for i, p in enumerate(PREFILLS))), kv_format=kv_format
    )
    judge = rounded(oracle, kv_format)
    for index, name in enumerate(core.variants):
        core.add(request(name, prompt_of(40, index), greedy(10), variant=name))
    results = drain(core)
    for index, name in enumerate(core.variants):
        assert_greedy(judge, core, name, prompt_of(40, index), results[name, 0], TOLERANCE[kv_format])
