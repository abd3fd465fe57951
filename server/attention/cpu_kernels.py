"""Attention loops compiled by numba, on addresses. Importing this needs numba and compiles once per machine.

A query walks its visible pages twice: once for scores into a scratch row, which one softmax then normalises,
and once to add up values. Positions between the sinks and the recent window are not visited. Pages are the
outer loop and heads the inner one, so that memory is read in the order in which it lies.

Each (token, KV head) is computed by the same instructions in the same order whatever else is in the batch, so
its result is the same to the last bit. All of it stands in one file because numba's cache only notices changes
of the file that a function is in.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from server.attention.cpu_team import address_of, has_team


class AttendArgs(ctypes.Structure):
    """Addresses of tensors, their strides in elements, and sizes; all int64 but `scale`.

    q and out are float32 [num_tokens, kv_heads * heads_per_kv, head_dim], out contiguous; k and v, float32
    [num_tokens, kv_heads, head_dim], are stored first unless `k` is 0; `token_rows` and `positions` are int64
    [num_tokens]; the rest is as in `PagePool`, `PageTables` and one layer's rows of `KVPlan`. `scratch` has
    `scratch_stride` floats per thread: scores of all query heads for the longest token.
    """

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in (
                "q",
                "out",
                "k",
                "v",
                "storage",
                "pages",
                "sinks",
                "recent",
                "since",
                "token_rows",
                "positions",
                "groups",
                "indices",
                "scratch",
                "num_tokens",
                "kv_heads",
                "heads_per_kv",
                "head_dim",
                "page_size",
                "slots",
                "num_groups",
                "max_pages",
                "values_offset",
                "q_token_stride",
                "q_head_stride",
                "k_token_stride",
                "k_head_stride",
                "v_token_stride",
                "v_head_stride",
                "scratch_stride",
            )
        ),
        ("scale", ctypes.c_double),
    )


_ARGS = np.dtype(AttendArgs)
_FLOATS = types.CPointer(types.float32)
_INT32S = types.CPointer(types.int32)
_INT64S = types.CPointer(types.int64)
# Sums may be reordered, so that they vectorise; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


def _cached(decorator: Callable[..., Any], *args: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`decorator` with numba's cache, or without it where no directory can be written to."""

    def apply(function: Callable[..., Any]) -> Any:
        try:
            return decorator(*args, cache=True, **options)(function)
        except RuntimeError:
            return decorator(*args, **options)(function)

    return apply


def _compiled(fastmath: set[str] | bool = False) -> Callable[[Callable[..., Any]], Any]:
    return _cached(numba.njit, fastmath=fastmath, error_model="numpy")


def _cast(pointer: Any) -> Any:
    """An address as a pointer. Unlike arrays, pointers have no negative indices to test for."""

    def cast(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(pointer))

        return pointer(types.int64), generate

    return intrinsic(cast)


_floats, _int32s, _int64s = _cast(_FLOATS), _cast(_INT32S), _cast(_INT64S)


def _advance(typing_context: Any, pointer: Any, count: Any) -> Any:
    """The pointer, `count` elements further."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.int64), generate


_ahead: Any = intrinsic(_advance)


@_cached(numba.njit, inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """e ** x for x <= 0, to 2 units in the last place; Cephes' expf, in a form that vectorises."""
    # In this order NaN passes, and a broken row shows.
    x = np.float32(-87.0) if x < np.float32(-87.0) else x
    n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@_compiled(_FAST)
def _score(scores, q, k, stride, count, head_dim):  # type: ignore[no-untyped-def]
    """scores[j] = q . k[j * stride] for j < count; four keys at a time keep q in registers."""
    j = 0
    while j + 4 <= count:
        k0, k1, k2, k3 = j * stride, (j + 1) * stride, (j + 2) * stride, (j + 3) * stride
        s0, s1, s2, s3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for d in range(head_dim):
            x = q[d]
            s0 += x * k[k0 + d]
            s1 += x * k[k1 + d]
            s2 += x * k[k2 + d]
            s3 += x * k[k3 + d]
        scores[j] = s0
        scores[j + 1] = s1
        scores[j + 2] = s2
        scores[j + 3] = s3
        j += 4
    while j < count:
        s0 = np.float32(0.0)
        for d in range(head_dim):
            s0 += q[d] * k[j * stride + d]
        scores[j] = s0
        j += 1


