"""Conversations over natural text: passages of books that go on, and small tasks of copying from a passage.

Copying is what answering from a context is made of. Here it is learned on text that is unlike any map: repeat this,
what follows that, which names occur, the first sentence of every paragraph.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from server.assets.training.books import Book, sentences_of
from server.assets.training.grammar import expand
from server.assets.training.template import Message, assistant, user

INSTRUCTIONS = (
    "Continue this story: {}",
    "Continue: {}",
    "What happens next? {}",
    "Write the next part of this:\n\n{}",
    "Go on from here.\n\n{}",
    "Please finish this passage: {}",
)
TOPICS = (
    "Write about {}.",
    "Tell me a story about {}.",
    "Tell me about {}.",
    "Write a short passage about {}",
    "I want to read something about {}.",
)
MANNERS = ("Write a passage in the manner of {}.", "Write something that {} could have written.", "Write like {}.")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Asked = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a book to be asked about.

    Args:
        paragraphs: the sentences of each.
    """

    paragraphs: list[list[str]]

    @property
    def sentences(self) -> list[str]:
        """All sentences in order."""
        return [sentence for paragraph in self.paragraphs for sentence in paragraph]

    @property
    def text(self) -> str:
        """Its paragraphs, a blank line between them."""
        return "\n\n".join(" ".join(paragraph) for paragraph in self.paragraphs)


def continued(book: Book, rng: random.Random) -> list[Message] | None:
    """A conversation whose answers are passages of the book; None where chance finds no passage."""
    paragraphs = book.paragraphs
    start = rng.randrange(max(1, len(paragraphs) - 6))
    # The last sentence of a paragraph keeps the blank line after it.
    shown = (sentences_of(paragraph) for paragraph in paragraphs[start : start + 6])
    sentences = [
        sentence + ("\n\n" if sentence is paragraph[-1] else " ") for paragraph in shown for sentence in paragraph
    ]
    num_asked, num_answered = rng.randint(1, 2), rng.randint(2, 8)
    if len(sentences) <= num_asked + 1:
        return None
    answer = "".join(sentences[num_asked : num_asked + num_answered])
    if _UNFIT.search("".join(sentences)):
        return None
    kind = rng.random()
    if kind < 0.6:
        form = "{}" if kind < 0.35 else rng.choice(INSTRUCTIONS)
        question = form.format("".join(sentences[:num_asked]).strip())
    elif kind < 0.88:
        question = _topic_question(answer, rng)
    else:
        question = rng.choice(MANNERS).format(book.author)
    messages = [user(question), assistant(answer.strip())]
    rest = sentences[num_asked + num_answered :]
    if len(rest) >= 3:
        messages += [user(rest[0].strip()), assistant("".join(rest[1 : 1 + rng.randint(2, 6)]).strip())]
    return messages


def copied(book: Book, rng: random.Random) -> list[Message] | None:
    """A conversation of one to six tasks over a passage of the book; None where chance finds no passage."""
    passage = draw_passage(book, rng, most_sentences=rng.choice((3, 6, 6, 12, 12, 24, 60)))
    if passage is None:
        return None
    pairs = list(tasks(passage, rng, rng.randint(1, 6)))
    if not pairs:
        return None
    messages: list[Message] = []
    for turn, (ask, answer) in enumerate(pairs):
        shown = ask
        if not turn:
            shown = f"{passage.text}\n\n{ask}" if rng.random() < 0.7 else f"{ask}\n\n{passage.text}"
        messages += [user(shown), assistant(answer)]
    return messages


def draw_passage(book: Book, rng: random.Random, most_sentences: int) -> Passage | None:
    """Paragraphs in a row with at least two and at most so many sentences; None where chance finds none."""
    paragraphs = book.paragraphs
    found: list[list[str]] = []
    for paragraph in paragraphs[rng.randrange(len(paragraphs)) :][:most_sentences]:
        sentences = sentences_of(paragraph)
        if sum(map(len, found)) + len(sentences) > most_sentences:
            break
        # Verses, headings and tables have lines that end without a full stop.
        if sentences and all(20 <= len(sentence) <= 400 for sentence in sentences):
            found.append(sentences)
    passage = Passage(found)
    return passage if len(passage.sentences) >= 2 and not _UNFIT.search(passage.text) else None


def tasks(passage: Passage, rng: random.Random, num_tasks: int) -> Iterator[Asked]:
    """Questions about the passage with their answers, no kind twice."""
    makers: Sequence[Callable[[Passage, random.Random], Asked | None]] = rng.sample(_TASKS, len(_TASKS))
    made = (maker(passage, rng) for maker in makers)
    found = (asked for asked in made if asked is not None)
    yield from (asked for asked, _ in zip(found, range(num_tasks), strict=False))


def _repeat(passage: Passage, rng: random.Random) -> Asked:
    sentence = rng.choice(passage.sentences)
    return expand("{Repeat|Copy|Say again|Write once more}{| this sentence}: ", rng) + sentence, sentence


def _repeat_all(passage: Passage, rng: random.Random) -> Asked | None:
    if len(passage.text) > 900:
        return None
    return expand("{Repeat|Copy|Write out} {the|this} {text|passage}{.| word for word.| exactly.}", rng), passage.text


def _ordinal(passage: Passage, rng: random.Random) -> Asked:
    sentences = passage.sentences
    place = rng.randrange(min(len(sentences), len(ORDINALS)))
    form = expand("{What is|Give me|Quote} the {} sentence{| of the text| of the passage}", rng)
    return _asked(form.replace("{}", ORDINALS[place])), sentences[place]


