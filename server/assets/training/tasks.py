"""Synthetic tasks of finding things in context, made as tensors on the device.

A row can be answered only from itself: its strings are random. Rows come by the thousand from a seed without the host
touching a token. `tests/assets/test_training_tasks.py` solves each with a slow reader of the tokens.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from server.assets.training.batch import Batch, Piece, compose
from server.assets.training.symbols import Symbols

MARK_WEIGHT = 0.1
"""Weight of the marks in and after an answer: worth learning, but so easy that they would hide what a row is about."""


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
    lengths = _integers(generator, (draw.rows, 1), max(2, longest // 4), longest)
    string = _words(_words_of_rows(draw, generator, alphabet, row_alphabet), generator, (draw.rows, longest))
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
    words = _words_of_rows(draw, generator, alphabet, row_alphabet)
    keys = _keys(words, generator, num_facts, longest_key, near_share)
    values = _Strings.draw(words, generator, num_facts, longest_value)
    asked = torch.randint(num_facts, (draw.rows, num_queries), generator=generator, device=symbols.device)

    def lines(keys: "_Strings", values: "_Strings", weight: Tensor | None) -> Piece:
        return _joined([_always(opening, keys), keys.columns(), _always(joint, keys)], [values, end], weight)

    is_clear = _is_unique(keys).gather(1, asked).float()
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
    words = _words_of_rows(draw, generator, alphabet, None)
    names = _keys(words, generator, num_records, longest_key)
    attributes = _permuted(words, generator, num_attributes)
    count = num_records * num_attributes
    values = _Strings.draw(words, generator, count, longest_value)

    # Every line carries its record's heading; only the first of a record keeps it.
    of_record = torch.arange(count, device=symbols.device) // num_attributes
    of_attribute = (torch.arange(count, device=symbols.device) % num_attributes).expand(draw.rows, -1)
    owners = names.pick(of_record.expand(draw.rows, -1))
    is_first = (of_attribute == 0)[..., None]
    newline = symbols.styles["bare"][2]
    heading = [_always(symbols.heading, owners), owners.columns(), _always(newline, owners)]
    heading = [(ids, keep & is_first) for ids, keep in heading]
    told = attributes.pick(of_attribute)
    facts = _joined([*heading, _always(opening, told), told.columns(), _always(joint, told)], [values, end], None)

    asked = torch.randint(count, (draw.rows, num_queries), generator=generator, device=symbols.device)
    owner, attribute = owners.pick(asked), told.pick(asked)
    first, second = (owner, attribute) if integer(host, 0, 1) else (attribute, owner)
    is_clear = _is_unique(names).gather(1, asked // num_attributes).float()
    query = [_always(opening, owner), first.columns(), second.columns(), _always(joint, owner)]
    queries = _joined(query, [values.pick(asked), end], is_clear)
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
    words = _words_of_rows(draw, generator, alphabet, None)
    pieces: list[Piece] = []
    for _ in range(num_lists):
        count = integer(host, 2, most)
        names = _keys(words, generator, count, longest_key)
        numbers, values = _numbers(draw, generator, count, longest_number)
        best = (values.argmax(1) if asks_largest else values.argmin(1))[:, None]
        line = [_always(opening, names), names.columns(), _always(joint, names)]
        pieces.append(_joined(line, [numbers, end], None))
        pieces.append(Piece(ask.expand(draw.rows, -1)))
        name, number = names.pick(best), numbers.pick(best)
        weight = torch.ones(draw.rows, 1, device=symbols.device)
        pieces.append(_joined([], [name, joint, number, end], weight))
        pieces.append(Piece(symbols.copy_mark.expand(draw.rows, -1)))
    return compose(pieces, draw.length)


@dataclass(frozen=True, slots=True)
class _Strings:
    """Ragged strings: `ids` and `keep` of [rows, count, longest]."""

    ids: Tensor
    keep: Tensor

    @classmethod
    def draw(cls, words: Tensor, generator: torch.Generator, count: int, longest: int) -> "_Strings":
        rows = len(words)
        ids = _words(words, generator, (rows, count, longest))
        lengths = _integers(generator, (rows, count, 1), 1, longest)
        return cls(ids, torch.arange(longest, device=words.device) < lengths)

    def pick(self, which: Tensor) -> "_Strings":
        """The strings at `which`, [rows, n] int64."""
        index = which[..., None].expand(-1, -1, self.ids.shape[2])
        return _Strings(self.ids.gather(1, index), self.keep.gather(1, index))

    def columns(self) -> tuple[Tensor, Tensor]:
        return self.ids, self.keep


def _always(ids: Tensor, beside: _Strings) -> tuple[Tensor, Tensor]:
    """The same tokens for every string of `beside`."""
    rows, count, _ = beside.ids.shape
    columns = ids.expand(rows, count, -1)
    return columns, torch.ones_like(columns, dtype=torch.bool)


def _joined(before: list[tuple[Tensor, Tensor]], answer: list[_Strings | Tensor], weight: Tensor | None) -> Piece:
    """Lines of what is given and what is to be predicted, end to end; `weight` is [rows, count], or None for none."""
    strings = next(part for part in answer if isinstance(part, _Strings))
    said = [part.columns() if isinstance(part, _Strings) else _always(part, strings) for part in answer]
    columns = [*before, *said]
    ids = torch.cat([ids for ids, _ in columns], 2)
    keep = torch.cat([keep for _, keep in columns], 2)
    if weight is None:
        return Piece(ids.flatten(1), keep.flatten(1))
    shares = [0.0] * len(before) + [MARK_WEIGHT if isinstance(part, Tensor) else 1.0 for part in answer]
    # Filled on the device: a copy from the host could wait for all that the device still has to do.
    factors = [
        ids.new_full(ids.shape[2:], share, dtype=torch.float32) for share, (ids, _) in zip(shares, columns, strict=True)
    ]
    return Piece(ids.flatten(1), keep.flatten(1), (torch.cat(factors) * weight[..., None]).flatten(1))


def _integers(generator: torch.Generator, size: tuple[int, ...], low: int, high: int) -> Tensor:
    return torch.randint(low, high + 1, size, generator=generator, device=generator.device)


def _words_of_rows(draw: Draw, generator: torch.Generator, alphabet: int, row_alphabet: int | None) -> Tensor:
    """The words that each row may use, all different, [rows, n] int64."""
    words = draw.symbols.words[:alphabet].expand(draw.rows, -1)
    if row_alphabet is None or row_alphabet >= words.shape[1]:
        return words
    order = torch.rand(words.shape, generator=generator, device=words.device).argsort(1)
    return words.gather(1, order[:, :row_alphabet])


def _words(words: Tensor, generator: torch.Generator, size: tuple[int, ...]) -> Tensor:
    """Random words of each row, `size` beginning with the number of rows."""
    chosen = _integers(generator, size, 0, words.shape[1] - 1)
    return words.gather(1, chosen.flatten(1)).view(size)


def _permuted(words: Tensor, generator: torch.Generator, count: int) -> _Strings:
    """`count` different single words for each row."""
    order = torch.rand(words.shape, generator=generator, device=words.device).argsort(1)
    ids = words.gather(1, order[:, :count])[..., None]
    return _Strings(ids, torch.ones_like(ids, dtype=torch.bool))


def _keys(words: Tensor, generator: torch.Generator, count: int, longest: int, near_share: float = 0.0) -> _Strings:
    """Keys of a row. Single words are all different where the alphabet suffices; longer ones differ by chance."""
    if longest == 1 and count <= words.shape[1]:
        return _permuted(words, generator, count)
    keys = _Strings.draw(words, generator, count, longest)
    if near_share == 0:
        return keys
    # A near key takes the key before it, which stays as it is, and changes one of its tokens.
    is_odd = torch.arange(count, device=words.device)[:, None] % 2 == 1
    chance = torch.rand(len(words), count, 2, generator=generator, device=words.device)
    is_near = is_odd & (chance[..., :1] < 2 * near_share)
    before = _Strings(keys.ids.roll(1, 1), keys.keep.roll(1, 1))
    changed = (chance[..., 1:] * before.keep.sum(2, keepdim=True)).long()
    is_changed = torch.arange(longest, device=words.device) == changed
    near = torch.where(is_changed, keys.ids, before.ids)
    return _Strings(torch.where(is_near, near, keys.ids), torch.where(is_near, before.keep, keys.keep))


def _is_unique(strings: _Strings) -> Tensor:
    """[rows, count] bool: no other string of the row is the same."""
    code = torch.zeros(strings.ids.shape[:2], dtype=torch.int64, device=strings.ids.device)
    for column in torch.where(strings.keep, strings.ids + 1, 0).unbind(2):
        # Wraps around for long strings; a chance collision only takes a query's weight away.
        code = code * 1_000_003 + column
    ordered, order = code.sort(1)
    same = ordered[:, 1:] == ordered[:, :-1]
    edge = torch.zeros_like(same[:, :1])
    is_double = torch.cat([edge, same], 1) | torch.cat([same, edge], 1)
    return ~torch.zeros_like(is_double).scatter(1, order, is_double)


def _numbers(draw: Draw, generator: torch.Generator, count: int, longest: int) -> tuple[_Strings, Tensor]:
    """Different numbers without leading zeros, as digits and as int64 of [rows, count]."""
    symbols = draw.symbols
    lengths = _integers(generator, (draw.rows, count), 1, longest)
    # Residues of `count` keep the numbers of a row apart; the smallest ones hold a single digit each.
    drawn = torch.rand(draw.rows, count, generator=generator, device=symbols.device, dtype=torch.float64)
    values = (drawn * 10.0 ** lengths.double() / count).long() * count
    values = values + torch.rand(draw.rows, count, generator=generator, device=symbols.device).argsort(1)
    powers = 10 ** torch.arange(longest, -1, -1, device=symbols.device)
    digits = values[..., None] // powers % 10
    keep = (values[..., None] >= powers) | (powers == 1)
    return _Strings(symbols.digits[digits], keep), values
