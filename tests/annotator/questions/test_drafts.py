"""Drafts, presence and working times."""

import statistics
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import InputError, NotFoundError, TooLargeError
from annotator.questions import drafts, lead_times, presence
from annotator.questions.lead_times import MAX_REPORT_MS, MAX_TOTAL_MS, Worked

QUESTION = {"type": "open_ended"}


def test_a_draft_is_kept_replaced_and_forgotten_in_its_project_alone(work: Any, new_work: Callable[..., Any]) -> None:
    path = "/drafts/question:new.1"
    assert work("GET", path).status_code == 404
    payload = {"body": "Wo ist das Café? المقهى", "gold": None, "nested": [1, 2.5, True]}
    kept = work.ok("PUT", path, {"payload": payload, "base_n": 3})
    assert (kept["payload"], kept["base_n"]) == (payload, 3)
    assert work.ok("GET", path) == kept
    assert work.ok("PUT", path, {"payload": "later"})["base_n"] is None
    assert work.ok("GET", path)["payload"] == "later"
    assert new_work()("GET", path).status_code == 404
    for _ in range(2):
        assert work("DELETE", path).status_code == 204
    assert work("GET", path).status_code == 404
    for bad in ("/drafts/a%2Fb", "/drafts/" + "x" * 200, "/drafts/a b"):
        assert work("PUT", bad, {"payload": 1}).status_code in (400, 404)


def test_the_oldest_drafts_make_room_and_huge_ones_are_refused(team: Any) -> None:
    ada, project_id = team["ada"].account_id, team.project.id
    with team.database.writing() as connection:
        for number in range(drafts.MAX_DRAFTS + 3):
            drafts.put(connection, ada, project_id, f"form{number}", number, now=team.now())
        drafts.put(connection, team["bela"].account_id, project_id, "form0", "hers", now=team.now())
        for number in range(3):
            with pytest.raises(NotFoundError, match="there is no draft"):
                drafts.get(connection, ada, project_id, f"form{number}")
        for number in range(3, drafts.MAX_DRAFTS + 3):
            assert drafts.get(connection, ada, project_id, f"form{number}").payload == number
        with pytest.raises(TooLargeError):
            drafts.put(connection, ada, project_id, "big", "x" * drafts.MAX_CHARACTERS, now=team.now())
        with pytest.raises(InputError):
            drafts.put(connection, ada, project_id, "nan", float("nan"), now=team.now())
        assert drafts.get(connection, team["bela"].account_id, project_id, "form0").payload == "hers"


def test_two_tabs_see_each_other_and_the_current_revision(work: Any) -> None:
    made = work.create()

    def say(tab: str, subject_id: str = made["id"], **more: Any) -> Any:
        return work.ok("POST", "/presence", {"subject_id": subject_id, "tab": tab} | more)

    assert say("one") == {"others": [], "n": 1}
    (other,) = say("two")["others"]
    assert (other["username"], other["is_editing"]) == ("local", False)
    work.save(made, 1, body="New?")
    assert say("two", is_editing=True)["n"] == 2
    assert say("one")["others"][0]["is_editing"] is True
    assert say("two", is_leaving=True)["others"] == []
    assert say("one")["others"] == []
    assert say("one", subject_id=work.context_id)["n"] == 1
    assert work("POST", "/presence", {"subject_id": "0" * 26, "tab": "one"}).status_code == 404


def test_who_says_nothing_for_twenty_seconds_is_gone(team: Any) -> None:
    made = team.create(**QUESTION)
    start = team.now()

    def say(who: str, after_s: float, tab: str = "t", is_editing: bool = False) -> list[tuple[str, bool]]:
        with team.database.writing() as connection:
            moment = start + timedelta(seconds=after_s)
            others = presence.say(connection, team[who].account_id, made.id, tab, is_editing=is_editing, now=moment)
        return [(one.username, one.is_editing) for one in others]

    assert say("ada", 0) == []
    assert say("ada", 1, tab="other", is_editing=True) == [("ada", False)]
    assert say("bela", 19) == [("ada", True)]
    # Of Ada only the second tab is left, and a little later none.
    assert say("rosa", 20.5) == [("ada", True), ("bela", False)]
    assert say("rosa", 22) == [("bela", False)]
    assert say("ada", 60) == []


