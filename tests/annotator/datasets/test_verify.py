"""Verifying: whatever byte is another, the report names it; nothing else is ever named."""

import json
import re
import shutil
import zlib
from contextlib import suppress

import pytest
import zstandard
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text, update

from annotator.cache.json_text import canonical, sha256_hex
from annotator.datasets.layout import blob_path, opened, write_archive, write_folder
from annotator.datasets.manifest import read_manifest
from annotator.datasets.report import as_lines
from annotator.datasets.snapshots import manifest_bytes
from annotator.datasets.sources import parts_of
from annotator.datasets.verify import verify_files, verify_snapshot
from annotator.errors import InputError, TooLargeError
from annotator.store.tables import blob, cache_head, exchange, revision, snapshot, snapshot_item, tool_call


class UndoneError(Exception):
    """Ends a transaction whose changes are to be forgotten."""


@pytest.fixture
def frozen(world):
    return world.freeze()


@pytest.fixture
def folder(world, frozen, tmp_path):
    with world.database.reading() as connection:
        write_folder(tmp_path / "out", parts_of(connection, frozen))
    return tmp_path / "out"


def report_after(world, frozen, change):
    """What verifying says after a change that nobody keeps."""
    found = []
    with suppress(UndoneError), world.database.writing() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        change(connection)
        found.append(verify_snapshot(connection, frozen))
        raise UndoneError
    return found[0]


def flip(body: bytes, position: int, bit: int) -> bytes:
    spoiled = bytearray(body)
    spoiled[position % len(body)] ^= 1 << bit
    return bytes(spoiled)


def unpacked(stored: bytes, codec: str) -> bytes | None:
    try:
        return zlib.decompress(stored) if codec == "zlib" else stored
    except zlib.error:
        return None


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
positions = st.tuples(st.integers(0, 2**20), st.integers(0, 2**20), st.integers(0, 7))


@few
@given(positions)
def test_any_changed_bit_of_any_blob_is_named_with_the_questions_that_it_touches(world, frozen, position) -> None:
    which, place, bit = position
    with world.database.reading() as connection:
        manifest = read_manifest(manifest_bytes(connection, frozen))
        sha = manifest.blob_shas[which % len(manifest.blob_shas)]
        row = connection.execute(select(blob.c.bytes, blob.c.codec).where(blob.c.sha256 == sha)).one()
    spoiled = flip(row.bytes, place, bit)
    # A few bits between the end of what was packed and its checksum mean nothing.
    assume(unpacked(spoiled, row.codec) != unpacked(row.bytes, row.codec))

    def change(connection: Connection) -> None:
        connection.execute(update(blob).where(blob.c.sha256 == sha).values(bytes=spoiled))

    report = report_after(world, frozen, change)
    about = [finding for finding in report.findings if finding.sha == sha]
    assert about, (sha, report.findings)
    assert all(finding.question is not None and finding.pointer is not None for finding in about)
    assert all("question" in line for line in as_lines(report))


@few
@given(positions)
def test_any_changed_bit_of_the_manifest_is_seen(world, frozen, position) -> None:
    _, place, bit = position
    with world.database.reading() as connection:
        body = manifest_bytes(connection, frozen)
    spoiled = flip(body, place, bit)

    def change(connection: Connection) -> None:
        values = {"bytes": spoiled, "codec": "identity", "size_bytes": len(spoiled)}
        connection.execute(update(blob).where(blob.c.sha256 == frozen.manifest_sha).values(values))

    report = report_after(world, frozen, change)
    assert not report.is_ok
    assert report.findings[0].code == "manifest_changed"
    assert report.findings[0].sha == sha256_hex(spoiled)


def test_a_time_that_no_clock_shows_is_a_finding_and_no_failure(world, frozen) -> None:
    with world.database.reading() as connection:
        body = manifest_bytes(connection, frozen)
    spoiled = re.sub(rb'("(?:fetched|created)_at":"[0-9-]+T)\d\d', rb"\g<1>77", body)
    assert spoiled != body

    def change(connection: Connection) -> None:
        values = {"bytes": spoiled, "codec": "identity", "size_bytes": len(spoiled)}
        connection.execute(update(blob).where(blob.c.sha256 == frozen.manifest_sha).values(values))

    report = report_after(world, frozen, change)
    assert report.findings[0].code == "manifest_changed"
    assert any("a time of the recording cannot be read" in finding.message for finding in report.findings)


