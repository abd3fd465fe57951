"""Freezing."""

from annotator.datasets.items import items
from annotator.datasets.verify import verify_snapshot


def test_an_approved_project_freezes_and_verifies(world) -> None:
    snapshot = world.freeze()
    with world.database.reading() as connection:
        assert len(list(items(connection, snapshot))) == 6
        report = verify_snapshot(connection, snapshot)
    assert report.findings == ()
    assert report.is_ok
