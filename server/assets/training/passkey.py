"""Passkeys: numbers hidden in a book, asked for at the end of a conversation.

After Mohtashami and Jaggi, "Landmark Attention" (2023), with our own books as the haystack and several wordings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from server.assets.training.batch import Batch, Piece, compose
from server.assets.training.rows import Prose
from server.assets.training.symbols import Symbols
from server.assets.training.tasks import MARK_WEIGHT, Draw, integer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What names the number, before and after it; and the question for it.
WORDINGS: tuple[tuple[str, str, str], ...] = (
    (" The pass key is ", ". Remember it. ", "\n\nWhat is the pass key?"),
    ("\n\nThe pass key is ", ". Remember it.\n\n", "\n\nWhat is the pass key?"),
    ("\n\nThe passkey is ", ".\n\n", "\n\nWhat is the passkey? Reply with the number."),
    (" The secret number is ", ". ", "\n\nWhat is the secret number?"),
    ("\n- Pass key: ", "\n", "\n\nQuestion: What is the pass key?"),
)
NAMED: tuple[str, str, str] = ("\n\nThe pass key of", " is ", ". Remember it.\n\n")
NAMED_QUESTION = "What is the pass key of"
FEWEST_DIGITS, MOST_DIGITS = 5, 7


class Passkey:
    """Makes rows with hidden numbers.

    Args:
        tokenizer: turns the wordings into ids.
        symbols: words for names, digits, turns.
        books: the haystack, on the symbols' device.
    """

    def __init__(self, tokenizer: Tokenizer, symbols: Symbols, books: Prose) -> None:
        self._symbols = symbols
        self._books = books

        def ids(text: str) -> Tensor:
            encoded = tokenizer.encode(text, add_special_tokens=False).ids
            return torch.tensor(encoded, dtype=torch.int64, device=symbols.device)

        self._wordings = [(ids(before), ids(after), ids(question)) for before, after, question in WORDINGS]
        self.longest = len(books)
        """Rows must be shorter than this many tokens."""
        self._named = tuple(ids(text) for text in NAMED)
        self._named_question = ids(NAMED_QUESTION)
        self._question_end = ids("?")

    def one(self, draw: Draw, *, depth: float | None = None) -> Batch:
        """One number a row; its digits and the end of the turn are to be predicted.

        Args:
            draw: rows, length and seed.
            depth: where in the haystack it stands, in [0, 1]; each row draws its own if None.
        """
        symbols, generator = self._symbols, draw.generator()
        before, after, question = self._wordings[integer(draw.host(), 0, len(self._wordings) - 1)]
        around = [symbols.turns["user_open"], before, after, question, symbols.turns["user_close"]]
        room = draw.length - sum(len(ids) for ids in around) - 2 * MOST_DIGITS - len(symbols.turns["end"])
        hay = self._books.windows(generator, draw.rows, max(1, room))
        drawn = torch.rand(draw.rows, 1, generator=generator, device=symbols.device)
        cut = ((drawn if depth is None else torch.full_like(drawn, depth)) * (hay.shape[1] + 1)).long()
        columns = torch.arange(hay.shape[1], device=symbols.device)
        digits, keep = self._number(generator, draw.rows)
        return compose(
            [
                self._fixed("user_open", draw.rows),
                Piece(hay, columns < cut),
                self._said(before, draw.rows),
                Piece(digits, keep),
                self._said(after, draw.rows),
                Piece(hay, columns >= cut),
                self._said(question, draw.rows),
                self._fixed("user_close", draw.rows),
                Piece(digits, keep, weight=1.0),
                self._fixed("end", draw.rows, weight=MARK_WEIGHT),
            ],
            draw.length,
        )

    def several(self, draw: Draw, *, count: int = 4) -> Batch:
        """`count` numbers a row, each with a name of one word, asked for in turns in random order."""
        symbols, generator = self._symbols, draw.generator()
        rows = draw.rows
        fixed = symbols.turns["user_open"], symbols.turns["user_close"], symbols.turns["end"]
        per_key = sum(map(len, (*self._named, self._named_question, self._question_end, *fixed))) + 3 + 2 * MOST_DIGITS
        hay = self._books.windows(generator, rows, max(1, draw.length - count * per_key))
        cuts = torch.rand(rows, count, generator=generator, device=symbols.device).sort(1).values
        cuts = (cuts * (hay.shape[1] + 1)).long()
        scores = torch.rand(rows, len(symbols.words), generator=generator, device=symbols.device)
        names = symbols.words[scores.argsort(1)[:, :count]]
        numbers = [self._number(generator, rows) for _ in range(count)]
        columns = torch.arange(hay.shape[1], device=symbols.device)
        opening, joint, closing = self._named
        pieces = [self._fixed("user_open", rows)]
        last = torch.zeros(rows, 1, dtype=torch.int64, device=symbols.device)
        for index, (digits, keep) in enumerate(numbers):
            cut = cuts[:, index : index + 1]
            pieces += [Piece(hay, (columns >= last) & (columns < cut)), self._said(opening, rows)]
            pieces += [Piece(names[:, index : index + 1]), self._said(joint, rows), Piece(digits, keep)]
            pieces.append(self._said(closing, rows))
            last = cut
        pieces.append(Piece(hay, columns >= last))
        all_digits = torch.stack([digits for digits, _ in numbers], 1)
        all_keep = torch.stack([keep for _, keep in numbers], 1)
        order = torch.rand(rows, count, generator=generator, device=symbols.device).argsort(1)
        for turn, which in enumerate(order.split(1, 1)):
            if turn > 0:
                pieces.append(self._fixed("user_open", rows))
            index = which[..., None].expand(-1, -1, MOST_DIGITS)
            pieces += [self._said(self._named_question, rows), Piece(names.gather(1, which))]
            pieces += [self._said(self._question_end, rows), self._fixed("user_close", rows)]
            pieces.append(Piece(all_digits.gather(1, index)[:, 0], all_keep.gather(1, index)[:, 0], weight=1.0))
            pieces.append(self._fixed("end", rows, weight=MARK_WEIGHT))
            pieces.append(self._said(symbols.styles["bare"][2], rows))
        return compose(pieces, draw.length)

    def _number(self, generator: torch.Generator, rows: int) -> tuple[Tensor, Tensor]:
        symbols = self._symbols
        digits = torch.randint(10, (rows, MOST_DIGITS), generator=generator, device=symbols.device)
        digits[:, 0] = digits[:, 0].clamp(min=1)
        size = torch.randint(FEWEST_DIGITS, MOST_DIGITS + 1, (rows, 1), generator=generator, device=symbols.device)
        return symbols.digits[digits], torch.arange(MOST_DIGITS, device=symbols.device) < size

    def _fixed(self, turn: str, rows: int, weight: float = 0.0) -> Piece:
        return self._said(self._symbols.turns[turn], rows, weight)

    def _said(self, ids: Tensor, rows: int, weight: float = 0.0) -> Piece:
        return Piece(ids.expand(rows, -1), weight=weight)
