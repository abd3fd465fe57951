"""Splits: nothing in two of them, whatever the order, by shares as far as groups allow."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from annotator.cache.json_text import sha256_hex
from annotator.datasets.splits import Member, SplitSpec, divide

names = st.sampled_from(["train", "validation", "test", "a", "b"])
specs = st.builds(
    SplitSpec,
    by=st.sampled_from(["context", "place"]),
    seed=st.integers(0, 2**31 - 1),
    shares=st.dictionaries(names, st.floats(0.01, 100), min_size=1, max_size=5),
)


@st.composite
def datasets(draw) -> list[Member]:
    num_items = draw(st.integers(0, 40))
    places = st.frozensets(st.integers(0, 40).map(lambda n: f"osm:n{n}"), max_size=3)
    return [
        Member(sha256_hex(str(index).encode()), f"c{draw(st.integers(0, 25))}", draw(places))
        for index in range(num_items)
    ]


@settings(max_examples=50, deadline=None)
@given(datasets(), specs)
def test_no_context_and_when_asked_no_place_is_in_two_splits(members, spec) -> None:
    found = divide(members, spec)
    assert len(found) == len(members)
    homes = defaultdict(set)
    for member, name in zip(members, found, strict=True):
        assert name in spec.shares
        homes[member.context].add(name)
        if spec.by == "place":
            for pid in member.places:
                homes[pid].add(name)
    assert all(len(home) == 1 for home in homes.values())


@settings(max_examples=40, deadline=None)
@given(datasets(), specs, st.randoms(use_true_random=False))
def test_the_same_content_falls_the_same_way_whatever_its_order_and_its_ids(members, spec, random) -> None:
    renamed = [Member(member.content_sha, f"other-{member.context}", member.places) for member in members]
    order = list(range(len(members)))
    random.shuffle(order)
    shuffled = divide([renamed[index] for index in order], spec)
    found = divide(members, spec)
    assert [found[index] for index in order] == shuffled


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), specs)
def test_shares_come_out_to_one_group_where_groups_are_single_items(num_items, spec) -> None:
    members = [Member(sha256_hex(str(index).encode()), f"c{index}") for index in range(num_items)]
    sizes = Counter(divide(members, spec))
    total = sum(spec.shares.values())
    for name, share in spec.shares.items():
        assert abs(sizes[name] - num_items * share / total) < len(spec.shares)


def test_another_seed_deals_out_another_way() -> None:
    members = [Member(sha256_hex(str(index).encode()), f"c{index}") for index in range(50)]
    assert divide(members, SplitSpec(seed=1)) != divide(members, SplitSpec(seed=2))


def test_what_is_not_divided_is_one_split() -> None:
    assert divide([Member("a" * 64, "c1"), Member("b" * 64, "c2")], SplitSpec(by="none")) == ["all", "all"]


@pytest.mark.parametrize(
    "shares", [{}, {"train": 0}, {"train": -1}, {"Train": 1}, {"train": float("inf")}, {"all": 1, "test": 1}]
)
def test_shares_that_cannot_be_are_refused(shares) -> None:
    with pytest.raises(ValidationError):
        SplitSpec(shares=shares)
