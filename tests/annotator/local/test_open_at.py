"""Opening hours at a moment: a table of cases worked out by hand, and a walk minute by minute through clock changes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from annotator.errors import InputError
from annotator.maps.hours import HORIZON_DAYS, is_open, read_hours
from annotator.maps.local import open_at
from annotator.maps.params import OpenAtParams
from annotator.maps.zones import zone

MONACO = {"lat": 43.7384, "lon": 7.4246}
PARIS = {"lat": 48.8566, "lon": 2.3522}
OSLO = {"lat": 59.9139, "lon": 10.7522}
LONGYEARBYEN = {"lat": 78.2232, "lon": 15.6267}
NEW_YORK = {"lat": 40.7128, "lon": -74.0060}
KATHMANDU = {"lat": 27.7172, "lon": 85.3240}


def ask(opening_hours, at, **where):
    return open_at(OpenAtParams(opening_hours=opening_hours, at=at, **(where or MONACO)))


# 2026-11-25 is a Wednesday, 2026-11-28 a Saturday, 2026-11-29 a Sunday.
@pytest.mark.parametrize(
    ("opening_hours", "at", "state", "next_change"),
    [
        ("24/7", "2026-11-25T03:00:00", "open", None),
        ("24/7 off", "2026-11-25T03:00:00", "closed", None),
        ("closed", "2026-11-25T03:00:00", "closed", None),
        ("unknown", "2026-11-25T03:00:00", "unknown", None),
        ("Mo-Fr 09:00-18:00", "2026-11-25T10:00:00", "open", "2026-11-25T18:00:00+01:00"),
        ("Mo-Fr 09:00-18:00", "2026-11-25T08:59:59", "closed", "2026-11-25T09:00:00+01:00"),
        ("Mo-Fr 09:00-18:00", "2026-11-25T09:00:00", "open", "2026-11-25T18:00:00+01:00"),
        ("Mo-Fr 09:00-18:00", "2026-11-25T17:59:59", "open", "2026-11-25T18:00:00+01:00"),
        ("Mo-Fr 09:00-18:00", "2026-11-25T18:00:00", "closed", "2026-11-26T09:00:00+01:00"),
        ("Mo-Fr 09:00-18:00", "2026-11-28T12:00:00", "closed", "2026-11-30T09:00:00+01:00"),
        ("Mo-Fr 09:00-12:00,14:00-18:00", "2026-11-25T13:00:00", "closed", "2026-11-25T14:00:00+01:00"),
        ("Mo-Fr 09:00-18:00; Sa 10:00-13:00", "2026-11-28T12:00:00", "open", "2026-11-28T13:00:00+01:00"),
        ("Mo-Fr 09:00-18:00; We off", "2026-11-25T10:00:00", "closed", "2026-11-26T09:00:00+01:00"),
        ("Mo-Su 10:00-20:00; We 12:00-14:00", "2026-11-25T10:30:00", "closed", "2026-11-25T12:00:00+01:00"),
        ("Mo-Su 10:00-12:00, We 15:00-16:00", "2026-11-25T10:30:00", "open", "2026-11-25T12:00:00+01:00"),
        ("Mo-Su 09:00-17:00 || unknown", "2026-11-25T20:00:00", "unknown", "2026-11-26T09:00:00+01:00"),
        ("Mo-Fr 09:00-17:00 || Sa 10:00-12:00", "2026-11-27T20:00:00", "closed", "2026-11-28T10:00:00+01:00"),
        ("Mo-Fr 09:00-17:00; We off || unknown", "2026-11-25T11:00:00", "unknown", "2026-11-26T09:00:00+01:00"),
        ("Fr 22:00-02:00", "2026-11-28T01:30:00", "open", "2026-11-28T02:00:00+01:00"),
        ("Fr 22:00-02:00", "2026-11-27T01:30:00", "closed", "2026-11-27T22:00:00+01:00"),
        ("Fr 22:00-26:00", "2026-11-28T01:30:00", "open", "2026-11-28T02:00:00+01:00"),
        ("20:00-24:00", "2026-11-25T23:59:00", "open", "2026-11-26T00:00:00+01:00"),
        ("Su-Tu 10:00-12:00", "2026-11-25T10:00:00", "closed", "2026-11-29T10:00:00+01:00"),
        ("We[-1] 10:00-12:00", "2026-11-25T11:00:00", "open", "2026-11-25T12:00:00+01:00"),
        ("We[1] 10:00-12:00", "2026-11-25T11:00:00", "closed", "2026-12-02T10:00:00+01:00"),
        ("Jun-Aug 10:00-20:00", "2026-11-25T11:00:00", "closed", "2027-06-01T10:00:00+02:00"),
        ("Nov 20-Dec 31 10:00-20:00", "2026-11-25T11:00:00", "open", "2026-11-25T20:00:00+01:00"),
        ("Dec 24 off; 10:00-20:00", "2026-11-25T21:00:00", "closed", "2026-11-26T10:00:00+01:00"),
        ("week 48 10:00-20:00", "2026-11-25T11:00:00", "open", "2026-11-25T20:00:00+01:00"),
        ("week 48 10:00-20:00", "2026-11-18T11:00:00", "closed", "2026-11-23T10:00:00+01:00"),
        ("2027 Mo 10:00-12:00", "2026-11-25T11:00:00", "closed", "2027-01-04T10:00:00+01:00"),
        ("easter -2 days off; 10:00-12:00", "2026-04-02T13:00:00", "closed", "2026-04-03T10:00:00+02:00"),
        ("easter 10:00-12:00", "2026-04-05T11:00:00", "open", "2026-04-05T12:00:00+02:00"),
        ("Feb 29 10:00-12:00", "2026-11-25T11:00:00", "closed", "2028-02-29T10:00:00+01:00"),
        ("Feb 20-30 10:00-12:00", "2026-11-25T11:00:00", "closed", "2027-02-20T10:00:00+01:00"),
        # The National Day of Monaco, a Thursday in 2026.
        ("Mo-Fr 09:00-18:00; PH off", "2026-11-19T10:00:00", "closed", "2026-11-20T09:00:00+01:00"),
        ("Mo-Fr 09:00-18:00; PH 10:00-12:00", "2026-11-19T09:30:00", "closed", "2026-11-19T10:00:00+01:00"),
        ("Mo-Fr 09:00-18:00; PH off", "2026-11-18T19:00:00", "closed", "2026-11-20T09:00:00+01:00"),
        ("PH 10:00-12:00", "2026-11-20T09:30:00", "closed", "2026-12-08T10:00:00+01:00"),
    ],
)
def test_hours_worked_out_by_hand(opening_hours, at, state, next_change):
    found = ask(opening_hours, at)
    assert (found.state, found.next_change) == (state, next_change)
    assert found.timezone == "Europe/Monaco"
    assert found.country == "MC"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("opening_hours", "at", "state", "comment"),
    [
        ('Mo-Fr 09:00-18:00 open "ring the bell"', "2026-11-25T10:00:00", "open", "ring the bell"),
        ('Mo-Fr 09:00-18:00 open "ring the bell"', "2026-11-28T10:00:00", "closed", ""),
        ('We off "stocktaking"', "2026-11-25T10:00:00", "closed", "stocktaking"),
        ('Sa unknown "call us"', "2026-11-28T10:00:00", "unknown", "call us"),
        # Words alone promise nothing: the specification reads them as unknown.
        ('"by appointment"', "2026-11-25T10:00:00", "unknown", "by appointment"),
        ('Mo-Fr 09:00-12:00; Sa "by appointment"', "2026-11-28T10:00:00", "unknown", "by appointment"),
        ('Mo-Fr 09:00-12:00 || "call; or || write, 24/7"', "2026-11-25T13:00:00", "unknown", "call; or || write, 24/7"),
        ('Mo-Fr 09:00-18:00 "PH and sunset are words here"', "2026-11-25T10:00:00", "unknown", None),
    ],
)
def test_comments_that_apply_are_given(opening_hours, at, state, comment):
    found = ask(opening_hours, at)
    assert found.state == state
    assert found.comment == (opening_hours.split('"')[1] if comment is None else comment)
    assert found.warnings == ()


def test_a_change_of_comment_is_no_change_of_state():
    found = ask('Mo-Fr 08:00-12:00 open "walk in", 12:00-18:00 open "by appointment"', "2026-11-25T09:00:00")
    assert (found.state, found.comment) == ("open", "walk in")
    assert found.next_change == "2026-11-25T18:00:00+01:00"


@pytest.mark.parametrize(
    ("at", "local_time", "state"),
    [
        ("2026-11-25T08:30:00", "2026-11-25T08:30:00+05:45", "closed"),
        ("2026-11-25T08:30:00Z", "2026-11-25T14:15:00+05:45", "open"),
        ("2026-11-25T08:30:00+02:00", "2026-11-25T12:15:00+05:45", "open"),
        ("2026-11-25T23:30:00-08:00", "2026-11-26T13:15:00+05:45", "closed"),
    ],
)
def test_a_time_with_an_offset_is_a_moment_and_one_without_is_local(at, local_time, state):
    found = ask("We 09:00-17:00", at, **KATHMANDU)
    assert (found.local_time, found.state, found.timezone) == (local_time, state, "Asia/Kathmandu")


def test_a_given_zone_wins_over_the_coordinates_but_their_country_stays():
    found = ask("Mo-Fr 09:00-18:00; PH off", "2026-11-19T10:00:00Z", **MONACO, timezone="Asia/Tokyo")
    assert found.local_time == "2026-11-19T19:00:00+09:00"
    assert (found.timezone, found.country) == ("Asia/Tokyo", "MC")


def test_a_given_country_wins_over_the_coordinates():
    monaco = ask("Mo-Fr 09:00-18:00; PH off", "2026-11-19T10:00:00", **MONACO)
    france = ask("Mo-Fr 09:00-18:00; PH off", "2026-11-19T10:00:00", **MONACO, country="FR")
    assert (monaco.state, monaco.country) == ("closed", "MC")
    assert (france.state, france.country) == ("open", "FR")


def test_a_zone_without_coordinates_or_country_says_that_it_knows_no_holidays():
    found = ask("Mo-Fr 09:00-18:00; PH off", "2026-11-19T10:00:00", timezone="Europe/Monaco")
    assert (found.state, found.country) == ("open", None)
    assert "no country is given" in found.warnings[0]


@pytest.mark.parametrize(
    ("opening_hours", "at", "where", "words"),
    [
        ("PH off; 24/7", "2026-01-01T10:00:00", {**MONACO, "country": "ZZ"}, "no calendar of ZZ"),
        ("SH off", "2026-01-01T10:00:00", MONACO, "school holidays of MC are not known"),
        ("PH off", "1931-01-01T10:00:00", MONACO, "public holidays of MC are known for 2000 to"),
        ("sunrise-sunset", "2026-01-01T10:00:00", {"timezone": "Europe/Monaco"}, "07:00 to 19:00"),
        ("10:00-12:00+", "2026-01-01T10:00:00", MONACO, "leave an end open"),
        ("mo-fr 10:00-12:00", "2026-01-01T10:00:00", MONACO, "capitalized"),
    ],
)
def test_what_had_to_be_assumed_is_said(opening_hours, at, where, words):
    assert words in "; ".join(ask(opening_hours, at, **where).warnings)


def minutes_from_midnight(text):
    moment = datetime.fromisoformat(text)
    return moment.hour * 60 + moment.minute


def test_the_sun_rises_and_sets_where_the_place_is():
    # Almanac times for Oslo on 2026-06-21: 03:54 and 22:44; in New York 05:25 and 20:31.
    for where, rise, fall in ((OSLO, 3 * 60 + 54, 22 * 60 + 44), (NEW_YORK, 5 * 60 + 25, 20 * 60 + 31)):
        before = ask("sunrise-sunset", "2026-06-21T02:30:00", **where)
        noon = ask("sunrise-sunset", "2026-06-21T12:00:00", **where)
        assert (before.state, noon.state) == ("closed", "open")
        assert abs(minutes_from_midnight(before.next_change) - rise) <= 5
        assert abs(minutes_from_midnight(noon.next_change) - fall) <= 5


def test_the_sun_that_does_not_set_keeps_open():
    found = ask("sunrise-sunset", "2026-06-21T01:00:00", **LONGYEARBYEN)
    assert found.state == "open"
    assert found.next_change is not None
    assert found.next_change > "2026-08-15"


@pytest.mark.parametrize(
    ("at", "local_time", "state", "next_change", "warning"),
    [
        # In Paris 02:00 becomes 03:00 on 2026-03-29: what lies between never comes.
        ("2026-03-29T01:00:00", "2026-03-29T01:00:00+01:00", "closed", "2026-03-30T02:15:00+02:00", None),
        ("2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00", "closed", "2026-03-30T02:15:00+02:00", "skip"),
        # 03:00 becomes 02:00 on 2026-10-25: what lies between comes twice.
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00", "open", "2026-10-25T02:45:00+02:00", "twice"),
        ("2026-10-25T02:50:00", "2026-10-25T02:50:00+02:00", "closed", "2026-10-25T02:15:00+01:00", "twice"),
        ("2026-10-25T00:50:00Z", "2026-10-25T02:50:00+02:00", "closed", "2026-10-25T02:15:00+01:00", None),
        ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00+01:00", "open", "2026-10-25T02:45:00+01:00", None),
        ("2026-10-25T01:50:00Z", "2026-10-25T02:50:00+01:00", "closed", "2026-10-26T02:15:00+01:00", None),
    ],
)
def test_clock_changes_are_lived_through(at, local_time, state, next_change, warning):
    found = ask("02:15-02:45", at, **PARIS)
    assert (found.local_time, found.state, found.next_change) == (local_time, state, next_change)
    assert [warning in text for text in found.warnings] == [True] if warning else found.warnings == ()


CLOCK_CHANGES = {
    "Europe/Paris": ("2026-03-29T01:00:00", "2026-10-25T01:00:00"),
    "America/New_York": ("2026-03-08T07:00:00", "2026-11-01T06:00:00"),
    # Half an hour, and two hours.
    "Australia/Lord_Howe": ("2026-10-03T15:30:00", "2026-04-04T15:00:00"),
    "Antarctica/Troll": ("2026-03-29T01:00:00", "2026-10-25T01:00:00"),
}
SPANS = st.lists(
    st.tuples(st.integers(0, 24), st.integers(1, 12)).map(
        lambda span: (
            f"{span[0] // 4:02d}:{span[0] % 4 * 15:02d}-"
            f"{(span[0] + span[1]) // 4:02d}:{(span[0] + span[1]) % 4 * 15:02d}"
        )
    ),
    min_size=1,
    max_size=3,
).map(",".join)


@settings(max_examples=60)
@given(
    SPANS,
    st.sampled_from([(name, change) for name, changes in CLOCK_CHANGES.items() for change in changes]),
    st.integers(-360, 240),
)
def test_the_next_change_is_the_first_minute_at_which_the_clock_says_otherwise(spans, where, offset_min):
    name, change = where
    moment = (datetime.fromisoformat(change).replace(tzinfo=UTC) + timedelta(minutes=offset_min)).astimezone(zone(name))
    hours = read_hours(spans, None, None, None)

    def is_open_by_clock(at):
        shown = at.hour * 60 + at.minute
        return any(
            minutes_from_midnight(f"2026-01-01T{start}") <= shown < minutes_from_midnight(f"2026-01-01T{end}")
            for start, end in (span.split("-") for span in spans.split(","))
        )

    now = is_open_by_clock(moment)
    assert hours.state(moment)[0] == ("open" if now else "closed")
    walked = moment.astimezone(UTC)
    while is_open_by_clock(walked.astimezone(zone(name))) == now:
        walked += timedelta(minutes=1)
    following = hours.next_change(moment)
    assert following is not None
    assert following.astimezone(UTC) == walked


@pytest.mark.parametrize(
    ("opening_hours", "position", "words"),
    [
        ("nonsense", 1, "'nonsense'"),
        ("24/24", 1, "24/7"),
        ("Mo-Fr 25:00-26:00", 7, "'25:00-26:00'"),
        ("Mo-Fr 9-18", 7, "09:00-18:00"),
        ("Mo-Fr 09:00-", 13, "where it ends"),
        ("Mo-Fr 09:00-18:00;", 19, "where it ends"),
        ('Mo-Fr 09:00-18:00 "unclosed', 19, "double quotes"),
        ("Mo\u2013Fr 09:00-18:00", 3, "'\u2013Fr"),
        ("Mo-Fr\n09:00-18:00 x", 6, "opening_hours"),
        ('Mo 10:00-12:00 "closed for good"; Tu 8-9', 38, "'8-9'"),
        ("x" * 2000, 1, "…"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_with_its_position(opening_hours, position, words):
    with pytest.raises(InputError) as caught:
        ask(opening_hours, "2026-11-25T10:00:00")
    assert caught.value.param == "opening_hours"
    assert f"from character {position} on" in caught.value.message
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500


@settings(max_examples=200)
@given(st.text(alphabet='MoFrPHSu0129:-;,|/+[]() "offunknowsriset\n\u2013é', min_size=1, max_size=40))
def test_any_text_gives_an_answer_or_a_refusal(text):
    known = is_open(text, datetime(2026, 11, 25, 10), **MONACO)
    try:
        state = ask(text, "2026-11-25T10:00:00").state
    except InputError:
        state = "refused"
    assert known is {"open": True, "closed": False, "unknown": None, "refused": None}[state]


@pytest.mark.parametrize("opening_hours", ["Feb 30 10:00-12:00", "Mo-Fr 10:00-12:00; Jun 31 off"])
def test_a_day_that_no_year_has_is_refused(opening_hours):
    with pytest.raises(InputError, match="a day that no year has"):
        ask(opening_hours, "2026-11-25T10:00:00")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "1900-12-31T23:59:59", "9999-12-31T23:59:59-12:00"])
def test_years_without_answers_are_refused(at):
    with pytest.raises(InputError) as caught:
        ask("24/7", at)
    assert caught.value.param == "at"


def test_neither_zone_nor_coordinates_is_refused():
    with pytest.raises(ValidationError, match="give a timezone, or lat and lon"):
        OpenAtParams(opening_hours="24/7", at="2026-11-25T10:00:00")


def test_hours_made_to_be_slow_are_answered_at_once():
    found = ask("; ".join(["PH,SH,Mo-Su 00:00-48:00"] * 70), "2026-11-25T10:00:00")
    assert (found.state, found.next_change) == ("open", None)


def test_a_change_beyond_the_horizon_is_none():
    year = 2026 + HORIZON_DAYS // 365 + 2
    assert ask(f"{year} Mo 10:00-12:00", "2026-11-25T10:00:00").next_change is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Mo-Fr 09:00-18:00", True),
        ("Sa 09:00-18:00", False),
        ('"by appointment"', None),
        ("whenever we like", None),
        ("sunrise-sunset", True),
    ],
)
def test_is_open_says_yes_no_or_that_nobody_knows(raw, expected):
    assert is_open(raw, datetime(2026, 11, 25, 10), **MONACO) is expected
    assert is_open(raw, datetime(2026, 11, 25, 9, tzinfo=UTC), **MONACO) is expected


@given(
    st.sampled_from(["Mo-Fr 09:00-18:00; PH off", "sunrise-sunset", "22:00-04:00", '"ask"', "Mo-Su 02:00-03:00"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from([MONACO, OSLO, NEW_YORK, KATHMANDU]),
)
def test_is_open_agrees_with_open_at(raw, at, where):
    state = ask(raw, at, **where).state
    assert is_open(raw, at, **where) is {"open": True, "closed": False, "unknown": None}[state]
