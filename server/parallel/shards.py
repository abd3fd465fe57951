"""Which part of every layer a rank has: whole KV heads with their query heads, columns of the MLP, rows of the head.

Nothing is cut in a team of one.
"""

import numpy as np

from server.errors import ConfigError
from server.models.layers import Head, Linear
from server.parallel.team import Team


def assign_heads(num_layers: int, num_kv_heads: int, size: int, is_retrieval: np.ndarray | None = None) -> np.ndarray:
    """Deal the KV heads of every layer out to the ranks.

    All ranks get equally many heads of every layer, and, as far as that goes, equally many retrieval heads, so that
    their pools fill alike: the heads of each kind are dealt round by round. What is left of a layer goes to those
    that have had the fewest so far.

    Args:
        is_retrieval: bool [layers, kv_heads], the heads that keep all positions; all are alike when None.

    Returns:
        int64 [layers, size, kv_heads / size], ascending for each rank.

    Raises:
        ConfigError: the heads cannot be dealt out evenly.
    """
    if num_kv_heads % size:
        raise ConfigError(f"tensor_parallel is {size}, which does not divide the model's {num_kv_heads} KV heads")
    num_each = num_kv_heads // size
    if is_retrieval is None:
        return np.broadcast_to(np.arange(num_kv_heads).reshape(size, num_each), (num_layers, size, num_each)).copy()
    assigned = np.empty((num_layers, size, num_each), dtype=np.int64)
    totals = np.zeros(size, dtype=np.int64)
    for layer in range(num_layers):
        retrieval, streaming = np.flatnonzero(is_retrieval[layer]), np.flatnonzero(~is_retrieval[layer])
        shares = np.full(size, len(retrieval) // size)
        shares[np.argsort(totals, kind="stable")[: len(retrieval) % size]] += 1
        totals += shares
        ends = np.cumsum(shares)
        streaming_ends = np.cumsum(num_each - shares)
        for rank in range(size):
            heads = [
                retrieval[ends[rank] - shares[rank] : ends[rank]],
                streaming[streaming_ends[rank] - (num_each - shares[rank]) : streaming_ends[rank]],
            ]
            assigned[layer, rank] = np.sort(np.concatenate(heads))
    return assigned


def cut_attention(qkv: Linear, out: Linear, num_heads: int, num_kv_heads: int, head_dim: int, team: Team) -> None:
    """Keep this rank's KV heads, and with each the query heads that read it.

    Raises:
        ConfigError: the heads cannot be dealt out evenly.
    """
    if team.size == 1:
        return
    heads = assign_heads(1, num_kv_heads, team.size)[0, team.rank].tolist()
    group = num_heads // num_kv_heads * head_dim
    query = [range(head * group, (head + 1) * group) for head in heads]
    key = [range(head * head_dim, (head + 1) * head_dim) for head in heads]
    _keep_outputs(qkv, [query, key, key])
    _keep_inputs(out, query, team)


def cut_mlp(first: Linear, down: Linear, width: int, team: Team) -> None:
    """Keep this rank's columns of the MLP's inner width.

    Args:
        first: the product that makes them, one part or more of `width` rows each.
        down: the product that takes them.

    Raises:
        ConfigError: `width` cannot be dealt out evenly.
    """
    if team.size == 1:
        return
    if width % team.size:
        raise ConfigError(f"tensor_parallel is {team.size}, which does not divide the model's MLP width, {width}")
    each = width // team.size
    kept = [range(team.rank * each, (team.rank + 1) * each)]
    _keep_outputs(first, [kept] * len(first.weight.parts))
    _keep_inputs(down, kept, team)


def cut_head(head: Head, vocab_size: int, team: Team) -> None:
    """Keep this rank's rows of the output projection, padded so that all ranks have equally many."""
    if team.size == 1:
        return
    each = -(-vocab_size // team.size)
    start = min(team.rank * each, vocab_size)
    kept = range(start, min(start + each, vocab_size))
    if head.is_tied:
        head.rows, head.num_rows = kept, each
    else:
        head.weight.keep_rows([[kept]], [each])


def _keep_outputs(linear: Linear, kept: list[list[range]]) -> None:
    linear.weight.keep_rows(kept)
    if linear.bias is not None:
        linear.bias.keep_rows(kept)


def _keep_inputs(linear: Linear, kept: list[range], team: Team) -> None:
    linear.weight.keep_columns(kept)
    if linear.bias is not None and team.rank > 0:
        # The ranks' results are added up, and the bias counts once.
        linear.bias.keep_rows([[] for _ in linear.bias.parts], list(linear.bias.parts.values()))
