"""From an object's tags to the words by which the index finds it."""

from collections.abc import Iterable, Mapping

from annotator.maps.embedded.folding import STOP_WORDS, fold
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.synonyms import KIND_WORDS
from annotator.maps.osm_place import KIND_KEYS, address_parts, name_in

DETAIL_KEYS = (
    "cuisine",
    "brand",
    "operator",
    "sport",
    "religion",
    "denomination",
    "product",
    "artist_name",
    "genus",
    "species",
    "ref",
    "iata",
    "icao",
    "local_ref",
    *KIND_KEYS,
)
"""Tags whose values are words by which somebody may look for a place."""

# Values that tell nothing: every unnamed building is one of "yes".
_EMPTY_VALUES = frozenset({"yes", "no", "unclassified", "fixme"})
_NAMES = "name int_name official_name short_name alt_name old_name loc_name nat_name reg_name addr:housename"
_NAME_KEYS = frozenset(_NAMES.split())
# What follows a colon is a language, unless it is about the name.
_ABOUT_NAMES = frozenset({"etymology", "source", "prefix", "signed", "pronunciation"})


def folded_names(tags: Mapping[str, str]) -> list[str]:
    """Every name once, folded, the local one first; alternatives parted by semicolons count one by one."""
    keys = ["name", *sorted(key for key in tags if key != "name" and _is_name(key))]
    texts = [part for key in keys if key in tags for part in tags[key].split(";")]
    # A cash machine or a shop without a name of its own is known by its operator or brand.
    texts += [] if any(text.strip() for text in texts) else [name_in(tags, "")]
    return [name for name in dict.fromkeys(" ".join(fold(text)) for text in texts) if name]


def _is_name(key: str) -> bool:
    head, _, tail = key.partition(":")
    return key in _NAME_KEYS or (
        head in _NAME_KEYS and head != "addr" and tail not in ("etymology", "source", "prefix")
    )


def folded_address(tags: Mapping[str, str]) -> str:
    """Words of the house number, and of its street on a second line; empty without a number.

    A number with a letter is there as one word too: 12 B is looked for as `12b`.
    """
    parts = address_parts(tags)
    words = fold(parts.get("house_number", ""))
    number = [*words, "".join(words)] if len(words) == 2 and words[1].isalpha() else list(words)
    return f"{' '.join(number)}\n{' '.join(fold(parts.get('street', '')))}" if number else ""


def text_columns(
    tags: Mapping[str, str],
    place_class: PlaceClass,
    kinds: Iterable[str],
    names: list[str],
    context: Mapping[str, str],
) -> tuple[str, str, str, str, str]:
    """What the full-text index holds, in the order of `schema.COLUMNS`.

    Args:
        tags: of the object.
        place_class: boundaries and settlements are not found by the areas that hold them.
        kinds: of `synonyms.kinds_of`.
        names: of `folded_names`.
        context: address parts of what is around it.
    """
    name = names[0] if names else ""
    alt = dict.fromkeys(word for other in names[1:] for word in other.split())
    category = sorted({word for kind in kinds for word in KIND_WORDS[kind]} - STOP_WORDS)
    values = [tags[key] for key in DETAIL_KEYS if key in tags and tags[key] not in _EMPTY_VALUES]
    values += [key.removeprefix("diet:") for key in tags if key.startswith("diet:") and tags[key] in ("yes", "only")]
    detail = dict.fromkeys(word for value in values for word in fold(value.replace("_", " ")))
    parts = dict(context) | address_parts(tags)
    if place_class in (PlaceClass.SETTLEMENT, PlaceClass.BOUNDARY):
        parts = {}
    around = [parts.get(part, "") for part in ("street", "postcode", "district", "city")]
    address = dict.fromkeys(
        [*folded_address(tags).partition("\n")[0].split(), *(word for value in around for word in fold(value))]
    )
    return name, " ".join(alt), " ".join(category), " ".join(detail), " ".join(address)
