"""The tokens that synthetic tasks are made of, so that they look like contexts and conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from server.assets.training.wordings import all_wordings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STYLES: dict[str, tuple[str, str, str]] = {
    "bare": ("", ":", "\n"),
    "list": ("- ", ": ", "\n"),
    "json": ('"', '":"', '",'),
    "prose": ("The ", " is ", ". "),
}
"""What stands before a key, between key and value, and after the value."""


def _nothing() -> Tensor:
    return torch.empty(0, dtype=torch.int64)


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
        wordings: each text of `wordings.py`; empty where there are none.
        heads: words that begin a name after a space.
        tails: words that go on a name.
        at_line_start: what stands for each id where a name begins a line, without the space, [vocabulary].
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
    wordings: Mapping[str, Tensor] = field(default_factory=dict)
    heads: Tensor = field(default_factory=_nothing)
    tails: Tensor = field(default_factory=_nothing)
    at_line_start: Tensor = field(default_factory=_nothing)

    @property
    def device(self) -> torch.device:
        return self.words.device


def symbols_of(tokenizer: Tokenizer, device: torch.device | str = "cpu") -> Symbols:
    """Finds the ids in a tokenizer that has the conversation's special tokens and every digit as a token."""

    def ids(text: str) -> Tensor:
        return torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids, dtype=torch.int64, device=device)

    def before_digit(text: str) -> Tensor:
        # A space goes with the marks before it only where a digit follows.
        return ids(f"{text}1")[:-1]

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
    words = free[order].tolist()
    spaced = tokenizer.encode(" a", add_special_tokens=False).tokens[0][0]
    vocabulary = tokenizer.get_vocab()
    names = {i: token for token, i in vocabulary.items() if token.removeprefix(spaced).isalpha()}
    at_line_start = list(range(tokenizer.get_vocab_size()))
    for i, token in names.items():
        if token.startswith(spaced):
            at_line_start[i] = vocabulary.get(token.removeprefix(spaced), i)
    tails = [i for i in words if i in names]
    heads = [i for i in tails if at_line_start[i] != i]

    def ids_of(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    return Symbols(
        words=ids_of(words),
        digits=digits,
        styles=styles,
        turns=turns,
        **marks,
        wordings={text: before_digit(text) if text.endswith((" ", "(")) else ids(text) for text in all_wordings()},
        heads=ids_of(heads or tails),
        tails=ids_of(tails),
        at_line_start=ids_of(at_line_start),
    )


def plain_symbols(vocab_size: int, device: torch.device | str = "cpu", *, has_wordings: bool = False) -> Symbols:
    """Symbols without a tokenizer, one token a mark, for experiments and tests; needs `vocab_size` of at least 64.

    With wordings, each a token, it needs more: half of what they leave are words, the others words at a line's start.
    """

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
    texts = all_wordings() if has_wordings else ()
    num_words = (vocab_size - 28 - len(texts)) // 2 if has_wordings else vocab_size - 28
    first_text = vocab_size - len(texts)
    words = torch.arange(28, 28 + num_words, device=device)
    at_line_start = torch.arange(vocab_size, device=device)
    if has_wordings:
        at_line_start[words] += num_words
    return Symbols(
        words=words,
        digits=torch.arange(13, 23, device=device),
        styles=styles,
        copy_mark=ids(23),
        question_mark=ids(24),
        smallest=ids(25),
        largest=ids(26),
        heading=ids(27),
        turns=turns,
        wordings={text: ids(first_text + number) for number, text in enumerate(texts)},
        heads=words,
        tails=words,
        at_line_start=at_line_start,
    )
