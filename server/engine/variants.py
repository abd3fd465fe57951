"""Variants: named combinations of a KV policy and an exit schedule, chosen per request as `model:variant`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from server.depth.registry import EXIT_SCHEDULES
from server.depth.schedule import ExitSchedule, Extent, ScheduleContext
from server.engine.variant_specs import VariantSpec
from server.errors import ConfigError
from server.kv.demand import most_pages
from server.kv.plan import KVPlan, plan_by_layer, plan_by_patterns
from server.kv.policy import UNLIMITED, KVPolicy, PolicyContext, Retention
from server.kv.registry import KV_POLICIES


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run a loaded model. `index` is its place among the engine's.

    Args:
        num_layers: of the model.
        retentions: one per group of the engine's plan, in the end.
        stretches: bool [groups], which of them keep more within a stretch; not those with the model's own window.
        sinks, recent: int64 [groups], of `retentions`.
        keeps_all: whether every group keeps everything.
    """

    index: int
    name: str
    policy: KVPolicy
    schedule: ExitSchedule
    num_layers: int
    retentions: list[Retention]
    stretches: np.ndarray
    sinks: np.ndarray
    recent: np.ndarray
    keeps_all: bool

    @property
    def caches_prompts(self) -> bool:
        """Whether prompts enter and come from the prefix cache."""
        return self.policy.prefix_namespace is not None

    @property
    def caches_generated(self) -> bool:
        """Whether a generated token's KV equals that of the same token in a full-depth prompt."""
        return self.caches_prompts and self.policy.is_uniform and self.schedule.is_full

    @property
    def description(self) -> str:
        """What this is, for people, in one line."""
        groups = int(np.count_nonzero(self.stretches))
        shares = f" ({groups} of {len(self.retentions)} page groups)" if groups else ""
        schedule = "" if self.schedule.is_full else f"; {self.schedule.describe(self.num_layers)}"
        return f"{self.policy.description}{shares}{schedule}"

    def retentions_since(self, since: int) -> list[Retention]:
        """The retentions within a stretch whose windows keep everything from `since` on."""
        if since == UNLIMITED:
            return self.retentions
        return [
            replace(retention, since=since) if is_stretched else retention
            for retention, is_stretched in zip(self.retentions, self.stretches.tolist(), strict=True)
        ]

    def reach(self, prompt_len: int) -> np.ndarray:
        """int64 [groups]: trailing positions that a row keeps at most, UNLIMITED for all."""
        return np.maximum(self.recent, np.where(self.stretches, self.policy.longest_stretch(prompt_len), 0))

    def most_pages(self, num_tokens: int, prompt_len: int, chunk: int, page_size: int) -> int:
        """Pages that a row with such a prompt holds at one time, at most, on its way to `num_tokens` positions."""
        if self.keeps_all:
            return -(-num_tokens // page_size) * len(self.retentions)
        pages = most_pages(self.sinks, self.reach(prompt_len), num_tokens, min(chunk, num_tokens), page_size)
        return int(pages.sum())

    def widest(self, prompt_len: int) -> list[Retention]:
        """What a row keeps at most, as if it were one stretch."""
        reach = np.minimum(self.reach(prompt_len), UNLIMITED).tolist()
        return [Retention(sinks, recent) for sinks, recent in zip(self.sinks.tolist(), reach, strict=True)]

    def layer_stops(self, prompt_len: int, max_tokens: int) -> np.ndarray:
        """int64 [layers]: generated tokens of such a request below this index run the layer."""
        return self.schedule.stops(self.num_layers, Extent(prompt_len, max_tokens))


def build_policies(specs: Sequence[VariantSpec], context: PolicyContext) -> dict[str, KVPolicy]:
    """The KV policy of each variant, by the variant's name.

    Args:
        context: the model's facts; its variant's name is filled in here.

    Raises:
        ConfigError: a policy is unknown, or cannot use its arguments.
    """
    policies: dict[str, KVPolicy] = {}
    for spec in specs:
        if spec.policy.name not in KV_POLICIES:
            known = ", ".join(KV_POLICIES)
            raise ConfigError(f"variant {spec.name!r}: there is no KV policy {spec.policy.name!r}; known are {known}")
        policy = KV_POLICIES[spec.policy.name]
        policies[spec.name] = policy.build(spec.policy.arguments, replace(context, variant=spec.name))
    return policies


def plan_for(
    policies: Mapping[str, KVPolicy],
    sliding_windows: Sequence[int | None],
    heads_of_ranks: Sequence[Sequence[int]],
    rank: int,
) -> KVPlan:
    """The one plan of an engine that serves all these: by layer, or where heads stream, by what streams together."""
    streaming = {name: policy.streaming for name, policy in policies.items() if policy.streaming is not None}
    if not streaming:
        return plan_by_layer(len(heads_of_ranks[rank]), list(sliding_windows))
    return plan_by_patterns(heads_of_ranks, rank, sliding_windows, streaming)


def build_variants(
    specs: Sequence[VariantSpec], policies: Mapping[str, KVPolicy], plan: KVPlan, context: ScheduleContext
) -> dict[str, Variant]:
    """The variants to serve; the first is the default.

    Args:
        context: the model's facts; its variant's name is filled in here.

    Raises:
        ConfigError: an exit schedule is unknown, or cannot use its arguments, or the checkpoint would not bear it.
    """
    variants: dict[str, Variant] = {}
    for index, spec in enumerate(specs):
        schedule = spec.schedule
        if schedule.name not in EXIT_SCHEDULES:
            known = ", ".join(EXIT_SCHEDULES)
            raise ConfigError(f"variant {spec.name!r}: there is no exit schedule {schedule.name!r}; known are {known}")
        policy = policies[spec.name]
        retentions = [policy.retention(group) for group in plan.groups]
        variants[spec.name] = Variant(
            index=index,
            name=spec.name,
            policy=policy,
            schedule=EXIT_SCHEDULES[schedule.name].build(schedule.arguments, replace(context, variant=spec.name)),
            num_layers=context.num_layers,
            retentions=retentions,
            stretches=np.array(
                [
                    group.sliding_window is None and not retention.keeps_all
                    for group, retention in zip(plan.groups, retentions, strict=True)
                ]
            ),
            sinks=np.array([retention.sinks for retention in retentions], dtype=np.int64),
            recent=np.array([retention.recent for retention in retentions], dtype=np.int64),
            keeps_all=all(retention.keeps_all for retention in retentions),
        )
    return variants