@few
@given(positions)
def test_any_changed_bit_of_any_exported_file_is_seen(folder, position) -> None:
    which, place, bit = position
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[which % len(files)]
    whole = path.read_bytes()
    path.write_bytes(flip(whole, place, bit))
    try:
        report = verify_files(folder)
        assert not report.is_ok
        if path.parent != folder:
            assert any(finding.sha == path.name and finding.question for finding in report.findings)
    finally:
        path.write_bytes(whole)
    assert verify_files(folder).findings == ()


ROWS = {
    "version": lambda c, s: c.execute(update(snapshot).values(version="1.0.1")),
    "counts": lambda c, s: c.execute(update(snapshot).values(counts_json='{"items":7}')),
    "filter": lambda c, s: c.execute(update(snapshot).values(filter_json="{}")),
    "split": lambda c, s: c.execute(update(snapshot_item).where(snapshot_item.c.ordinal == 0).values(split="other")),
    "item order": lambda c, s: c.execute(update(snapshot_item).where(snapshot_item.c.ordinal == 5).values(ordinal=9)),
    "item gone": lambda c, s: c.execute(snapshot_item.delete().where(snapshot_item.c.ordinal == 2)),
    "head gone": lambda c, s: c.execute(cache_head.delete().where(cache_head.c.namespace == s.namespace)),
    "request": lambda c, s: c.execute(
        update(exchange).values(request_json=func.replace(exchange.c.request_json, "cafe", "cave"))
    ),
    "status": lambda c, s: c.execute(update(exchange).values(status=201)),
    "fetched": lambda c, s: c.execute(text("UPDATE exchange SET fetched_at = '2020-01-01T00:00:00.000Z'")),
    "vintage": lambda c, s: c.execute(update(exchange).values(data_vintage="newer")),
    "headers": lambda c, s: c.execute(update(exchange).values(response_headers_json='{"age":"1"}')),
    "params": lambda c, s: c.execute(update(tool_call).values(params_json='{"limit":9}')),
    "tool": lambda c, s: c.execute(update(tool_call).values(tool="open_at")),
    "links": lambda c, s: c.execute(text("DELETE FROM tool_call_exchange")),
    "held": lambda c, s: c.execute(text("DELETE FROM snapshot_blob")),
    "revision": lambda c, s: c.execute(
        update(revision).values(content_json=func.replace(revision.c.content_json, "Which", "What"))
    ),
    "revision hash": lambda c, s: c.execute(update(revision).values(content_sha="0" * 64)),
}


@pytest.mark.parametrize("name", ROWS)
def test_any_changed_row_of_a_snapshot_is_named(world, frozen, name) -> None:
    report = report_after(world, frozen, lambda connection: ROWS[name](connection, frozen))
    assert {"row_changed", "revision_changed"} & {finding.code for finding in report.findings}
    with world.database.reading() as connection:
        assert verify_snapshot(connection, frozen).is_ok


def replaced(world, frozen, sha: str, body: bytes):
    """The report after other bytes were put under a hash."""
    values = {"bytes": zlib.compress(body), "codec": "zlib", "size_bytes": len(body)}
    return report_after(
        world, frozen, lambda connection: connection.execute(update(blob).where(blob.c.sha256 == sha).values(values))
    )


def test_a_changed_value_is_named_by_question_and_pointer(world, frozen) -> None:
    evidence = world.numbered(4).content.evidence[0]
    with world.database.reading() as connection:
        body = json.loads(
            zlib.decompress(
                connection.execute(select(blob.c.bytes).where(blob.c.sha256 == evidence.response.body_sha)).scalar_one()
            )
        )
    body["places"][1]["name"] = "Renamed"
    report = replaced(world, frozen, evidence.response.body_sha, canonical(body))
    named = {(finding.code, finding.question, finding.pointer) for finding in report.findings}
    assert ("evidence_differs", 4, "/places/1/name") in named
    assert ("blob_changed", 4, "/places/1/name") in named
    assert {finding.question for finding in report.findings if finding.code == "blob_changed"} == {4}


