"""What each kernel of a step takes, beside what the device could do: `rhumb bench kernels`.

Drives the engine's own objects on made-up inputs: the layers' `Kernels`, the attention backend, the sampler. Kernels
are timed inside of a captured graph, as decode steps run them. Weights and pages are as many as it takes for the
device's cache not to hold them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from server.attention.backend import AttentionBackend, AttentionSpec
from server.attention.registry import select_backend
from server.bench.floors import Floors, Rates, layer_products
from server.bench.timer import Timer
from server.config import EngineConfig
from server.engine.batch import StepBatch
from server.engine.request import SamplingParams
from server.engine.sampler import Sampler
from server.kv.formats import kv_format
from server.kv.plan import plan_by_layer
from server.kv.pool import PagePool
from server.kv.table import PageTables
from server.models.config import ModelConfig
from server.models.kernels import Kernels, Product, choose_kernels
from server.models.rope import RotaryEmbedding

COLD_BYTES = 1 << 29
"""Data that is cycled through: several times the cache of any device."""
MAX_COPIES = 16


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kernel at one size.

    Args:
        num_tokens: rows of a decode step, or tokens of a prompt.
        context: positions that each row sees; 0 where that does not matter.
        time_s: of one call.
        num_bytes: that have to be read and written.
        num_flops: that have to be computed.
    """

    name: str
    num_tokens: int
    context: int
    time_s: float
    num_bytes: int
    num_flops: int = 0

    def record(self, rates: Rates) -> dict[str, object]:
        """For JSON; `share_of_floor` is the time that the device's best rates would take over the time it took."""
        floor_s = max(self.num_bytes / rates.bandwidth, self.num_flops / rates.matmul)
        return {
            "name": self.name,
            "num_tokens": self.num_tokens,
            "context": self.context,
            "time_us": 1e6 * self.time_s,
            "bytes": self.num_bytes,
            "tb_per_s": self.num_bytes / self.time_s / 1e12,
            "tflop_per_s": self.num_flops / self.time_s / 1e12,
            "share_of_floor": floor_s / self.time_s,
        }


