"""No parameter is ever left out silently: each changes what is asked, is applied to the answer, or is refused."""

from itertools import product
from typing import Any

import pytest
from contract_play import KEYS, RESULTS, all_calls, cases, made, outcome, parsed
from hypothesis import given, settings
from hypothesis import strategies as st
from monaco import CASINO, GARDEN, HARBOUR, PALACE, stop

from annotator.maps.calls import HttpCall
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.provider import Provider

HERE = {"lat": HARBOUR[0], "lon": HARBOUR[1]}
WAY = {"origin": stop(CASINO), "destination": stop(HARBOUR)}
TOUR = WAY | {"intermediates": [stop(GARDEN), stop(PALACE)]}

BASES: dict[ToolName, list[dict[str, Any]]] = {
    "text_search": [HERE | {"query": "harbour café", "radius_m": 1000}, {"query": "harbour café"}],
    "place_details": [],
    "reverse_geocode": [HERE],
    "nearby_search": [HERE | {"type": "cafe"}],
    "compute_routes": [WAY, TOUR],
    "travel_matrix": [{"origins": [stop(CASINO), stop(PALACE)], "destinations": [stop(HARBOUR)]}],
    "search_along_route": [WAY | {"type": "cafe"}],
}
"""Parameters from which one at a time is changed."""

NEAR: dict[str, Any] = {"lat": 43.7311, "lon": 7.4197}
VARIATIONS: dict[ToolName, dict[str, list[dict[str, Any]]]] = {
    "text_search": {
        "query": [{"query": "castle"}],
        "lat": [NEAR],
        "lon": [NEAR],
        "radius_m": [HERE | {"radius_m": 333.3333333333}],
        "limit": [{"limit": 3}],
        "language": [{"language": "fr"}],
    },
    "place_details": {"place_id": [], "language": [{"language": "fr"}, {"language": "de"}]},
    "reverse_geocode": {
        "lat": [NEAR],
        "lon": [NEAR],
        "limit": [{"limit": 3}],
        "language": [{"language": "fr"}],
    },
    "nearby_search": {
        "lat": [NEAR],
        "lon": [NEAR],
        "radius_m": [{"radius_m": 333.3333333333}],
        "type": [{"type": "bank"}, {"type": "subway_station"}, {"type": None}],
        "keyword": [{"keyword": "anchor"}, {"keyword": "anchor", "type": None}],
        "rank": [{"rank": "prominence"}],
        "limit": [{"limit": 3}, {"limit": 50}],
        "open_at": [{"open_at": "2026-05-05T12:00"}],
        "wheelchair": [{"wheelchair": True}],
        "cuisine": [{"cuisine": "pizza"}],
        "min_rating": [{"min_rating": 4.5}],
        "price_levels": [{"price_levels": [1, 2]}],
        "travel_mode": [{"travel_mode": mode} for mode in ("walk", "bicycle", "motorcycle", "transit")],
        "language": [{"language": "fr"}],
    },
    "compute_routes": {
        "origin": [{"origin": stop(PALACE)}],
        "destination": [{"destination": stop(PALACE)}],
        "mode": [{"mode": mode} for mode in ("walk", "bicycle", "motorcycle", "transit")],
        "avoid": [{"avoid": [kind]} for kind in ("tolls", "highways", "ferries")],
        "language": [{"language": "fr"}],
        "intermediates": [TOUR, TOUR | {"intermediates": [stop(PALACE), stop(GARDEN)]}],
        "optimize_order": [TOUR | {"optimize_order": True}],
        "alternatives": [{"alternatives": count} for count in (1, 2, 3)],
    },
    "travel_matrix": {
        "origins": [{"origins": [stop(GARDEN)]}],
        "destinations": [{"destinations": [stop(GARDEN)]}],
        "mode": [{"mode": mode} for mode in ("walk", "bicycle", "motorcycle", "transit")],
        "avoid": [{"avoid": [kind]} for kind in ("tolls", "highways", "ferries")],
    },
    "search_along_route": {
        "origin": [{"origin": stop(PALACE)}],
        "destination": [{"destination": stop(PALACE)}],
        "mode": [{"mode": mode} for mode in ("walk", "bicycle", "motorcycle", "transit")],
        "avoid": [{"avoid": [kind]} for kind in ("tolls", "highways", "ferries")],
        "language": [{"language": "fr"}],
        "type": [{"type": "bank"}],
        "keyword": [{"keyword": "anchor"}, {"keyword": "anchor", "type": None}],
        "max_detour_s": [{"max_detour_s": 300}],
        "rank": [{"rank": "route"}, {"rank": "prominence"}],
        "min_rating": [{"min_rating": 4.5}],
        "limit": [{"limit": 3}],
    },
}
"""Other values of every parameter of every tool."""

TRIALS = [
    pytest.param(key, tool, name, id=f"{key}: {tool} {name}")
    for key in KEYS
    for tool in made(key).tools
    for name in VARIATIONS[tool]
    if VARIATIONS[tool][name] and name not in made(key).operations[tool].applied_here
]


