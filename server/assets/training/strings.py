"""Random strings of words, one after the other in rows, as tensors on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from server.assets.training.batch import Piece

MARK_WEIGHT = 0.1
"""Weight of the marks in and after an answer: worth learning, but so easy that they would hide what a row is about."""


@dataclass(frozen=True, slots=True)
class Strings:
    """Ragged strings: `ids` and `keep` of [rows, count, longest]."""

    ids: Tensor
    keep: Tensor

    @classmethod
    def draw(cls, words: Tensor, generator: torch.Generator, count: int, longest: int) -> "Strings":
        rows = len(words)
        ids = random_words(words, generator, (rows, count, longest))
        lengths = integers(generator, (rows, count, 1), 1, longest)
        return cls(ids, torch.arange(longest, device=words.device) < lengths)

    @classmethod
    def end_to_end(cls, parts: Sequence["Strings"]) -> "Strings":
        """Each string of the first part with those of the others behind it."""
        return cls(torch.cat([part.ids for part in parts], 2), torch.cat([part.keep for part in parts], 2))

    def pick(self, which: Tensor) -> "Strings":
        """The strings at `which`, [rows, n] int64."""
        index = which[..., None].expand(-1, -1, self.ids.shape[2])
        return Strings(self.ids.gather(1, index), self.keep.gather(1, index))

    def columns(self) -> tuple[Tensor, Tensor]:
        return self.ids, self.keep


def always(ids: Tensor, beside: Strings) -> tuple[Tensor, Tensor]:
    """The same tokens for every string of `beside`."""
    rows, count, _ = beside.ids.shape
    columns = ids.expand(rows, count, -1)
    return columns, torch.ones_like(columns, dtype=torch.bool)


def joined(before: list[tuple[Tensor, Tensor]], answer: list[Strings | Tensor], weight: Tensor | None) -> Piece:
    """Lines of what is given and what is to be predicted, end to end; `weight` is [rows, count], or None for none."""
    strings = next(part for part in answer if isinstance(part, Strings))
    said = [part.columns() if isinstance(part, Strings) else always(part, strings) for part in answer]
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


def integers(generator: torch.Generator, size: tuple[int, ...], low: int, high: int) -> Tensor:
    return torch.randint(low, high + 1, size, generator=generator, device=generator.device)


def words_of_rows(words: Tensor, generator: torch.Generator, rows: int, row_alphabet: int | None = None) -> Tensor:
    """The words that each row may use, all different, [rows, n] int64; `row_alphabet` of them, or all."""
    words = words.expand(rows, -1)
    if row_alphabet is None or row_alphabet >= words.shape[1]:
        return words
    order = torch.rand(words.shape, generator=generator, device=words.device).argsort(1)
    return words.gather(1, order[:, :row_alphabet])


def random_words(words: Tensor, generator: torch.Generator, size: tuple[int, ...]) -> Tensor:
    """Random words of each row, `size` beginning with the number of rows."""
    chosen = integers(generator, size, 0, words.shape[1] - 1)
    return words.gather(1, chosen.flatten(1)).view(size)


def permuted(words: Tensor, generator: torch.Generator, count: int) -> Strings:
    """`count` different single words for each row."""
    order = torch.rand(words.shape, generator=generator, device=words.device).argsort(1)
    ids = words.gather(1, order[:, :count])[..., None]
    return Strings(ids, torch.ones_like(ids, dtype=torch.bool))


def keys_of(words: Tensor, generator: torch.Generator, count: int, longest: int, near_share: float = 0.0) -> Strings:
    """Keys of a row. Single words are all different where the alphabet suffices; longer ones differ by chance."""
    if longest == 1 and count <= words.shape[1]:
        return permuted(words, generator, count)
    return with_near(Strings.draw(words, generator, count, longest), generator, near_share)


def names_of(
    heads: Tensor, tails: Tensor, generator: torch.Generator, count: int, longest: int, near_share: float = 0.0
) -> Strings:
    """Names of a row: a word of `heads`, [rows, n], then words of `tails`; otherwise like `keys_of`."""
    if longest == 1 and count <= heads.shape[1]:
        return permuted(heads, generator, count)
    first = random_words(heads, generator, (len(heads), count, 1))
    strings = Strings.draw(tails, generator, count, longest)
    return with_near(Strings(torch.cat([first, strings.ids[..., 1:]], 2), strings.keep), generator, near_share)


def with_near(keys: Strings, generator: torch.Generator, near_share: float) -> Strings:
    """The keys, but `near_share` of them, at most a half, are the key before them with one token changed."""
    if near_share == 0:
        return keys
    count, longest = keys.ids.shape[1:]
    device = keys.ids.device
    # A near key takes the key before it, which stays as it is, and changes one of its tokens.
    is_odd = torch.arange(count, device=device)[:, None] % 2 == 1
    chance = torch.rand(len(keys.ids), count, 2, generator=generator, device=device)
    is_near = is_odd & (chance[..., :1] < 2 * near_share)
    before = Strings(keys.ids.roll(1, 1), keys.keep.roll(1, 1))
    changed = (chance[..., 1:] * before.keep.sum(2, keepdim=True)).long()
    is_changed = torch.arange(longest, device=device) == changed
    near = torch.where(is_changed, keys.ids, before.ids)
    return Strings(torch.where(is_near, near, keys.ids), torch.where(is_near, before.keep, keys.keep))


def is_unique(strings: Strings) -> Tensor:
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
