"""Variants: named combinations of a KV policy and an exit schedule, chosen per request as `model:variant`."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.depth.registry import EXIT_SCHEDULES
from server.depth.schedule import ExitSchedule
from server.errors import ConfigError
from server.kv.plan import KVPlan
from server.kv.policy import KVPolicy, Retention
from server.kv.registry import KV_POLICIES


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run a loaded model. `index` is its place among the engine's.

    `retentions` has one entry per group of the engine's plan.
    """

    index: int
    name: str
    policy: KVPolicy
    schedule: ExitSchedule
    retentions: list[Retention]

    @property
    def caches_generated(self) -> bool:
        """Whether a generated token's KV equals that of the same token in a dense, full-depth prompt."""
        return self.policy.is_dense and self.schedule.is_full

    def layers_run(self, generated_index: int, num_layers: int) -> int:
        """Layers that the forward pass of generated token `generated_index` runs."""
        if self.schedule.is_full:
            return num_layers
        depth = self.schedule.depth(generated_index)
        return sum(self.schedule.runs(layer, depth, num_layers) for layer in range(num_layers))


# name -> (KV policy, exit schedule)
VARIANTS: dict[str, tuple[str, str]] = {
    "full": ("full", "full"),
}


def build_variants(names: Sequence[str], plan: KVPlan) -> dict[str, Variant]:
    """Instantiate the variants to serve; the first is the default.

    Raises:
        ConfigError: a name is unknown, or there is none.
    """
    if not names:
        raise ConfigError("name at least one variant to serve")
    variants: dict[str, Variant] = {}
    for name in names:
        if name not in VARIANTS:
            raise ConfigError(f"unknown variant {name!r}; known are {', '.join(VARIANTS)}")
        policy_name, schedule_name = VARIANTS[name]
        policy = KV_POLICIES[policy_name]()
        schedule = EXIT_SCHEDULES[schedule_name]()
        variants[name] = Variant(
            len(variants), name, policy, schedule, [policy.retention(group) for group in plan.groups]
        )
    return variants
