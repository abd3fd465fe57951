"""Whatever the model's logits, the text follows the grammar."""

import json
import re

import jsonschema_rs
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from server.engine.request import GrammarSpec
from server.engine.tokenizer import Tokenizer
from server.grammar import GrammarCompiler
from tests.grammar.constrained import generate

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
EOS = {0, 1}

leaves = st.one_of(
    st.builds(lambda n: {"type": "string", "maxLength": n}, st.integers(0, 6)),
    st.builds(
        lambda a, b: {"type": "integer", "minimum": min(a, b), "maximum": max(a, b)}, *[st.integers(-50, 900)] * 2
    ),
    st.just({"type": "number", "minimum": 0, "maximum": 10}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.lists(st.sampled_from(["a", "é", 'q"', 1, None, "東"]), min_size=1, unique_by=repr).map(lambda v: {"enum": v}),
    st.sampled_from(["[a-c]{1,3}", "^(ab|東)+$", "x?y?z"]).map(
        lambda p: {"type": "string", "pattern": p, "maxLength": 9}
    ),
    st.just({"type": "string", "format": "date"}),
)


def arrays(items: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(
        lambda inner, low, extra: {"type": "array", "items": inner, "minItems": low, "maxItems": low + extra},
        items, st.integers(0, 2), st.integers(0, 2),
    )  # fmt: skip


def objects(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(
        lambda properties, required: {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name in required],
            "additionalProperties": False,
        },
        st.dictionaries(st.sampled_from(["a", "b", "naïve", "x y"]), values, max_size=3),
        st.sets(st.sampled_from(["a", "b", "naïve", "x y"])),
    )


schemas = st.recursive(
    leaves,
    lambda inner: arrays(inner) | objects(inner) | st.lists(inner, min_size=1, max_size=2).map(lambda s: {"anyOf": s}),
    max_leaves=5,
)


@relaxed
@given(schema=schemas, seed=st.integers(0, 2**32))
def test_any_schema_gives_text_that_validates(compiler, tokenizer, schema, seed):
    text = generate(compiler, tokenizer, GrammarSpec("json_schema", json.dumps(schema)), seed, EOS)
    assume(text is not None)
    jsonschema_rs.validate(schema, json.loads(text))


@settings(relaxed, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_json_object_gives_an_object(compiler, tokenizer, seed):
    text = generate(compiler, tokenizer, GrammarSpec("json_object"), seed, EOS)
    assume(text is not None)
    assert isinstance(json.loads(text), dict)


def test_blanks_in_json_are_bounded(compiler, tokenizer):
    state = compiler.start(GrammarSpec("json_object"))
    assert state.accept(tokenizer.encode("{")[0])
    blank = tokenizer.encode(" ")[0]
    assert sum(state.accept(blank) for _ in range(60)) == 40


@settings(relaxed, max_examples=40)
@given(
    pattern=st.sampled_from(["(yes|no), [0-9]{3}", "^a{2,4}$", "[0-9]{4}-[0-9][0-9]", "[^x]{5}", "(é|東|🌊){1,3}!?"]),
    seed=st.integers(0, 2**32),
)
def test_a_regex_matches_the_whole_text(compiler, tokenizer, pattern, seed):
    assert re.fullmatch(pattern, generate(compiler, tokenizer, GrammarSpec("regex", pattern), seed, EOS))


@pytest.mark.parametrize(
    "source",
    ['start: ("ab" | NUMBER) "."\nNUMBER: /[0-9]{2}/', 'root ::= ("ab" | number) "."\nnumber ::= [0-9] [0-9]'],
    ids=["lark", "gbnf"],
)
def test_lark_and_gbnf_grammars_are_followed(compiler, tokenizer, source):
    spec = GrammarSpec("lark", source)
    compiler.validate(spec)
    texts = {generate(compiler, tokenizer, spec, seed, EOS) for seed in range(12)}
    assert len(texts) > 3
    assert all(re.fullmatch(r"(ab|[0-9]{2})\.", text) for text in texts)


def test_end_ids_are_allowed_exactly_where_the_text_may_end(compiler, tokenizer, vocab_size):
    state = compiler.start(GrammarSpec("regex", "a{2,4}"))
    seen = []
    for _ in range(4):
        seen.append(allowed(state, vocab_size) >= EOS)
        assert state.accept(tokenizer.encode("a")[0])
    assert seen == [False, False, True, True]
    assert state.is_finished
    assert allowed(state, vocab_size) == EOS


def allowed(state, vocab_size: int) -> set[int]:
    row = torch.full((-(-vocab_size // 32),), -1, dtype=torch.int32)
    state.fill_mask(row)
    return set(np.flatnonzero(np.unpackbits(row.numpy().view(np.uint8), bitorder="little")).tolist())


@settings(relaxed, max_examples=30)
@given(text=st.text(st.characters(codec="utf-8"), max_size=8))
def test_free_text_may_be_any_text_but_never_special_tokens_or_padding(compiler, tokenizer, vocab_size, text):
    state = compiler.start(GrammarSpec("regex", "(?s:.*)"))
    for token_id in tokenizer.encode(text, allow_special=False):
        possible = allowed(state, vocab_size)
        assert token_id in possible
        assert max(possible) < tokenizer.vocab_size
        assert state.accept(token_id)
    assert tokenizer.special_ids & allowed(state, vocab_size) == EOS


def test_samples_of_one_grammar_go_their_own_ways(compiler, tokenizer, vocab_size):
    spec = GrammarSpec("regex", "(yes|no)")
    one, other = compiler.start(spec), compiler.start(spec)
    assert one.accept(tokenizer.encode("y")[0])
    assert tokenizer.encode("n")[0] not in allowed(one, vocab_size)
    assert tokenizer.encode("n")[0] in allowed(other, vocab_size)


def test_a_state_that_failed_allows_nothing(compiler, tokenizer, vocab_size):
    state = compiler.start(GrammarSpec("regex", "yes"))
    assert not state.accept(tokenizer.encode("n")[0])
    assert allowed(state, vocab_size) == set()
    assert not state.is_finished
    assert state.error is not None


def test_the_engine_may_give_a_folder_and_a_model_smaller_than_its_tokenizer(stories260k):
    compiler = GrammarCompiler(stories260k, 500, [2, 700])
    tokenizer = Tokenizer.from_directory(stories260k)
    text = generate(compiler, tokenizer, GrammarSpec("regex", "(he|the) [a-d]{2}"), 3, {2})
    assert re.fullmatch("(he|the) [a-d]{2}", text)
