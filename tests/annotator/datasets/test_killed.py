"""Killed while freezing: every version that was told is there and whole, and there is no half of any."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from annotator.datasets.snapshots import get_dataset, snapshots_of
from annotator.datasets.verify import verify_snapshot
from annotator.store.tables import cache_head, snapshot, snapshot_blob, snapshot_item

FOREVER = Path(__file__).with_name("freeze_forever.py")


def test_killing_a_freeze_leaves_no_half_snapshot(world, town_data) -> None:
    rng = random.Random(20261125)
    process = subprocess.Popen(
        [sys.executable, FOREVER, world.settings.resolved_database_url, str(town_data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(3)]
    # Somewhere within the next freeze, which takes a hundredth of a second or more.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    told += [line.strip() for line in process.stdout.readlines() if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    with world.database.reading() as connection:
        found = snapshots_of(connection, get_dataset(connection, world.project.id, "saltmere").id)
        assert set(told) <= {one.version for one in found}
        # Killed between writing and telling, one more may be there, and it is whole too.
        assert len(found) <= len(told) + 1
        assert all(verify_snapshot(connection, one).is_ok for one in found)
        ids = {one.id for one in found}
        for column in (snapshot_item.c.snapshot_id, snapshot_blob.c.snapshot_id, snapshot.c.id):
            assert set(connection.execute(select(column).distinct()).scalars()) == ids
        heads = select(func.count(cache_head.c.namespace.distinct())).where(cache_head.c.namespace != "live")
        assert connection.execute(heads).scalar() == len(ids)
        assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