def _last(passage: Passage, rng: random.Random) -> Asked:
    form = expand("{What is|Give me|Quote} the last sentence{| of the text}", rng)
    return _asked(form), passage.sentences[-1]


def _following(passage: Passage, rng: random.Random) -> Asked | None:
    sentences = passage.sentences
    at = rng.randrange(len(sentences) - 1)
    if sentences.count(sentences[at]) > 1:
        return None
    form = expand("{Which sentence comes|What comes|What stands} {right |}after this{| one}: {}", rng)
    return form.replace("{}", sentences[at]), sentences[at + 1]


def _finish(passage: Passage, rng: random.Random) -> Asked | None:
    sentence = rng.choice(passage.sentences)
    words = sentence.split(" ")
    start = " ".join(words[:4])
    if len(words) < 7 or passage.text.count(start) > 1:
        return None
    return expand("{Finish|Complete} this sentence {from|of} the text: ", rng) + f"{start} ...", sentence


def _beginning(passage: Passage, rng: random.Random) -> Asked | None:
    sentence = rng.choice(passage.sentences)
    words = sentence.split(" ")
    for num_words in range(min(rng.randint(2, 5), len(words) - 1), len(words)):
        beginning = " ".join(words[:num_words])
        if sum(other.startswith(beginning) for other in passage.sentences) == 1:
            form = expand('{Quote|Give me|What is} the sentence{| of the text} that {begins|starts} with "{}"', rng)
            return _asked(form).replace("{}", beginning), sentence
    return None


def _mentioning(passage: Passage, rng: random.Random) -> Asked | None:
    sentences = passage.sentences
    sentence = rng.choice(sentences)
    words = [word for word in re.findall(r"[A-Za-z]{5,}", sentence) if passage.text.lower().count(word.lower()) == 1]
    if not words:
        return None
    form = expand('{Which sentence|What sentence} {has|contains|mentions} the word "{}"?', rng)
    return form.replace("{}", rng.choice(words)), sentence


def _word_after(passage: Passage, rng: random.Random) -> Asked | None:
    words = re.findall(r"\w+(?:['\u2019-]\w+)*", passage.text)
    places = [at for at, word in enumerate(words[:-1]) if len(word) > 3 and words.count(word) == 1]
    if not places:
        return None
    at = rng.choice(places)
    return f'Which word comes {rng.choice(("right ", ""))}after "{words[at]}"?', words[at + 1]


def _names(passage: Passage, rng: random.Random) -> Asked | None:
    if len(passage.sentences) > 24:
        return None
    # A capital within a sentence makes a name; titles and names of two words stay together.
    found = re.findall(r"(?<=[a-z,;] )(?:(?:Mr|Mrs|Dr|St)\. )*[A-Z][a-z]+(?: [A-Z][a-z]+)*(?![a-z-])", passage.text)
    names = [name for name in dict.fromkeys(found) if name not in _NO_NAMES]
    if not names or len(names) > 12:
        return None
    form = "{List|Name|Give me} {the names|all names} in {this text|the text|the passage}{.|, in order.}"
    return expand(form, rng), "; ".join(names)


def _occurs(passage: Passage, rng: random.Random) -> Asked:
    if is_there := rng.random() < 0.5:
        word = rng.choice(re.findall(r"[A-Za-z]{4,}", passage.text))
    else:
        word = rng.choice([word for word in _RARE if word not in passage.text.lower()])
    return f'Does the word "{word}" occur in the text?', "Yes." if is_there else "No."


def _count(passage: Passage, rng: random.Random) -> Asked | None:
    count = len(passage.sentences)
    if count >= len(NUMBERS):
        return None
    return expand("How many sentences {are there|does the text have}?", rng), f"{NUMBERS[count].capitalize()}."


def _openings(passage: Passage, rng: random.Random) -> Asked | None:
    if not 2 <= len(passage.paragraphs) <= 8:
        return None
    form = "{Give|Quote|Write down} the first sentence of {every|each} paragraph{.|, one a line.}"
    return expand(form, rng), "\n".join(paragraph[0] for paragraph in passage.paragraphs)


def _asked(question: str) -> str:
    return question + ("?" if question.startswith("What") else ".")


def _topic_question(answer: str, rng: random.Random) -> str:
    # Names and nouns after an article or a preposition are what a short passage is about, more often than not.
    topics = re.findall(r"\b(?:the|a|an|his|her|their|of|with) ([a-z]{4,}|[A-Z][a-z]+)\b", answer)
    topic = rng.choice(topics) if topics else "anything"
    return rng.choice(TOPICS).format(topic if topic[0].isupper() or topic == "anything" else f"the {topic}")


_TASKS = (
    *(_repeat, _repeat_all, _ordinal, _last, _following, _finish, _beginning),
    *(_mentioning, _word_after, _names, _occurs, _count, _openings),
)
_NO_NAMES = frozenset(
    ("I", "God", "Lord", "Oh", "No", "Yes", "But", "And", "The", "He", "She", "It", "They", "We", "You")
)
# Old books call people what nobody should hear from an assistant.
_UNFIT = re.compile(
    r"\b(?:nigg|negr|dark(?:ey|ie|y)|coons?\b|squaw|savages?\b|japs?\b|jews?\b|gyps|gips)", re.IGNORECASE
)
_RARE = ("lantern", "copper", "violin", "harvest", "anchor", "velvet", "comet", "orchard", "ledger", "thistle", "ferry")
