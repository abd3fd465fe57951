"""Files made to do harm: refused in one line, with nothing unpacked, read or written beyond it."""

import gzip
import io
import json
import resource
import tarfile
import zipfile

import pytest
import zstandard

from annotator.datasets.imports import source as reading
from annotator.datasets.imports.source import Source


def refused(place, content, format_key="auto"):
    """The one line with which an import of these bytes is refused as a whole."""
    job = place.bring(content, format_key)
    assert job.state == "failed", job.message
    assert place.contents() == []
    assert "\n" not in job.message
    return job.message


def tar_zst(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for about, body in members:
            about.size = len(body)
            archive.addfile(about, io.BytesIO(body))
    return zstandard.compress(packed.getvalue())


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_fills_memory_or_disk(place, pack):
    bomb = pack(b'[{"question": "' + b" " * (60 * 2**20))
    assert len(bomb) < 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refused(place, bomb, "mapeval")
    assert "MiB" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * 1024


@pytest.mark.parametrize("head", [b"", b"question,answer\n"], ids=["jsonl", "csv"])
def test_a_bomb_of_blank_lines_is_refused(place, head):
    job = place.bring(zstandard.compress(head + b"\n" * (100 * 2**20)), "csv" if head else "jsonl")
    assert job.state == "failed"
    assert "more than 10000 blank" in job.message


def test_an_archive_bomb_is_refused_before_it_is_unpacked(place, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "unpacked"))
    (tmp_path / "unpacked").mkdir()
    bomb = tar_zst((tarfile.TarInfo("items.jsonl"), bytes(120 * 2**20)))
    assert "unpacks to more than" in refused(place, bomb)
    assert list((tmp_path / "unpacked").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/evil", "blobs/../../evil", "blobs/ab/short", "items.jsonl/../x", "C:\\evil"]
)
def test_an_archive_reaches_nowhere(place, tmp_path, name):
    message = refused(place, tar_zst((tarfile.TarInfo(name), b"x")))
    assert "belongs to no snapshot" in message
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_holds_nothing_but_files(place, kind):
    about = tarfile.TarInfo("manifest.json")
    about.type = kind
    about.linkname = "/etc/passwd"
    assert "belongs to no snapshot" in refused(place, tar_zst((about, b"")))


def test_other_archives_are_refused_whatever_is_in_them(place):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.json", "[]")
    assert "unpack it first" in refused(place, packed.getvalue())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        ('[{"question": "ä"}]'.encode("utf-16"), "not UTF-8"),
        ('[{"question": "ä"}]'.encode("latin-1"), "not UTF-8"),
        (b"\x00\x01\x02\x03", "none of the formats"),
        (b"%PDF-1.7", "unpack it first"),
        (b"[" * 200_000, "nested deeper"),
        (b'[{"a":' * 50_000, "nested deeper"),
        (b"[1, 2", "item 1"),
        (gzip.compress(b"[]" * 1000)[:-20], "broken"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "broken"),
        (b'{"a": 1} trailing words', "goes on after its JSON"),
        (b"[" + b'"' + b"x" * (17 * 2**20), "larger than 16 MiB"),
    ],
    # Packed content differs from run to run, and a test's name must not.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_data_set_is_refused_in_one_line(place, content, words):
    job = place.bring(content)
    told = f"{job.message} {json.dumps(job.result or {})}"
    assert words in told
    assert place.contents() == []
    assert len(job.message) < 300


def test_a_broken_manifest_is_refused(place):
    message = refused(place, tar_zst((tarfile.TarInfo("manifest.json"), b'{"schema": "mapqator.manifest/1"}')))
    assert "manifest" in message


def test_hostile_words_stay_words(place):
    words = "'; DROP TABLE question; --<script>alert(1)</script>{{7*7}}%s\u202e"
    row = {"question": words, "options": [words, "b"], "answer": 0, "context": words, "tags": [words[:60]]}
    job = place.bring(json.dumps(row) + "\n")
    assert job.state == "done"
    (context, content), *_ = place.contents()
    assert (content.body, context.items[0].text) == (words, words)


def test_a_file_is_read_in_pieces(tmp_path, monkeypatch):
    """A row may straddle pieces of any size, and numbers and characters too."""
    rows = [{"n": number, "text": "ü€😀" * 5, "list": [1, 2.5, None]} for number in range(30)]
    path = tmp_path / "file.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8-sig")
    for size in (1, 2, 3, 7, 100):
        monkeypatch.setattr(reading, "_CHUNK_BYTES", size)
        assert [value for _, value in Source(path, "file").json_values()] == rows
