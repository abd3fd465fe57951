"""Whatever a provider answers, users read one line: spoiled answers raise no errors but those meant for them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from contract_play import KEYS, RESULTS, as_response, cases, made, outcome, positions, spoiled
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_case import Case

from annotator.errors import UpstreamFormatError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Provider
from annotator.maps.results import Result

REPLACEMENTS: tuple[Any, ...] = (None, True, -1, int("9" * 400), 1e308, "", "x" * 5000, [], [[7.4]], {})

each_provider = pytest.mark.parametrize("key", KEYS)


def json_cases(key: str) -> list[Case]:
    """Those whose answers are all JSON."""
    return [
        case
        for case in cases(key)
        if case.kind != "error" and all(not isinstance(body, str | bytes) for _, body in case.answers)
    ]


def judge(provider: Provider, case: Case, answers: list[HttpResponse]) -> None:
    result = outcome(provider, case.tool, case.parsed_params(), answers)
    if result is not None:
        judge_result(case.tool, result)


def judge_result(tool: ToolName, result: Result) -> None:
    assert type(result) is RESULTS[tool]
    assert type(result).model_validate_json(result.model_dump_json()) == result


def spoiled_answers(case: Case, seen: set[tuple[Any, ...]]) -> Iterator[list[HttpResponse]]:
    """The answers of a case, spoiled at each position that no other case of the tool has spoiled alike."""
    answers = case.responses()
    for index, (status, body) in enumerate(case.answers):
        for where in positions(body):
            shape = (case.tool, index, *(step if isinstance(step, str) else "[]" for step in where))
            if shape in seen:
                continue
            seen.add(shape)
            for worse in spoiled(body, where, REPLACEMENTS):
                yield [*answers[:index], as_response(status, worse), *answers[index + 1 :]]


@each_provider
def test_a_key_that_is_missing_or_holds_something_else_is_read_or_is_an_error_for_users(key: str) -> None:
    provider = made(key)
    seen: set[tuple[Any, ...]] = set()
    num_spoiled = 0
    for case in sorted(json_cases(key), key=lambda case: case.kind == "empty"):
        for answers in spoiled_answers(case, seen):
            judge(provider, case, answers)
            num_spoiled += 1
    assert num_spoiled > 100


@each_provider
def test_an_answer_that_is_cut_off_anywhere_is_an_error_for_users(key: str) -> None:
    provider = made(key)
    for case in json_cases(key):
        *before, last = case.responses()
        for share in (0.0, 0.3, 0.9):
            cut = HttpResponse(last.status, last.body[: int(len(last.body) * share)])
            judge(provider, case, [*before, cut])


@pytest.mark.parametrize(
    "body", [b'{"name": "\\ud800"}', b'{"name": "\xed\xa0\x80"}', b'{"\\uDFFF": 1}', b'{"name": "\xff"}']
)
def test_what_is_no_text_is_not_json(body: bytes) -> None:
    with pytest.raises(UpstreamFormatError):
        HttpResponse(200, body).json()


@pytest.mark.parametrize(
    "body", [b'{"name": "\\ud83d\\ude00"}', '{"name": "한글 😀"}'.encode(), b'{"name": "\\\\ud800"}']
)
def test_every_character_is_text(body: bytes) -> None:
    assert set(HttpResponse(200, body).json()) == {"name"}


def keys_of(key: str) -> list[str]:
    """Names that occur in a provider's answers, so that random answers hold something that is looked for."""
    names = {
        step for case in json_cases(key) for _, body in case.answers for where in positions(body) for step in where
    }
    return sorted(name for name in names if isinstance(name, str))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)


@each_provider
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_answers_of_a_provider_s_own_words_are_read_or_are_an_error_for_users(
    key: str, data: st.DataObject
) -> None:
    provider = made(key)
    case = data.draw(st.sampled_from(json_cases(key)))
    names = st.sampled_from(keys_of(key))
    value = st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=12
    )
    answers = [as_response(status, json.dumps(data.draw(value)).encode()) for status, _ in case.answers]
    judge(provider, case, answers)


@each_provider
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_answers_in_which_several_things_are_wrong_are_read_or_are_an_error_for_users(
    key: str, data: st.DataObject
) -> None:
    provider = made(key)
    case = data.draw(st.sampled_from(json_cases(key)))
    answers = []
    for status, body in case.answers:
        worse = json.loads(json.dumps(body))
        for _ in range(data.draw(st.integers(1, 4))):
            where = data.draw(st.sampled_from(list(positions(worse))))
            replacement = data.draw(SCALARS | st.lists(SCALARS, max_size=2) | st.sampled_from(REPLACEMENTS))
            worse = json.loads(next(spoiled(worse, where, [replacement])))
        answers.append(as_response(status, json.dumps(worse).encode()))
    judge(provider, case, answers)
