"""Choosing among options with letters, as map questions ask for it: quote what the context says, then name the letter.

A row is a list of facts, each a name and a value, and then questions, as many as fit. All of a batch ask in one way:

- `value_of`: for the value of a name; the options are values.
- `name_of`: which of the options has a value.
- `names_of`: which of them have it, one or several.

`tests/assets/test_training_choices.py` solves each with a slow reader of the text.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from server.assets.training import wordings
from server.assets.training.batch import Batch, Piece, compose
from server.assets.training.strings import MARK_WEIGHT, Strings, integers, is_unique, names_of, words_of_rows
from server.assets.training.symbols import Symbols
from server.assets.training.tasks import Draw, integer

QUOTE_WEIGHT = 0.2
"""Weight of what is quoted: copying, which other tasks teach, beside the few tokens of a choice."""
LETTERS = tuple(wordings.OPTIONS)
TEXTS = {"value_of": wordings.VALUE_OF, "name_of": wordings.NAME_OF, "names_of": wordings.NAMES_OF}


def choose(
    draw: Draw,
    *,
    alphabet: int = 32,
    longest_key: int = 2,
    longest_value: int = 3,
    near_share: float = 0.25,
    asks: str | None = None,
    has_turns: bool = False,
    max_fact_share: float = 0.5,
) -> Batch:
    """Facts, then questions with options; the fact that answers one is quoted before the letter.

    Args:
        draw: size and seed; needs symbols with wordings.
        alphabet: how many words names and values are made of.
        longest_key, longest_value: in tokens; lengths are drawn for every name and value.
        near_share: share of the names and of the values, at most a half, that are another one with one token changed.
        asks: a key of `TEXTS`; drawn for every batch where None.
        has_turns: whether questions are turns of a conversation with instructions, or follow each other.
        max_fact_share: share of the row that facts may take; their number is drawn for every batch.

    A question about a name or a value that stands twice, or beside one, has no weight.
    """
    symbols, generator, host = draw.symbols, draw.generator(), draw.host()
    asks = asks or tuple(TEXTS)[integer(host, 0, len(TEXTS) - 1)]
    is_several = asks == "names_of"
    text = chosen_text(host, TEXTS[asks])
    key, value = (1 + longest_key) / 2, (1 + longest_value) / 2
    quotes = (1 + 2 * is_several) * (key + value + 2)
    block_tokens = tokens_around(symbols, has_turns) + len(symbols.wordings[text]) + 3 * (key + 3) + value + quotes
    num_facts, num_blocks = sizes(draw, host, key + value + 3, block_tokens, max_fact_share)

    heads = words_of_rows(symbols.heads[:alphabet], generator, draw.rows)
    tails = words_of_rows(symbols.tails[:alphabet], generator, draw.rows)
    names = names_of(heads, tails, generator, num_facts, longest_key, near_share)
    # Several can share a value only where there are fewer values than names.
    num_values = max(2, num_facts // 3) if is_several else num_facts
    values = names_of(heads, tails, generator, num_values, longest_value, near_share)
    value_of = torch.arange(num_facts, device=symbols.device).expand(draw.rows, -1)
    if is_several:
        value_of = integers(generator, (draw.rows, num_facts), 0, num_values - 1)
    told = values.pick(value_of)
    options = Options.draw(generator, value_of, num_blocks, fewest=2 + (asks != "value_of"))
    is_right = (options.at(value_of) == value_of.gather(1, options.asked)[..., None]) & options.present
    is_clear = options.are_all(is_unique(names)) & options.are_all(is_unique(values).gather(1, value_of))

    blocks = Blocks(symbols, draw.rows, num_blocks, has_turns)
    blocks.begin(text)
    asked_for = names.pick(options.asked) if asks == "value_of" else told.pick(options.asked)
    blocks.put(asked_for)
    blocks.say(wordings.ASK_END)
    blocks.list_options(told if asks == "value_of" else names, options)
    blocks.reply(wordings.SEVERAL if is_several else wordings.ONE)
    if is_several:
        for index in range(len(LETTERS)):
            there = options.present[..., index]
            if index:
                blocks.say(wordings.NEXT_QUOTE, there, QUOTE_WEIGHT)
            quoted = names.pick(options.picks[..., index])
            blocks.put(quoted if index else at_line_start(quoted, symbols), there, QUOTE_WEIGHT)
            blocks.say(wordings.COLON, there, MARK_WEIGHT)
            blocks.put(told.pick(options.picks[..., index]), there, QUOTE_WEIGHT)
    else:
        # Finding the name that has a value is the whole question; finding the name that was asked for is copying.
        weight = QUOTE_WEIGHT if asks == "value_of" else 1.0
        blocks.put(at_line_start(names.pick(options.asked), symbols), None, weight)
        blocks.say(wordings.COLON, None, MARK_WEIGHT)
        blocks.put(told.pick(options.asked), None, QUOTE_WEIGHT)
    blocks.say(wordings.ANSWER, None, MARK_WEIGHT)
    blocks.choose(is_right, is_several=is_several)

    facts = Blocks(symbols, draw.rows, num_facts, has_turns)
    facts.say(wordings.FACT)
    facts.put(names)
    facts.say(wordings.COLON)
    facts.put(told)
    facts.say(wordings.NEWLINE)
    return row_of(draw, facts, blocks, is_clear, has_turns)


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be chosen from, for each block of each row.

    Args:
        asked: the fact that is asked for, [rows, blocks].
        picks: facts in the order of the letters, [rows, blocks, letters].
        present: which of the letters there are, [rows, blocks, letters]; always the first ones.
    """

    asked: Tensor
    picks: Tensor
    present: Tensor

    @classmethod
    def draw(
        cls, generator: torch.Generator, value_of: Tensor, num_blocks: int, *, fewest: int, most: int = len(LETTERS)
    ) -> "Options":
        """Draws what is asked and what else there is to choose from: its neighbour, and facts alike, more often.

        Args:
            generator: of all random numbers.
            value_of: tells the facts apart that are alike, [rows, facts]; at least as many facts as letters.
            num_blocks: of each row.
            fewest, most: options.
        """
        rows, num_facts = value_of.shape
        device = value_of.device
        asked = integers(generator, (rows, num_blocks), 0, num_facts - 1)
        scores = torch.rand(rows, num_blocks, num_facts, generator=generator, device=device)
        likes = torch.rand(rows, num_blocks, 2, generator=generator, device=device) < 0.5
        facts = torch.arange(num_facts, device=device)
        scores += ((facts == asked[..., None] ^ 1) & likes[..., :1]).float()
        is_alike = value_of[:, None] == value_of.gather(1, asked)[..., None]
        scores += 0.5 * (is_alike & likes[..., 1:])
        scores = torch.where(facts == asked[..., None], 3.0, scores)
        chosen = scores.topk(len(LETTERS), dim=2).indices
        num = integers(generator, (rows, num_blocks, 1), fewest, most)
        present = torch.arange(len(LETTERS), device=device) < num
        order = torch.rand(chosen.shape, generator=generator, device=device)
        order = torch.where(present, order, 2.0).argsort(2)
        return cls(asked, chosen.gather(2, order), present)

    def at(self, values: Tensor) -> Tensor:
        """What [rows, facts] holds for each option, [rows, blocks, letters]."""
        return values.gather(1, self.picks.flatten(1)).view_as(self.picks)

    def are_all(self, is_so: Tensor) -> Tensor:
        """Whether it is so for each option that there is: of [rows, facts] bool, [rows, blocks] bool."""
        return (self.at(is_so) | ~self.present).all(2)