def test_a_changed_rendering_is_named_by_the_place_where_it_differs(world, frozen) -> None:
    with world.database.reading() as connection:
        manifest = read_manifest(manifest_bytes(connection, frozen))
        context = next(context for context in manifest.contexts if context.number == 3)
        stored = connection.execute(select(blob.c.bytes, blob.c.codec).where(blob.c.sha256 == context.text_sha)).one()
    text_bytes = zlib.decompress(stored.bytes) if stored.codec == "zlib" else stored.bytes
    rows = text_bytes.decode().split("\n")
    rows[2] += " "
    report = replaced(world, frozen, context.text_sha, "\n".join(rows).encode())
    assert [(finding.code, finding.question, finding.pointer) for finding in report.findings] == [
        ("blob_changed", 4, "line 3")
    ]


def test_a_changed_line_of_items_is_named_by_its_field(folder) -> None:
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_bytes().splitlines()]
    rows[1]["gold"] = ["Z"]
    (folder / "items.jsonl").write_bytes(b"".join(canonical(row) + b"\n" for row in rows))
    report = verify_files(folder)
    assert [(finding.code, finding.question, finding.pointer) for finding in report.findings] == [
        ("line_changed", 2, "/gold")
    ]


def test_files_that_are_missing_or_do_not_belong_are_named(folder) -> None:
    manifest = read_manifest((folder / "manifest.json").read_bytes())
    gone = manifest.items[0].content_sha
    (folder / blob_path(gone)).unlink()
    (folder / "blobs" / "note.txt").write_text("hello")
    report = verify_files(folder)
    assert {(finding.code, finding.question, finding.sha) for finding in report.findings} == {
        ("blob_changed", 1, gone),
        ("stray", None, None),
    }


def test_an_archive_holds_the_folder_and_is_the_same_bytes_every_time(world, frozen, folder, tmp_path) -> None:
    paths = [tmp_path / "one.tar.zst", tmp_path / "two.tar.zst"]
    for path in paths:
        with world.database.reading() as connection, path.open("wb") as file:
            write_archive(file, parts_of(connection, frozen))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert verify_files(paths[0]).is_ok
    with opened(paths[0]) as unpacked:
        inside = {
            path.relative_to(unpacked.root): path.read_bytes() for path in unpacked.root.rglob("*") if path.is_file()
        }
    assert inside == {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "blobs/ab/../../evil", "blobs/ab/short", "notes.txt"])
def test_an_archive_that_reaches_out_of_its_folder_is_refused(tmp_path, name) -> None:
    from annotator.datasets.layout import Part

    path = tmp_path / "bad.tar.zst"
    with path.open("wb") as file:
        write_archive(file, [Part("manifest.json", (b"{}",)), Part(name, (b"x",))])
    with pytest.raises(InputError, match="belongs to no snapshot"), opened(path):
        pass
    assert not (tmp_path / "evil").exists()


def test_an_archive_that_unpacks_to_too_much_is_refused(world, frozen, tmp_path, monkeypatch) -> None:
    from annotator.datasets import layout

    path = tmp_path / "bomb.tar.zst"
    with path.open("wb") as file:
        write_archive(file, [layout.Part("items.jsonl", (bytes(2**20) for _ in range(8)))])
    monkeypatch.setattr(layout, "ALWAYS_UNPACKED_BYTES", 2**20)
    with pytest.raises(TooLargeError), opened(path):
        pass


@pytest.mark.parametrize("content", [b"", b"not an archive", zstandard.compress(b"no tar in here")])
def test_what_is_no_archive_is_refused_in_words(tmp_path, content) -> None:
    path = tmp_path / "some.tar.zst"
    path.write_bytes(content)
    with pytest.raises(InputError), opened(path):
        pass


def test_a_folder_verifies_on_a_machine_that_has_nothing_else(folder, tmp_path, world) -> None:
    world.database.close()
    shutil.move(folder, tmp_path / "elsewhere")
    report = verify_files(tmp_path / "elsewhere")
    assert report.findings == ()
    assert (report.dataset, report.version, report.num_items) == ("saltmere", "1.0.0", 6)