class KernelBench:
    """Measures the kernels that one model's steps consist of.

    Args:
        facts: the model's shape.
        config: formats, page size and backend are taken from it.
        dtype: of activations.
    """

    def __init__(self, facts: ModelConfig, config: EngineConfig, dtype: torch.dtype, timer: Timer) -> None:
        self.facts = facts
        self.config = config
        self.dtype = dtype
        self.timer = timer
        self.kernels: Kernels = choose_kernels(dtype, timer.device, config.weight_format, config.batch_invariant)
        self.format = kv_format(config.kv_format, dtype)

    def products(self, row_counts: Sequence[int]) -> Iterator[Measurement]:
        """The matrix products of a layer, gate and up with their activation."""
        for name, in_features, out_features in layer_products(self.facts):
            yield from self._product(name, in_features, out_features, row_counts)

    def head(self, row_counts: Sequence[int]) -> Iterator[Measurement]:
        """The product with the vocabulary, of the tokens whose logits are wanted."""
        yield from self._product("head", self.facts.hidden_size, self.facts.vocab_size, row_counts)

    def _product(
        self, name: str, in_features: int, out_features: int, row_counts: Sequence[int]
    ) -> Iterator[Measurement]:
        products, weight_bytes = self._products(name, in_features, out_features)
        for num_rows in row_counts:
            time_s = self._time_products(products, self._random(num_rows, in_features))
            num_outputs = out_features // 2 if name == "gate_up" else out_features
            moved = weight_bytes + num_rows * (in_features + num_outputs) * self.dtype.itemsize
            shown = "gate_up + activation" if name == "gate_up" else name
            yield Measurement(shown, num_rows, 0, time_s, moved, 2 * num_rows * in_features * out_features)

    def _time_products(self, products: Sequence[Product], x: torch.Tensor) -> float:
        return self._cycle(products, lambda product: product(x))

    def _products(self, name: str, in_features: int, out_features: int) -> tuple[list[Product], int]:
        """The same product with several matrices, and the bytes of one as it is stored."""
        num_bytes = in_features * out_features * self.dtype.itemsize
        products = []
        for _ in range(_num_copies(num_bytes)):
            weight = self._random(out_features, in_features).mul_(0.02)
            if name == "gate_up":
                stored, product = self.kernels.gated_product(weight, None, self.facts.hidden_act)
            else:
                stored, product = self.kernels.product(weight, None, keeps_dtype=name == "head")
            products.append(product)
        return products, stored.nbytes

    def elementwise(self, row_counts: Sequence[int]) -> Iterator[Measurement]:
        """Norms and gates."""
        facts, size = self.facts, self.dtype.itemsize
        if facts.opt is not None:
            return
        for num_rows in row_counts:
            time_s = self._time_norm(num_rows)
            yield Measurement("norm + residual", num_rows, 0, time_s, 4 * num_rows * facts.hidden_size * size)
            gate_up = self._random(num_rows, 2 * facts.intermediate_size)
            time_s = self._cycle([gate_up] * 8, lambda both: self.kernels.gated(both, facts.hidden_act))
            yield Measurement("activation * up", num_rows, 0, time_s, 3 * num_rows * facts.intermediate_size * size)

    def _time_norm(self, num_rows: int) -> float:
        facts = self.facts
        x, residual = (self._random(num_rows, facts.hidden_size) for _ in range(2))
        weight = torch.ones(facts.hidden_size, dtype=self.dtype, device=self.timer.device)
        return self._cycle([x] * 8, lambda x: self.kernels.add_rms_norm(x, residual, weight, facts.norm_eps))

    def decode(self, num_rows: int, context: int) -> Iterator[Measurement]:
        """Attention of rows with one new token each, and what rotates and writes that token."""
        facts = self.facts
        position_bytes = facts.num_kv_heads * self.format.bytes_per_token(facts.head_dim)
        num_layers = _num_copies(num_rows * context * position_bytes, facts.num_layers)
        attention = self._attention(num_rows, context, num_layers)
        batch = self._decode_batch(num_rows, context, attention)
        q = self._random(num_rows, facts.num_heads, facts.head_dim)
        attention.begin_step(batch)
        attend_s = self._cycle(range(num_layers), lambda layer: attention.decode(layer, q, batch, 0))
        kv_bytes = num_rows * context * position_bytes
        moved = kv_bytes + 2 * q.nbytes
        num_flops = 4 * num_rows * context * facts.num_heads * facts.head_dim
        yield Measurement("decode attention", num_rows, context, attend_s, moved, num_flops)
        if facts.rope is None:
            return
        rope = RotaryEmbedding(facts.rope, self.kernels, self.timer.device)
        qkv = self._random(num_rows, facts.num_heads + 2 * facts.num_kv_heads, facts.head_dim)
        both_s = self._cycle(
            range(num_layers), lambda layer: attention.attend_rotating(layer, qkv, facts.num_heads, rope, batch)
        )
        # Backends fuse these two in ways of their own, so what they take is what they add.
        added = 2 * qkv.nbytes + num_rows * position_bytes
        yield Measurement("RoPE + KV write", num_rows, context, max(both_s - attend_s, 1e-9), added)

    def prefill(self, num_tokens: int) -> Iterator[Measurement]:
        """Attention of one fresh prompt, its keys and values written first; launched as a step launches it."""
        facts, shape = self.facts, (num_tokens, -1, self.facts.head_dim)
        attention = self._attention(1, num_tokens, 1)
        batch = self._prefill_batch(num_tokens, attention)
        q, k, v = (
            self._random(num_tokens, heads * facts.head_dim).view(shape)
            for heads in (facts.num_heads, facts.num_kv_heads, facts.num_kv_heads)
        )
        attention.begin_step(batch)
        time_s = self.timer.time_eager_s(lambda: attention.attend(0, q, k, v, batch))
        position_bytes = facts.num_kv_heads * self.format.bytes_per_token(facts.head_dim)
        moved = 2 * q.nbytes + k.nbytes + v.nbytes + num_tokens * position_bytes
        num_flops = 2 * num_tokens**2 * facts.num_heads * facts.head_dim
        yield Measurement("prefill attention", num_tokens, num_tokens, time_s, moved, num_flops)

    def sampling(self, row_counts: Sequence[int]) -> Iterator[Measurement]:
        """The most likely tokens, and tokens drawn at top-p 0.9, from logits in the activations' dtype."""
        vocab_size = self.facts.vocab_size
        sampler = Sampler(vocab_size, max(row_counts), self.timer.device)
        for num_rows in row_counts:
            logits = self._random(num_rows, vocab_size)
            time_s = self._cycle([logits] * 4, sampler.greedy)
            yield Measurement("greedy", num_rows, 0, time_s, logits.nbytes)
            yield Measurement("top-p", num_rows, 0, self._time_drawing(sampler, logits), logits.nbytes)

    def _time_drawing(self, sampler: Sampler, logits: torch.Tensor) -> float:
        num_rows = logits.shape[0]
        rows, generated = np.arange(num_rows), np.zeros(num_rows, dtype=np.int64)
        for row in range(num_rows):
            sampler.add(row, SamplingParams(max_tokens=1, temperature=1.0, top_p=0.9), 0, [0], [])
        time_s = self.timer.time_eager_s(lambda: sampler.sample(logits, rows, generated, None))
        for row in range(num_rows):
            sampler.remove(row)
        return time_s

    def _cycle[T](self, items: Sequence[T], call: Callable[[T], object]) -> float:
        """Seconds of one call, over one after another of the items."""

        def work() -> None:
            for item in items:
                call(item)

        return self.timer.time_s(work) / len(items)

    def _random(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=self.dtype, device=self.timer.device)

    def _attention(self, num_rows: int, context: int, num_layers: int) -> AttentionBackend:
        """The backend that would serve this model, over a pool that the rows fill."""
        facts, page_size, device = self.facts, self.config.page_size, self.timer.device
        spec = AttentionSpec(
            num_layers=num_layers,
            num_heads=facts.num_heads,
            num_kv_heads=facts.num_kv_heads,
            head_dim=facts.head_dim,
            scale=facts.attention_scale,
            dtype=self.dtype,
            kv_format=self.format,
            device=device,
            page_size=page_size,
            batch_invariant=self.config.batch_invariant,
        )
        backend, _ = select_backend(spec, self.config.attention_backend)
        plan = plan_by_layer(facts.num_kv_heads, [None] * num_layers).to(device)
        blocks = -(-context // page_size)
        # As wide as in the engine, because a backend may go by it.
        max_pages = max(blocks, -(-(self.config.max_model_len or facts.max_model_len) // page_size)) + 1
        tables = PageTables(num_rows, num_layers, max_pages, device)
        pages = torch.arange(1, num_rows * blocks * num_layers + 1, dtype=torch.int32, device=device)
        tables.pages[:num_rows, :, :blocks] = pages.view(num_rows, blocks, num_layers).transpose(1, 2)
        pool = PagePool(pages.numel() + 1, page_size, facts.num_kv_heads, facts.head_dim, self.format, device)
        fill_randomly(pool)
        return backend(spec, plan, pool, tables)

    def _decode_batch(self, num_rows: int, context: int, attention: AttentionBackend) -> StepBatch:
        device = self.timer.device
        rows = torch.arange(num_rows, device=device)
        is_static = device.type == "cuda" and attention.can_be_captured
        return StepBatch(
            rows=rows,
            token_ids=torch.zeros_like(rows),
            positions=torch.full_like(rows, context - 1),
            token_rows=rows,
            query_starts=torch.arange(num_rows + 1, dtype=torch.int32, device=device),
            kv_lens=torch.full((num_rows,), context, dtype=torch.int32, device=device),
            query_lens=[] if is_static else [1] * num_rows,
            host_kv_lens=[] if is_static else [context] * num_rows,
            num_prefill_rows=0,
            num_prefill_tokens=0,
            rows_in_band=[num_rows],
            tokens_in_band=[num_rows],
            counts=torch.tensor([num_rows, 0], dtype=torch.int32, device=device),
            is_static=is_static,
        )

    def _prefill_batch(self, num_tokens: int, attention: AttentionBackend) -> StepBatch:
        device = self.timer.device
        positions = torch.arange(num_tokens, device=device)
        return StepBatch(
            rows=torch.zeros(1, dtype=torch.int64, device=device),
            token_ids=torch.zeros_like(positions),
            positions=positions,
            token_rows=torch.zeros_like(positions),
            query_starts=torch.tensor([0, num_tokens], dtype=torch.int32, device=device),
            kv_lens=torch.tensor([num_tokens], dtype=torch.int32, device=device),
            query_lens=[num_tokens],
            host_kv_lens=[num_tokens],
            num_prefill_rows=1,
            num_prefill_tokens=num_tokens,
            rows_in_band=[1],
            tokens_in_band=[num_tokens],
            counts=torch.ones(2, dtype=torch.int32, device=device),
        )


def measure_kernels(
    bench: KernelBench,
    floors: Floors,
    *,
    row_counts: Sequence[int],
    decode: Sequence[tuple[int, int]],
    prompts: Sequence[int],
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, object]:
    """Measure everything.

    Args:
        row_counts: rows of decode steps.
        decode: (rows, context) of decode steps whose attention is measured.
        prompts: lengths of prompts.

    Returns:
        `kernels`, a record each; `rates` of the device; the floors of decode steps and prompts, in seconds.
    """
    sizes = sorted({*row_counts, *prompts})
    parts: list[Iterator[Measurement]] = [
        bench.products(sizes),
        bench.elementwise(sizes),
        bench.head(row_counts),
        *(bench.decode(num_rows, context) for num_rows, context in decode),
        *(bench.prefill(num_tokens) for num_tokens in prompts),
        bench.sampling(row_counts),
    ]
    measured = []
    with torch.inference_mode():
        for part in parts:
            measured += [measurement.record(floors.rates) for measurement in part]
            on_done()
    return {
        "kernels": measured,
        "rates": {name: getattr(floors.rates, name) for name in Rates.__dataclass_fields__},
        "products_floor_s": {str(rows): time_s for rows, time_s in floors.products_s.items()},
        "decode_floor_s": {f"{rows} x {context}": floors.decode_s(rows, rows * context) for rows, context in decode},
        "prefill_floor_s": {str(num_tokens): floors.prefill_s(num_tokens) for num_tokens in prompts},
    }


def fill_randomly(pool: PagePool) -> None:
    """Keys and values as a model could have written them: on zeros a device draws less power and runs faster."""
    if pool.params is None:
        pool.storage.normal_()
        return
    if pool.storage.dtype == torch.uint8:
        pool.storage.random_()
    else:
        pool.storage.copy_(torch.randn(pool.storage.shape, dtype=torch.float16, device=pool.storage.device))
    pool.params[..., 0] = 0.01
    pool.params[..., 1] = -1.0


def _num_copies(num_bytes: int, most: int = MAX_COPIES) -> int:
    """Copies of so many bytes that do not fit a cache together; more than one, so that none is used twice in a row."""
    return min(most, max(2, -(-COLD_BYTES // max(num_bytes, 1))))
