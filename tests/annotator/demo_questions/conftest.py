"""A small town, opened once for all questions about it."""

from collections.abc import Iterator

import pytest

from annotator.demo.questions.town import OpenTown

SEED = 3


@pytest.fixture(scope="session")
def town() -> Iterator[OpenTown]:
    """A small town whose own language is not English alone."""
    with OpenTown(SEED, "small") as opened:
        yield opened
