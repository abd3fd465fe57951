"""Prompts: exact lengths, the same for the same seed, and clear words about files that cannot be used."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.bench import datasets
from server.bench.datasets import Lengths
from server.bench.prompts import PromptFlags
from server.bench.texts import TextMaker, load_tokenizer
from server.errors import ConfigError

KINDS = ("bytes", "stories")


@pytest.fixture(scope="session")
def makers(tokenizers):
    return {kind: TextMaker(tokenizer, np.random.default_rng(0)) for kind, tokenizer in tokenizers.items()}


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), num_tokens=st.integers(2, 300))
def test_a_random_text_is_exactly_as_long_as_asked_once_tokenised_again(makers, tokenizers, kind, num_tokens):
    text = makers[kind].make(num_tokens)
    assert len(tokenizers[kind].encode(text)) == num_tokens


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(KINDS), prefix_len=st.integers(8, 60), suffix_len=st.integers(1, 60))
def test_a_shared_prefix_stays_shared_and_the_whole_stays_exact(makers, tokenizers, kind, prefix_len, suffix_len):
    maker, tokenizer = makers[kind], tokenizers[kind]
    prefix = maker.make(prefix_len)
    text = maker.make(prefix_len + suffix_len, prefix)
    assert text.startswith(prefix)
    ids = tokenizer.encode(text)
    assert len(ids) == prefix_len + suffix_len
    # The border may merge with what follows, as it would in any real prompt.
    common = sum(1 for a, b in zip(ids, tokenizer.encode(prefix), strict=False) if a == b)
    assert common >= prefix_len - 6


def test_a_text_too_short_for_its_prefix_is_refused(makers):
    prefix = makers["stories"].make(20)
    with pytest.raises(ConfigError, match="too short"):
        makers["stories"].make(20, prefix)


@pytest.mark.parametrize("kind", KINDS)
def test_random_prompts_have_the_lengths_of_their_range(tokenizers, kind):
    prompts = datasets.random_texts(tokenizers[kind], 60, Lengths(40, 20, 0.5, prefix_len=10), seed=3)
    for prompt in prompts:
        assert prompt.num_tokens == len(tokenizers[kind].encode(prompt.text))
        assert 10 + 20 <= prompt.num_tokens <= 10 + 60
        assert 10 <= prompt.output_len <= 30
    assert len({prompt.num_tokens for prompt in prompts}) > 10
    assert len({prompt.text for prompt in prompts}) == 60


def test_without_a_range_all_random_prompts_are_equally_long(tokenizers):
    prompts = datasets.random_texts(tokenizers["stories"], 10, Lengths(33, 7), seed=0)
    assert {(prompt.num_tokens, prompt.output_len) for prompt in prompts} == {(33, 7)}


def test_random_ids_are_in_the_vocabulary_and_share_their_prefix():
    prompts = datasets.random_ids(20, Lengths(30, 5, 0.2, prefix_len=8), vocab_size=50, seed=1)
    assert all(0 <= token_id < 50 for prompt in prompts for token_id in prompt.token_ids)
    assert len({tuple(prompt.token_ids[:8]) for prompt in prompts}) == 1
    assert len({tuple(prompt.token_ids[8:20]) for prompt in prompts}) == 20
    assert all(8 + 24 <= prompt.num_tokens <= 8 + 36 for prompt in prompts)


def test_prefix_repetition_shares_each_beginning_evenly(tokenizers):
    prompts = datasets.prefix_repetition(
        tokenizers["bytes"], 12, prefix_len=30, suffix_len=20, num_prefixes=3, output_len=4, seed=5
    )
    assert {prompt.num_tokens for prompt in prompts} == {50}
    assert sorted(Counter(tuple(prompt.token_ids[:20]) for prompt in prompts).values()) == [4, 4, 4]
    assert len({prompt.text for prompt in prompts}) == 12


@pytest.mark.parametrize("name", ["random", "prefix_repetition"])
def test_the_same_seed_gives_the_same_prompts_and_another_seed_others(tokenizers, name):
    def make(seed):
        flags = PromptFlags(
            dataset_name=name,
            num_prompts=6,
            seed=seed,
            random_input_len=20,
            prefix_repetition_prefix_len=20,
            prefix_repetition_suffix_len=10,
            prefix_repetition_num_prefixes=2,
        )
        return flags.texts(tokenizers["bytes"])

    assert make(4) == make(4)
    assert make(4) != make(5)


def test_sharegpt_takes_first_turns_of_usual_length(tokenizers, tmp_path):
    def talk(question, answer):
        return {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}

    path = tmp_path / "talk.json"
    long_text = "Once upon a time there was a ship. " * 400
    path.write_text(
        json.dumps(
            [
                talk("What is the capital of France?", "The capital of France is Paris."),
                talk("a", "too short a question"),
                talk("What about this long one then?", long_text),
                {"conversations": [{"from": "human", "value": "nobody answered this question"}]},
            ]
        )
    )
    tokenizer = tokenizers["bytes"]
    prompts = datasets.sharegpt(tokenizer, 3, path)
    assert [prompt.text for prompt in prompts] == ["What is the capital of France?"] * 3
    assert prompts[0].output_len == len(tokenizer.encode("The capital of France is Paris."))
    assert datasets.sharegpt(tokenizer, 1, path, output_len=9)[0].output_len == 9


def test_custom_lines_bring_their_own_output_lengths(tokenizers, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "one two"}\n\n{"prompt": "three", "output_tokens": 5}\n')
    prompts = datasets.custom(tokenizers["bytes"], 2, path, output_len=11, seed=0)
    assert {(prompt.text, prompt.output_len) for prompt in prompts} == {("one two", 11), ("three", 5)}


def test_sonnet_prompts_share_their_first_lines_and_stay_within_their_length(tokenizers, tmp_path):
    path = tmp_path / "poem.txt"
    path.write_text("".join(f"The {i}. ship left the harbour at dawn,\n" for i in range(30)))
    prompts = datasets.sonnet(tokenizers["bytes"], 5, path, input_len=200, prefix_len=100, output_len=3, seed=0)
    shared = datasets.SONNET_TASK + "The 0. ship left the harbour at dawn,\n"
    assert all(prompt.text.startswith(shared) for prompt in prompts)
    assert all(100 < prompt.num_tokens <= 200 for prompt in prompts)
    assert len({prompt.text for prompt in prompts}) == 5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sharegpt", "not json"),
        ("sharegpt", '{"a": 1}'),
        ("sharegpt", "[]"),
        ("custom", '{"text": "no prompt"}'),
        ("custom", "[1]"),
        ("custom", ""),
        ("sonnet", "\n\n"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tokenizers, tmp_path, name, content):
    path = tmp_path / "bad"
    path.write_text(content)
    with pytest.raises(ConfigError, match=str(path)):
        PromptFlags(dataset_name=name, dataset_path=path, num_prompts=2).texts(tokenizers["bytes"])


def test_a_missing_path_and_a_missing_file_are_refused(tokenizers, tmp_path):
    with pytest.raises(ConfigError, match="needs --dataset-path"):
        PromptFlags(dataset_name="custom").texts(tokenizers["bytes"])
    with pytest.raises(ConfigError, match="cannot be read"):
        PromptFlags(dataset_name="custom", dataset_path=tmp_path / "none").texts(tokenizers["bytes"])


def test_a_tokenizer_that_does_not_exist_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="give --tokenizer") as failure:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("lengths", [(0, 5, 0.0, 0), (5, 0, 0.0, 0), (5, 5, 1.0, 0), (5, 5, -0.1, 0), (5, 5, 0.0, -1)])
def test_lengths_that_make_no_sense_are_refused(lengths):
    with pytest.raises(ConfigError):
        Lengths(*lengths)
