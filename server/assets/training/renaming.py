"""Other names, phone numbers and web addresses in a context and in all that is asked about it.

There are few words for names in generated towns, and a model that has seen thousands of towns knows them all. What it
must learn is to look them up, so names change places with names of other towns, and the digits and hosts that are only
ever copied are drawn anew. A replacement is a function of the text alone and is applied to every text of a
conversation, so that what was equal stays equal.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

_PHONE = re.compile(r"\+\d{1,3}(?: \d+){2,6}(?!\d)")
_HOST = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?=\.example\.(?:com|org|net)\b)")
# A name must look the same in text and in JSON, and be found by whole words.
_NAME = re.compile(r"\w[^\"\\\n“”;|]{1,46}[\w.)]")


def names_of(context_json: str) -> list[str]:
    """The names of all places in a context's JSON form that can change, each once, in its order."""
    return list(dict.fromkeys(name for name in _names(json.loads(context_json)) if _NAME.fullmatch(name)))


def replacement(
    texts: Sequence[str], names: Sequence[str], pool: Sequence[str], rng: random.Random, *, share: float = 1.0
) -> Callable[[str], str]:
    """A function that puts other names, phone numbers and hosts into a text.

    Args:
        texts: everything that it will be applied to.
        names: names of places in `texts`.
        pool: names to choose from; one that occurs in `texts`, in whole or in part, is not chosen.
        rng: decides.
        share: of the names that change; phone numbers and hosts all do.
    """
    whole = "\n".join(texts)
    changed = {name: _free_name(whole, names, pool, rng) for name in names if rng.random() < share}
    table = {old: new for old, new in _injective(changed) if new}
    taken = set(table.values())
    for old in dict.fromkeys(_PHONE.findall(whole)):
        table[old] = _fresh(partial(_phone_like, old, rng), taken, whole)
    for old in dict.fromkeys(_HOST.findall(whole)):
        table[f"{old}.example"] = _fresh(partial(_host, pool, rng), taken, whole) + ".example"
    if not table:
        return lambda text: text
    # The longest first: a name within a longer one is part of that one.
    longest_first = sorted(table, key=lambda old: (-len(old), old))
    found = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
    return lambda text: found.sub(lambda match: table[match[0]], text)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and "pid" in value:
            yield value["name"]
        for inner in value.values():
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _free_name(whole: str, names: Sequence[str], pool: Sequence[str], rng: random.Random) -> str | None:
    """A name that stands nowhere in the texts and holds none of theirs; None if chance finds none."""
    for _ in range(8):
        name = rng.choice(pool) if pool else ""
        if name and name not in whole and not any(old in name for old in names):
            return name
    return None


def _injective(changed: Mapping[str, str | None]) -> Iterator[tuple[str, str | None]]:
    """Pairs whose new names are not one another's, nor parts of one another."""
    given: list[str] = []
    for old, new in changed.items():
        if new is None or any(new in other or other in new for other in given):
            continue
        given.append(new)
        yield old, new


def _fresh(draw: Callable[[], str], taken: set[str], whole: str) -> str:
    while True:
        value = draw()
        if value not in taken and value not in whole:
            taken.add(value)
            return value


def _phone_like(phone: str, rng: random.Random) -> str:
    """Other digits in the same groups, behind the same country code."""
    code, rest = phone.split(" ", 1)
    return code + " " + re.sub(r"\d", lambda _: str(rng.randrange(10)), rest)


def _host(pool: Sequence[str], rng: random.Random) -> str:
    """Words of some name and a number, since names alone run out in long contexts."""
    words = re.findall(r"[a-z]+", rng.choice(pool or ("place",)).lower())
    return "-".join([*words[:3], *([str(rng.randrange(1000))] if rng.random() < 0.3 or not words else [])])
