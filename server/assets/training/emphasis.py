"""More weight for the few tokens after "Answer:", beside the many that a reply quotes before them."""

import torch

from server.assets.training import wordings
from server.assets.training.batch import Batch
from server.assets.training.step import FULL_WEIGHT
from server.assets.training.symbols import Symbols


def stress_answers(batch: Batch, symbols: Symbols, factor: float) -> Batch:
    """The batch with the weight of every answer multiplied.

    Args:
        batch: conversations in which the assistant replies to map questions.
        symbols: with wordings.
        factor: for what the assistant writes between "Answer:" and the end of its turn, the end included.
    """
    ids = batch.ids
    answer = symbols.wordings[wordings.ANSWER]
    before_number = symbols.wordings[wordings.AMOUNT_ANSWER_NUMBER[wordings.Said.DISTANCE]]
    at = torch.arange(ids.shape[1], device=ids.device)
    # An answer begins after the mark, which stands alone before a word and with a space before a number.
    is_mark = (ids == answer[-1]) | (ids == before_number[-1])
    begins = torch.zeros_like(is_mark)
    begins[:, 2:] = (ids[:, :-2] == answer[-2]) & is_mark[:, 1:-1]
    ends = torch.zeros_like(is_mark)
    ends[:, 1:] = ids[:, :-1] == symbols.turns["end"][-1]
    begun = torch.where(begins, at, -1).cummax(1).values
    ended = torch.where(ends, at, -1).cummax(1).values
    is_answer = (begun > ended) & (batch.weights >= FULL_WEIGHT)
    return Batch(ids, torch.where(is_answer, batch.weights * factor, batch.weights))
