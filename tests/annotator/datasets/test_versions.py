"""Versions of snapshots."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.datasets.versions import Version, least_version, parse_version, reason_against
from annotator.errors import InputError

words = st.one_of(st.integers(0, 99).map(str), st.sampled_from(["alpha", "beta", "rc", "x-1"]))
versions = st.builds(
    Version, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.lists(words, max_size=3).map(tuple)
)
counts = st.integers(0, 3)


def test_versions_are_ordered_as_the_specification_orders_them() -> None:
    texts = (
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.10.0"
    )
    assert all(parse_version(one) < parse_version(two) for one, two in pairwise(texts.split()))


@given(versions)
def test_a_version_is_read_as_it_is_written(version) -> None:
    assert parse_version(str(version)) == version


NO_VERSIONS = ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+x", "1.0.0\n", "1" * 70]


@pytest.mark.parametrize("text", [*NO_VERSIONS, "\u0663.0.0"])
def test_what_is_no_version_is_refused(text) -> None:
    with pytest.raises(InputError):
        parse_version(text)


@given(versions, counts, counts, counts)
def test_the_least_version_may_follow_and_nothing_below_it_may(parent, added, removed, changed) -> None:
    least = least_version(parent, num_added=added, num_removed=removed, num_changed=changed)
    assert least > parent
    assert reason_against(least, parent, least) is None
    assert reason_against(parent, parent, least) is not None
    if (removed or changed) and parent.major and not parent.pre:
        assert reason_against(Version(parent.major, parent.minor + 1, 0), parent, least) is not None
    if added and not parent.pre:
        assert reason_against(Version(parent.major, parent.minor, parent.patch + 1), parent, least) is not None
