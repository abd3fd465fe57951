"""The tokens that synthetic tasks are made of, so that they look like contexts and conversations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STYLES: dict[str, tuple[str, str, str]] = {
    "bare": ("", ":", "\n"),
    "list": ("- ", ": ", "\n"),
    "json": ('"', '":"', '",'),
    "prose": ("The ", " is ", ". "),
}
"""What stands before a key, between key and value, and after the value."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """Token ids by their use in synthetic tasks; all tensors are [n] int64 on the device.

    Args:
        words: ids that random strings are made of, in an order that is fixed and random; none of the other ids.
        digits: the ten digits.
        styles: of facts: what opens one, what joins key and value, what closes it.
        copy_mark: between a string and its copy.
        question_mark: between facts and queries.
        smallest, largest: stand before the answer to which is smallest or largest.
        heading: opens a record of several attributes.
        turns: `user_open`, `user_close` (with the assistant's opening) and `end` of a conversation.
    """

    words: Tensor
    digits: Tensor
    styles: dict[str, tuple[Tensor, Tensor, Tensor]]
    copy_mark: Tensor
    question_mark: Tensor
    smallest: Tensor
    largest: Tensor
    heading: Tensor
    turns: dict[str, Tensor]

    @property
    def device(self) -> torch.device:
        return self.words.device


def symbols_of(tokenizer: Tokenizer, device: torch.device | str = "cpu") -> Symbols:
    """Finds the ids in a tokenizer that has the conversation's special tokens and every digit as a token."""

    def ids(text: str) -> Tensor:
        return torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids, dtype=torch.int64, device=device)

    styles = {name: (ids(opening), ids(joint), ids(end)) for name, (opening, joint, end) in STYLES.items()}
    marks = {
        "copy_mark": ids("\n\n"),
        "question_mark": ids("\nQuestion:\n"),
        "smallest": ids("Smallest: "),
        "largest": ids("Largest: "),
        "heading": ids("\n# "),
    }
    turns = {
        "user_open": ids("<|im_start|>user\n"),
        "user_close": ids("<|im_end|>\n<|im_start|>assistant\n"),
        "end": ids("<|im_end|>"),
    }
    digits = torch.cat([ids(str(digit)) for digit in range(10)])
    used = torch.cat([*(t for style in styles.values() for t in style), *marks.values(), *turns.values(), digits])
    taken = set(used.tolist()) | {0}
    free = torch.tensor([i for i in range(tokenizer.get_vocab_size()) if i not in taken], dtype=torch.int64)
    order = torch.randperm(len(free), generator=torch.Generator().manual_seed(0))
    return Symbols(words=free[order].to(device), digits=digits, styles=styles, turns=turns, **marks)


def plain_symbols(vocab_size: int, device: torch.device | str = "cpu") -> Symbols:
    """Symbols without a tokenizer, one token a mark, for experiments and tests; needs `vocab_size` of at least 64."""

    def ids(*values: int) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    turns = {"user_open": ids(1), "user_close": ids(2), "end": ids(3)}
    nothing = ids()
    styles = {
        "bare": (nothing, ids(4), ids(5)),
        "list": (ids(6), ids(7), ids(5)),
        "json": (ids(8), ids(9), ids(8)),
        "prose": (ids(10), ids(11), ids(12)),
    }
    return Symbols(
        words=torch.arange(28, vocab_size, device=device),
        digits=torch.arange(13, 23, device=device),
        styles=styles,
        copy_mark=ids(23),
        question_mark=ids(24),
        smallest=ids(25),
        largest=ids(26),
        heading=ids(27),
        turns=turns,
    )
