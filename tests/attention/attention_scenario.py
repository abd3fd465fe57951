"""Random attention problems, and the plain dense float64 answer to them."""

from dataclasses import dataclass, replace

import torch
from hypothesis import strategies as st

from server.attention.backend import AttentionBackend, AttentionSpec
from server.engine.batch import StepBatch
from server.kv.formats import KVFormat, dequantize, kv_format, quantize
from server.kv.plan import Group, KVPlan, plan_from_groups
from server.kv.policy import ALL, Retention, window
from server.kv.pool import PagePool
from server.kv.table import PageTables

NAN = float("nan")


@dataclass(frozen=True)
class Setting:
    """Where and in which numbers attention runs."""

    dtype: torch.dtype = torch.float32
    kv_format: str = "auto"
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    is_invariant: bool = False

    @property
    def fmt(self) -> KVFormat:
        return kv_format(self.kv_format, self.dtype)


@dataclass(frozen=True)
class Shape:
    """A model's attention and how its slots are grouped.

    Args:
        groups: the slots of each group, as numbers `layer * num_kv_heads + head`.
    """

    num_layers: int
    num_kv_heads: int
    heads_per_kv: int
    head_dim: int
    page_size: int
    groups: tuple[tuple[int, ...], ...]

    def spec(self, setting: "Setting | None" = None) -> AttentionSpec:
        setting = setting or Setting()
        return AttentionSpec(
            num_layers=self.num_layers,
            num_heads=self.num_kv_heads * self.heads_per_kv,
            num_kv_heads=self.num_kv_heads,
            head_dim=self.head_dim,
            scale=self.head_dim**-0.5,
            dtype=setting.dtype,
            kv_format=setting.fmt,
            device=setting.device,
            page_size=self.page_size,
            batch_invariant=setting.is_invariant,
        )

    def plan(self) -> KVPlan:
        groups = tuple(
            Group(index, tuple(divmod(slot, self.num_kv_heads) for slot in slots))
            for index, slots in enumerate(self.groups)
        )
        return plan_from_groups(groups, self.num_layers, self.num_kv_heads)


@dataclass(frozen=True)
class RowSpec:
    """A row with `history` cached positions and `num_new` tokens; one retention per group."""

    history: int
    num_new: int
    retentions: tuple[Retention, ...]


@st.composite
def small_shapes(draw: st.DrawFn) -> Shape:
    """Shapes for backends that run in an interpreter."""
    num_kv_heads = draw(st.sampled_from([1, 2]))
    slots = list(draw(st.permutations(range(num_kv_heads))))
    size = draw(st.sampled_from([1, num_kv_heads]))
    return Shape(
        num_layers=1,
        num_kv_heads=num_kv_heads,
        heads_per_kv=draw(st.sampled_from([1, 2, 3])),
        head_dim=draw(st.sampled_from([8, 16, 24])),
        page_size=draw(st.sampled_from([1, 3, 5, 16])),
        groups=tuple(tuple(slots[i : i + size]) for i in range(0, num_kv_heads, size)),
    )


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    num_layers = draw(st.integers(1, 3))
    num_kv_heads = draw(st.sampled_from([1, 2, 3, 4]))
    slots = list(range(num_layers * num_kv_heads))
    if draw(st.booleans()):
        slots = list(draw(st.permutations(slots)))
        size = draw(st.sampled_from([n for n in range(1, len(slots) + 1) if len(slots) % n == 0]))
    else:
        size = num_kv_heads
    return Shape(
        num_layers=num_layers,
        num_kv_heads=num_kv_heads,
        heads_per_kv=draw(st.sampled_from([1, 2, 3, 4])),
        head_dim=draw(st.sampled_from([1, 8, 20, 32, 80, 128])),
        page_size=draw(st.sampled_from([1, 2, 3, 5, 16, 64])),
        groups=tuple(tuple(slots[i : i + size]) for i in range(0, len(slots), size)),
    )


retentions = st.one_of(
    st.just(ALL),
    st.builds(window, sinks=st.integers(0, 40), recent=st.integers(1, 60)),
    st.just(window(0, 1)),
    st.builds(
        Retention, sinks=st.integers(0, 40), recent=st.integers(1, 60), since=st.sampled_from([0]) | st.integers(0, 160)
    ),
)


@st.composite
def rows(draw: st.DrawFn, shape: Shape, max_new: int = 40, max_rows: int = 6, max_history: int = 120) -> list[RowSpec]:
    """Prefill rows first, as in a batch."""
    num_new = st.one_of(st.just(1), st.integers(1, max_new))
    row = st.builds(
        RowSpec,
        history=st.one_of(st.just(0), st.integers(0, max_history)),
        num_new=num_new,
        retentions=st.tuples(*[retentions] * len(shape.groups)),
    )
    chosen = draw(st.lists(row, min_size=1, max_size=max_rows))
    return sorted(chosen, key=lambda row: row.num_new == 1)


