"""When an answer is right: by kind, by tolerance, and by properties that hold for all of them."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from annotator.geo import haversine_m
from annotator.questions.answers import (
    DistanceAnswer,
    DurationAnswer,
    NumberAnswer,
    OrderedListAnswer,
    PlaceAnswer,
    PointAnswer,
    SetAnswer,
    TextAnswer,
    TimeAnswer,
    is_empty,
)
from annotator.review.given import Keys, Unanswerable
from annotator.review.match import classes, is_right, is_same, loosely

relaxed = settings(deadline=None)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(0, 1e6, allow_nan=False)
times = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
lats, lons = st.floats(-90, 90), st.floats(-180, 180)

ANSWERS = st.one_of(
    st.builds(Keys, keys=st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4, unique=True).map(tuple)),
    st.just(Unanswerable()),
    st.builds(TextAnswer, value=words, normaliser=st.sampled_from(["exact", "loose"])),
    st.builds(NumberAnswer, value=numbers, unit=st.sampled_from(["", "km"]), abs_tol=positive, rel_tol=st.floats(0, 1)),
    st.builds(DurationAnswer, value_s=positive, abs_tol_s=positive),
    st.builds(DistanceAnswer, value_m=positive, abs_tol_m=positive, rel_tol=st.floats(0, 1)),
    st.builds(TimeAnswer, value=times, abs_tol_s=positive),
    st.builds(PlaceAnswer, pid=st.sampled_from(["", "town:n1", "town:n2", "osm:n1"]), name=words),
    st.builds(PointAnswer, lat=lats, lon=lons, max_m=positive),
    st.builds(OrderedListAnswer, items=st.lists(words, min_size=1, max_size=4).map(tuple)),
    st.builds(SetAnswer, items=st.lists(words, min_size=1, max_size=4).map(tuple)),
)


@relaxed
@given(ANSWERS)
def test_every_answer_equals_itself_unless_it_is_empty(answer):
    is_blank = not isinstance(answer, Keys | Unanswerable) and is_empty(answer)
    assert is_right(answer, answer) is not is_blank
    assert is_same(answer, answer) is not is_blank


@relaxed
@given(ANSWERS, ANSWERS, st.none() | ANSWERS)
def test_sameness_is_symmetric(a, b, gold):
    assert is_same(a, b, gold) == is_same(b, a, gold)


@relaxed
@given(ANSWERS, ANSWERS)
def test_an_answer_of_another_kind_is_wrong(a, b):
    assume(type(a) is not type(b))
    assert not is_right(a, b)


@relaxed
@given(st.lists(ANSWERS, max_size=8), st.none() | ANSWERS)
def test_class_zero_is_what_is_right_and_every_class_agrees_with_its_first(answers, gold):
    found = classes(answers, gold)
    heads = {}
    for answer, number in zip(answers, found, strict=True):
        if number == 0:
            assert is_same(gold, answer, gold)
        else:
            assert gold is None or not is_same(gold, answer, gold)
            assert heads.setdefault(number, answer) is answer or is_same(heads[number], answer, gold)
    assert sorted(heads) == list(range(1, len(heads) + 1))


@relaxed
@given(st.sets(st.sampled_from("ABCD"), min_size=1), st.sets(st.sampled_from("ABCD"), min_size=1), st.randoms())
def test_options_are_right_exactly_when_the_same_ones_are_marked(gold, marked, random):
    order = sorted(marked)
    random.shuffle(order)
    assert is_right(Keys(keys=sorted(gold)), Keys(keys=order)) == (gold == marked)


@relaxed
@given(numbers, numbers, positive, st.floats(0, 1))
def test_a_number_is_right_within_the_wider_of_its_tolerances(gold, said, abs_tol, rel_tol):
    allowed = max(abs_tol, rel_tol * abs(gold))
    apart = abs(gold - said)
    assume(not math.isclose(apart, allowed, rel_tol=1e-6, abs_tol=1e-6))
    assume(apart == 0 or apart > 1e-6 * max(abs(gold), abs(said)))
    spec = NumberAnswer(value=gold, abs_tol=abs_tol, rel_tol=rel_tol)
    assert is_right(spec, NumberAnswer(value=said)) == (apart <= allowed)


@relaxed
@given(lats, lons, lats, lons, st.floats(0, 2e7))
def test_a_point_is_right_within_its_distance(lat, lon, other_lat, other_lon, max_m):
    apart = haversine_m((lat, lon), (other_lat, other_lon))
    assume(abs(apart - max_m) > 1e-6)
    spec = PointAnswer(lat=lat, lon=lon, max_m=max_m)
    assert is_right(spec, PointAnswer(lat=other_lat, lon=other_lon)) == (apart <= max_m)


@relaxed
@given(st.lists(words, min_size=1, max_size=6), st.randoms())
def test_a_set_forgets_order_and_a_list_does_not(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    assume(any(item.strip() for item in items))
    assert is_right(SetAnswer(items=tuple(items)), SetAnswer(items=tuple(shuffled)))
    plain = [loosely(item) for item in items if item.strip()]
    same_order = plain == [loosely(item) for item in shuffled if item.strip()]
    assert is_right(OrderedListAnswer(items=tuple(items)), OrderedListAnswer(items=tuple(shuffled))) == same_order


@relaxed
@given(words)
def test_loose_text_stays_as_it_is_when_loosened_again(text):
    once = loosely(text)
    assert loosely(once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Café-Lumen!", "cafe lumen"),
        ("STRASSE", "straße"),
        ("O'Brien\u2019s", "obriens"),
        ("  two   words ", "two words"),
        ("\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}", "é"),
        ("مَقْهَى", "مقهى"),
        ("ﬁsh", "fish"),
        ("\u22125", "-5"),
    ],
)
def test_text_that_is_loosely_the_same(one, other):
    assert loosely(one) == loosely(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("C", "C++"), ("5", "-5"), ("が", "か"), ("कु", "के"), ("3.5", "35"), ("The", "A"), ("Lumen", "Lumens")],
)
def test_text_that_is_not_the_same(one, other):
    assert loosely(one) != loosely(other)


@pytest.mark.parametrize(
    ("gold", "given_answer", "right"),
    [
        (TextAnswer(value="Lumen", aliases=("Café Lumen",)), TextAnswer(value="CAFE LUMEN"), True),
        (TextAnswer(value="Lumen", normaliser="exact"), TextAnswer(value="lumen"), False),
        (NumberAnswer(value=0.2, abs_tol=0.1), NumberAnswer(value=0.3), True),
        (NumberAnswer(value=5, unit="km"), NumberAnswer(value=5, unit="Km."), True),
        (NumberAnswer(value=5, unit="km"), NumberAnswer(value=5, unit="m"), False),
        (DurationAnswer(value_s=600), DurationAnswer(value_s=659), True),
        (DurationAnswer(value_s=600), DurationAnswer(value_s=661), False),
        (DistanceAnswer(value_m=1000), DistanceAnswer(value_m=1050), True),
        (DistanceAnswer(value_m=1000), DistanceAnswer(value_m=1051), False),
        (TimeAnswer(value="23:59", abs_tol_s=120), TimeAnswer(value="00:01"), True),
        (TimeAnswer(value="23:59", abs_tol_s=119), TimeAnswer(value="00:01"), False),
        (TimeAnswer(value="2026-07-01T09:00"), TimeAnswer(value="09:00"), False),
        (TimeAnswer(value="09:00"), TimeAnswer(value="2026-07-01T09:00"), True),
        (TimeAnswer(value="2026-07-01T23:59", abs_tol_s=120), TimeAnswer(value="2026-07-02T00:01"), True),
        (TimeAnswer(value="2026-07-01T23:59", abs_tol_s=120), TimeAnswer(value="2026-07-01T00:01"), False),
        (TimeAnswer(value="2026-02-30T09:00"), TimeAnswer(value="2026-02-28T09:00"), False),
        (PlaceAnswer(pid="town:n1", name="Lumen"), PlaceAnswer(pid="town:n1"), True),
        (PlaceAnswer(pid="town:n1", name="Lumen"), PlaceAnswer(name="the lumen"), True),
        # Two branches share a name; their ids tell them apart.
        (PlaceAnswer(pid="town:n1", name="Lumen"), PlaceAnswer(pid="town:n2", name="Lumen"), False),
        (PlaceAnswer(pid="town:n1", name="Lumen"), PlaceAnswer(pid="osm:n2", name="Lumen"), True),
        (
            PlaceAnswer(pid="town:n1", name="Lumen", lat=0, lon=0, max_m=200),
            PlaceAnswer(pid="town:n2", name="Other", lat=0.001, lon=0),
            True,
        ),
        (PlaceAnswer(name="Lumen", lat=0, lon=0), PlaceAnswer(name="Other", lat=0, lon=0), False),
        (PointAnswer(lat=0, lon=179.9999, max_m=50), PointAnswer(lat=0, lon=-179.9999), True),
        (OrderedListAnswer(items=("A", "the B")), OrderedListAnswer(items=("a", "b", " ")), True),
        (SetAnswer(items=("Lumen", "Panello")), SetAnswer(items=("panello", "lumen", "Lumen")), True),
        (SetAnswer(items=("Lumen",)), SetAnswer(items=("Lumen", "Panello")), False),
        (TextAnswer(), TextAnswer(), False),
        (Unanswerable(), Unanswerable(), True),
        (Unanswerable(), TextAnswer(value="The context does not say"), False),
    ],
)
def test_what_is_right_by_kind(gold, given_answer, right):
    assert is_right(gold, given_answer) is right
