"""Comparing amounts with units, as map questions ask for it: quote the amounts, then say what follows from them.

A row is a list of facts, each a name and a distance, or a name and the time and the length of a journey, and then
questions, as many as fit. All of a batch ask in one way:

- `best`: which option is the nearest, farthest, shortest or longest.
- `than`: whether one is nearer, farther, shorter or longer than another, for yes or no.
- `exactly`: which option is so far away.
- `within`: which options are within a bound, or beyond it; one or several.
- `difference`: by how many metres one is farther away or longer than another.

`tests/assets/test_training_choices.py` solves each with a slow reader of the text.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from server.assets.training import wordings
from server.assets.training.batch import Batch
from server.assets.training.choices import (
    LETTERS,
    QUOTE_WEIGHT,
    Blocks,
    Options,
    at_line_start,
    chosen_text,
    row_of,
    sizes,
    tokens_around,
)
from server.assets.training.strings import MARK_WEIGHT, Strings, integers, is_unique, names_of, words_of_rows
from server.assets.training.symbols import Symbols
from server.assets.training.tasks import Draw, integer
from server.assets.training.wordings import Measure, Said

ASKS = ("best", "than", "exactly", "within", "difference")
KILOMETRE, MINUTE = 1000, 60


def compare(
    draw: Draw,
    *,
    alphabet: int = 32,
    longest_key: int = 2,
    near_share: float = 0.25,
    km_share: float = 0.1,
    asks: str | None = None,
    has_turns: bool = False,
    max_fact_share: float = 0.5,
) -> Batch:
    """Facts with amounts, then questions that compare them; the amounts are quoted before what follows from them.

    Args:
        draw: size and seed; needs symbols with wordings.
        alphabet: how many words names are made of.
        longest_key: of names, in tokens; lengths are drawn for every name.
        near_share: share of the names and of the amounts, at most a half, that are near another one.
        km_share: share of the distances from 1.01 to 9.99 km; the others are of 1 to 999 m.
        asks: one of `ASKS`; drawn for every batch where None.
        has_turns: whether questions are turns of a conversation with instructions, or follow each other.
        max_fact_share: share of the row that facts may take; their number is drawn for every batch.

    A question without a single answer, or about a name that stands twice, has no weight.
    """
    symbols, generator, host = draw.symbols, draw.generator(), draw.host()
    asks = asks or chosen_text(host, ASKS)
    said = chosen_text(host, tuple(Said))
    measure = Measure.AWAY if said is Said.DISTANCE else chosen_text(host, (Measure.LENGTH, Measure.TIME))
    if asks == "difference":
        measure, km_share = Measure.LENGTH if said is Said.TRAVEL else measure, 0.0
    key, amount = (1 + longest_key) / 2, 5 if said is Said.DISTANCE else 9
    num_quoted = {"best": 3.0, "than": 2.0, "exactly": 1.0, "within": 3.5, "difference": 2.0}[asks]
    num_listed = 0.0 if asks in ("than", "difference") else 3.0
    block_tokens = tokens_around(symbols, has_turns) + 8 + num_quoted * (key + amount + 2) + num_listed * (key + 3)
    num_facts, num_blocks = sizes(draw, host, key + amount + 4, block_tokens, max_fact_share)

    heads = words_of_rows(symbols.heads[:alphabet], generator, draw.rows)
    tails = words_of_rows(symbols.tails[:alphabet], generator, draw.rows)
    names = names_of(heads, tails, generator, num_facts, longest_key, near_share)
    distances = _distances(generator, (draw.rows, num_facts), near_share, km_share)
    amounts = distance_strings(distances, symbols)
    values = distances
    if said is Said.TRAVEL:
        times = _times(generator, (draw.rows, num_facts), near_share)
        by = symbols.wordings[chosen_text(host, wordings.BY)].expand(draw.rows, num_facts, -1)
        journey = Strings(by, torch.ones_like(by, dtype=torch.bool))
        amounts = Strings.end_to_end([duration_strings(times, symbols), journey, amounts])
        values = times if measure is Measure.TIME else distances

    fewest, most = {"best": (2, 4), "exactly": (3, 4), "within": (3, 4)}.get(asks, (2, 2))
    alike = torch.arange(num_facts, device=symbols.device).expand(draw.rows, -1)
    options = Options.draw(generator, alike, num_blocks, fewest=fewest, most=most)
    if asks == "difference":
        # The first is the farther one.
        order = torch.where(options.present, options.at(values), -1).argsort(2, descending=True)
        options = Options(options.asked, options.picks.gather(2, order), options.present)
    is_clear = options.are_all(is_unique(names))
    blocks = Blocks(symbols, draw.rows, num_blocks, has_turns)
    question = _Question(host, generator, blocks, names, options, values, measure)
    ways = {
        "best": question.best,
        "than": question.than,
        "exactly": question.exactly,
        "within": question.within,
        "difference": question.difference,
    }
    is_right, is_answerable = ways[asks]()
    if asks not in ("than", "difference"):
        blocks.list_options(names, options)
    instruction = {"within": wordings.SEVERAL, "difference": wordings.OPEN}.get(asks, wordings.ONE)
    blocks.reply(instruction)
    _quote(blocks, names, amounts, options, said, only=is_right if asks == "exactly" else None)
    if asks == "difference":
        blocks.say(wordings.AMOUNT_ANSWER_NUMBER[said], None, MARK_WEIGHT)
        shown = options.at(values)
        blocks.put(distance_strings(shown[..., 0] - shown[..., 1], symbols), None, 1.0)
        blocks.end()
    else:
        blocks.say(wordings.AMOUNT_ANSWER[said], None, MARK_WEIGHT)
        blocks.choose(is_right, is_several=asks == "within")

    facts = Blocks(symbols, draw.rows, num_facts, has_turns)
    facts.say(wordings.FACT)
    facts.put(names)
    facts.say(wordings.BEFORE_AMOUNT)
    facts.put(amounts)
    facts.say(wordings.AMOUNT_END[said])
    return row_of(draw, facts, blocks, is_clear & is_answerable, has_turns)


@dataclass(frozen=True, slots=True)
class _Question:
    """Writes the beginning of a question; each way to ask returns which letters are right, and whether any can be.

    Args:
        host: draws the wording.
        generator: draws bounds.
        blocks: gets the text.
        names: of the facts.
        options: of each block.
        values: of the facts, [rows, facts] int64, in metres or seconds.
        measure: what is compared.
    """

    host: torch.Generator
    generator: torch.Generator
    blocks: Blocks
    names: Strings
    options: Options
    values: Tensor
    measure: Measure

    def best(self) -> tuple[Tensor, Tensor]:
        is_least = bool(integer(self.host, 0, 1))
        self.blocks.begin(chosen_text(self.host, (wordings.LEAST if is_least else wordings.MOST)[self.measure]))
        shown = self.options.at(self.values if is_least else -self.values)
        shown = torch.where(self.options.present, shown, shown.max() + 1)
        is_right = shown == shown.amin(2, keepdim=True)
        return is_right, is_right.sum(2) == 1

    def than(self) -> tuple[Tensor, Tensor]:
        is_less = bool(integer(self.host, 0, 1))
        first, second = self.options.at(self.values)[..., :2].unbind(2)
        opening = chosen_text(self.host, (wordings.IS, *wordings.IS_IT_SO))
        self.blocks.begin(opening)
        self._name(0)
        if opening != wordings.IS:
            self.blocks.say(wordings.IS_LATER)
        self.blocks.say(chosen_text(self.host, (wordings.LESS_THAN if is_less else wordings.MORE_THAN)[self.measure]))
        self._name(1)
        self.blocks.say(wordings.ASK_END)
        for mark, answer in zip(wordings.OPTIONS.values(), (wordings.YES, wordings.NO), strict=False):
            self.blocks.say(mark)
            self.blocks.say(answer)
            self.blocks.say(wordings.NEWLINE)
        is_so = first < second if is_less else first > second
        return torch.stack([is_so, ~is_so], 2), first != second

    def exactly(self) -> tuple[Tensor, Tensor]:
        value = self.values.gather(1, self.options.asked)
        self._bounded(wordings.EXACTLY[self.measure], value)
        is_right = (self.options.at(self.values) == value[..., None]) & self.options.present
        return is_right, is_right.sum(2) == 1

    def within(self) -> tuple[Tensor, Tensor]:
        is_over = bool(integer(self.host, 0, 1))
        value = self.values.gather(1, self.options.asked)
        step, farthest = (5, 20) if self.measure is Measure.TIME else (10, 150)
        # The one that was drawn is always right, and the bound is a round number, as close to it as can be or not.
        between = integers(self.generator, (*value.shape, 2), 0, farthest).prod(2) // farthest
        bound = (value - 1 - between) // step if is_over else (value + between + step - 1) // step
        bound = (bound * step).clamp(min=0)
        self._bounded(chosen_text(self.host, (wordings.OVER if is_over else wordings.AT_MOST)[self.measure]), bound)
        shown = self.options.at(self.values)
        is_right = (shown > bound[..., None]) if is_over else (shown <= bound[..., None])
        return is_right & self.options.present, bound > 0

    def difference(self) -> tuple[Tensor, Tensor]:
        first, second = self.options.at(self.values)[..., :2].unbind(2)
        self.blocks.begin(wordings.BY_HOW_MUCH)
        self._name(0)
        self.blocks.say(chosen_text(self.host, wordings.MORE_THAN[self.measure]))
        self._name(1)
        self.blocks.say(wordings.ASK_END)
        return torch.zeros_like(self.options.present), first != second

    def _name(self, index: int) -> None:
        self.blocks.put(self.names.pick(self.options.picks[..., index]))

    def _bounded(self, around: tuple[str, str], value: Tensor) -> None:
        symbols = self.blocks.symbols
        self.blocks.begin(around[0])
        is_time = self.measure is Measure.TIME
        self.blocks.put(duration_strings(value, symbols) if is_time else distance_strings(value, symbols))
        self.blocks.say(around[1])


def _quote(
    blocks: Blocks, names: Strings, amounts: Strings, options: Options, said: Said, only: Tensor | None = None
) -> None:
    """All options with their amounts, or the one of [rows, blocks, letters] bool, as far as the last amount's end."""
    if only is not None:
        # Which one it is, is the question.
        blocks.put(at_line_start(names.pick(options.asked), blocks.symbols), None, 1.0)
        blocks.say(wordings.BEFORE_AMOUNT, None, MARK_WEIGHT)
        blocks.put(amounts.pick(options.asked), None, QUOTE_WEIGHT)
        return
    for index in range(len(LETTERS)):
        there = options.present[..., index]
        if index:
            blocks.say(wordings.AMOUNT_NEXT[said], there, MARK_WEIGHT)
        name = names.pick(options.picks[..., index])
        blocks.put(name if index else at_line_start(name, blocks.symbols), there, QUOTE_WEIGHT)
        blocks.say(wordings.BEFORE_AMOUNT, there, MARK_WEIGHT)
        blocks.put(amounts.pick(options.picks[..., index]), there, QUOTE_WEIGHT)


