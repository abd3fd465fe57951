"""The audit log: whole when nobody touches it, and a finger on the row that somebody did touch."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from annotator.cli import app
from annotator.people import audit
from annotator.people.audit_check import MAX_FAULTS, has_row, verify_chain
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now

NUM_ROWS = 12


def write_rows(database: Database, account_in, num_rows: int = NUM_ROWS) -> None:
    """A log of `num_rows` rows."""
    with database.writing() as connection:
        ada = account_in(connection, "ada")
        for number in range(num_rows - 1):
            audit.record(
                connection,
                ada,
                "question.save",
                f"q{number}",
                project_id="p",
                before_sha=None,
                after_sha="0" * 64,
                detail={"n": number, "words": "naïve 名"},
                now=utc_now() + timedelta(seconds=number),
            )


def tamper(database: Database, statement: str) -> None:
    """What somebody with the file in their hands does."""
    with sqlite3.connect(str(database.engine.url.database)) as connection:
        connection.execute(statement)
    connection.close()


def test_a_log_that_nobody_touched_is_whole(database: Database, account_in) -> None:
    write_rows(database, account_in)
    with database.reading() as connection:
        report = verify_chain(connection)
        assert (report.num_rows, report.faults) == (NUM_ROWS, ())
        assert report.head == audit.entries(connection, limit=1)[0].row_hash
        assert has_row(connection, report.head)
        assert not has_row(connection, "f" * 64)


@pytest.mark.parametrize("seq", [2, 5, NUM_ROWS])
@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-01-01T00:00:00.000Z'",
        "at = 'not a time'",
        "account_id = NULL",
        "project_id = 'other'",
        "action = 'question.approve'",
        "subject = 'review'",
        "subject_id = 'q99'",
        "before_sha = 'x'",
        "after_sha = NULL",
        "detail_json = '{}'",
        "row_hash = substr(row_hash, 1, 63) || 'g'",
        "prev_hash = substr(prev_hash, 1, 63) || 'g'",
    ],
)
def test_a_row_that_was_changed_is_named(database: Database, account_in, seq: int, change: str) -> None:
    write_rows(database, account_in)
    tamper(database, f"UPDATE audit_log SET {change} WHERE seq = {seq}")
    with database.reading() as connection:
        faults = [fault.seq for fault in verify_chain(connection).faults]
    assert min(faults) == seq


@given(seq=st.integers(1, NUM_ROWS - 1))
@settings(max_examples=NUM_ROWS, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_row_that_was_taken_out_is_missed(empty_database: Path, tmp_path: Path, account_in, seq: int) -> None:
    path = tmp_path / f"{seq}.sqlite"
    path.write_bytes(empty_database.read_bytes())
    database = open_database(str(path))
    write_rows(database, account_in)
    tamper(database, f"DELETE FROM audit_log WHERE seq = {seq}")
    with database.reading() as connection:
        (fault, *_) = verify_chain(connection).faults
    database.close()
    assert fault.seq == seq + 1
    assert f"row {seq} is missing" in fault.reason


def test_a_row_that_was_changed_with_its_hash_breaks_the_chain_behind_it(database: Database, account_in) -> None:
    write_rows(database, account_in)
    with database.writing() as connection:
        row = dict(connection.exec_driver_sql("SELECT * FROM audit_log WHERE seq = 5").mappings().one())
        row["subject_id"] = "forged"
        connection.exec_driver_sql(
            "UPDATE audit_log SET subject_id = 'forged', row_hash = ? WHERE seq = 5", (audit.row_hash(row),)
        )
        assert [fault.seq for fault in verify_chain(connection).faults] == [6]


def test_rows_swapped_or_put_in_are_noticed(database: Database, account_in) -> None:
    write_rows(database, account_in)
    tamper(database, "UPDATE audit_log SET seq = CASE seq WHEN 3 THEN 104 WHEN 4 THEN 103 END WHERE seq IN (3, 4)")
    tamper(database, "UPDATE audit_log SET seq = seq - 100 WHERE seq > 100")
    with database.reading() as connection:
        assert {3, 4} <= {fault.seq for fault in verify_chain(connection).faults}


def test_a_report_of_a_ruined_log_stays_short(database: Database, account_in) -> None:
    write_rows(database, account_in, MAX_FAULTS * 2)
    tamper(database, "UPDATE audit_log SET detail_json = '{}'")
    with database.reading() as connection:
        assert len(verify_chain(connection).faults) == MAX_FAULTS


def test_what_fails_leaves_no_row(database: Database, account_in) -> None:
    write_rows(database, account_in)

    def fail() -> None:
        with database.writing() as connection:
            audit.record(connection, None, "project.create", "p", now=utc_now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.reading() as connection:
        assert verify_chain(connection).num_rows == NUM_ROWS


def test_the_log_can_be_filtered_and_paged(sign_in, house) -> None:
    admin = sign_in("administrator")
    seen, cursor = [], None
    while True:
        query = {"action": "member", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = admin.client.get("/api/admin/audit", params=query).json()
        seen += page["entries"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) >= 4
    assert [entry["seq"] for entry in seen] == sorted({entry["seq"] for entry in seen}, reverse=True)
    assert {entry["action"].partition(".")[0] for entry in seen} == {"member"}
    own = sign_in("reviewer").client.get(f"/api/projects/{house.project.slug}/audit").json()["entries"]
    assert {entry["project"] for entry in own} == {house.project.slug}
    owner = house.actors["owner"].username
    by = sign_in("reviewer").client.get(f"/api/projects/{house.project.slug}/audit", params={"by": owner}).json()
    assert {entry["by"]["username"] for entry in by["entries"]} == {owner}
    nobody = admin.client.get("/api/admin/audit", params={"by": "no-such-person"}).json()
    assert nobody == {"entries": [], "next": None}


def test_the_command_names_the_row_that_was_changed(tmp_path: Path) -> None:
    runner = CliRunner(env={"MAPQATOR_DATA_DIR": str(tmp_path), "COLUMNS": "160"})
    assert runner.invoke(app, ["project", "create", "Harbour"]).output.strip() == "harbour"
    whole = runner.invoke(app, ["audit", "verify"])
    assert (whole.exit_code, whole.output.split()[0]) == (0, "1")
    head = whole.output.split()[-1]
    assert runner.invoke(app, ["audit", "verify", "--head", head]).exit_code == 0
    with sqlite3.connect(tmp_path / "mapqator.sqlite") as connection:
        connection.execute("UPDATE audit_log SET subject_id = 'other' WHERE seq = 1")
    connection.close()
    broken = runner.invoke(app, ["audit", "verify"])
    assert (broken.exit_code, broken.output.strip()) == (1, "row 1: its content is not what was written")


def test_a_log_that_was_cut_short_no_longer_has_the_hash_that_was_noted(tmp_path: Path) -> None:
    runner = CliRunner(env={"MAPQATOR_DATA_DIR": str(tmp_path), "COLUMNS": "160"})
    for name in ("Harbour", "Station"):
        runner.invoke(app, ["project", "create", name])
    head = runner.invoke(app, ["audit", "verify"]).output.split()[-1]
    with sqlite3.connect(tmp_path / "mapqator.sqlite") as connection:
        connection.execute("DELETE FROM audit_log WHERE seq = 2")
    connection.close()
    assert runner.invoke(app, ["audit", "verify"]).exit_code == 0
    assert runner.invoke(app, ["audit", "verify", "--head", head]).exit_code == 1


def test_the_running_program_finds_its_own_log_whole(sign_in) -> None:
    report = sign_in("administrator").client.get("/api/admin/audit/verify").json()
    assert report["is_whole"], report
    assert report["num_rows"] > 10
