"""KVPlan: which (layer, KV head) slots share a page table.

Built once per engine. A group is the unit of paging: its slots always keep the same positions.
All groups have the same number of slots, so one pool of equal pages serves them all.
"""

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
        streams: whether a head pattern marked these slots as streaming.
        sliding_window: the model's own attention window of its layers, or None.
    """

    index: int
    slots: tuple[tuple[int, int], ...]
    band: int = 0
    streams: bool = False
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
