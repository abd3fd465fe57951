"""Texts that are made to take long: comparing, drawing, linting and rendering them stays within a second."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from annotator.contexts.links import read_link
from annotator.errors import InputError
from annotator.review.compare import words
from annotator.review.markup import to_html
from tests.annotator.program import Annotator
from tests.annotator.security.conftest import Walks

MOST_S = 1.0
SLOWER = 4.0
"""How much slower than the one they were measured on a machine may be."""


@contextmanager
def within(time_s: Callable[[], float] = time.thread_time) -> Iterator[None]:
    """Fails where what is inside takes more processor time, of this thread or of whom `time_s` asks."""
    began_s = time_s()
    yield
    assert time_s() - began_s < MOST_S * SLOWER


@pytest.fixture
def server_time_s(annotator_server: Annotator) -> Callable[[], float]:
    """The processor time that the server has taken so far."""
    process = psutil.Process(annotator_server.process.pid)
    return lambda: sum(process.cpu_times()[:2])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("!" * 20_000, "!" * 19_999 + "?"),
        ("s x " * 5_000, "s y " * 5_000),
        ("".join(random.Random(1).choices("ab! ", k=20_000)), "".join(random.Random(2).choices("ac! ", k=20_000))),
        ("\n" * 40_000, "\n\n" * 16_000 + "x"),
    ],
    ids=["marks", "alternating", "random", "lines"],
)
def test_any_two_texts_are_compared_in_bounded_time(old: str, new: str) -> None:
    with within():
        found = words(old, new)
    assert "".join(part.text for part in found if part.kind != "added") == old
    assert "".join(part.text for part in found if part.kind != "removed") == new


@pytest.mark.parametrize(
    "text",
    [
        "|".join("a" * 700) + "\n" + "|".join("-" * 700) + "\n" + "a\n" * 8000,
        "[" * 20_000,
        "![" * 10_000,
        "*a_" * 6_600,
        "> " * 10_000,
        "`a" * 10_000,
        "[a](" * 5_000,
    ],
    ids=["table", "brackets", "images", "stars", "quotes", "ticks", "links"],
)
def test_markdown_is_drawn_in_bounded_time_and_size(text: str) -> None:
    with within():
        assert len(to_html(text)) < 60 * len(text)


def test_a_table_that_is_none_of_those_is_a_table() -> None:
    rows = "".join(f"| {row} | b | c |\n" for row in range(400))
    assert to_html(f"words\n\n| a | b | c |\n|---|---|---|\n{rows}").count("<tr>") == 401


@pytest.mark.parametrize("text", ["1," * 2000, "1°" * 2000, "8FVC9G8F+" * 440, "https://" + "a." * 1900, "@1," * 1300])
def test_a_pasted_link_is_read_in_bounded_time(text: str) -> None:
    with within(), pytest.raises(InputError):
        read_link(text)


@pytest.mark.parametrize("body", ["a b " * 2500, "a\u0301" * 5000, " " * 9999 + "x", "a A'" * 2500, "1" * 10_000])
def test_long_questions_are_checked_within_a_second(
    client: httpx.Client, walks: Walks, server_time_s: Callable[[], float], body: str
) -> None:
    options = [{"key": key, "text": body[:2000]} for key in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    content = {"body": body, "explanation": body * 2, "options": options, "gold_keys": ["A"]}
    url = f"/api/projects/{walks.slug}/questions/{walks.ids['question_id']}/check"
    with within(server_time_s):
        answer = client.post(url, json={"content": content})
    assert answer.status_code == 200


def test_what_is_too_much_is_refused_at_once(client: httpx.Client, walks: Walks) -> None:
    base = f"/api/projects/{walks.slug}"
    options = [{"key": f"o{index}", "text": "x"} for index in range(10_000)]
    asked = f"{base}/contexts/{walks.ids['context_id']}/questions"
    assert client.post(asked, json={"content": {"options": options}}).status_code == 400
    notes = [{"key": f"k{index}", "kind": "note", "text": "x"} for index in range(501)]
    assert client.post(f"{base}/contexts", json={"content": {"items": notes}}).status_code == 400
    assert client.post(f"{base}/contexts", json={"content": {"title": "x" * 10_000_000}}).status_code == 413


def test_the_largest_context_is_rendered_within_a_second(
    client: httpx.Client, walks: Walks, server_time_s: Callable[[], float]
) -> None:
    base = f"/api/projects/{walks.slug}"
    kept = client.get(f"{base}/contexts/{walks.ids['context_id']}").json()["content"]["items"][0]
    items = [kept | {"key": f"k{index}"} for index in range(500)]
    made = client.post(f"{base}/contexts", json={"content": {"items": items}})
    assert made.status_code == 201, made.text[:300]
    for form in ("text", "json", "markdown"):
        with within(server_time_s):
            answer = client.get(f"{base}/contexts/{made.json()['id']}/render", params={"format": form})
        assert answer.status_code == 200
