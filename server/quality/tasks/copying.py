"""Copying: repeat a passage, or one sentence of a long text. What summaries need, without anyone's taste in it.

Three kinds: `passage` repeats all of a short text, `begins` the sentence of a long text that begins with given words,
`numbered` the n-th sentence, one of the first five.
"""

import random
from collections.abc import Sequence
from functools import partial

from server.quality.filler import Haystack
from server.quality.items import Dialogue, Item, Judgement, Model, Outcome, Prompt
from server.quality.scoring import edit_similarity

PASSAGE = "{text}\n\nRepeat this text word for word."
BEGINS = '{text}\n\nQuote the sentence of the text that begins with "{words}".'
NUMBERED = "{text}\n\nQuote the {ordinal} sentence of the text."
ORDINALS = ("first", "second", "third", "fourth", "fifth")

_NUM_WORDS = 4
_OVERHEAD_TOKENS = 80


def copy_items(
    model: Model, haystack: Haystack, passages: Sequence[int], lengths: Sequence[int], repeats: int, seed: int
) -> list[Item]:
    """Items of all three kinds.

    Args:
        passages: tokens of the passages to repeat.
        lengths: tokens of the texts of which one sentence is to be repeated.
        repeats: items of each kind and length.
    """
    items = []
    for length in passages:
        for repeat in range(repeats):
            name = f"copy-passage-{length}-{repeat}"
            text = " ".join(_text(model, haystack, length, f"{name} {seed}"))
            items.append(_item(model, name, "passage", length, PASSAGE.format(text=text), text))
    for length in lengths:
        for repeat in range(repeats):
            draw = random.Random(f"copy {seed} {length} {repeat}")
            sentences = _text(model, haystack, length - _OVERHEAD_TOKENS, f"copy-{length}-{repeat} {seed}")
            text = " ".join(sentences)
            target, words = _unmistakable(sentences, draw)
            ask = BEGINS.format(text=text, words=words)
            items.append(_item(model, f"copy-begins-{length}-{repeat}", "begins", length, ask, target))
            place = draw.randrange(min(len(ORDINALS), len(sentences)))
            ask = NUMBERED.format(text=text, ordinal=ORDINALS[place])
            items.append(_item(model, f"copy-numbered-{length}-{repeat}", "numbered", length, ask, sentences[place]))
    return items


def _text(model: Model, haystack: Haystack, num_tokens: int, seed: str) -> list[str]:
    """Sentences of at most so many tokens, and at least one."""
    stream = haystack.stream(seed)
    sentences: list[str] = []
    used = 0
    while True:
        more = [next(stream) for _ in range(16)]
        for sentence, count in zip(more, model.count_tokens([f" {text}" for text in more]), strict=True):
            used += count
            if sentences and used > num_tokens:
                return sentences
            sentences.append(sentence)


def _unmistakable(sentences: list[str], draw: random.Random) -> tuple[str, str]:
    """A sentence, and its first words, with which no other one begins: four, or more where it takes more."""
    for sentence in draw.sample(sentences, len(sentences)):
        words = sentence.split()
        for num_words in range(min(_NUM_WORDS, len(words)), len(words) + 1):
            beginning = " ".join(words[:num_words])
            if sum(other.startswith(beginning) for other in sentences) == 1:
                return sentence, beginning
    # Every sentence stands there twice or more; the copies are equal, so the answer still is one text.
    return sentences[0], sentences[0]


def _item(model: Model, name: str, kind: str, length: int, ask: str, target: str) -> Item:
    max_tokens = model.count_tokens([target])[0] * 5 // 4 + 16
    prompt = Prompt(({"role": "user", "content": ask},), max_tokens)
    return Item(name, "copy", name, {"kind": kind, "length": length}, partial(_dialogue, prompt, target))


def _dialogue(prompt: Prompt, target: str) -> Dialogue:
    reply = yield prompt
    given = " ".join(reply.text.split())
    if reply.is_plain:
        # It was never told how a reply ends.
        given = given[: len(target)]
    similarity = edit_similarity(given, target)
    outcome: Outcome = "right" if given == target else "wrong" if given else "invalid"
    return Judgement(outcome, similarity, reply.text)
