"""Passkey: five digits hidden in a long text, at a given depth, and asked for at its end.

Mohtashami and Jaggi, "Landmark attention" (2023), made the task; depth by length as a heat map is how needle tests are
shown since.
"""

import random
import re
from collections.abc import Sequence
from functools import partial

from server.quality.filler import Haystack
from server.quality.items import Dialogue, Item, Judgement, Model, Prompt

NEEDLE = "The pass key is {key}. Remember it."
QUESTION = "What is the pass key?"
CUE = "The pass key is"

MAX_REPLY_TOKENS = 24
# What a chat template adds to a short conversation, with room to spare.
_OVERHEAD_TOKENS = 40
_DIGITS = re.compile(r"\d+")


def passkey_items(
    model: Model, haystack: Haystack, lengths: Sequence[int], depths: Sequence[int], repeats: int, seed: int
) -> list[Item]:
    """One item for each length, depth and repeat.

    Args:
        lengths: tokens of the whole prompt and its reply; the text is as long as fits.
        depths: where the key stands, in percent: 0 is the beginning, 100 the end.
        repeats: keys, each in a text of its own, for each cell of the grid.
    """
    items = []
    frame = sum(model.count_tokens([NEEDLE.format(key="00000"), QUESTION]))
    for length in lengths:
        budget = length - frame - MAX_REPLY_TOKENS - _OVERHEAD_TOKENS
        for repeat in range(repeats):
            sentences = _sentences(model, haystack, budget, f"passkey {seed} {length} {repeat}")
            for depth in depths:
                name = f"passkey-{length}-{depth}-{repeat}"
                key = str(random.Random(f"{name} {seed}").randrange(10_000, 100_000))
                facts = {"length": length, "depth": depth}
                items.append(
                    Item(name, "passkey", name, facts, partial(_dialogue, _prompt(sentences, depth, key), key))
                )
    return items


def _sentences(model: Model, haystack: Haystack, budget: int, seed: str) -> list[str]:
    """As many sentences as fit into `budget` tokens."""
    stream, taken, used = haystack.stream(seed), [], 0
    while used < budget:
        more = [next(stream) for _ in range(64)]
        for sentence, num_tokens in zip(more, model.count_tokens([f" {text}" for text in more]), strict=True):
            used += num_tokens
            if used > budget:
                break
            taken.append(sentence)
    return taken


def _prompt(sentences: list[str], depth: int, key: str) -> Prompt:
    place = round(depth / 100 * len(sentences))
    before, after = " ".join(sentences[:place]), " ".join(sentences[place:])
    content = "\n\n".join(part for part in (before, NEEDLE.format(key=key), after, QUESTION) if part)
    return Prompt(({"role": "user", "content": content},), MAX_REPLY_TOKENS, cue=CUE)


def _dialogue(prompt: Prompt, key: str) -> Dialogue:
    reply = yield prompt
    # The first line is the answer; a model that only continues text goes on after it. Two numbers are no answer.
    line = next((line for line in reply.text.splitlines() if line.strip()), "")
    numbers = set(_DIGITS.findall(line))
    is_right = numbers == {key}
    return Judgement("right" if is_right else "wrong" if numbers else "invalid", float(is_right), reply.text)
