"""The contract of `annotator/maps/provider.py`, asked of every provider with the answers that its own cases hold."""

import json
import re
from typing import Any

import pytest
import rfc8785
from contract_play import KEYS, OWN, RESULTS, all_calls, cases, made, outcome, parsed, places_of, play
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_case import Case

from annotator.errors import InputError, MapqatorError
from annotator.maps.access import missing
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.results import PlaceList
from annotator.settings import Settings

ALL_CASES = [pytest.param(key, case, id=f"{key}: {case.name}") for key in KEYS for case in cases(key)]
GOOD_CASES = [param for param in ALL_CASES if param.values[1].kind != "error"]
each_provider = pytest.mark.parametrize("key", KEYS)
each_case = pytest.mark.parametrize(("key", "case"), ALL_CASES)
each_good_case = pytest.mark.parametrize(("key", "case"), GOOD_CASES)

LONG_FRACTION = re.compile(r"\d\.\d{7,}")


@each_provider
def test_it_says_who_it_is_and_on_what_terms_it_answers(key: str) -> None:
    info = made(key).info
    assert info.key == key
    assert info.title
    assert info.family
    assert re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", info.namespace)
    assert info.version >= 1
    assert info.licence
    assert info.attribution
    assert info.base_url is None or info.base_url.startswith("https://")
    assert info.base_url is None or not info.base_url.endswith("/")
    if info.is_commercial or info.is_public_service:
        assert info.terms_url.startswith("https://")
    if info.namespace == "osm":
        assert info.licence == "ODbL-1.0"
        assert "OpenStreetMap" in info.attribution
    assert info.rate_limit.interval_s >= 0
    assert info.rate_limit.burst >= 1


@each_provider
def test_its_policy_contradicts_itself_nowhere(key: str) -> None:
    policy = made(key).info.policy
    assert (policy.storage == "expire") == (policy.ttl_s is not None)
    assert policy.ttl_s is None or policy.ttl_s > 0
    if policy.after_expiry == "place_ids":
        assert policy.storage == "expire"
    if policy.storage != "keep":
        assert policy.export != "full"


