"""Conversations without maps: about the model itself, passages of books, and copying of natural text."""

import random
from collections.abc import Iterator, Sequence

from server.assets.training.books import Book
from server.assets.training.passages import continued, copied
from server.assets.training.questions import Conversation
from server.assets.training.small_talk import small_talk
from server.assets.training.template import Message, system

SYSTEMS = ("You are a helpful assistant.", "Answer in plain English.", "Be brief.", "You are Rhumb's small model.")

SMALL_TALK_SHARE = 0.5
COPIED_SHARE = 0.35
"""What is left over are passages of books that go on."""


def dialogues(books: Sequence[Book], num_dialogues: int, seed: int) -> Iterator[Conversation]:
    """Draws conversations; the same books and seed give the same ones.

    Args:
        books: to take passages from; without any, all conversations are small talk.
        num_dialogues: how many.
        seed: of the drawing.
    """
    rng = random.Random(f"dialogues/{seed}")
    for _ in range(num_dialogues):
        messages = _drawn(books, rng)
        if rng.random() < 0.15:
            messages.insert(0, system(rng.choice(SYSTEMS)))
        yield Conversation(messages)


def _drawn(books: Sequence[Book], rng: random.Random) -> list[Message]:
    kind = rng.random()
    if books and kind >= SMALL_TALK_SHARE:
        make = copied if kind < SMALL_TALK_SHARE + COPIED_SHARE else continued
        # Verses and tables have no sentences to ask about.
        for _ in range(20):
            if messages := make(rng.choice(books), rng):
                return messages
    return small_talk(rng)
