"""Grammars that are broken or cost too much are refused soon, by one clear error each."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from server.engine.request import GrammarSpec
from server.errors import GrammarError
from server.grammar import GrammarCompiler, limits
from server.grammar.guard import CompileGuard

SLOW_INTEGER = {"type": "integer", "multipleOf": 999_983, "minimum": 0, "maximum": 10**15}


def nested(levels: int, kind: str) -> str:
    if kind == "object":
        return '{"type":"object","properties":{"a":' * levels + '{"type":"null"}' + "}}" * levels
    return '{"type":"array","items":' * levels + "{}" + "}" * levels


def schema(value: object) -> GrammarSpec:
    return GrammarSpec("json_schema", json.dumps(value))


HOSTILE = {
    "1,000 nested objects": GrammarSpec("json_schema", nested(1_000, "object")),
    "4,000 nested arrays": GrammarSpec("json_schema", nested(4_000, "array")),
    "15,000 enum values": schema({"enum": [str(i) for i in range(15_000)]}),
    "wide object": schema({"type": "object", "properties": {f"p{i}": {"type": "null"} for i in range(2_000)}}),
    "large source": schema({"type": "object", "description": "x" * 200_000}),
    "recursion without end": schema({"$ref": "#"}),
    "mutual recursion": schema(
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    ),
    "product of alternatives": schema(
        {"allOf": [{"anyOf": [{"properties": {f"p{i}{j}": {"type": "null"}}} for j in range(6)]} for i in range(9)]}
    ),
    "slow integer": schema(SLOW_INTEGER),
    "slow integer in a grammar": GrammarSpec("lark", f"start: %json {json.dumps(SLOW_INTEGER)}"),
    "slow pattern": schema({"type": "string", "pattern": "(a{1,1000}){1,1000}"}),
    "exploding regex": GrammarSpec("regex", "(a{1,1000}){1,1000}"),
    "exploding in disguise": GrammarSpec("regex", r"(?:[{)]{2}\}{1,900}|b)+{5,300}"),
    "long regex": GrammarSpec("regex", "a|" * 10_000),
    "long count": GrammarSpec("regex", "a{" + "9" * 5_000 + "}"),
    "deep regex": GrammarSpec("regex", "(" * 3_000 + "a" + ")" * 3_000),
    "intersection": GrammarSpec("lark", "start: A\nA: /.*a.{15}/ & /.*b.{15}/ & ~/.*c.{15}/"),
    "grammar that says nothing": GrammarSpec("lark", "start: start"),
    "deep grammar": GrammarSpec("lark", "start: " + "(" * 5_000 + '"a"' + ")" * 5_000),
    "deep gbnf": GrammarSpec("lark", "root ::= " + "(" * 5_000 + '"a"' + ")" * 5_000),
}

BROKEN = {
    "unclosed regex": GrammarSpec("regex", "(a"),
    "backreference": GrammarSpec("regex", r"(a)\1"),
    "look-ahead": GrammarSpec("regex", "(?=a)b"),
    "schema that is not JSON": GrammarSpec("json_schema", "{"),
    "schema that is a list": GrammarSpec("json_schema", "[]"),
    "empty schema source": GrammarSpec("json_schema", ""),
    "unknown type": schema({"type": "strnig"}),
    "empty range": schema({"type": "integer", "minimum": 10, "maximum": 5}),
    "unsupported keyword": schema({"not": {"type": "string"}}),
    "dangling reference": schema({"$ref": "#/$defs/nowhere"}),
    "undefined rule": GrammarSpec("lark", "start: nothing"),
    "no rules": GrammarSpec("lark", ""),
    "broken gbnf": GrammarSpec("lark", 'root ::= ("a" | '),
    "schema that allows nothing": schema(False),
    "lone surrogate": GrammarSpec("regex", "\ud800"),
}


@pytest.mark.parametrize("name", [*HOSTILE, *BROKEN])
def test_a_bad_grammar_is_refused_in_time_and_clearly(compiler, name):
    compiler.validate(GrammarSpec("regex", "warm"))
    start_s = time.monotonic()
    with pytest.raises(GrammarError) as caught:
        compiler.validate((HOSTILE | BROKEN)[name])
    # On a machine of its own it takes at most `MAX_COMPILE_S`, and a new process for the next.
    assert time.monotonic() - start_s < limits.TIMEOUT_S
    assert 10 < len(caught.value.message) < 450
    assert "Traceback" not in caught.value.message


CATASTROPHIC_ELSEWHERE = [
    "(a+)+b",
    "(a+a+)+b",
    "(a|aa)+(a|aa)+b",
    ".*a.{200}",
    ".{1,100000}",
    "(.*a.{18}b){9}",
    "(.*a.{300}){40}",
    r"(\p{L}{1,300}\d){1,300}",
]


@pytest.mark.parametrize("pattern", CATASTROPHIC_ELSEWHERE)
def test_a_regex_that_makes_backtracking_engines_explode_is_followed_in_linear_time(compiler, tokenizer, pattern):
    spec = GrammarSpec("regex", pattern)
    compiler.validate(spec)
    state = compiler.start(spec)
    start_s = time.process_time()
    for _ in range(300):
        assert state.accept(tokenizer.encode("a")[0])
    assert time.process_time() - start_s < 2


def test_good_grammars_pass_and_so_do_large_ones_within_the_limits(compiler):
    wide = {f"p{i}": {"type": "integer"} for i in range(limits.MAX_PROPERTIES)}
    deep = {"type": "null"}
    for _ in range(limits.MAX_DEPTH // 2 - 2):
        deep = {"type": "object", "properties": {"a": deep}}
    for spec in (
        GrammarSpec("json_object"),
        schema(True),
        schema({"type": "object", "properties": wide, "additionalProperties": False}),
        schema(deep),
        schema({"enum": [f"value {i}" for i in range(5_000)]}),
        schema({"type": "array", "minItems": 100_000, "items": {"type": "integer"}}),
        schema({"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": False}),
        GrammarSpec("regex", ""),
    ):
        compiler.validate(spec)
        compiler.start(spec)


def test_a_worker_that_is_killed_or_stuck_is_replaced(tokenizer, vocab_size):
    guard = CompileGuard(tokenizer.to_json(), vocab_size, [0], timeout_s=60)
    guard.check(GrammarSpec("regex", "a"))
    killed = guard._process
    killed.kill()
    killed.wait()
    guard.check(GrammarSpec("regex", "b"))
    stuck = guard._process
    assert stuck.pid != killed.pid
    os.kill(stuck.pid, signal.SIGSTOP)
    guard._timeout_s, patience_s = 1, guard._timeout_s
    with pytest.raises(GrammarError, match="too long"):
        guard.check(GrammarSpec("regex", "c"))
    guard._timeout_s = patience_s
    assert stuck.poll() is not None
    guard.check(GrammarSpec("regex", "d"))
    guard.close()


def test_verdicts_are_remembered_and_closing_leaves_no_process(tokenizer, vocab_size):
    guard = CompileGuard(tokenizer.to_json(), vocab_size, [0], timeout_s=60)
    guard.check(GrammarSpec("regex", "a"))
    with pytest.raises(GrammarError):
        guard.check(GrammarSpec("regex", "(a"))
    pid = guard._process.pid
    guard.close()
    guard.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    guard.check(GrammarSpec("regex", "a"))
    with pytest.raises(GrammarError):
        guard.check(GrammarSpec("regex", "(a"))
    assert guard._process is None


def test_the_worker_ends_with_its_input(tokenizer, vocab_size):
    first = {"tokenizer": tokenizer.to_json(), "vocab_size": vocab_size, "eos_ids": [0]}
    questions = [first, {"kind": "regex", "source": "a"}, {"kind": "regex", "source": "(a"}]
    done = subprocess.run(
        [sys.executable, "-m", "server.grammar.worker"],
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    errors = [json.loads(line)["error"] for line in done.stdout.splitlines()]
    assert errors[:2] == [None, None]
    assert "unclosed group" in errors[2]


def test_a_tokenizer_that_llguidance_cannot_read_is_a_clear_refusal(tokenizer, vocab_size):
    content = json.loads(tokenizer.to_json())
    content["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    guard = CompileGuard(json.dumps(content), vocab_size, [0])
    with pytest.raises(GrammarError, match="this model's tokenizer"):
        guard.check(GrammarSpec("regex", "a"))


def test_without_llguidance_the_error_says_what_to_install(tokenizer, vocab_size, monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    compiler = GrammarCompiler(tokenizer, vocab_size, [0])
    for use in (compiler.validate, compiler.start):
        with pytest.raises(GrammarError, match="pip install"):
            use(GrammarSpec("regex", "a"))
