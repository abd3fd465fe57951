"""A guesser that never sees a context: it learns from questions and their options which answers are usual.

Conditional logistic regression over hashed words (McFadden 1974; Weinberger et al. 2009): every option is scored by its
own words, their shape and rank, and by pairs of them with the question's words, and options compete in a softmax.
Weights are learned with AdaGrad (Duchi et al. 2011) in a fixed order, so that the same files give the same numbers.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 18
_EPOCHS = 5
_RATE = 0.08
_DECAY = 2e-6
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

type Features = NDArray[np.int64]
"""Buckets of the features that an option has, each once."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question as the guesser sees it.

    Args:
        options: features of each possible answer.
        right: index of the right one.
    """

    options: tuple[Features, ...]
    right: int


class Guesser:
    """Learns which of several options is right."""

    def __init__(self) -> None:
        self._weights = np.zeros(BUCKETS)

    def learn(self, cases: Sequence[Case]) -> None:
        """Goes through the cases several times."""
        squares = np.full(BUCKETS, 1e-3)
        order = np.random.default_rng(0)
        for _ in range(_EPOCHS):
            for index in order.permutation(len(cases)):
                case = cases[index]
                for number, share in enumerate(self.shares(case.options)):
                    error = share - (number == case.right)
                    buckets = case.options[number]
                    gradient = error + _DECAY * len(cases) * self._weights[buckets]
                    squares[buckets] += gradient * gradient
                    self._weights[buckets] -= _RATE * gradient / np.sqrt(squares[buckets])

    def shares(self, options: Sequence[Features]) -> NDArray[np.float64]:
        """How likely each option is thought to be; they add up to one."""
        scores = np.array([self._weights[buckets].sum() for buckets in options])
        powers = np.exp(scores - scores.max())
        return powers / powers.sum()


class Likely:
    """Learns which of the usual answers to an open question is right: naive Bayes over the question's words.

    Args:
        most: how many answers it knows.
    """

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._prior: dict[str, float] = {}
        self._words: dict[str, Counter[str]] = {}
        self._num_words = 1

    def learn(self, questions: Sequence[tuple[str, str]]) -> None:
        """Reads questions with their answers."""
        counts = Counter(answer for _, answer in questions)
        self._prior = dict(counts.most_common(self._most))
        self._words = {answer: Counter() for answer in self._prior}
        for question, answer in questions:
            if answer in self._words:
                self._words[answer].update(set(words_of(question)))
        self._num_words = len({word for words in self._words.values() for word in words}) or 1

    def guess(self, question: str) -> str:
        """The likeliest answer."""
        words = sorted(set(words_of(question)))

        def score(answer: str) -> float:
            count = self._prior[answer]
            seen = self._words[answer]
            return float(np.log(count) + sum(np.log((seen[word] + 0.5) / (count + 1.0)) for word in words))

        return max(self._prior, key=score) if self._prior else ""


def words_of(text: str) -> list[str]:
    """Words, case folded; numbers also as their size."""
    found = [word.casefold() for word in _WORD.findall(text)]
    return found + [_size(float(number)) for number in _NUMBER.findall(text)]


def option_features(question: str, options: Sequence[str]) -> tuple[Features, ...]:
    """Features of each option of a question, its place among them included."""
    asked = sorted(set(words_of(question)))
    numbers = [float(found[0]) if (found := _NUMBER.search(option)) else None for option in options]
    known = [number for number in numbers if number is not None]
    lengths = [len(option) for option in options]
    every = [set(words_of(option)) for option in options]
    features = []
    for index, option in enumerate(options):
        own = [f"word {word}" for word in every[index]]
        own += [f"place {index} of {len(options)}", f"digits {sum(map(str.isdigit, option))}"]
        own += [f"length {_rank(lengths, lengths[index])}", f"shares {len(every[index] & set(asked))}"]
        if (number := numbers[index]) is not None:
            own += [f"rank {_rank(known, number)}", f"size {_size(number)}"]
        features.append(_hashed([*own, *(f"{word} & {one}" for word in asked for one in own)]))
    return tuple(features)


def plain_features(question: str) -> Features:
    """Features of a question by itself: its words and their neighbours."""
    words = words_of(question)
    return _hashed([*set(words), *{f"{one} {other}" for one, other in pairwise(words)}])


def _rank(numbers: Sequence[float], number: float) -> str:
    if number == min(numbers):
        return "least"
    return "most" if number == max(numbers) else "between"


def _size(number: float) -> str:
    return f"#{round(2 * np.log2(number + 1))}"


def _hashed(names: Sequence[str]) -> Features:
    return np.unique(np.array([zlib.crc32(name.encode()) % BUCKETS for name in names], dtype=np.int64))
