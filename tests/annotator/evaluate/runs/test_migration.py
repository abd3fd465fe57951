"""A database from before evaluation keeps its jobs, and takes those that evaluate."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from annotator.errors import StorageError
from annotator.people.actor import LOCAL_ACCOUNT_ID
from annotator.people.local import ensure_local_account
from annotator.store.migrate import migrate, migrations_folder
from annotator.store.sessions import open_database
from annotator.store.tables import job
from annotator.store.times import utc_now


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_jobs_from_before_stay_and_runs_are_a_kind_of_them(kind: str, request, tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    database = open_database(url)
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    now = utc_now()
    row = {
        "id": "J",
        "project_id": None,
        "kind": "freeze",
        "state": "done",
        "num_done": 3,
        "num_total": 3,
        "message": "Frozen",
        "params_json": "{}",
        "result_json": '{"version":"1.0.0"}',
        "account_id": LOCAL_ACCOUNT_ID,
        "created_at": now,
        "heartbeat_at": now,
        "finished_at": now,
    }
    with database.writing(alone=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        ensure_local_account(connection, now)
        connection.execute(insert(job), row)
    migrate(database)
    with database.writing() as connection:
        assert dict(connection.execute(select(job)).mappings().one()) == row
        connection.execute(insert(job), row | {"id": "K", "kind": "evaluate"})
    with pytest.raises((IntegrityError, StorageError)), database.writing() as connection:
        connection.execute(insert(job), row | {"id": "L", "kind": "dance"})
    database.close()