@each_provider
def test_nobody_is_asked_before_the_operator_says_so(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAPQATOR_ENABLE", raising=False)
    info = made(key).info
    assert not info.is_commercial or info.secret_envs
    assert info.is_commercial or info.is_public_service
    keys = dict.fromkeys(info.secret_envs, "secret")
    assert missing(info, Settings(contact="me@example.org"), keys)
    assert missing(info, Settings(enable=(key,), contact="me@example.org"), keys) == []
    if info.secret_envs:
        assert missing(info, Settings(enable=(key,), contact="me@example.org"), {})


@each_provider
def test_every_tool_has_a_case_of_each_kind(key: str) -> None:
    provider = made(key)
    assert provider.tools
    assert set(provider.tools) <= set(RESULTS)
    kinds: dict[ToolName, set[str]] = {tool: set() for tool in provider.tools}
    for case in cases(key):
        kinds[case.tool].add(case.kind)
    assert kinds == {tool: {"found", "empty", "error"} for tool in provider.tools}
    names = [case.name for case in cases(key)]
    assert len(set(names)) == len(names)
    for tool, operation in provider.operations.items():
        assert operation.applied_here <= set(PARAMS[tool].model_fields)


@each_case
def test_a_call_takes_exactly_its_answers_and_ends_as_it_must(key: str, case: Case) -> None:
    provider = made(key)
    if case.kind == "error":
        with pytest.raises(case.raises or MapqatorError):
            play(provider, case.tool, case.parsed_params(), case.responses())
        return
    result = play(provider, case.tool, case.parsed_params(), case.responses())
    assert case.check is not None, "a case without a check judges nothing"
    case.check(result)
    assert type(result) is RESULTS[case.tool]
    for place in places_of(result):
        assert place.pid.startswith(f"{provider.info.namespace}:")
        assert parsed("place_details", {"place_id": place.pid})
        assert place.provider == key
    if case.kind == "found" and case.tool != "travel_matrix":
        assert places_of(result) or getattr(result, "routes", ()) or getattr(result, "route", None)
    if case.kind == "empty":
        assert not places_of(result)
        assert not getattr(result, "routes", ())


@each_good_case
def test_the_same_answers_always_give_the_same_result(key: str, case: Case) -> None:
    params, answers = case.parsed_params(), case.responses()
    result = made(key).parse(case.tool, params, answers)
    assert made(key).parse(case.tool, params, case.responses()) == result
    as_json = result.model_dump_json()
    assert type(result).model_validate_json(as_json) == result
    assert json.loads(rfc8785.dumps(result.model_dump(mode="json"))) == json.loads(as_json)


@each_case
def test_the_same_parameters_always_give_the_same_calls(key: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, params, answers = made(key), case.parsed_params(), case.responses()
    sentinels = {env: f"sentinel-{number}-of-{env}" for number, env in enumerate(provider.info.secret_envs)}
    for env, value in sentinels.items():
        monkeypatch.setenv(env, value)
    calls = all_calls(provider, case.tool, params, answers)
    assert calls
    assert calls == all_calls(made(key), case.tool, params, answers)
    assert not [value for value in sentinels.values() if value in repr(calls)]
    for call in calls:
        _judge_call(call)
        assert {secret.env for secret in call.secrets} == set(sentinels)


def _judge_call(call: HttpCall) -> None:
    assert all(name == name.lower() for name in call.headers)
    assert all(isinstance(part, str) for pair in call.query for part in pair)
    assert "?" not in call.url
    assert call.json is None or call.form is None
    assert (call.method == "POST") == (call.json is not None or call.form is not None)
    sent = json.dumps([call.url, call.query, call.json, call.form], allow_nan=False, ensure_ascii=False)
    assert not LONG_FRACTION.search(sent)
    assert json.loads(json.dumps(call.json)) == call.json, "only what JSON can say"


@each_case
def test_every_call_goes_to_its_address_and_none_stays_behind_when_it_moves(key: str, case: Case) -> None:
    info = made(key).info
    if info.base_url is not None:
        host = re.compile(re.sub(r"\\{\w+\\}", r"[a-z0-9.-]+", re.escape(info.base_url)) + r"(/|$)")
        for call in all_calls(made(key), case.tool, case.parsed_params(), case.responses()):
            assert host.match(call.url)
    moved = all_calls(made(key, OWN + "/"), case.tool, case.parsed_params(), case.responses())
    assert moved
    for call in moved:
        assert call.url.startswith(OWN.partition("{")[0])
        assert "//" not in call.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("key", "case"), [param for param in GOOD_CASES if "limit" in PARAMS[param.values[1].tool].model_fields]
)
def test_no_list_is_longer_than_asked_for(key: str, case: Case) -> None:
    provider = made(key)
    result = provider.parse(case.tool, case.parsed_params(), case.responses())
    assert len(places_of(result)) <= case.parsed_params().model_dump()["limit"]
    shorter = parsed(case.tool, case.params | {"limit": 1})
    if not provider.refusals(case.tool, shorter):
        least = outcome(provider, case.tool, shorter, case.responses())
        assert least is None or len(places_of(least)) <= 1
        if isinstance(result, PlaceList) and result.places and len(case.answers) == 1:
            assert least is not None
            assert len(places_of(least)) == 1


@each_provider
def test_a_tool_that_it_lacks_is_refused_by_name(key: str) -> None:
    provider = made(key)
    for tool in set(RESULTS) - set(provider.tools):
        (reason,) = provider.refusals(tool, cases(key)[0].parsed_params())
        assert tool in reason
        assert provider.info.title in reason


@each_provider
def test_places_of_others_are_the_callers_mistake(key: str) -> None:
    provider = made(key)
    foreign = {"place_id": "elsewhere:42"}
    here = {"lat": 43.73, "lon": 7.42}
    asked: dict[ToolName, dict[str, Any]] = {
        "place_details": foreign,
        "compute_routes": {"origin": foreign, "destination": here},
        "travel_matrix": {"origins": [here], "destinations": [foreign]},
        "search_along_route": {"origin": here, "destination": foreign, "type": "cafe"},
    }
    for tool in set(asked) & set(provider.tools):
        with pytest.raises(InputError) as error:
            provider.build(tool, parsed(tool, asked[tool]))
        assert "elsewhere" in error.value.message


@pytest.mark.parametrize("key", [key for key in KEYS if made(key).info.policy.after_expiry == "place_ids"])
def test_expired_content_leaves_its_place_ids_where_the_terms_allow_it(key: str) -> None:
    provider = made(key)
    searches = [case for case in cases(key) if case.kind == "found" and case.tool in ("text_search", "place_details")]
    assert searches
    for case in searches:
        result = provider.parse(case.tool, case.parsed_params(), case.responses())
        left = {provider.pid(native) for response in case.responses() for native in provider.place_ids(response)}
        lasting = {place.pid for place in places_of(result) if ":address:" not in place.pid}
        assert lasting
        assert lasting <= left


@each_case
def test_only_what_the_tool_can_read_is_an_answer(key: str, case: Case) -> None:
    provider = made(key)
    for response in case.responses():
        for status in (500, 502, 503, 504):
            assert not provider.is_answer(case.tool, HttpResponse(status, response.body))
        for status in (401, 403, 408, 429):
            assert not provider.is_answer(case.tool, HttpResponse(status, b'{"message": "not now"}'))
        assert isinstance(provider.error_message(response), str)
        assert all(isinstance(native, str) and native for native in provider.place_ids(response))


@each_provider
@settings(deadline=None)
@given(
    body=st.binary(max_size=60) | st.sampled_from([b"", b"[]", b"null", b'"x"', b"<html>Error</html>", b"[" * 99_999])
)
def test_any_body_at_all_has_an_error_message_and_no_place_ids(key: str, body: bytes) -> None:
    provider = made(key)
    for status in (200, 400, 404):
        response = HttpResponse(status, body)
        assert isinstance(provider.error_message(response), str)
        assert provider.place_ids(response) == ()
        for tool in provider.tools:
            assert isinstance(provider.is_answer(tool, response), bool)
