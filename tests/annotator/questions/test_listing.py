"""Lists of questions: every filter finds exactly what fits, and pages hold each once."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.errors import InputError
from annotator.questions import listing
from annotator.questions.listing import Filter

BODIES = (
    "100 % of it?",
    "a_b or a%b?",
    "Café Über alles?",
    "back\\slash",
    "'; DROP TABLE question; --",
    "المقهى؟",
    "x" * 9000,
)


@pytest.fixture
def filled(team: Any) -> Any:
    """Questions of every sort."""
    for number in range(24):
        team.create(
            ("ada", "bela")[number % 2],
            type=("single_choice", "open_ended")[number % 3 == 0],
            gold={"kind": "number"} if number % 3 == 0 else None,
            body=BODIES[number % len(BODIES)],
            category=("poi", "trip", "")[number % 3],
            tags=[("hard", "new")[number % 2], "all"],
        )
    return team


def numbers(team: Any, wanted: Filter, **page: Any) -> list[int]:
    with team.database.reading() as connection:
        found = listing.page(connection, team.project.id, wanted, limit=200, **page)
    assert found.total == len(found.questions)
    return [row.number for row in found.questions]


def every(fits: Any) -> list[int]:
    return [number + 1 for number in reversed(range(24)) if fits(number)]


def test_each_filter_finds_what_fits(filled: Any) -> None:
    assert numbers(filled, Filter()) == every(lambda number: True)
    assert numbers(filled, Filter(type="open_ended")) == every(lambda number: number % 3 == 0)
    assert numbers(filled, Filter(category="trip")) == every(lambda number: number % 3 == 1)
    assert numbers(filled, Filter(category="")) == every(lambda number: number % 3 == 2)
    assert numbers(filled, Filter(tag="new")) == every(lambda number: number % 2 == 1)
    assert numbers(filled, Filter(author="bela", tag="all")) == every(lambda number: number % 2 == 1)
    assert numbers(filled, Filter(author="nobody")) == []
    assert numbers(filled, Filter(status="approved")) == []
    assert numbers(filled, Filter(context_id=filled.context_id, type="open_ended")) == every(
        lambda number: number % 3 == 0
    )
    assert numbers(filled, Filter(context_id="elsewhere")) == []


@pytest.mark.parametrize(
    ("text", "holding"),
    [
        ("100 %", 0),
        ("%", (0, 1)),
        ("a_b", 1),
        ("A%B", 1),
        ("café über", 2),
        ("CAFÉ", 2),
        ("alles ÜBER", 2),
        ("\\", 3),
        ("drop table", 4),
        ("'", 4),
        ("المقهى", 5),
        ("x" * 100, 6),
        ("/", ()),
        ("nothing \x00", ()),
        ("   ", range(len(BODIES))),
    ],
)
def test_words_are_looked_for_as_they_are_typed(filled: Any, text: str, holding: Any) -> None:
    wanted = {holding} if isinstance(holding, int) else set(holding)
    assert numbers(filled, Filter(text=text)) == every(lambda number: number % len(BODIES) in wanted)


def test_a_number_finds_its_question_and_a_list_shows_the_beginning_of_a_body(filled: Any) -> None:
    assert numbers(filled, Filter(text="#7")) == [7]
    assert numbers(filled, Filter(text="7")) == [7]
    with filled.database.reading() as connection:
        (row,) = listing.page(connection, filled.project.id, Filter(text="#7")).questions
    assert row.body == "x" * listing.LISTED_CHARACTERS
    assert row.tags == ("all", "hard")
    assert row.answer_kind == "number"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 30), st.sampled_from([Filter(), Filter(tag="new"), Filter(text="a"), Filter(type="open_ended")]))
def test_pages_hold_every_question_once_in_order(filled: Any, limit: int, wanted: Filter) -> None:
    seen: list[int] = []
    cursor: str | None = None
    while True:
        with filled.database.reading() as connection:
            page = listing.page(connection, filled.project.id, wanted, limit=limit, cursor=cursor)
        assert len(page.questions) <= limit
        seen += [row.number for row in page.questions]
        cursor = page.next
        if cursor is None:
            break
    assert seen == numbers(filled, wanted)


@pytest.mark.parametrize("cursor", ["x", "-1", "1e5", "٣", "9" * 30, ""])
def test_a_cursor_that_no_page_gave_is_refused(team: Any, cursor: str) -> None:
    with team.database.reading() as connection, pytest.raises(InputError, match="came from no page"):
        listing.page(connection, team.project.id, Filter(), cursor=cursor)
