"""TritonDrawer: launches the kernels of `triton_sampling_kernels.py` for the sampler.

Importing this needs Triton. Under `TRITON_INTERPRET=1` the kernels run on CPU tensors.
"""

from dataclasses import dataclass

import numpy as np
import torch
import triton
from torch import Tensor

from server.engine.drawer import Best, RandomRows
from server.engine.row_parameters import FILTERED, NUM_FIELDS, RowParameters
from server.engine.triton_sampling_kernels import (
    BLOCK_TILES,
    GROUP,
    TILE,
    best_kernel,
    draw_kernel,
    mass_kernel,
)

BLOCK_GROUPS = 32
"""Groups that one program of the argmax takes."""

CAPACITY = 4096
"""Candidates that one program keeps in registers."""


NUM_WARPS = 16
"""Warps of a program that draws for a row with top-k or top-p."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a vocabulary is cut up; `*_padded` are powers of two."""

    num_groups: int
    num_groups_padded: int
    num_blocks: int
    num_blocks_padded: int
    num_tiles: int
    num_tiles_padded: int

    @classmethod
    def of(cls, vocab_size: int) -> "Sizes":
        num_groups = triton.cdiv(vocab_size, GROUP.value)
        num_blocks = triton.cdiv(num_groups, BLOCK_GROUPS)
        num_tiles = triton.cdiv(vocab_size, TILE.value)
        padded = (triton.next_power_of_2(n) for n in (num_groups, num_blocks, num_tiles))
        groups_padded, blocks_padded, tiles_padded = padded
        return cls(num_groups, groups_padded, num_blocks, blocks_padded, num_tiles, tiles_padded)


class TritonDrawer:
    """Argmax and draws by Triton kernels, over at most `max_rows` lines at a time.

    Args:
        vocab_size: V, the width of the logits.
        parameters: of the rows; on the device of the logits.
    """

    def __init__(self, vocab_size: int, max_rows: int, parameters: RowParameters, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._parameters = parameters
        self._sizes = Sizes.of(vocab_size)
        # Kernels leave it at zero, so it is never cleared; a captured graph keeps its address.
        self._counters = torch.zeros(max_rows, dtype=torch.int32, device=device)

    def best(self, logits: Tensor) -> Best:
        sizes, num_lines = self._sizes, logits.shape[0]
        if num_lines > self._counters.shape[0]:
            raise ValueError(f"the sampler takes {self._counters.shape[0]} lines of logits at a time, not {num_lines}")
        values = torch.empty(num_lines, dtype=torch.float32, device=logits.device)
        token_ids = torch.empty(num_lines, dtype=torch.int64, device=logits.device)
        is_bad = torch.empty(num_lines, dtype=torch.bool, device=logits.device)
        found = torch.empty(2, num_lines, sizes.num_blocks, dtype=torch.float32, device=logits.device)
        maxima = values.new_empty(num_lines, sizes.num_groups)
        best_kernel[(sizes.num_blocks, num_lines)](
            logits,
            logits.stride(0),
            maxima,
            found[0],
            found[1].view(torch.int32),
            self._counters,
            values,
            token_ids,
            is_bad,
            self._vocab_size,
            sizes.num_groups,
            sizes.num_blocks,
            NUM_BLOCKS=sizes.num_blocks_padded,
            BLOCK_GROUPS=BLOCK_GROUPS,
        )
        return Best(values, token_ids, is_bad, maxima)

    def draw(self, logits: Tensor, best: Best, rows: RandomRows, generated: np.ndarray, on_device: Tensor) -> Tensor:
        sizes, num = self._sizes, rows.rows.size
        table = self._parameters.table()
        num_filtered = num if rows.flags & FILTERED else 0
        masses = on_device.new_empty(num, sizes.num_tiles)
        mass_kernel[(triton.cdiv(sizes.num_tiles, BLOCK_TILES.value), num)](
            logits,
            logits.stride(0),
            best.values,
            best.is_bad,
            rows.index,
            num,
            table,
            masses,
            self._vocab_size,
            sizes.num_tiles,
            NUM_FIELDS=NUM_FIELDS,
        )
        chosen = on_device.new_empty(num)
        capacity = min(CAPACITY, triton.next_power_of_2(self._vocab_size))
        lists = torch.empty(3, num_filtered, max(capacity, sizes.num_groups_padded), dtype=torch.int32,
                            device=logits.device)  # fmt: skip
        draw_kernel[(num,)](
            logits,
            logits.stride(0),
            best.values,
            best.is_bad,
            rows.index,
            num,
            table,
            on_device,
            masses,
            best.maxima,
            lists[0],
            lists[1].view(torch.float32),
            lists[2],
            lists.shape[2],
            chosen,
            self._vocab_size,
            sizes.num_tiles,
            sizes.num_groups,
            NUM_TILES=sizes.num_tiles_padded,
            NUM_GROUPS=sizes.num_groups_padded,
            CAPACITY=capacity,
            NUM_FIELDS=NUM_FIELDS,
            num_warps=NUM_WARPS,
        )
        return chosen