class Scenario:
    """Pools, tables and a batch, with every number that no query may see set to NaN.

    Args:
        k: per row, float32 [layers, positions, kv_heads, head_dim], history and new tokens; so is v.
        q: float32 [layers, tokens, heads, head_dim].
        seed: chooses row numbers and pages.
    """

    def __init__(
        self,
        shape: Shape,
        row_specs: list[RowSpec],
        q: torch.Tensor,
        k: list[torch.Tensor],
        v: list[torch.Tensor],
        seed: int,
        setting: Setting | None = None,
    ) -> None:
        self.setting = setting or Setting()
        self.shape = shape
        self.row_specs = row_specs
        self.spec, self.plan = shape.spec(self.setting), shape.plan()
        dtype, fmt, device = self.setting.dtype, self.setting.fmt, self.setting.device
        self.q, self.k, self.v = q.to(dtype), [x.to(dtype) for x in k], [x.to(dtype) for x in v]
        random = torch.Generator().manual_seed(seed)
        lengths = [row.history + row.num_new for row in row_specs]
        max_pages = max(lengths) // shape.page_size + 2
        max_rows = len(row_specs) + 3
        self.row_ids = torch.randperm(max_rows, generator=random)[: len(row_specs)]
        num_pages = len(row_specs) * self.plan.num_groups * max_pages + 2
        self.pool = PagePool(num_pages, shape.page_size, self.plan.slots_per_group, shape.head_dim, fmt, device)
        if fmt.dtype.is_floating_point:
            self.pool.storage.copy_(torch.full_like(self.pool.storage, NAN, dtype=torch.float32))
        if self.pool.params is not None:
            self.pool.params.fill_(NAN)
        self.tables = PageTables(max_rows, self.plan.num_groups, max_pages, device)
        free_pages = (torch.randperm(num_pages - 1, generator=random) + 1).tolist()
        for index, row in enumerate(row_specs):
            self.tables.set_retention(int(self.row_ids[index]), list(row.retentions))
            for group in self.plan.groups:
                history = torch.arange(row.history)
                seen = self._allocate(index, group, free_pages)
                self.store(self.pool.storage, self.pool.params, index, group, history[seen[: row.history]])
        self.tables.pages.copy_(torch.from_numpy(self.tables.host))
        updates = self.tables.drain()
        if updates is not None:
            self.tables.apply(updates)

    def _allocate(self, index: int, group: Group, free_pages: list[int]) -> torch.Tensor:
        """Give the group pages for the positions that the row's queries see; bool [positions]."""
        row = self.row_specs[index]
        retention = row.retentions[group.index]
        positions = torch.arange(row.history + row.num_new)
        window = min(row.history - retention.recent + 1, retention.since, row.history)
        seen = (positions < retention.sinks) | (positions >= window)
        table = self.tables.host[int(self.row_ids[index]), group.index]
        for entry in (positions[seen] // self.shape.page_size).unique().tolist():
            table[entry] = free_pages.pop()
        return seen

    def store(
        self, storage: torch.Tensor, params: torch.Tensor | None, index: int, group: Group, positions: torch.Tensor
    ) -> None:
        """Put the row's true K and V of `positions` where they belong in `storage` and `params`."""
        layers, heads = torch.tensor(group.slots).T
        tables = torch.from_numpy(self.tables.host)
        pages = tables[self.row_ids[index], group.index, positions // self.shape.page_size].long()
        where = (pages.to(storage.device), (positions % self.shape.page_size).to(storage.device))
        for kind, true in ((0, self.k[index]), (1, self.v[index])):
            numbers = true[layers[None], positions[:, None], heads[None]]
            if params is None:
                storage[kind][where] = numbers.to(storage)
            else:
                elements, scales = quantize(numbers, self.setting.fmt)
                storage[kind][where] = elements.to(storage)
                params[kind][where] = scales.to(params)

    def held(self, x: torch.Tensor) -> torch.Tensor:
        """What is left of keys or values, [..., head_dim], in their KV format: float64."""
        fmt = self.setting.fmt
        if not fmt.is_quantized:
            return x.to(fmt.dtype).double()
        return dequantize(*quantize(x, fmt), fmt, torch.float64)

    @classmethod
    def random(cls, shape: Shape, row_specs: list[RowSpec], seed: int, setting: Setting | None = None) -> "Scenario":
        generator = torch.Generator().manual_seed(seed)

        def normal(length: int, num_heads: int) -> torch.Tensor:
            return torch.randn(shape.num_layers, length, num_heads, shape.head_dim, generator=generator)

        lengths = [row.history + row.num_new for row in row_specs]
        k = [normal(length, shape.num_kv_heads) for length in lengths]
        v = [normal(length, shape.num_kv_heads) for length in lengths]
        num_tokens = sum(row.num_new for row in row_specs)
        # Larger queries sharpen the softmax, so that a wrong mask shows.
        q = 2 * normal(num_tokens, shape.num_kv_heads * shape.heads_per_kv)
        return cls(shape, row_specs, q, k, v, seed, setting)

    def batch(self) -> StepBatch:
        query_lens = [row.num_new for row in self.row_specs]
        kv_lens = [row.history + row.num_new for row in self.row_specs]
        starts = torch.tensor([0, *query_lens]).cumsum(0)
        positions = [torch.arange(row.history, row.history + row.num_new) for row in self.row_specs]
        num_prefill_rows = sum(length > 1 for length in query_lens)
        device = self.setting.device
        return StepBatch(
            rows=self.row_ids.to(device),
            token_ids=torch.zeros(sum(query_lens), dtype=torch.int64, device=device),
            positions=torch.cat(positions).to(device),
            token_rows=self.row_ids.repeat_interleave(torch.tensor(query_lens)).to(device),
            query_starts=starts.to(device, torch.int32),
            kv_lens=torch.tensor(kv_lens, dtype=torch.int32, device=device),
            query_lens=query_lens,
            host_kv_lens=kv_lens,
            num_prefill_rows=num_prefill_rows,
            num_prefill_tokens=sum(query_lens[:num_prefill_rows]),
            rows_in_band=[len(query_lens)],
            tokens_in_band=[sum(query_lens)],
            counts=torch.tensor([len(query_lens), num_prefill_rows], dtype=torch.int32, device=device),
            host_rows=self.row_ids.numpy(),
        )

    def static_batch(self, num_rows: int, num_tokens: int, max_prefill_rows: int) -> StepBatch:
        """The same step as a captured graph sees it: padded to a bucket, lengths on the device alone."""
        batch = self.batch()

        def padded(x: torch.Tensor, length: int, value: int) -> torch.Tensor:
            return torch.cat((x, x.new_full((length - x.shape[0],), value)))

        null_row = self.tables.null_row
        starts = padded(batch.query_starts, num_rows + 1, batch.num_tokens)
        if max_prefill_rows == 0:
            # In pure decode a padding row has a padding token of its own.
            starts = torch.arange(num_rows + 1, dtype=torch.int32, device=starts.device)
        return replace(
            batch,
            rows=padded(batch.rows, num_rows, null_row),
            token_ids=padded(batch.token_ids, num_tokens, 0),
            positions=padded(batch.positions, num_tokens, 0),
            token_rows=padded(batch.token_rows, num_tokens, null_row),
            query_starts=starts,
            kv_lens=padded(batch.kv_lens, num_rows, 1),
            query_lens=[],
            host_kv_lens=[],
            num_prefill_rows=max_prefill_rows,
            num_prefill_tokens=num_tokens if max_prefill_rows else 0,
            rows_in_band=[num_rows],
            tokens_in_band=[num_tokens],
            is_static=True,
            max_prefill_rows=max_prefill_rows,
            host_rows=None,
        )

    def new(self, layer: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """q, k and v of the batch's tokens, as views of one product, as models make them."""
        k = torch.cat([k[layer, row.history :] for row, k in zip(self.row_specs, self.k, strict=True)])
        v = torch.cat([v[layer, row.history :] for row, v in zip(self.row_specs, self.v, strict=True)])
        qkv = torch.cat((self.q[layer], k, v), 1).to(self.setting.device)
        heads, kv_heads = self.spec.num_heads, self.spec.num_kv_heads
        return qkv[:, :heads], qkv[:, heads : heads + kv_heads], qkv[:, heads + kv_heads :]

    def attend(
        self, backend: type[AttentionBackend], num_tokens: int | None = None, batch: StepBatch | None = None
    ) -> list[torch.Tensor]:
        """All layers' attention of the batch's first `num_tokens` tokens, each [tokens, heads * head_dim].

        Args:
            batch: the scenario's own, or a padded form of it.
        """
        attention = backend(self.spec, self.plan.to(self.setting.device), self.pool, self.tables)
        batch = batch or self.batch()
        attention.begin_step(batch)
        results = []
        for layer in range(self.shape.num_layers):
            q, k, v = self.new(layer)
            padding = (0, 0, 0, 0, 0, batch.num_tokens - q.shape[0])
            q, k, v = (torch.nn.functional.pad(x, padding, value=NAN)[:num_tokens] for x in (q, k, v))
            results.append(attention.attend(layer, q, k, v, batch).cpu())
        return results

    def expected(self, layer: int) -> torch.Tensor:
        """The dense answer: float64 [tokens, heads * head_dim]."""
        results = []
        start = 0
        for row, k, v in zip(self.row_specs, map(self.held, self.k), map(self.held, self.v), strict=True):
            end = start + row.num_new
            queries = torch.arange(row.history, row.history + row.num_new)[:, None]
            keys = torch.arange(row.history + row.num_new)[None, :]
            heads = []
            for head in range(self.spec.num_heads):
                kv_head = head // self.shape.heads_per_kv
                retention = row.retentions[int(self.plan.group_of_head[layer, kv_head])]
                is_kept = (keys < retention.sinks) | (keys > queries - retention.recent) | (keys >= retention.since)
                visible = (keys <= queries) & is_kept
                scores = self.q[layer, start:end, head].double() @ k[layer, :, kv_head].T * self.spec.scale
                weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
                heads.append(weights @ v[layer, :, kv_head])
            results.append(torch.cat(heads, -1))
            start = end
        return torch.cat(results)