@_compiled(_FAST)
def _accumulate(out, scores, v, stride, count, head_dim):  # type: ignore[no-untyped-def]
    """out += sum over j < count of scores[j] * v[j * stride]."""
    j = 0
    while j + 4 <= count:
        v0, v1, v2, v3 = j * stride, (j + 1) * stride, (j + 2) * stride, (j + 3) * stride
        s0, s1, s2, s3 = scores[j], scores[j + 1], scores[j + 2], scores[j + 3]
        for d in range(head_dim):
            out[d] += s0 * v[v0 + d] + s1 * v[v1 + d] + s2 * v[v2 + d] + s3 * v[v3 + d]
        j += 4
    while j < count:
        s0 = scores[j]
        for d in range(head_dim):
            out[d] += s0 * v[j * stride + d]
        j += 1


@_compiled(_FAST | {"nnan"})
def _largest(scores, count):  # type: ignore[no-untyped-def]
    """The maximum; only without a care for NaN does it vectorise, and the sums after it still show NaN."""
    largest = scores[0]
    for i in range(count):
        largest = max(largest, scores[i])
    return largest


@_compiled(_FAST)
def _softmax(scores, count, scale):  # type: ignore[no-untyped-def]
    """scores = softmax(scale * scores); scale is positive."""
    largest = _largest(scores, count)
    total = np.float32(0.0)
    for i in range(count):
        e = _exp((scores[i] - largest) * scale)
        scores[i] = e
        total += e
    inverse = np.float32(1.0) / total
    for i in range(count):
        scores[i] *= inverse


@_compiled()
def _store(a, token, first_head, end_head):  # type: ignore[no-untyped-def]
    """Store the token's k and v of some heads in their pages."""
    row, position = _int64s(a.token_rows)[token], _int64s(a.positions)[token]
    page_index = position // a.page_size
    offset = position - page_index * a.page_size
    k, v, storage = _floats(a.k), _floats(a.v), _floats(a.storage)
    for head in range(first_head, end_head):
        group, index = np.int64(_int32s(a.groups)[head]), np.int64(_int32s(a.indices)[head])
        page = np.int64(_int32s(a.pages)[(row * a.num_groups + group) * a.max_pages + page_index])
        to = ((page * a.page_size + offset) * a.slots + index) * a.head_dim
        from_k = token * a.k_token_stride + head * a.k_head_stride
        from_v = token * a.v_token_stride + head * a.v_head_stride
        for d in range(a.head_dim):
            storage[to + d] = k[from_k + d]
            storage[a.values_offset + to + d] = v[from_v + d]


