"""Constraints hold for whatever a model would like to say, and hostile ones end quickly."""

import json
import random
import re
import time

import jsonschema_rs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.request import GrammarSpec
from server.engine.tokenizer import Tokenizer
from server.errors import GrammarError
from server.grammar import GrammarCompiler

VOCAB = 400
"""More than the tokenizer has: logits are often padded."""


@pytest.fixture(scope="module")
def tokenizer(tiny_llama) -> Tokenizer:
    return Tokenizer.from_directory(tiny_llama)


@pytest.fixture(scope="module")
def compiler(tokenizer) -> GrammarCompiler:
    return GrammarCompiler(tokenizer, VOCAB, [0, 2])


def allowed_ids(mask: torch.Tensor) -> list[int]:
    return [i for i in range(VOCAB) if mask[i // 32].item() >> (i % 32) & 1]


def write(compiler: GrammarCompiler, tokenizer: Tokenizer, spec: GrammarSpec, seed: int, max_tokens=3000) -> str | None:
    """What a model with random preferences writes under `spec`; None if it would not end."""
    rng = random.Random(seed)
    state = compiler.start(spec)
    mask = torch.zeros(-(-VOCAB // 32), dtype=torch.int32)
    ids: list[int] = []
    for _ in range(max_tokens):
        if state.is_finished:
            return tokenizer.decode(ids)
        state.fill_mask(mask)
        choices = allowed_ids(mask)
        assert choices
        assert max(choices) < tokenizer.vocab_size
        # End where it may end, often enough; otherwise prefer what closes.
        token_id = 0 if 0 in choices and rng.random() < 0.5 else rng.choice(choices)
        assert state.accept(token_id)
        if token_id in (0, 2):
            return tokenizer.decode(ids)
        ids.append(token_id)
    return None


scalars = st.sampled_from(
    [
        {"type": "integer", "minimum": -3, "maximum": 12},
        {"type": "string", "maxLength": 5},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["red", "green", 7]},
        {"const": {"a": [1]}},
        {"type": "string", "pattern": "^[a-c]{2,4}$"},
    ]
)
schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item, "maxItems": 3}, inner),
        st.builds(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[:1],
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from(["name", "size", "tags", "é"]), inner, max_size=3),
        ),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(schema=schemas, seed=st.integers(0, 1000))
def test_whatever_is_written_under_a_schema_validates(compiler, tokenizer, schema, seed):
    text = write(compiler, tokenizer, GrammarSpec("json_schema", json.dumps(schema)), seed)
    if text is not None:
        jsonschema_rs.validate(schema, json.loads(text))


@pytest.mark.parametrize("pattern", ["(yes|no), [0-9]{3}", "[a-f]{4,9}", "é+x", "a*", "(foo|bar)(baz)?"])
def test_whatever_is_written_under_a_regex_matches_it(compiler, tokenizer, pattern):
    for seed in range(10):
        text = write(compiler, tokenizer, GrammarSpec("regex", pattern), seed)
        assert text is None or re.fullmatch(pattern, text)


def test_a_json_object_is_an_object_and_blanks_are_bounded(compiler, tokenizer):
    texts = [write(compiler, tokenizer, GrammarSpec("json_object"), seed) for seed in range(8)]
    objects = [json.loads(text) for text in texts if text is not None]
    assert objects
    assert all(isinstance(value, dict) for value in objects)
    state = compiler.start(GrammarSpec("json_object"))
    for token_id in tokenizer.encode("{" + " " * 60, add_special_tokens=False):
        if not state.accept(token_id):
            break
    else:
        pytest.fail("sixty blanks in a row were allowed")
    assert state.error


@pytest.mark.parametrize("source", ['start: "yes" | "no"', 'root ::= "yes" | "no"'])
def test_lark_and_gbnf_grammars_are_understood(compiler, tokenizer, source):
    assert {write(compiler, tokenizer, GrammarSpec("lark", source), seed) for seed in range(12)} == {"yes", "no"}


def test_the_end_is_allowed_exactly_where_the_constraint_may_end(compiler, tokenizer):
    state = compiler.start(GrammarSpec("regex", "ab?"))
    mask = torch.zeros(-(-VOCAB // 32), dtype=torch.int32)
    state.fill_mask(mask)
    assert not {0, 2} & set(allowed_ids(mask))
    [a], [b] = (tokenizer.encode(letter, add_special_tokens=False) for letter in "ab")
    assert state.accept(a)
    state.fill_mask(mask)
    assert {0, 2, b} == set(allowed_ids(mask))
    assert not state.accept(a)
    assert state.error


def test_two_sequences_of_one_constraint_do_not_share_their_place(compiler, tokenizer):
    spec = GrammarSpec("regex", "ab")
    first, second = compiler.start(spec), compiler.start(spec)
    [a] = tokenizer.encode("a", add_special_tokens=False)
    assert first.accept(a)
    assert not first.accept(a)
    assert second.accept(a)
    assert compiler.start(spec).accept(a)


HOSTILE = [
    GrammarSpec("regex", "(a{1,1000}){1,1000}"),
    GrammarSpec("regex", "(x+x+)+y"),
    GrammarSpec("regex", ".{1,100000}"),
    GrammarSpec("regex", "(.*a.{300}){40}"),
    GrammarSpec("regex", "a" * 100_000),
    GrammarSpec("regex", "[unclosed"),
    GrammarSpec("json_schema", '{"not":' * 1000 + "{}" + "}" * 1000),
    GrammarSpec("json_schema", '{"items":' * 100_000),
    GrammarSpec("json_schema", '{"$ref":"#"}'),
    GrammarSpec("json_schema", '{"type":"object","properties":{"a":{"$ref":"#"}}}'),
    GrammarSpec("json_schema", json.dumps({"enum": [str(i) for i in range(45_000)]})),
    GrammarSpec("json_schema", '{"type":"array","minItems":100000,"items":{"type":"integer"}}'),
    GrammarSpec("json_schema", json.dumps({"properties": {f"k{i}": {"type": "integer"} for i in range(5000)}})),
    GrammarSpec("json_schema", "not json"),
    GrammarSpec("json_schema", "[1]"),
    GrammarSpec("json_schema", '{"type":"integer","minimum":10,"maximum":5}'),
    GrammarSpec("lark", "start: nosuch"),
    GrammarSpec("lark", "start: start start | start"),
    GrammarSpec("lark", ""),
    GrammarSpec("lark", "start: " + "(" * 5000 + '"a"' + ")" * 5000),
    GrammarSpec("regex", "\ud800"),
]


@pytest.mark.parametrize("spec", HOSTILE, ids=lambda spec: f"{spec.kind}-{spec.source[:24]!a}")
def test_a_hostile_constraint_is_compiled_or_refused_within_seconds(compiler, spec):
    started = time.monotonic()
    try:
        compiler.validate(spec)
        compiler.start(spec)
    except GrammarError as refused:
        message = refused.message
    else:
        message = ""
    assert len(message) < 500
    # Generous for a busy machine; what it guards against takes minutes, or for ever.
    assert time.monotonic() - started < 10
