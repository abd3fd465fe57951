"""Perplexity of a text, in sliding windows through the engine's own prompt log probabilities."""

import math
from functools import partial

from server.quality.items import Dialogue, Item, Judgement, Model, Window


def perplexity_items(model: Model, texts: dict[str, str], length: int, stride: int) -> list[Item]:
    """One item a window.

    Args:
        texts: name -> text.
        length: tokens of a window.
        stride: tokens that count in each window but the first, where all but the first token count.
    """
    return [
        Item(f"{name}-{index}", "perplexity", f"{name}-{index}", {"text": name}, partial(_dialogue, window))
        for name, text in texts.items()
        for index, window in enumerate(model.windows(text, length, stride))
    ]


def _dialogue(window: Window) -> Dialogue:
    reply = yield window
    facts = {"nats": -math.fsum(reply.logprobs), "num_tokens": len(reply.logprobs), "num_bytes": reply.num_bytes}
    return Judgement("scored", None, "", facts)