@_compiled()
def _attend_heads(a, token, first_head, end_head, scratch):  # type: ignore[no-untyped-def]
    """One token's attention at KV heads [first_head, end_head), which share a group."""
    row, last = _int64s(a.token_rows)[token], _int64s(a.positions)[token]
    groups, indices = _int32s(a.groups), _int32s(a.indices)
    row_group = row * a.num_groups + np.int64(groups[first_head])
    table = _ahead(_int32s(a.pages), row_group * a.max_pages)
    window = min(last + 1 - np.int64(_int32s(a.recent)[row_group]), np.int64(_int32s(a.since)[row_group]))
    window = max(window, 0)
    sinks = min(np.int64(_int32s(a.sinks)[row_group]), window)
    num_visible = sinks + last + 1 - window
    # Rows of scores start on cache lines of their own.
    score_stride = (num_visible + 15) // 16 * 16
    position_stride = a.slots * a.head_dim
    q = _ahead(_floats(a.q), token * a.q_token_stride)
    out = _ahead(_floats(a.out), token * a.kv_heads * a.heads_per_kv * a.head_dim)
    for values in range(2):
        storage = _ahead(_floats(a.storage), values * a.values_offset)
        done = 0
        for part in range(2):
            position, end = (window, last + 1) if part else (0, sinks)
            while position < end:
                entry = position // a.page_size
                offset = position - entry * a.page_size
                count = min(a.page_size - offset, end - position)
                at = (np.int64(table[entry]) * a.page_size + offset) * position_stride
                for head in range(first_head, end_head):
                    kv = _ahead(storage, at + np.int64(indices[head]) * a.head_dim)
                    for query in range(head * a.heads_per_kv, (head + 1) * a.heads_per_kv):
                        scores = _ahead(scratch, (query - first_head * a.heads_per_kv) * score_stride + done)
                        if values:
                            _accumulate(_ahead(out, query * a.head_dim), scores, kv, position_stride, count, a.head_dim)
                        else:
                            _score(scores, _ahead(q, query * a.q_head_stride), kv, position_stride, count, a.head_dim)
                done += count
                position += count
        if not values:
            scale = np.float32(a.scale)
            for query in range(first_head * a.heads_per_kv, end_head * a.heads_per_kv):
                _softmax(_ahead(scratch, (query - first_head * a.heads_per_kv) * score_stride), num_visible, scale)
                for d in range(a.head_dim):
                    out[query * a.head_dim + d] = np.float32(0.0)


@_compiled()
def _attend(a, worker, num_workers):  # type: ignore[no-untyped-def]
    """One worker's share: of many tokens, each in turn; of few, a part of the heads of each."""
    parts = 1
    if a.num_tokens < 4 * num_workers:
        parts = num_workers
        while a.kv_heads % parts or num_workers % parts:
            parts -= 1
    part = worker % parts
    heads_per_part = a.kv_heads // parts
    scratch = _ahead(_floats(a.scratch), worker * a.scratch_stride)
    groups = _int32s(a.groups)
    for token in range(worker // parts, a.num_tokens, num_workers // parts):
        head, end = part * heads_per_part, (part + 1) * heads_per_part
        if a.k:
            _store(a, token, head, end)
        while head < end:
            run_end = head + 1
            while run_end < end and groups[run_end] == groups[head]:
                run_end += 1
            _attend_heads(a, token, head, run_end, scratch)
            head = run_end


_ENTRY = types.void(types.voidptr)


@_cached(numba.cfunc, _ENTRY)
def _store_all(address):  # type: ignore[no-untyped-def]
    a = carray(address, 1, _ARGS)[0]
    for token in range(a.num_tokens):
        _store(a, token, 0, a.kv_heads)


@_cached(numba.cfunc, _ENTRY)
def _attend_alone(address):  # type: ignore[no-untyped-def]
    _attend(carray(address, 1, _ARGS)[0], 0, 1)


_Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
store = _Function(_store_all.address)
"""Stores k and v of all tokens. Takes the address of an `AttendArgs`, as do the others."""
attend = _Function(_attend_alone.address)
"""Stores, if there is a k, then attends, on the calling thread."""
attend_on_team: int | None = None
"""The address of the same for `run_on_team`; None without a team."""

if has_team:
    for _name in ("omp_get_thread_num", "omp_get_num_threads"):
        llvmlite.binding.add_symbol(_name, address_of(_name))
    _thread_num: Any = types.ExternalFunction("omp_get_thread_num", types.int32())
    _num_threads: Any = types.ExternalFunction("omp_get_num_threads", types.int32())

    @_cached(numba.cfunc, _ENTRY)
    def _attend_together(address):  # type: ignore[no-untyped-def]
        _attend(carray(address, 1, _ARGS)[0], np.int64(_thread_num()), np.int64(_num_threads()))

    attend_on_team = _attend_together.address
