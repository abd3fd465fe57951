"""What the model says about itself is true and well formed, and what it copies stands in the passage."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.assets.training.books import Book
from server.assets.training.dialogues import dialogues
from server.assets.training.grammar import expand, num_expansions
from server.assets.training.passages import continued, copied
from server.assets.training.small_talk import FAREWELL, GREETING, UNCLEAR, small_talk, topics

seeds = st.integers(0, 100_000)
WORDS = (
    "Alder",
    "river",
    "lantern",
    "Marlow",
    "garden",
    "quietly",
    "window",
    "Beatrix",
    "morning",
    "carried",
    "thistle",
)


def a_book() -> Book:
    rng = random.Random(7)
    paragraphs = []
    for _ in range(60):
        sentences = [
            f"{rng.choice(('The', 'A'))} {' '.join(rng.choices(WORDS, k=rng.randint(4, 9)))} {number}."
            for number in rng.sample(range(900), rng.randint(1, 4))
        ]
        paragraphs.append(" ".join(sentences))
    return Book("A Tale", "A. Nobody", "\n\n".join(paragraphs))


BOOK = a_book()


def test_choices_are_drawn_innermost_first_and_counted() -> None:
    drawn = {expand("{a|b{c|d}} {}{e|}", random.Random(seed)) for seed in range(200)}
    assert drawn == {"a {}e", "a {}", "bc {}e", "bc {}", "bd {}e", "bd {}"}
    assert num_expansions("{Hello|Hi}{,| there} {}") == 4


def test_every_template_closes_its_braces_and_every_topic_has_answers() -> None:
    for name, topic in topics().items():
        assert topic.asks, name
        assert topic.answers, name
        for template in topic.asks + topic.answers + topic.further:
            for seed in range(12):
                text = expand(template, random.Random(seed))
                assert not re.search(r"[{}|]| {2}| [,.?!]|[.,]{2}", text.replace("...", "")), (name, text)
        for template in topic.answers + topic.further:
            for seed in range(12):
                text = expand(template, random.Random(seed)).strip()
                assert re.fullmatch(r"[A-Z].*[.!?]", text), (name, text)


def test_there_are_hundreds_of_ways_to_ask_and_to_answer() -> None:
    about = [topic for name, topic in topics().items() if name not in (GREETING, FAREWELL, UNCLEAR)]
    assert sum(num_expansions(template) for topic in about for template in topic.asks) > 700
    assert sum(num_expansions(template) for topic in about for template in topic.answers) > 250


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("size", "about 12 million parameters|24 megabytes"),
        ("maker", "Rhumb"),
        ("name", "Rhumb"),
        ("rhumb", "Rhumb"),
        ("mapqator", "MapQaTor"),
        ("sentient", "No|not|no one"),
        ("licence", "Apache-2.0"),
    ],
)
def test_answers_state_the_facts_that_are_asked_for(name: str, facts: str) -> None:
    for template in topics()[name].answers:
        for seed in range(40):
            assert re.search(facts, expand(template, random.Random(seed)))


@given(seeds)
@settings(max_examples=60)
def test_small_talk_takes_turns(seed: int) -> None:
    messages = small_talk(random.Random(seed))
    assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert all(message["content"].strip() for message in messages)


@given(seeds)
@settings(deadline=None, max_examples=80)
def test_what_is_copied_stands_in_the_passage_and_answers_what_was_asked(seed: int) -> None:
    messages = copied(BOOK, random.Random(seed))
    if messages is None:
        return
    whole = messages[0]["content"]
    for ask, answer in zip(messages[::2], messages[1::2], strict=True):
        question, text = ask["content"], answer["content"]
        shown = whole + "\n" + question
        if "How many sentences" in question or "occur in the text" in question:
            word = re.search(r'the word "(\w+)" occur', question)
            assert not word or text == ("Yes." if re.search(rf"\b{word[1]}\b", whole.replace(word[0], "")) else "No.")
        elif "first sentence of e" in question:
            assert all(line in whole for line in text.splitlines())
        elif re.search("names", question):
            assert all(name in whole for name in text.split("; "))
        else:
            assert text in shown
        if after := re.search(r'Which word comes (?:right )?after "(\w+)"', question):
            assert re.search(rf"\b{after[1]}\W+{text}\b", whole)


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_continued_passages_follow_each_other_in_the_book(seed: int) -> None:
    messages = continued(BOOK, random.Random(seed)) or []
    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    assert all(answer in BOOK.text for answer in answers)
    places = [BOOK.text.index(answer) for answer in answers]
    assert places == sorted(places)


def test_the_same_seed_gives_the_same_dialogues_and_books_are_optional() -> None:
    first, again, other = (list(dialogues([BOOK], 60, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len(other) == 60
    assert all(len(found.messages) >= 2 for found in dialogues([], 30, 0))