def test_impossible_times_are_ignored_and_one_thing_counts_only_so_much(team: Any) -> None:
    made = team.create(**QUESTION)
    ada, project_id = team["ada"].account_id, team.project.id

    def report(*items: Worked) -> int:
        with team.database.writing() as connection:
            return lead_times.record(connection, ada, project_id, items, now=team.now())

    assert report(*(Worked("question", made.id, active_ms) for active_ms in (0, -5, MAX_REPORT_MS + 1))) == 0
    assert (
        report(Worked("question", "0" * 26, 1000), Worked("tool_call", made.id, 1000), Worked("context", made.id, 9))
        == 0
    )
    assert report(Worked("question", made.id, 4000), Worked("question", made.id, 2000)) == 2
    assert spread(team, "question") == (1, 6.0, 6.0)
    needed = MAX_TOTAL_MS["question"] // MAX_REPORT_MS
    assert report(*[Worked("question", made.id, MAX_REPORT_MS)] * (needed + 3)) == needed
    assert spread(team, "question") == (1, MAX_TOTAL_MS["question"] / 1000, MAX_TOTAL_MS["question"] / 1000)


def spread(team: Any, subject: lead_times.Subject) -> tuple[int, float | None, float | None]:
    with team.database.reading() as connection:
        found = lead_times.of_subject(connection, team.project.id, subject)
    return found.n, found.median_s, found.p90_s


@given(st.lists(st.integers(1, 10**7), min_size=2, max_size=60))
def test_the_median_and_the_ninetieth_percentile_are_those_of_the_textbook(times_ms: list[int]) -> None:
    found = lead_times.spread(times_ms)
    assert found.n == len(times_ms)
    assert found.median_s == pytest.approx(statistics.median(times_ms) / 1000, abs=0.006)
    deciles = statistics.quantiles(times_ms, n=10, method="inclusive")
    assert found.p90_s == pytest.approx(deciles[-1] / 1000, abs=0.006)


def test_nothing_measured_is_no_number() -> None:
    assert lead_times.spread([]) == lead_times.Spread(0, None, None)


def test_working_times_stand_beside_the_published_ones(work: Any, cafes: dict[str, Any]) -> None:
    calls = [work.tool("nearby_search", cafes["params"] | {"limit": limit}) for limit in (3, 4, 5)]
    question = work.create()
    items = [
        {"subject": "tool_call", "subject_id": call["id"], "active_ms": active_ms}
        for call, active_ms in zip(calls, (4000, 6000, 20_000), strict=True)
    ]
    items += [
        {"subject": "question", "subject_id": question["id"], "active_ms": 90_000},
        {"subject": "tool_call", "subject_id": "0" * 26, "active_ms": 1000},
    ]
    assert work.ok("POST", "/lead-times", {"items": items}) == {"num_counted": 4, "num_ignored": 1}
    found = work.ok("GET", "/lead-times")
    tools = {one["tool"]: one for one in found["tools"]}
    assert tools["nearby_search"] == {
        "tool": "nearby_search",
        "n": 3,
        "median_s": 6.0,
        "p90_s": 17.2,
        "published": {"mapqator_s": 12.5, "by_hand_s": 456.0},
    }
    assert tools["place_details"]["published"] == {"mapqator_s": 10.17, "by_hand_s": 487.0}
    assert tools["distance_bearing"]["published"] is None
    assert found["questions"] == {"n": 1, "median_s": 90.0, "p90_s": 90.0}
    assert found["responses"] == {"n": 0, "median_s": None, "p90_s": None}
    assert "two participants" in found["published_note"]
