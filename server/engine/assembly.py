"""Builds an engine's parts in the order in which they need each other: model, plan, backend, pool, runner."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from server.attention.backend import AttentionBackend, AttentionSpec
from server.attention.registry import select_backend
from server.config import DEFAULT_VARIANTS, EngineConfig, ResolvedLimits
from server.depth.carried import carried_schedule
from server.depth.schedule import Band, ScheduleContext, common_bands
from server.engine.executor import Executor
from server.engine.memory import free_bytes, size_pool, work_hardest, working_bytes
from server.engine.rehearsal import rehearsal
from server.engine.request import EngineInfo
from server.engine.rows import RowStates
from server.engine.runner import Runner
from server.engine.sampler import Sampler
from server.engine.stopped import layers_of_groups
from server.engine.tokenizer import Tokenizer
from server.engine.variant_specs import parse_variants
from server.engine.variants import Variant, build_policies, build_variants, plan_for
from server.errors import ConfigError
from server.kv.formats import kv_format
from server.kv.manager import KVManager
from server.kv.plan import KVPlan
from server.kv.policy import PolicyContext
from server.kv.pool import PagePool
from server.kv.prefix import PrefixCache
from server.kv.table import PageTables
from server.models.base import Model
from server.models.registry import load_model
from server.parallel.shards import assign_heads
from server.parallel.team import ALONE, Team

logger = logging.getLogger(__name__)

SAMPLE_LEN = 4096
"""Tokens of each text that heads are scored on."""


class Stages:
    """How long the parts of loading take, one after another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last_s = time.monotonic()

    def end(self, name: str) -> None:
        """The part called `name` is done; the next begins."""
        now_s = time.monotonic()
        self.seconds[name] = now_s - self._last_s
        self._last_s = now_s


@dataclass(frozen=True, slots=True)
class Assembly:
    """What an engine is made of.

    Args:
        identity: names everything about the model that changes KV.
        group_layers: layers that each group of the plan has slots of, on any rank.
    """

    info: EngineInfo
    device: torch.device
    limits: ResolvedLimits
    identity: tuple[str, ...]
    model: Model
    plan: KVPlan
    group_layers: list[list[int]]
    variants: dict[str, Variant]
    tables: PageTables
    pool: PagePool
    manager: KVManager
    states: RowStates
    runner: Runner


