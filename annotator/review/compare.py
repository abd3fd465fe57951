"""What changed between two revisions of a question, word by word."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from rapidfuzz.distance import Indel

from annotator.review.words import answer_words, option_words

MAX_WORDS = 4_000
"""Longer texts are compared line by line: comparing words takes time that grows with their square."""

MAX_PAIRS = 40_000
"""Of equal words, one in each text. Beyond, the least difference is shown instead of the one that reads best: what
difflib does grows with their square, so that two pages of "yes no yes no" would keep it busy for hours."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text that stayed, came or went."""

    kind: Literal["same", "added", "removed"]
    text: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs.

    Args:
        about: as comments name it, such as `options.B`.
        title: for people.
        parts: the old and the new text, one woven into the other.
    """

    about: str
    title: str
    parts: tuple[Part, ...]


def words(old: str, new: str) -> tuple[Part, ...]:
    """Two texts woven together: `same` and `removed` make the old one, `same` and `added` the new one."""
    pattern = r"\s+|\w+|[^\w\s]" if max(len(old), len(new)) < 8 * MAX_WORDS else r"[^\n]*\n?"
    before, after = re.findall(pattern, old), re.findall(pattern, new)
    found: list[Part] = []
    for kind, a, b, c, d in _steps(before, after):
        if kind == "equal":
            found.append(Part("same", "".join(before[a:b])))
            continue
        if a < b:
            found.append(Part("removed", "".join(before[a:b])))
        if c < d:
            found.append(Part("added", "".join(after[c:d])))
    return tuple(part for part in found if part.text)


def _steps(before: Sequence[str], after: Sequence[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """What becomes of which words, as difflib's opcodes say it."""
    left, right = Counter(before), Counter(after)
    if sum(count * right[word] for word, count in left.items()) <= MAX_PAIRS:
        return SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    least = Indel.opcodes(before, after)
    return [(one.tag, one.src_start, one.src_end, one.dest_start, one.dest_end) for one in least]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldChange]:
    """What differs between two contents of a question, field by field, in the order in which the page shows them."""
    before, after = _texts(old), _texts(new)
    return [
        FieldChange(about, title, words(before.get((about, title), ""), after.get((about, title), "")))
        for about, title in dict.fromkeys([*before, *after])
        if before.get((about, title), "") != after.get((about, title), "")
    ]


def _texts(content: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """A content's fields as text, by what they are about and what people call them."""
    texts = {
        ("body", "Type"): str(content["type"]).replace("_", " "),
        ("body", "Question"): content["body"],
    }
    for option in content["options"]:
        texts[f"options.{option['key']}", f"Option {option['key']}"] = option_words(option)
    texts["gold", "Gold answer"] = answer_words(content)
    texts["explanation", "Explanation"] = content["explanation"]
    texts["category", "Category"] = content["category"]
    texts["tags", "Tags"] = ", ".join(content["tags"])
    texts["body", "Difficulty"] = content["difficulty"]
    for item in content["evidence"]:
        option = f" (option {item['option_key']})" if item["option_key"] else ""
        texts[f"evidence.{item['key']}", f"Evidence {item['key']}"] = (
            f"{item['role']}{option}: {item['pointer']} = {item['value']!s} in {item['result_sha'][:12]}"
        )
    return texts