@dataclass(slots=True)
class Blocks:
    """Text that has the same build in all blocks of all rows, put together from left to right.

    Args:
        symbols: tokens.
        rows, count: blocks of each row.
        has_turns: whether a block is a turn of a conversation.
    """

    symbols: Symbols
    rows: int
    count: int
    has_turns: bool
    _columns: list[tuple[Tensor, Tensor, float]] = field(default_factory=list)

    def put(self, strings: Strings, where: Tensor | None = None, weight: float = 0.0) -> None:
        """Another string in each block, or in those of [rows, count] bool."""
        keep = strings.keep if where is None else strings.keep & where[..., None]
        self._columns.append((strings.ids, keep, weight))

    def say(self, text: str | Tensor, where: Tensor | None = None, weight: float = 0.0) -> None:
        """The same text in each block, or in those of [rows, count] bool."""
        ids = self.symbols.wordings[text] if isinstance(text, str) else text
        shape = (self.rows, self.count, len(ids))
        keep = torch.ones(shape, dtype=torch.bool, device=ids.device)
        self.put(Strings(ids.expand(shape), keep), where, weight)

    def begin(self, text: str) -> None:
        """The beginning of a question; the first block goes on the turn of the facts."""
        if self.has_turns:
            is_later = torch.arange(self.count, device=self.symbols.device) > 0
            self.say(self.symbols.turns["user_open"], is_later.expand(self.rows, -1))
        self.say(wordings.QUESTION)
        self.say(text)

    def list_options(self, strings: Strings, options: Options) -> None:
        """A line for each option."""
        for index, mark in enumerate(wordings.OPTIONS.values()):
            there = options.present[..., index]
            self.say(mark, there)
            self.put(strings.pick(options.picks[..., index]), there)
            self.say(wordings.NEWLINE, there)

    def reply(self, instruction: str) -> None:
        """The end of the question."""
        if self.has_turns:
            self.say(instruction)
            self.say(self.symbols.turns["user_close"])

    def choose(self, is_right: Tensor, *, is_several: bool) -> None:
        """The letters of [rows, count, letters] bool, and the end of the block."""
        for index, letter in enumerate(LETTERS[: is_right.shape[2]]):
            right = is_right[..., index]
            if is_several and index:
                # Whether there is another letter is as much of an answer as which.
                self.say(wordings.NEXT_CHOSEN, right & is_right[..., :index].any(2), 1.0)
            self.say(wordings.CHOSEN[letter], right, 1.0)
        self.end(1.0 if is_several else MARK_WEIGHT)

    def end(self, weight: float = MARK_WEIGHT) -> None:
        """The end of the block."""
        if self.has_turns:
            self.say(self.symbols.turns["end"], None, weight)
            self.say(wordings.NEWLINE)
        else:
            self.say(wordings.BREAK, None, weight)

    def piece(self, is_clear: Tensor | None = None) -> Piece:
        """All blocks of each row; weights count where [rows, count] bool says so, or nowhere."""
        ids = torch.cat([ids for ids, _, _ in self._columns], 2)
        keep = torch.cat([keep for _, keep, _ in self._columns], 2).flatten(1)
        if is_clear is None:
            return Piece(ids.flatten(1), keep)
        weights = [
            torch.full(ids.shape[2:], weight, dtype=torch.float32, device=ids.device)
            for ids, _, weight in self._columns
        ]
        return Piece(ids.flatten(1), keep, (torch.cat(weights) * is_clear[..., None]).flatten(1))