def assemble(config: EngineConfig, team: Team = ALONE) -> Assembly:
    """Load the model and build everything around it; every rank of a team does so around its part of the model.

    Raises:
        ModelLoadError: the checkpoint cannot be loaded.
        ConfigError: the settings cannot work together.
    """
    stages = Stages()
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    model, model_dir = load_model(config, team)
    facts = model.config
    parameters = list(model.parameters())
    device, dtype = parameters[0].device, parameters[0].dtype
    team.connect(device)
    limits = config.resolve(device.type)
    num_kv_heads = facts.num_kv_heads // team.size
    carried = carried_schedule(model_dir)
    listed = config.variants
    if carried is not None and listed == DEFAULT_VARIANTS:
        listed = (*listed, str(carried["name"]))
    specs = parse_variants(listed)
    policies = build_policies(specs, _policy_context(model, model_dir, team))
    heads = assign_heads(1, facts.num_kv_heads, team.size)[0].tolist()
    plans = [plan_for(policies, facts.sliding_windows, heads, rank) for rank in range(team.size)]
    plan = plans[team.rank].to(device)
    schedules = ScheduleContext("", facts.num_layers, carried, config.force_skip)
    variants = build_variants(specs, policies, plan, schedules)
    fmt = kv_format(config.kv_format, dtype)
    spec = AttentionSpec(
        num_layers=facts.num_layers,
        num_heads=facts.num_heads // team.size,
        num_kv_heads=num_kv_heads,
        head_dim=facts.head_dim,
        scale=facts.attention_scale,
        dtype=dtype,
        kv_format=fmt,
        device=device,
        page_size=config.page_size,
        batch_invariant=config.batch_invariant,
        needs_scores=any(variant.policy.needs_scores for variant in variants.values()),
    )
    backend_type, refusals = select_backend(spec, config.attention_backend)
    slots = plan.slots_per_group
    page_bytes = config.page_size * slots * fmt.bytes_per_token(facts.head_dim)

    def build(num_pages: int, max_pages: int) -> tuple[PageTables, PagePool, AttentionBackend]:
        tables = PageTables(limits.max_rows, plan.num_groups, max_pages, device, is_followed=team.size > 1)
        pool = PagePool(num_pages, config.page_size, slots, facts.head_dim, fmt, device)
        return tables, pool, backend_type(spec, plan, pool, tables)

    bands = common_bands((variant.schedule for variant in variants.values()), facts.num_layers)
    sampler = Sampler(facts.vocab_size, limits.max_rows, device)
    model_len = config.max_model_len or facts.max_model_len
    stages.end("weights")
    budget = config.kv_memory_bytes
    working = 0
    if device.type == "cuda":
        # On the null page alone a step compiles all kernels, and needs all the memory, of any step but for its pages.
        tables, pool, attention = build(2, -(-model_len // config.page_size) + 1)
        with rehearsal():
            first_layer = Executor(model, attention, tables, pool, (Band(0, 0, 1),), device, team)
            work_hardest(first_layer, sampler, limits, model_len)
            if limits.graphs and attention.can_be_captured:
                first_layer.rehearse(sampler.greedy, limits.max_rows, limits.max_step_tokens)
        stages.end("kernels")
        if budget is None and config.num_pages is None:
            executor = Executor(model, attention, tables, pool, bands, device, team)
            working = working_bytes(executor, sampler, limits, model_len)
            del executor
        del first_layer, attention, pool, tables
    if budget is None and config.num_pages is None:
        # The same pages on every rank; on CPU, they share one memory.
        budget = team.smallest(free_bytes(device, working)) // (team.size if device.type == "cpu" else 1)
    size = size_pool(
        config,
        limits,
        plan,
        [variant.widest(model_len) for variant in variants.values()],
        page_bytes=page_bytes,
        model_len=model_len,
        budget_bytes=budget,
    )
    tables, pool, attention = build(size.num_pages, -(-max(size.max_model_lens) // config.page_size) + 1)
    manager = KVManager(plan, pool, tables, PrefixCache(pool, plan.num_groups) if config.prefix_caching else None)
    executor = Executor(model, attention, tables, pool, bands, device, team)
    stages.end("memory")
    if limits.graphs and attention.can_be_captured:
        executor.capture(sampler.greedy, limits.max_rows, limits.max_step_tokens)
        stages.end("graphs")
    states = RowStates(limits.max_rows, [band.start for band in bands])
    runner = Runner(executor, manager, states, bands, sampler)
    info = EngineInfo(
        model=config.served_name or str(config.model).rstrip("/").rsplit("/", 1)[-1],
        model_path=str(model_dir),
        max_model_len=min(size.max_model_lens),
        vocab_size=facts.vocab_size,
        eos_token_ids=list(facts.eos_token_ids),
        bos_token_id=facts.bos_token_id,
        variants=list(variants),
        default_variant=next(iter(variants)),
        page_size=config.page_size,
        num_pages=size.num_pages,
        num_groups=plan.num_groups,
        max_rows=limits.max_rows,
        dtype=str(dtype).removeprefix("torch."),
        device=str(device),
        attention_backend=backend_type.name,
        backend_refusals=refusals,
        num_parameters=sum(parameter.num_elements for parameter in model.weights()),
        load_s=sum(stages.seconds.values()),
        stages_s=stages.seconds,
        kv_format=fmt.name,
        kv_token_bytes=facts.num_layers * facts.num_kv_heads * fmt.bytes_per_token(facts.head_dim),
        variant_lens=dict(zip(variants, size.max_model_lens, strict=True)),
        descriptions={name: variant.description for name, variant in variants.items()},
        schedules={
            name: variant.schedule.identity for name, variant in variants.items() if not variant.schedule.is_full
        },
    )
    for name, description in info.descriptions.items():
        logger.info("variant %s: %s; up to %d tokens", name, description, info.limit_of(name))
    weights = (str(model_dir), config.revision or "", config.load_format, str(config.seed), config.weight_format)
    identity = (*weights, str(dtype), fmt.name)
    return Assembly(
        info=info,
        device=device,
        limits=limits,
        identity=identity,
        model=model,
        plan=plan,
        group_layers=layers_of_groups(plans),
        variants=variants,
        tables=tables,
        pool=pool,
        manager=manager,
        states=states,
        runner=runner,
    )


def _policy_context(model: Model, model_dir: Path, team: Team) -> PolicyContext:
    facts = model.config

    def score() -> torch.Tensor:
        # Only here: scoring is of no concern to engines whose patterns are files.
        from server.calibrate.head_scores import builtin_samples, score_heads

        if team.size > 1:
            raise ConfigError(
                "pattern=auto scores the heads of one whole model, which --tensor-parallel cuts up; make a pattern "
                "with 'rhumb calibrate duo' and name it with pattern=PATH"
            )
        tokenizer = Tokenizer.from_directory(str(model_dir))
        return score_heads(model, builtin_samples(tokenizer, min(SAMPLE_LEN, facts.max_model_len)))

    return PolicyContext(
        variant="",
        model_dir=model_dir,
        num_kv_heads=facts.num_kv_heads,
        sliding_windows=facts.sliding_windows,
        score_heads=score,
    )