def bases(key: str, tool: ToolName) -> list[dict[str, Any]]:
    """Parameters that the provider takes: ours, and those of its own cases."""
    own = [case.params for case in cases(key) if case.tool == tool and case.kind == "found"]
    return [base for base in BASES[tool] + own if not made(key).refusals(tool, parsed(tool, base))]


def asked(provider: Provider, key: str, tool: ToolName, params: dict[str, Any]) -> list[list[HttpCall]]:
    """All calls of all rounds, by each of the provider's cases whose answers may lead to further rounds."""
    wanted = parsed(tool, params)
    answers = [case.responses() for case in cases(key) if case.tool == tool and case.kind == "found"]
    return [all_calls(provider, tool, wanted, responses) for responses in answers]


def test_every_parameter_of_every_tool_is_varied() -> None:
    assert set(VARIATIONS) == set(RESULTS)
    for tool, variations in VARIATIONS.items():
        assert set(variations) == set(PARAMS[tool].model_fields)


@pytest.mark.parametrize(("key", "tool", "name"), TRIALS)
def test_a_parameter_changes_the_calls_or_is_refused_unless_it_is_applied_here(
    key: str, tool: ToolName, name: str
) -> None:
    provider = made(key)
    judged = 0
    for base, change in product(bases(key, tool), VARIATIONS[tool][name]):
        changed = {field: value for field, value in (base | change).items() if value is not None}
        try:
            params = parsed(tool, changed)
        except ValueError:
            continue
        if params == parsed(tool, base):
            continue
        judged += 1
        if reasons := provider.refusals(tool, params):
            assert all(reason.strip() and "\n" not in reason for reason in reasons)
        else:
            assert asked(provider, key, tool, changed) != asked(provider, key, tool, base), (
                f"{provider.info.title} leaves out {name} of {tool} without a word: {changed}"
            )
    assert judged


EXTREMES: dict[str, Any] = {"keyword": "zebra", "max_detour_s": 0, "min_rating": 5}
"""Values that leave next to nothing of any answer."""

APPLIED = [
    pytest.param(key, tool, name, id=f"{key}: {tool} {name}")
    for key in KEYS
    for tool, operation in made(key).operations.items()
    for name in sorted(operation.applied_here)
    # A language is a wish, limits are judged in test_contract.py and orders along a way in test_along.py.
    if name not in ("language", "limit", "rank")
]


@pytest.mark.parametrize(("key", "tool", "name"), APPLIED)
def test_what_is_said_to_be_applied_here_makes_a_difference(key: str, tool: ToolName, name: str) -> None:
    provider = made(key)
    changes = VARIATIONS[tool][name] + ([{name: EXTREMES[name]}] if name in EXTREMES else [])
    found = [case for case in cases(key) if case.tool == tool and case.kind == "found"]
    differences = 0
    for case, change in product(found, changes):
        params = parsed(tool, {field: value for field, value in (case.params | change).items() if value is not None})
        if not provider.refusals(tool, params):
            before = provider.parse(tool, case.parsed_params(), case.responses())
            differences += outcome(provider, tool, params, case.responses()) != before
    assert differences


@pytest.mark.parametrize("key", [key for key in KEYS if "nearby_search" in made(key).tools])
def test_every_type_is_asked_for_in_its_own_way_or_refused(key: str) -> None:
    provider = made(key)
    seen: dict[str, str] = {}
    for place_type in CATEGORIES:
        params = parsed("nearby_search", HERE | {"type": place_type})
        if not provider.refusals("nearby_search", params):
            calls = repr(provider.build("nearby_search", params))
            assert calls not in seen, f"{place_type} is asked for as {seen[calls]} is"
            seen[calls] = place_type
    assert len(seen) > len(CATEGORIES) / 3


ANY_PLACE = st.fixed_dictionaries(
    {"lat": st.floats(-90, 90, allow_nan=False), "lon": st.floats(-180, 180, allow_nan=False)}
)
ANY_TEXT = st.text(max_size=40)


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_asked_is_asked_or_refused(key: str, data: st.DataObject) -> None:
    """Anywhere on earth, in any words, at any radius: calls that can be sent, or lines that say why not."""
    provider = made(key)
    tool = data.draw(st.sampled_from([tool for tool in provider.tools if tool != "place_details"]))
    here, there = data.draw(ANY_PLACE), data.draw(ANY_PLACE)
    words = data.draw(ANY_TEXT)
    near = {"radius_m": data.draw(st.floats(0.001, 50_000)), **here}
    wide: dict[str, dict[str, Any]] = {
        "text_search": near | {"query": words},
        "reverse_geocode": here,
        "nearby_search": near
        | {"type": data.draw(st.sampled_from(sorted(CATEGORIES)))}
        | ({"keyword": words} if words else {}),
        "compute_routes": {"origin": here, "destination": there},
        "travel_matrix": {"origins": [here, there], "destinations": [there]},
        "search_along_route": {"origin": here, "destination": there, "keyword": words},
    }
    try:
        params = parsed(tool, wide[tool])
    except ValueError:
        return
    if reasons := provider.refusals(tool, params):
        assert all(reason.strip() and "\n" not in reason for reason in reasons)
        return
    calls = provider.build(tool, params)
    assert calls
    for call in calls:
        assert not any(character in call.url for character in ' "<>\\^`\n\t#?')
