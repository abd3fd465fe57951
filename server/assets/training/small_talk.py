"""What the embedded model says about itself: questions and honest answers, from `small_talk.txt`."""

import random
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from server.assets.training.grammar import expand
from server.assets.training.template import Message, assistant, user

_FILE = Path(__file__).with_name("small_talk.txt")

GREETING, FAREWELL, UNCLEAR = "greeting", "farewell", "unclear"
"""Topics that stand at the beginning, at the end, and rarely anywhere; all others are about the model."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Something people ask, in many wordings, and what is true about it.

    Args:
        asks: templates of questions.
        answers: templates, each a full answer.
        further: templates of sentences that may follow an answer.
    """

    asks: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    further: list[str] = field(default_factory=list)


@cache
def topics() -> dict[str, Topic]:
    """All topics by name, in the file's order."""
    found: dict[str, Topic] = {}
    topic = Topic()
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        mark, _, template = line.partition(" ")
        match mark:
            case "?":
                topic.asks.append(template)
            case "=":
                topic.answers.append(template)
            case "+":
                topic.further.append(template)
            case _ if line.startswith("["):
                topic = found[line.strip("[]")] = Topic()
    return found


def small_talk(rng: random.Random) -> list[Message]:
    """A conversation about the model: perhaps a greeting, one to four topics, perhaps a farewell."""
    about = [name for name in topics() if name not in (GREETING, FAREWELL, UNCLEAR)]
    names = rng.sample(about, rng.choice((1, 1, 2, 2, 3, 4)))
    if rng.random() < 0.35:
        names.insert(0, GREETING)
    if rng.random() < 0.05:
        names.insert(rng.randint(0, len(names)), UNCLEAR)
    if rng.random() < 0.25:
        names.append(FAREWELL)
    messages = []
    for name in names:
        topic = topics()[name]
        messages += [user(_loosely(expand(rng.choice(topic.asks), rng), rng)), assistant(_answer(topic, rng))]
    return messages


def _answer(topic: Topic, rng: random.Random) -> str:
    answer = expand(rng.choice(topic.answers), rng).strip()
    if topic.further and rng.random() < 0.3:
        answer += " " + expand(rng.choice(topic.further), rng)
    return answer


def _loosely(question: str, rng: random.Random) -> str:
    """As people write: sometimes without capitals, without the mark at the end, or with a word before."""
    style = rng.random()
    if style < 0.08:
        return question.lower()
    if style < 0.14:
        return question.rstrip("?.!") or question
    if style < 0.18:
        return question.lower().rstrip("?.!") or question
    if style < 0.24:
        return rng.choice(("Hi! ", "Hello. ", "Tell me: ", "One more thing: ", "Well. ", "Now: ")) + question
    return question
