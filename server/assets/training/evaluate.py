"""How good the network is right now: answers word by word as they should be, passkeys, and natural text.

Teacher-forced: every token is predicted from the right ones before it, and an answer counts if all its tokens are the
likeliest. Greedy decoding, which is the same thing up to the first error, gives exactly as many answers.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from server.assets.training.batch import Batch
from server.assets.training.network import Network
from server.assets.training.passkey import Passkey
from server.assets.training.rows import BUCKETS, DeviceRows, Prose
from server.assets.training.step import FULL_WEIGHT
from server.assets.training.symbols import Symbols
from server.assets.training.tasks import Draw

TOKENS_AT_ONCE = 65_536


@torch.no_grad()
def answers_right(network: Network, batch: Batch) -> tuple[int, int]:
    """How many answers of a batch are right in every token, and how many there are.

    An answer is an unbroken run of tokens of full weight.
    """
    hidden = network(batch.ids)[:, :-1]
    is_answer = batch.weights[:, 1:] >= FULL_WEIGHT
    rows, columns = is_answer.nonzero(as_tuple=True)
    is_right = torch.zeros_like(is_answer)
    is_right[rows, columns] = network.logits(hidden[rows, columns]).argmax(-1) == batch.ids[rows, columns + 1]
    return _runs_right(is_answer, is_right)


def _runs_right(is_answer: Tensor, is_right: Tensor) -> tuple[int, int]:
    before = functional.pad(is_answer[:, :-1], (1, 0))
    starts = is_answer & ~before
    number = starts.flatten().long().cumsum(0)
    wrong = (is_answer & ~is_right).flatten()
    num_answers = int(starts.sum())
    num_wrong = len(number[wrong].unique())
    return num_answers - num_wrong, num_answers


def evaluate_rows(network: Network, rows: DeviceRows, *, tokens_each: int, longest: int) -> dict[str, dict[str, int]]:
    """Right answers by kind and length: {"text@1024": {"right": 3, "answers": 4}, ...}.

    Args:
        network: on the rows' device.
        rows: validation conversations.
        tokens_each: about so many tokens of every kind and length, the first rows of each.
        longest: rows of longer buckets are left out.
    """
    found: dict[str, dict[str, int]] = {}
    kinds = {
        "text verbatim": "VERBATIM+!JSON+!TOOLS",
        "text": "!VERBATIM+!JSON+!TOOLS",
        "json": "JSON+!TOOLS",
        "tools": "TOOLS",
    }
    for kind, only in kinds.items():
        for bucket in (bucket for bucket in BUCKETS if bucket <= longest):
            numbers = rows.rows_of(bucket, only)[: max(1, tokens_each // bucket)]
            right = answers = 0
            for first in range(0, len(numbers), per_pass := max(1, TOKENS_AT_ONCE // bucket)):
                some = answers_right(network, rows.take(numbers[first : first + per_pass], bucket))
                right, answers = right + some[0], answers + some[1]
            if answers:
                found[f"{kind}@{bucket}"] = {"right": right, "answers": answers}
    return found


def evaluate_passkey(
    network: Network, passkey: Passkey, symbols: Symbols, *, longest: int, trials: int = 8
) -> dict[str, dict[str, int]]:
    """Right passkeys by length, at five depths each: {"1024": {"right": 40, "answers": 40}, ...}."""
    found: dict[str, dict[str, int]] = {}
    longest = min(longest, passkey.longest - 1)
    for length in (bucket for bucket in BUCKETS if 256 <= bucket <= longest):
        right = answers = 0
        for number, depth in enumerate((0.0, 0.25, 0.5, 0.75, 1.0)):
            for some in _pieces(trials, max(1, TOKENS_AT_ONCE // length)):
                batch = passkey.one(Draw(symbols, some, length, seed=1_000_003 * length + number), depth=depth)
                counted = answers_right(network, batch)
                right, answers = right + counted[0], answers + counted[1]
        found[str(length)] = {"right": right, "answers": answers}
    return found


def _pieces(total: int, most: int) -> Iterator[int]:
    for first in range(0, total, most):
        yield min(most, total - first)


@torch.no_grad()
def perplexity(network: Network, prose: Prose, *, context: int = 1024, tokens: int = 65_536) -> float:
    """Perplexity a token over windows of held-out text, drawn from a fixed seed, all but each window's first token."""
    device = network.embedding.device
    context = min(context, len(prose) - 1)
    total, count = 0.0, 0
    generator = torch.Generator(device).manual_seed(0)
    for rows in _pieces(max(1, tokens // context), max(1, 16_384 // context)):
        ids = prose.windows(generator, rows, context)
        logits = network.logits(network(ids)[:, :-1]).float().flatten(0, 1)
        total += float(functional.cross_entropy(logits, ids[:, 1:].flatten(), reduction="sum"))
        count += rows * (context - 1)
    return math.exp(total / count)
