"""Triton kernels that add up or join small tensors of several GPUs in one launch, through mailboxes in peer memory.

Every 4-byte word travels beside the number of the exchange, in one store of 8 bytes, which arrives whole: whoever
finds the number has the word, so data need no flag of their own and no fence (the "LL" protocol of NCCL). Each rank
has an inbox of two halves that take turns, with one box per sender and word. No half is written before it has been
read: a rank begins exchange k + 2 after it got the words of k + 1, which the others sent after they were done with k.

Program b of a launch always handles the words [b * block, (b + 1) * block) and counts its exchanges itself, so
that launches of any size may follow each other, and captured graphs may be replayed in any order, as long as all ranks
do the same.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import torch
import triton
import triton.language as tl

TRITON_DTYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


@triton.jit
def _send(words, where, mask, number, inboxes, half, rank: tl.constexpr, size: tl.constexpr, capacity: tl.constexpr):
    """Put int32 `words` into this rank's boxes at every other rank."""
    letters = (words.to(tl.int64) & 0xFFFFFFFF) | (number.to(tl.int64) << 32)
    for step in tl.static_range(1, size):
        inbox = tl.load(inboxes + (rank + step) % size).to(tl.pointer_type(tl.int64))
        tl.store(inbox + half * size * capacity + rank * capacity + where, letters, mask)


@triton.jit
def _receive(where, mask, number, inbox, half, source: tl.constexpr, size: tl.constexpr, capacity: tl.constexpr):
    """Wait for the words of rank `source`."""
    boxes = inbox + half * size * capacity + source * capacity + where
    nothing = number.to(tl.int64) << 32
    letters = tl.load(boxes, mask, other=nothing, volatile=True)
    while tl.min(((letters >> 32).to(tl.int32) == number).to(tl.int32), 0) == 0:
        letters = tl.load(boxes, mask, other=nothing, volatile=True)
    return letters.to(tl.int32)


@triton.jit
def sum_kernel(
    x,
    inboxes,
    exchanges,
    num_words,
    rank: tl.constexpr,
    size: tl.constexpr,
    capacity: tl.constexpr,
    dtype: tl.constexpr,
    is_half: tl.constexpr,
    block: tl.constexpr,
):
    """Replace x, int32 words of one float32 or two half-precision numbers, by the sum over ranks, added in float32.

    Args:
        inboxes: int64 [size], addresses of all ranks' inboxes, each int64 [2, size, capacity].
        exchanges: int32 [capacity / block], how many exchanges each program has done.
    """
    program = tl.program_id(0)
    where = program * block + tl.arange(0, block)
    mask = where < num_words
    number = tl.load(exchanges + program) + 1
    half = number & 1
    own = tl.load(x + where, mask, other=0)
    _send(own, where, mask, number, inboxes, half, rank, size, capacity)
    inbox = tl.load(inboxes + rank).to(tl.pointer_type(tl.int64))
    low = tl.zeros([block], tl.float32)
    high = tl.zeros([block], tl.float32)
    # In the order of ranks, so that all of them get the same sum to the bit.
    for source in tl.static_range(size):
        words = own if source == rank else _receive(where, mask, number, inbox, half, source, size, capacity)
        if is_half:
            low += words.to(tl.int16).to(dtype, bitcast=True).to(tl.float32)
            high += (words >> 16).to(tl.int16).to(dtype, bitcast=True).to(tl.float32)
        else:
            low += words.to(tl.float32, bitcast=True)
    if is_half:
        low_bits = low.to(dtype).to(tl.int16, bitcast=True).to(tl.int32) & 0xFFFF
        total = low_bits | (high.to(dtype).to(tl.int16, bitcast=True).to(tl.int32) << 16)
    else:
        total = low.to(tl.int32, bitcast=True)
    tl.store(x + where, total, mask)
    tl.debug_barrier()
    tl.store(exchanges + program, number)


@triton.jit
def join_kernel(
    x,
    joined,
    inboxes,
    exchanges,
    num_words,
    width,
    rank: tl.constexpr,
    size: tl.constexpr,
    capacity: tl.constexpr,
    block: tl.constexpr,
):
    """Write x, int32 words [num_words / width, width] of every rank, to joined, [num_words / width, size * width]."""
    program = tl.program_id(0)
    where = program * block + tl.arange(0, block)
    mask = where < num_words
    number = tl.load(exchanges + program) + 1
    half = number & 1
    own = tl.load(x + where, mask, other=0)
    _send(own, where, mask, number, inboxes, half, rank, size, capacity)
    inbox = tl.load(inboxes + rank).to(tl.pointer_type(tl.int64))
    row = where // width
    # As an offset from x's own place, each row moves on by the other ranks' columns in the rows before it.
    target = joined + where + row * (size - 1) * width
    for source in tl.static_range(size):
        words = own if source == rank else _receive(where, mask, number, inbox, half, source, size, capacity)
        tl.store(target + source * width, words, mask)
    tl.debug_barrier()
    tl.store(exchanges + program, number)