def distance_strings(metres: Tensor, symbols: Symbols) -> Strings:
    """Distances as our maps write them: "999 m", "1 km", "1.2 km", "1.25 km".

    Args:
        metres: [rows, count] int64 from 0 to 9,999; from a kilometre on, tens of metres are left out.
    """
    is_km = metres >= KILOMETRE
    hundredths = metres // 10 % 100
    whole = _number(torch.where(is_km, metres // KILOMETRE, metres), 3, symbols)
    fraction = torch.stack([hundredths // 10, hundredths % 10], 2)
    keep = torch.stack([is_km & (hundredths > 0), is_km & (hundredths % 10 > 0)], 2)
    point = _text(wordings.POINT, is_km & (hundredths > 0), symbols)
    units = [_text(wordings.METRES, ~is_km, symbols), _text(wordings.KILOMETRES, is_km, symbols)]
    return Strings.end_to_end([whole, point, Strings(symbols.digits[fraction], keep), *units])


def duration_strings(seconds: Tensor, symbols: Symbols) -> Strings:
    """Times as our maps write them: "59 s", "2 min".

    Args:
        seconds: [rows, count] int64 below an hour; from a minute on, seconds are left out.
    """
    is_minutes = seconds >= MINUTE
    number = _number(torch.where(is_minutes, seconds // MINUTE, seconds), 2, symbols)
    units = [_text(wordings.SECONDS, ~is_minutes, symbols), _text(wordings.MINUTES, is_minutes, symbols)]
    return Strings.end_to_end([number, *units])


def _number(values: Tensor, num_digits: int, symbols: Symbols) -> Strings:
    powers = 10 ** torch.arange(num_digits - 1, -1, -1, device=values.device)
    keep = (values[..., None] >= powers) | (powers == 1)
    return Strings(symbols.digits[values[..., None] // powers % 10], keep)


def _text(text: str, where: Tensor, symbols: Symbols) -> Strings:
    ids = symbols.wordings[text]
    shape = (*where.shape, len(ids))
    return Strings(ids.expand(shape), where[..., None].expand(shape))


def _distances(generator: torch.Generator, shape: tuple[int, int], near_share: float, km_share: float) -> Tensor:
    """Metres, from 1 to 999 and in tens from 1,010 to 9,990; near ones are a few metres from the one before them."""
    device = generator.device
    chance = torch.rand(*shape, 3, generator=generator, device=device)
    # As many short distances as long ones, so that they differ in their numbers of digits.
    longest = torch.where(chance[..., 0] < 0.3, 99, 999)
    metres = 1 + (chance[..., 1] * longest).long()
    tens = integers(generator, shape, 101, 999) * 10
    found = torch.where(chance[..., 2] < km_share, tens, metres)
    apart = integers(generator, shape, -15, 15)
    before = found.roll(1, 1)
    near = torch.where(before < KILOMETRE, (before + apart).clamp(1, 999), (before + 10 * apart).clamp(1010, 9990))
    return torch.where(_are_near(generator, shape, near_share), near, found)


def _times(generator: torch.Generator, shape: tuple[int, int], near_share: float) -> Tensor:
    """Seconds, from 1 to 59 or whole minutes up to 30; near ones are a few of the unit from the one before them."""
    is_minutes = torch.rand(shape, generator=generator, device=generator.device) < 0.5
    seconds, minutes = integers(generator, shape, 1, 59), integers(generator, shape, 1, 30)
    found = torch.where(is_minutes, minutes * MINUTE, seconds)
    apart = integers(generator, shape, -5, 5)
    before = found.roll(1, 1)
    near = torch.where(
        before < MINUTE, (before + apart).clamp(1, 59), (before + MINUTE * apart).clamp(MINUTE, 30 * MINUTE)
    )
    return torch.where(_are_near(generator, shape, near_share), near, found)


def _are_near(generator: torch.Generator, shape: tuple[int, int], near_share: float) -> Tensor:
    is_odd = torch.arange(shape[1], device=generator.device) % 2 == 1
    return is_odd & (torch.rand(shape, generator=generator, device=generator.device) < 2 * near_share)
