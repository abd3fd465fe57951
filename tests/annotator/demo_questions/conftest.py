"""A small town, opened once for all questions about it."""

from collections.abc import Iterator

import pytest

from annotator.demo.questions.town import OpenTown

SEED = 3


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenTown]:
    """A small town. When it is closed, no file of it is left."""
    scratch = tmp_path_factory.mktemp("scratch")
    with OpenTown(SEED, "small", scratch=scratch) as opened:
        assert list(scratch.iterdir())
        yield opened
    assert not list(scratch.iterdir())
