"""KVPlan: which (layer, KV head) slots share a page table.

Built once per engine. A group is the unit of paging: its slots always keep the same positions.
All groups have the same number of slots, so one pool of equal pages serves them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from server.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Group:
    """Slots with one page table.

    Args:
        index: position in `KVPlan.groups`.
        slots: (layer, KV head) pairs, in index-in-group order.
        band: the band all its layers belong to.
        streams: names of the variants under whose head patterns all of these slots stream.
        sliding_window: the model's own attention window of its layers, or None.
    """

    index: int
    slots: tuple[tuple[int, int], ...]
    band: int = 0
    streams: frozenset[str] = frozenset()
    sliding_window: int | None = None


@dataclass(frozen=True)
class KVPlan:
    """Maps slot -> (group, index in group).

    Args:
        group_of_head: int32 [layers, kv_heads].
        index_of_head: int32 [layers, kv_heads].
    """

    groups: tuple[Group, ...]
    group_of_head: torch.Tensor
    index_of_head: torch.Tensor

    @property
    def num_groups(self) -> int:
        return len(self.groups)

    @property
    def slots_per_group(self) -> int:
        return len(self.groups[0].slots)

    def to(self, device: torch.device) -> "KVPlan":
        return KVPlan(self.groups, self.group_of_head.to(device), self.index_of_head.to(device))


def plan_from_groups(groups: tuple[Group, ...], num_layers: int, num_kv_heads: int) -> KVPlan:
    """Check that `groups` cover every slot once and are of one size, and build the lookup tensors."""
    sizes = {len(group.slots) for group in groups}
    if len(sizes) != 1:
        raise ConfigError(f"KV groups must have one size, not {sorted(sizes)}")
    group_of_head = torch.full((num_layers, num_kv_heads), -1, dtype=torch.int32)
    index_of_head = torch.full((num_layers, num_kv_heads), -1, dtype=torch.int32)
    for group in groups:
        for index, (layer, head) in enumerate(group.slots):
            if group_of_head[layer, head] != -1:
                raise ConfigError(f"KV slot (layer {layer}, head {head}) is in two groups")
            group_of_head[layer, head] = group.index
            index_of_head[layer, head] = index
    if (group_of_head < 0).any():
        raise ConfigError("KV groups leave some slots out")
    return KVPlan(groups, group_of_head, index_of_head)


def plan_by_layer(num_kv_heads: int, sliding_windows: list[int | None]) -> KVPlan:
    """Without head patterns, group g is layer g. `sliding_windows` has one entry per layer."""
    groups = tuple(
        Group(
            index=layer,
            slots=tuple((layer, head) for head in range(num_kv_heads)),
            sliding_window=sliding_window,
        )
        for layer, sliding_window in enumerate(sliding_windows)
    )
    return plan_from_groups(groups, len(sliding_windows), num_kv_heads)


def plan_by_patterns(
    heads_of_ranks: Sequence[Sequence[int]],
    rank: int,
    sliding_windows: Sequence[int | None],
    streaming: Mapping[str, torch.Tensor],
) -> KVPlan:
    """Slots that stream together share groups, which may span layers; layers with a window keep groups of their own.

    Slots are sorted by the set of variants under which they stream, then by layer and head, and cut into groups of
    one size. A group in which only some stream keeps what the others need. All ranks get the same groups, of their
    own slots each, because they share page tables: a group streams where it does so on every rank.

    Args:
        heads_of_ranks: the model's KV heads that each rank has, equally many.
        rank: whose plan this is.
        sliding_windows: one entry per layer.
        streaming: variant name -> bool [layers, kv_heads] of the whole model.
    """
    names = list(streaming)
    size = len(heads_of_ranks[0])
    layers = [layer for layer, width in enumerate(sliding_windows) if width is None]
    # [ranks][slots]: (number of variants, which ones, layer, head on the rank).
    flags = {name: mask.tolist() for name, mask in streaming.items()}
    ordered = []
    for heads in heads_of_ranks:
        slots = []
        for layer in layers:
            for index, head in enumerate(heads):
                under = tuple(flags[name][layer][head] for name in names)
                slots.append((sum(under), under, layer, index))
        ordered.append(sorted(slots))
    groups: list[Group] = []
    for start in range(0, len(ordered[0]), size):
        members = [slot for slots in ordered for slot in slots[start : start + size]]
        groups.append(
            Group(
                index=len(groups),
                slots=tuple((layer, index) for _, _, layer, index in ordered[rank][start : start + size]),
                streams=frozenset(name for place, name in enumerate(names) if all(slot[1][place] for slot in members)),
            )
        )
    for layer, width in enumerate(sliding_windows):
        if width is not None:
            own = tuple((layer, index) for index in range(size))
            groups.append(Group(index=len(groups), slots=own, sliding_window=width))
    return plan_from_groups(tuple(groups), len(sliding_windows), size)
