"""Splits: which part of a dataset an item belongs to, such that nothing a model could have seen is in two of them.

Items that share a context, or a place, are one group and stay together. Groups are dealt out by size and by a hash of
their content and the seed, so that the same content always falls the same way, whatever its ids and its order.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from annotator.cache.json_text import canonical, sha256_hex

WHOLE = "all"
"""The one split of a dataset that is not divided."""

SplitName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Share = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class SplitSpec(BaseModel):
    """How to divide a dataset.

    Args:
        by: `context` keeps the items of a context together, `place` those that share any place too; `none` does not
            divide.
        seed: another one deals the groups out another way.
        shares: weight of each split; they need not add up to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["context", "place", "none"] = "context"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    shares: dict[SplitName, Share] = Field(
        default={"train": 0.8, "validation": 0.1, "test": 0.1}, min_length=1, max_length=20
    )

    @model_validator(mode="after")
    def _not_the_whole(self) -> Self:
        if WHOLE in self.shares and len(self.shares) > 1:
            raise ValueError(f"no split beside others can be called '{WHOLE}'")
        return self


@dataclass(frozen=True, slots=True)
class Member:
    """What dividing has to know of an item.

    Args:
        content_sha: of the question.
        context: what names its context.
        places: ids of its places.
    """

    content_sha: str
    context: str
    places: frozenset[str] = frozenset()


def divide(members: Sequence[Member], spec: SplitSpec) -> list[str]:
    """The split of each member, in their order.

    A group goes to the split that lacks most of its share; the largest groups go first, so that shares come out well.
    """
    if spec.by == "none":
        return [WHOLE] * len(members)
    groups = _groups(members, by_place=spec.by == "place")
    total = sum(spec.shares.values())
    wanted = {name: len(members) * share / total for name, share in spec.shares.items()}
    given: Counter[str] = Counter()
    found = [""] * len(members)
    for group in sorted(groups, key=lambda group: (-len(group), _hash(members, group, spec.seed))):
        name = max(wanted, key=lambda name: (wanted[name] - given[name], name))
        given[name] += len(group)
        for index in group:
            found[index] = name
    return found


def _groups(members: Sequence[Member], *, by_place: bool) -> list[list[int]]:
    """Indices of members that belong together."""
    parents = list(range(len(members)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first_with: dict[Hashable, int] = {}
    for index, member in enumerate(members):
        keys: list[Hashable] = [("context", member.context)]
        if by_place:
            keys += [("place", pid) for pid in member.places]
        for key in keys:
            parents[root(index)] = root(first_with.setdefault(key, index))
    groups: dict[int, list[int]] = {}
    for index in range(len(members)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def _hash(members: Sequence[Member], group: Sequence[int], seed: int) -> str:
    return sha256_hex(canonical([seed, sorted(members[index].content_sha for index in group)]))
