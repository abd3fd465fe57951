"""Synthetic tasks of finding things in context, made as tensors on the device.

A row can be answered only from itself: its strings are random. Rows come by the thousand from a seed without the host
touching a token. `tests/assets/test_training_tasks.py` solves each with a slow reader of the tokens.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from server.assets.training.batch import Batch, Piece, compose
from server.assets.training.strings import (
    MARK_WEIGHT as MARK_WEIGHT,
)
from server.assets.training.strings import (
    Strings,
    always,
    integers,
    is_unique,
    joined,
    keys_of,
    permuted,
    random_words,
    words_of_rows,
)
from server.assets.training.symbols import Symbols


@dataclass(frozen=True, slots=True)
class Draw:
    """Where random numbers come from and how large a batch is.

    Args:
        symbols: tokens to use.
        rows, length: shape of the batch.
        seed: two draws of one seed on one kind of device are equal.
    """

    symbols: Symbols
    rows: int
    length: int
    seed: int

    def generator(self) -> torch.Generator:
        return torch.Generator(self.symbols.device).manual_seed(self.seed)

    def host(self) -> torch.Generator:
        """For sizes, which all rows of a batch share."""
        return torch.Generator().manual_seed(self.seed ^ 0x5EED)


def integer(host: torch.Generator, low: int, high: int) -> int:
    """A random integer from `low` to `high`, both included; `low` where high is less."""
    return int(torch.randint(low, max(low, high) + 1, (), generator=host))


def copying(draw: Draw, *, alphabet: int = 32, row_alphabet: int | None = None) -> Batch:
    """A random string, a mark, the string again; the second one is to be predicted.

    Args:
        draw: size and seed.
        alphabet: how many of the words the strings are made of.
        row_alphabet: how many of those a single row uses, another choice for each; None for all.
    """
    symbols, generator = draw.symbols, draw.generator()
    longest = (draw.length - len(symbols.copy_mark)) // 2
    lengths = integers(generator, (draw.rows, 1), max(2, longest // 4), longest)
    words = words_of_rows(symbols.words[:alphabet], generator, draw.rows, row_alphabet)
    string = random_words(words, generator, (draw.rows, longest))
    keep = torch.arange(longest, device=symbols.device) < lengths
    mark = Piece(symbols.copy_mark.expand(draw.rows, -1))
    return compose([Piece(string, keep), mark, Piece(string, keep, weight=1.0)], draw.length)


def lookup(
    draw: Draw,
    *,
    alphabet: int = 32,
    row_alphabet: int | None = None,
    longest_key: int = 1,
    longest_value: int = 1,
    style: str = "bare",
    near_share: float = 0.0,
    min_facts: int = 2,
    max_fact_share: float = 0.75,
) -> Batch:
    """Facts, each a key and a value, then keys whose values are to be predicted, as many as fit.

    Args:
        draw: size and seed.
        alphabet: how many of the words keys and values are made of.
        row_alphabet: how many of those a single row uses, another choice for each; None for all.
        longest_key, longest_value: in tokens; lengths are drawn for every key and value.
        style: how a fact is written, see `symbols.STYLES`.
        near_share: share of the keys, at most a half, that are another key with one token changed.
        min_facts: fewest facts in a row.
        max_fact_share: share of the row that facts may take; their number is drawn for every batch.

    A key that stands twice has no answer, and its queries have no weight.
    """
    symbols, generator, host = draw.symbols, draw.generator(), draw.host()
    opening, joint, end = symbols.styles[style]
    around = len(opening) + len(joint) + len(end)
    fact_tokens = around + (2 + longest_key + longest_value) / 2
    room = draw.length - len(symbols.question_mark)
    num_facts = integer(host, min_facts, max(min_facts, int(room * max_fact_share / fact_tokens)))
    num_queries = max(1, math.ceil((room - num_facts * fact_tokens) / fact_tokens))
    words = words_of_rows(symbols.words[:alphabet], generator, draw.rows, row_alphabet)
    keys = keys_of(words, generator, num_facts, longest_key, near_share)
    values = Strings.draw(words, generator, num_facts, longest_value)
    asked = torch.randint(num_facts, (draw.rows, num_queries), generator=generator, device=symbols.device)

    def lines(keys: Strings, values: "Strings", weight: Tensor | None) -> Piece:
        return joined([always(opening, keys), keys.columns(), always(joint, keys)], [values, end], weight)

    is_clear = is_unique(keys).gather(1, asked).float()
    pieces = [
        lines(keys, values, None),
        Piece(symbols.question_mark.expand(draw.rows, -1)),
        lines(keys.pick(asked), values.pick(asked), is_clear),
    ]
    return compose(pieces, draw.length)


def records(
    draw: Draw,
    *,
    alphabet: int = 32,
    longest_key: int = 1,
    longest_value: int = 1,
    num_attributes: int = 3,
    style: str = "list",
) -> Batch:
    """Records with the same attributes each, then pairs of name and attribute whose values are to be predicted.

    A record is a heading with a name, and a fact a line for each attribute. Whether a query gives the name or the
    attribute first is drawn for every batch. The other arguments are those of `lookup`.
    """
    symbols, generator, host = draw.symbols, draw.generator(), draw.host()
    opening, joint, end = symbols.styles[style]
    line_tokens = len(opening) + len(joint) + len(end) + 1 + (1 + longest_value) / 2
    record_tokens = len(symbols.heading) + (1 + longest_key) / 2 + 1 + num_attributes * line_tokens
    query_tokens = line_tokens + (1 + longest_key) / 2
    room = draw.length - len(symbols.question_mark)
    num_records = integer(host, 2, int(room * 0.75 / record_tokens))
    num_queries = max(1, math.ceil((room - num_records * record_tokens) / query_tokens))
    words = words_of_rows(symbols.words[:alphabet], generator, draw.rows)
    names = keys_of(words, generator, num_records, longest_key)
    attributes = permuted(words, generator, num_attributes)
    count = num_records * num_attributes
    values = Strings.draw(words, generator, count, longest_value)

    # Every line carries its record's heading; only the first of a record keeps it.
    of_record = torch.arange(count, device=symbols.device) // num_attributes
    of_attribute = (torch.arange(count, device=symbols.device) % num_attributes).expand(draw.rows, -1)
    owners = names.pick(of_record.expand(draw.rows, -1))
    is_first = (of_attribute == 0)[..., None]
    newline = symbols.styles["bare"][2]
    heading = [always(symbols.heading, owners), owners.columns(), always(newline, owners)]
    heading = [(ids, keep & is_first) for ids, keep in heading]
    told = attributes.pick(of_attribute)
    facts = joined([*heading, always(opening, told), told.columns(), always(joint, told)], [values, end], None)

    asked = torch.randint(count, (draw.rows, num_queries), generator=generator, device=symbols.device)
    owner, attribute = owners.pick(asked), told.pick(asked)
    first, second = (owner, attribute) if integer(host, 0, 1) else (attribute, owner)
    is_clear = is_unique(names).gather(1, asked // num_attributes).float()
    query = [always(opening, owner), first.columns(), second.columns(), always(joint, owner)]
    queries = joined(query, [values.pick(asked), end], is_clear)
    return compose([facts, Piece(symbols.question_mark.expand(draw.rows, -1)), queries], draw.length)


def smallest(
    draw: Draw, *, alphabet: int = 32, longest_key: int = 1, longest_number: int = 3, most: int = 5, style: str = "list"
) -> Batch:
    """Short lists of names with numbers, each followed by the one with the smallest or the largest number.

    Args:
        draw: size and seed.
        alphabet, longest_key, style: as in `lookup`.
        longest_number: in digits.
        most: longest list; lists have two items and more.
    """
    symbols, generator, host = draw.symbols, draw.generator(), draw.host()
    opening, joint, end = symbols.styles[style]
    list_tokens = (2 + most) / 2 * (len(opening) + len(joint) + len(end) + (2 + longest_key + longest_number) / 2)
    num_lists = max(1, math.ceil(draw.length / list_tokens))
    asks_largest = bool(integer(host, 0, 1))
    ask = symbols.largest if asks_largest else symbols.smallest
    words = words_of_rows(symbols.words[:alphabet], generator, draw.rows)
    pieces: list[Piece] = []
    for _ in range(num_lists):
        count = integer(host, 2, most)
        names = keys_of(words, generator, count, longest_key)
        numbers, values = _numbers(draw, generator, count, longest_number)
        best = (values.argmax(1) if asks_largest else values.argmin(1))[:, None]
        line = [always(opening, names), names.columns(), always(joint, names)]
        pieces.append(joined(line, [numbers, end], None))
        pieces.append(Piece(ask.expand(draw.rows, -1)))
        name, number = names.pick(best), numbers.pick(best)
        weight = torch.ones(draw.rows, 1, device=symbols.device)
        pieces.append(joined([], [name, joint, number, end], weight))
        pieces.append(Piece(symbols.copy_mark.expand(draw.rows, -1)))
    return compose(pieces, draw.length)


def _numbers(draw: Draw, generator: torch.Generator, count: int, longest: int) -> tuple[Strings, Tensor]:
    """Different numbers without leading zeros, as digits and as int64 of [rows, count]."""
    symbols = draw.symbols
    lengths = integers(generator, (draw.rows, count), 1, longest)
    # Residues of `count` keep the numbers of a row apart; the smallest ones hold a single digit each.
    drawn = torch.rand(draw.rows, count, generator=generator, device=symbols.device, dtype=torch.float64)
    values = (drawn * 10.0 ** lengths.double() / count).long() * count
    values = values + torch.rand(draw.rows, count, generator=generator, device=symbols.device).argsort(1)
    powers = 10 ** torch.arange(longest, -1, -1, device=symbols.device)
    digits = values[..., None] // powers % 10
    keep = (values[..., None] >= powers) | (powers == 1)
    return Strings(symbols.digits[digits], keep), values
