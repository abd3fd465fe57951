"""Sentences from templates: `{Hello|Hi}{,| there}` is one of four."""

import random
import re

# Braces without a bar are not a choice: `{}` may be filled in later.
_CHOICE = re.compile(r"\{([^{}|]*\|[^{}]*)\}")


def expand(template: str, rng: random.Random) -> str:
    """Draws one alternative of every pair of braces, the innermost first; an alternative may be empty."""
    while found := _CHOICE.search(template):
        template = template[: found.start()] + rng.choice(found[1].split("|")) + template[found.end() :]
    return re.sub(" {2,}", " ", template)


def num_expansions(template: str) -> int:
    """How many ways there are to draw, alike ones counted each; templates must not nest braces."""
    count = 1
    for found in _CHOICE.finditer(template):
        count *= len(found[1].split("|"))
    return count