def at_line_start(names: Strings, symbols: Symbols) -> Strings:
    """The names as they begin a line: their first word without its space."""
    first = symbols.at_line_start[names.ids[..., :1]]
    return Strings(torch.cat([first, names.ids[..., 1:]], 2), names.keep)


def chosen_text[Text](host: torch.Generator, texts: tuple[Text, ...]) -> Text:
    """One of the texts, for the whole batch."""
    return texts[integer(host, 0, len(texts) - 1)]


def tokens_around(symbols: Symbols, has_turns: bool) -> int:
    """Tokens of a block beside its question, its options and what is quoted, about."""
    turns = sum(len(ids) for ids in symbols.turns.values()) + len(symbols.wordings[wordings.ONE])
    return 8 + has_turns * turns


def sizes(
    draw: Draw, host: torch.Generator, fact_tokens: float, block_tokens: float, max_fact_share: float
) -> tuple[int, int]:
    """Numbers of facts and of blocks for a batch; there are at least as many facts as letters."""
    num_facts = integer(host, len(LETTERS), int(draw.length * max_fact_share / fact_tokens))
    return num_facts, max(1, math.ceil((draw.length - num_facts * fact_tokens) / block_tokens))


def row_of(draw: Draw, facts: Blocks, blocks: Blocks, is_clear: Tensor, has_turns: bool) -> Batch:
    """Facts, then questions."""
    opening = draw.symbols.turns["user_open"] if has_turns else draw.symbols.wordings[wordings.NEWLINE][:0]
    newline = draw.symbols.wordings[wordings.NEWLINE]
    pieces = [
        Piece(opening.expand(draw.rows, -1)),
        facts.piece(),
        Piece(newline.expand(draw.rows, -1)),
        blocks.piece(is_clear),
    ]
    return compose(pieces, draw.length)
