"""The words that names are made of, in English, French and German, read from the tables in `words/`.

A table has sections in brackets and, below each, one row a line: the same name in each language. What a name needs to
know about grammar is here: French contractions, and nothing else, as English and German rows are written to need none.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "fr", "de")

type Names = dict[str, str]
"""A name by language."""

_FOLDER = Path(__file__).with_name("words")
_VOWELS = "aàâeéèêëiîïoôœuùûüy"
"""No h: the names in the tables that begin with one keep it apart, as in le Havre, les Hérons."""

_STREETS = {
    "allée": "l'",
    "autoroute": "l'",
    "avenue": "l'",
    "boulevard": "le ",
    "chemin": "le ",
    "cour": "la ",
    "impasse": "l'",
    "place": "la ",
    "promenade": "la ",
    "quai": "le ",
    "rocade": "la ",
    "route": "la ",
    "rue": "la ",
    "ruelle": "la ",
    "venelle": "la ",
}
"""The article of every French kind of street."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Args:
        names: the columns.
        tags: what `key: value` lines above it said, for instance the cuisine.
    """

    names: Names
    tags: dict[str, str]


@cache
def tables() -> dict[str, tuple[Row, ...]]:
    """Rows of every section of the tables of names."""
    result: dict[str, list[Row]] = {}
    for file in ("streets", "towns", "eating", "shops", "public", "descriptions"):
        tags: dict[str, str] = {}
        rows: list[Row] = []
        for line in _lines(file):
            if line.startswith("["):
                name = line.strip("[]")
                rows, tags = result.setdefault(f"about {name}" if file == "descriptions" else name, []), {}
            elif "|" in line:
                columns = [part.strip() for part in line.split("|")]
                rows.append(Row(dict(zip(LANGUAGES, columns, strict=True)), tags))
            else:
                key, _, value = line.partition(":")
                tags = {key: value.strip()}
    return {section: tuple(members) for section, members in result.items()}


@cache
def brands() -> dict[str, tuple[tuple[str, int], ...]]:
    """Fictional chains of every kind of place, each with its branches among five hundred places."""
    result: dict[str, list[tuple[str, int]]] = {}
    rows: list[tuple[str, int]] = []
    for line in _lines("brands"):
        if line.startswith("["):
            rows = result.setdefault(line.strip("[]"), [])
        else:
            name, _, count = line.partition("|")
            rows.append((name.strip(), int(count)))
    return {section: tuple(members) for section, members in result.items()}


def _lines(file: str) -> list[str]:
    text = (_FOLDER / f"{file}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def plain(french: str) -> str:
    """A French name as it stands alone: `(la) Vieille Ville` is Vieille Ville, `le Mont` is Le Mont."""
    if french.startswith("("):
        return french.partition(")")[2].strip()
    return french[:1].upper() + french[1:]


def shown(names: Names, languages: tuple[str, str]) -> dict[str, str]:
    """Name tags: the plain one in the first language, then one for each language."""
    ready = {language: plain(names[language]) if language == "fr" else names[language] for language in languages}
    return {"name": ready[languages[0]]} | {f"name:{language}": name for language, name in ready.items()}


def of_french(name: str) -> str:
    """`de` with a French name and its article: du Mont, de la Vieille Ville, d'Alès."""
    bare = name
    if name.startswith("("):
        article, _, rest = name[1:].partition(")")
        bare = article + ("" if article.endswith("'") else " ") + rest.strip()
    lowered = bare.lower()
    if lowered.startswith("le "):
        return "du " + bare[3:]
    if lowered.startswith("les "):
        return "des " + bare[4:]
    if lowered.startswith(("la ", "l'")):
        return "de " + bare[:1].lower() + bare[1:]
    if lowered[0] in _VOWELS:
        return "d'" + bare
    return "de " + bare


def of_street(street: str) -> str:
    """`de` with a French street: de la rue du Port, du quai des Pêcheurs, de la Grand-Rue."""
    kind, _, rest = street.partition(" ")
    article = _STREETS.get(kind.lower())
    return of_french(f"{article}{kind.lower()} {rest}" if article else f"la {street}")


def fill(template: Names, words: dict[str, Names]) -> Names:
    """A template with its braces filled; `{of x}` is the word with `de` in French and the bare word elsewhere."""
    result = {}
    for language in LANGUAGES:
        text = template[language]
        for key, names in words.items():
            name = names[language]
            if "{" not in text:
                break
            text = text.replace(f"{{{key}}}", plain(name) if language == "fr" else name)
            of = of_street if key == "street" else of_french
            text = text.replace(f"{{of {key}}}", of(name) if language == "fr" else name)
        result[language] = text
    return result
