"""Triton kernels that add up or join small tensors of several GPUs in one launch, through mailboxes in peer memory.

Every 4-byte word travels beside the number of the exchange, in one store of 8 bytes, which arrives whole: whoever
finds the number has the word, so data need no flag of their own and no fence (the "LL" protocol of NCCL). Each rank
has an inbox of two halves that take turns, with one box per sender and word. No half is written before it has been
read: a rank begins exchange k + 2 after it got the words of k + 1, which the others sent after they were done with k.

Program b of a launch always handles the words [b * BLOCK, (b + 1) * BLOCK) and counts its exchanges itself, so
that launches of any size may follow each other, and captured graphs may be replayed in any order, as long as all ranks
do the same.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# ruff: noqa: N803

import torch
import triton
import triton.language as tl

from server.models.triton_layers import wait_for_input

TRITON_DTYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


@triton.jit
def _send(words, where, mask, number, inboxes, half, RANK: tl.constexpr, SIZE: tl.constexpr, CAPACITY: tl.constexpr):
    """Put int32 `words` into this rank's boxes at every other rank."""
    letters = (words.to(tl.int64) & 0xFFFFFFFF) | (number.to(tl.int64) << 32)
    for step in tl.static_range(1, SIZE):
        inbox = tl.load(inboxes + (RANK + step) % SIZE).to(tl.pointer_type(tl.int64))
        tl.store(inbox + half * SIZE * CAPACITY + RANK * CAPACITY + where, letters, mask)


@triton.jit
def _receive(where, mask, number, inbox, half, SOURCE: tl.constexpr, SIZE: tl.constexpr, CAPACITY: tl.constexpr):
    """Wait for the words of rank `SOURCE`."""
    boxes = inbox + half * SIZE * CAPACITY + SOURCE * CAPACITY + where
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
    RANK: tl.constexpr,
    SIZE: tl.constexpr,
    CAPACITY: tl.constexpr,
    DTYPE: tl.constexpr,
    IS_HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Replace x, int32 words of one float32 or two half-precision numbers, by the sum over ranks, added in float32.

    Args:
        inboxes: int64 [SIZE], addresses of all ranks' inboxes, each int64 [2, SIZE, CAPACITY].
        exchanges: int32 [CAPACITY / BLOCK], how many exchanges each program has done.
    """
    program = tl.program_id(0)
    where = program * BLOCK + tl.arange(0, BLOCK)
    mask = where < num_words
    wait_for_input(OVERLAPS)
    number = tl.load(exchanges + program) + 1
    half = number & 1
    own = tl.load(x + where, mask, other=0)
    _send(own, where, mask, number, inboxes, half, RANK, SIZE, CAPACITY)
    inbox = tl.load(inboxes + RANK).to(tl.pointer_type(tl.int64))
    low = tl.zeros([BLOCK], tl.float32)
    high = tl.zeros([BLOCK], tl.float32)
    # In the order of ranks, so that all of them get the same sum to the bit.
    for source in tl.static_range(SIZE):
        words = own if source == RANK else _receive(where, mask, number, inbox, half, source, SIZE, CAPACITY)
        if IS_HALF:
            low += words.to(tl.int16).to(DTYPE, bitcast=True).to(tl.float32)
            high += (words >> 16).to(tl.int16).to(DTYPE, bitcast=True).to(tl.float32)
        else:
            low += words.to(tl.float32, bitcast=True)
    if IS_HALF:
        low_bits = low.to(DTYPE).to(tl.int16, bitcast=True).to(tl.int32) & 0xFFFF
        total = low_bits | (high.to(DTYPE).to(tl.int16, bitcast=True).to(tl.int32) << 16)
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
    RANK: tl.constexpr,
    SIZE: tl.constexpr,
    CAPACITY: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Write x, int32 words [num_words / width, width] of every rank, to joined, [num_words / width, SIZE * width]."""
    program = tl.program_id(0)
    where = program * BLOCK + tl.arange(0, BLOCK)
    mask = where < num_words
    wait_for_input(OVERLAPS)
    number = tl.load(exchanges + program) + 1
    half = number & 1
    own = tl.load(x + where, mask, other=0)
    _send(own, where, mask, number, inboxes, half, RANK, SIZE, CAPACITY)
    inbox = tl.load(inboxes + RANK).to(tl.pointer_type(tl.int64))
    row = where // width
    # As an offset from x's own place, each row moves on by the other ranks' columns in the rows before it.
    target = joined + where + row * (SIZE - 1) * width
    for source in tl.static_range(SIZE):
        words = own if source == RANK else _receive(where, mask, number, inbox, half, source, SIZE, CAPACITY)
        tl.store(target + source * width, words, mask)
    tl.debug_barrier()
    tl.store(exchanges + program, number)
