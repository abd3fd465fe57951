"""What a person's words ask for: where a query parts into what is looked for, a relation, and where.

The words are folded already, so "près de" is here as pres de. Which reading is meant can only be told from what the map
holds; this module lists the readings, the likeliest first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from annotator.maps.embedded.folding import telling
from annotator.maps.embedded.synonyms import kinds_of_phrase, singular_forms


class Relation(Enum):
    """How what is looked for lies to the place that is named with it."""

    NEAR = auto()
    IN = auto()
    ON = auto()
    AT = auto()


_RELATIONS: dict[tuple[str, ...], Relation] = {
    tuple(phrase.split()): relation
    for relation, phrases in {
        Relation.NEAR: (
            "near, near to, close to, next to, by, around, beside, nearby, not far from, opposite, across from, "
            "pres de, pres du, pres des, pres d, proche de, proche du, a cote de, a cote du, autour de, autour du, "
            "au bord de, au bord du, en face de, en face du, "
            "nahe, nahe bei, in der nahe, in der nahe von, in der nahe des, in der nahe der, bei, beim, neben, am, an, "
            "an der, gegenuber, cerca de, cerca del, cerca, junto a, junto al, al lado de, al lado del, alrededor de, "
            "vicino a, vicino al, vicino alla, vicino, presso, accanto a, accanto al, nei pressi di, nei pressi del"
        ),
        Relation.IN: "in, inside, within, dans, en, a, im, innerhalb, dentro de, nel, nella",
        Relation.ON: "on, along, sur, auf, auf der, auf dem, sulla, sul, sobre",
        Relation.AT: "at",
    }.items()
    for phrase in phrases.split(", ")
}
_LONGEST_RELATION = max(map(len, _RELATIONS))


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for phrase in text.split(", "))


_HERE = _phrases(
    "near me, nearby, around me, around here, close to me, close by, near here, here, pres de moi, pres d ici, "
    "autour de moi, in meiner nahe, in der nahe, cerca de mi, cerca de aqui, vicino a me, qui vicino"
)
_ASKING = _phrases(
    "find, find me, show, show me, search, search for, look for, looking for, where is, where are, where s, what is, "
    "is there, are there, i want, i need, please, nearest, the nearest, closest, the closest, best, the best, good, "
    "ou est, ou sont, ou se trouve, je cherche, cherche, la plus proche, le plus proche, wo ist, wo sind, ich suche, "
    "suche, nachste, nachster, nachstes, donde esta, busco, buscar, dove, dov e, cerco"
)


@dataclass(frozen=True, slots=True)
class Split:
    """One reading of a query: `what` lies in `relation` to `where`."""

    what: tuple[str, ...]
    relation: Relation
    where: tuple[str, ...]


def without_asking(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without the question around them ("where is the nearest … near me"); never nothing."""
    changed = True
    while changed:
        changed = False
        for phrase in (*_ASKING, *_HERE):
            if len(phrase) < len(words):
                if phrase in _ASKING and words[: len(phrase)] == phrase:
                    words, changed = words[len(phrase) :], True
                elif phrase in _HERE and words[-len(phrase) :] == phrase:
                    words, changed = words[: -len(phrase)], True
    return words


def splits(words: tuple[str, ...]) -> Iterator[Split]:
    """Every reading with a relation inside, longer relation words before shorter ones, then from the left."""
    for length in range(_LONGEST_RELATION, 0, -1):
        for start in range(1, len(words) - length):
            relation = _RELATIONS.get(words[start : start + length])
            if relation is not None:
                yield Split(words[:start], relation, words[start + length :])


def kinds_meant(words: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds that a whole phrase names, plural or singular; empty if it names none."""
    plain = telling(words)
    if found := kinds_of_phrase(plain):
        return found
    for index, word in enumerate(plain):
        for singular in singular_forms(word):
            if found := kinds_of_phrase((*plain[:index], singular, *plain[index + 1 :])):
                return found
    singular_all = tuple((*singular_forms(word), word)[0] for word in plain)
    return kinds_of_phrase(singular_all)


def kind_and_rest(words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Readings as a kind before or after a place's name, the longest kind first: (kind's words, the other words)."""
    for length in range(len(words) - 1, 0, -1):
        for kind, rest in ((words[:length], words[length:]), (words[-length:], words[:-length])):
            if kinds_meant(kind):
                yield kind, rest
