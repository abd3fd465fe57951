"""The order of visits against trying all orders."""

import math
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.maps.embedded.visiting_order import MAX_EXACT, duration, quickest_order


def times(num_stops: int) -> st.SearchStrategy[list[list[float]]]:
    some = st.one_of(st.integers(1, 50).map(float), st.just(math.inf))
    return st.lists(st.lists(some, min_size=num_stops, max_size=num_stops), min_size=num_stops, max_size=num_stops)


def tour(order: tuple[int, ...]) -> list[int]:
    return [0, *(stop + 1 for stop in order), len(order) + 1]


@settings(max_examples=60)
@given(st.integers(2, 7).flatmap(times))
def test_the_order_is_the_quickest_of_all(table: list[list[float]]) -> None:
    num_between = len(table) - 2
    least = min(duration(table, tour(order)) for order in permutations(range(num_between)))
    found = quickest_order(table)
    if math.isinf(least):
        assert found is None
    else:
        assert found is not None
        assert sorted(found) == list(range(num_between))
        assert duration(table, tour(found)) == least


def test_more_stops_than_are_tried_exactly_come_in_a_good_order() -> None:
    # Around a circle, in a scrambled numbering; the best tour goes round once.
    num_stops = MAX_EXACT + 8
    where = [number * 7 % num_stops for number in range(num_stops)]
    where[0], where[where.index(0)] = 0, where[0]
    end = where.index(num_stops - 1)
    where[end], where[-1] = where[-1], num_stops - 1
    table = [[float(abs(a - b)) for b in where] for a in where]
    found = quickest_order(table)
    assert found is not None
    assert duration(table, tour(found)) == num_stops - 1


def test_equal_orders_are_taken_by_index() -> None:
    assert quickest_order([[1.0] * 6 for _ in range(6)]) == (0, 1, 2, 3)
