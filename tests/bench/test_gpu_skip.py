"""The script that measures SkipDecode runs end to end on this machine, and compares like with like."""

import json

import pytest

from benchmarks.gpu import skip as skip_script

TINY = ("--shape", "tiny", "--shrink", "32", "--speedups", "2", "--set", "num_threads=1", "--set", "num_pages=900")


def test_the_skip_script_holds_every_batch_and_every_wait_against_full_depth(tmp_path):
    path = tmp_path / "skip.json"
    skip_script.main([*TINY, "--waits-ms", "0,1000000", "--output", str(path)])
    rows = {row["name"]: row for row in json.loads(path.read_text())["rows"]}
    assert all(row["error"] is None and row["value"] > 0 for row in rows.values()), rows
    for batch in (1, 2, 8):
        full, skip = rows[f"tiny, batch {batch}: full"], rows[f"tiny, batch {batch}: skip2"]
        assert rows[f"tiny, batch {batch}: skip2, speed-up"]["value"] == pytest.approx(full["value"] / skip["value"])
        assert full["details"]["layers_skipped"] == 0
        # Two layers of four, for three tokens of each of four batches.
        assert skip["details"]["layers_skipped"] == 4 * batch * 3 * 2
    full = rows["tiny, 2 clients: full"]["details"]
    mixed, waiting = (rows[f"tiny, 2 clients: skip2, waiting {wait} ms"]["details"] for wait in ("0", "1e+06"))
    assert full["held_back"] == mixed["held_back"] == 0
    assert waiting["held_back"] > 0
    # Rows that begin together share their prompts' steps, which read every layer.
    assert waiting["layers_read_per_token"] < mixed["layers_read_per_token"] < full["layers_read_per_token"]


def test_what_steps_would_read_is_counted_without_computing_any(tmp_path):
    counted = {}
    for flags in ((), ("--count",)):
        path = tmp_path / "steady.json"
        skip_script.main([*TINY, "--only", "steady", "--waits-ms", "0", *flags, "--output", str(path)])
        rows = json.loads(path.read_text())["rows"]
        assert all(row["error"] is None for row in rows), rows
        counted[flags] = {row["name"]: row["details"]["layers_read"] for row in rows if row["details"]}
    assert len(counted[()]) == 4
    assert counted[()] == counted["--count",]
