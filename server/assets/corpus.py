"""From an archive of books to the tokenizer and token streams that `train.py` learns from.

The archive is a `.tar.xz` of Markdown files, each opening with `# Title:`, `## Author:` and `## Year:` lines.
"""

import hashlib
import json
import random
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from server.errors import ConfigError

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
NUM_HELD_OUT_BOOKS = 4

# The system turn is optional; a model this small does not follow one, but must not stumble over it either.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    f"{TURN_START}{{{{ message['role'] }}}}\n{{{{ message['content'] }}}}{TURN_END}\n"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{TURN_START}assistant\n{{% endif %}}"
)

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
SYSTEMS = ("You are a helpful assistant.", "You are a storyteller.", "Answer in plain English.")

Tokens = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Book:
    """One book, its Markdown removed; paragraphs are separated by a blank line."""

    title: str
    author: str
    text: str

    @property
    def paragraphs(self) -> list[str]:
        return self.text.split("\n\n")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that training and evaluation read.

    Args:
        tokenizer: byte-level BPE, with the three special tokens as ids 0, 1 and 2.
        books: token ids of all training books, each ended by `<|endoftext|>`.
        chats: token ids of conversations made from the same books, each ended by `<|endoftext|>`.
        held_out: token ids of books that neither the tokenizer nor the model learns from.
        wikitext: token ids of an encyclopedia text, for a perplexity that others can compare; may be empty.
        held_out_titles: titles of the books in `held_out`.
    """

    tokenizer: Tokenizer
    books: Tokens
    chats: Tokens
    held_out: Tokens
    wikitext: Tokens
    held_out_titles: list[str]

    def save(self, folder: Path) -> None:
        """Writes `tokenizer.json`, `corpus.json` and `tokens.npz` into `folder`, creating it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "corpus.json").write_text(json.dumps({"held_out_titles": self.held_out_titles}, indent=2))
        np.savez_compressed(
            folder / "tokens.npz", books=self.books, chats=self.chats, held_out=self.held_out, wikitext=self.wikitext
        )


def load_corpus(folder: Path) -> Corpus:
    """Reads what `Corpus.save` wrote."""
    facts = json.loads((folder / "corpus.json").read_text())
    with np.load(folder / "tokens.npz") as arrays:
        return Corpus(
            tokenizer=Tokenizer.from_file(str(folder / "tokenizer.json")),
            books=arrays["books"],
            chats=arrays["chats"],
            held_out=arrays["held_out"],
            wikitext=arrays["wikitext"],
            held_out_titles=facts["held_out_titles"],
        )


def build_corpus(folder: Path, *, vocab_size: int, num_books: int | None = None) -> Corpus:
    """Reads `books.tar.xz` and, where present, `wikitext2-valid.txt` from `folder`.

    Args:
        folder: holds the archive, in itself or in a folder `text`.
        vocab_size: tokens of the new tokenizer, the 256 bytes and three special tokens included.
        num_books: takes only the first so many books, for a quick try.

    Raises:
        ConfigError: there is no archive.
    """
    places = (folder / "books.tar.xz", folder / "text" / "books.tar.xz")
    archive = next((path for path in places if path.is_file()), None)
    if archive is None:
        raise ConfigError(f"{folder} holds no books.tar.xz; name the folder that does with --data")
    books = sorted(read_books(archive), key=lambda book: hashlib.sha256(book.title.encode()).digest())[:num_books]
    held_out, training = books[:NUM_HELD_OUT_BOOKS], books[NUM_HELD_OUT_BOOKS:]
    wikitext_file = archive.with_name("wikitext2-valid.txt")
    wikitext = wikitext_file.read_text() if wikitext_file.is_file() else ""

    tokenizer = train_tokenizer((book.text for book in training), vocab_size)
    return Corpus(
        tokenizer=tokenizer,
        books=encode(tokenizer, (book.text + END_OF_TEXT for book in training)),
        chats=encode(tokenizer, chats_of(training, random.Random(0))),
        held_out=encode(tokenizer, ["\n\n".join(book.text for book in held_out)]),
        wikitext=encode(tokenizer, [wikitext]),
        held_out_titles=[book.title for book in held_out],
    )


def read_books(archive: Path) -> Iterator[Book]:
    """Yields every Markdown file of a `.tar.xz` archive as a cleaned `Book`."""
    with tarfile.open(archive, "r:xz") as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None and member.name.endswith(".md"):
                yield parse_book(stream.read().decode("utf-8", errors="replace"))


def parse_book(markdown: str) -> Book:
    """Takes title and author from the opening lines and strips headings, rules, emphasis and stray characters."""
    title = re.search(r"^# Title:\s*(.+)$", markdown, re.M)
    author = re.search(r"^## Author:\s*(.+)$", markdown, re.M)
    text = markdown.translate({0xFEFF: None, 0x200B: None, 0xA0: " ", 0x200A: " ", ord("_"): None, ord("*"): None})
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    kept = (line for line in lines if not line.startswith(("#", "---")))
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return Book(title=title[1].strip() if title else "", author=author[1].strip() if author else "", text=body)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learns a byte-level BPE: every text has an encoding, and decoding gives it back exactly."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Iterable[str]) -> Tokens:
    """Encodes `texts` one after the other into one array of ids."""
    parts = [np.asarray(tokenizer.encode(text).ids, dtype=np.uint16) for text in texts]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint16)


def chats_of(books: list[Book], rng: random.Random) -> Iterator[str]:
    """Yields conversations whose answers are passages of the books, about one for every ten paragraphs."""
    for book in books:
        paragraphs = book.paragraphs
        position = rng.randrange(10)
        while position < len(paragraphs):
            chat = _chat("\n\n".join(paragraphs[position : position + 6]), book.author, rng)
            if chat is not None:
                yield chat
            position += rng.randint(6, 14)


def _chat(passage: str, author: str, rng: random.Random) -> str | None:
    # A sentence ends where its mark, or the quote that closes it, is followed by space.
    sentences = re.findall(r"\S.*?[.!?]['\"]?(?=\s|$)\s*", passage, re.S)
    if len(sentences) < 4:
        return None
    num_asked, num_answered = rng.randint(1, 2), rng.randint(2, 8)
    answer = sentences[num_asked : num_asked + num_answered]
    kind = rng.random()
    if kind < 0.35:
        question = "".join(sentences[:num_asked])
    elif kind < 0.6:
        question = rng.choice(INSTRUCTIONS).format("".join(sentences[:num_asked]).strip())
    elif kind < 0.88:
        question = _topic_question("".join(answer), rng)
    else:
        question = rng.choice(MANNERS).format(author)
    turns = [("user", question), ("assistant", "".join(answer))]
    rest = sentences[num_asked + num_answered :]
    if len(rest) >= 3:
        turns += [("user", rest[0]), ("assistant", "".join(rest[1 : 1 + rng.randint(2, 6)]))]
    if rng.random() < 0.15:
        turns.insert(0, ("system", rng.choice(SYSTEMS)))
    return "".join(f"{TURN_START}{role}\n{text.strip()}{TURN_END}\n" for role, text in turns) + END_OF_TEXT


def _topic_question(answer: str, rng: random.Random) -> str:
    # Names and nouns after an article or a preposition are what a short passage is about, more often than not.
    topics = re.findall(r"\b(?:the|a|an|his|her|their|of|with) ([a-z]{4,}|[A-Z][a-z]+)\b", answer)
    topic = rng.choice(topics) if topics else "anything"
    return rng.choice(TOPICS).format(topic if topic[0].isupper() or topic == "anything" else f"the {topic}")
