"""Fetching extracts: whole or not at all, and going on where it broke off."""

from pathlib import Path
from typing import Any

import pytest

from annotator.errors import MapBuildError, StorageError
from annotator.maps.embedded import download as module
from annotator.maps.embedded.download import InterruptedDownloadError, download, is_address, shown_address


def fetch(depot: Any, folder: Path, **options: Any) -> bytes:
    return download(depot.url, folder, lambda _share: None, wait=lambda _seconds: None, **options).read_bytes()


def test_a_file_arrives_whole_and_its_progress_ends_at_one(depot: Any, tmp_path: Path) -> None:
    shares: list[float] = []
    path = download(depot.url, tmp_path / "d", shares.append)
    assert path.read_bytes() == depot.content
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_broken_connection_is_continued_where_it_broke(depot: Any, tmp_path: Path) -> None:
    depot.answer = lambda handler, number: depot.send(handler, cut_after=500 if number < 3 else None)
    assert fetch(depot, tmp_path / "d") == depot.content
    assert [request.get("range") for request in depot.requests] == [None, "bytes=500-", "bytes=1000-"]
    assert {request["if-range"] for request in depot.requests[1:]} == {'"v1"'}


def test_a_server_without_ranges_is_asked_from_the_start(depot: Any, tmp_path: Path) -> None:
    depot.knows_ranges = False
    depot.answer = lambda handler, number: depot.send(handler, cut_after=500 if number == 1 else None)
    assert fetch(depot, tmp_path / "d") == depot.content


def test_without_a_validator_nothing_is_continued(depot: Any, tmp_path: Path) -> None:
    depot.etag = None
    depot.answer = lambda handler, number: depot.send(handler, cut_after=500 if number == 1 else None)
    assert fetch(depot, tmp_path / "d") == depot.content
    assert [request.get("range") for request in depot.requests] == [None, None]


def test_a_file_that_changed_meanwhile_is_never_a_mixture(depot: Any, tmp_path: Path) -> None:
    old = depot.content

    def answer(handler: Any, number: int) -> None:
        if number == 1:
            depot.send(handler, cut_after=500)
            depot.content, depot.etag = old[::-1] + b"longer", '"v2"'
        else:
            depot.send(handler)

    depot.answer = answer
    assert fetch(depot, tmp_path / "d") == old[::-1] + b"longer"


def test_a_continuation_from_elsewhere_is_not_believed(depot: Any, tmp_path: Path) -> None:
    def answer(handler: Any, number: int) -> None:
        if number == 1:
            depot.send(handler, cut_after=500)
        elif number == 2:
            handler.send_response(206)
            handler.send_header("content-range", f"bytes 0-9/{len(depot.content)}")
            handler.send_header("content-length", "10")
            handler.end_headers()
            handler.wfile.write(depot.content[:10])
        else:
            depot.send(handler)

    depot.answer = answer
    assert fetch(depot, tmp_path / "d") == depot.content


def test_a_stale_partial_file_is_thrown_away_when_the_range_cannot_be_had(depot: Any, tmp_path: Path) -> None:
    def answer(handler: Any, number: int) -> None:
        if number == 2:
            handler.send_response(416)
            handler.send_header("content-range", "bytes */7")
            handler.send_header("content-length", "0")
            handler.end_headers()
        else:
            depot.send(handler, cut_after=500 if number == 1 else None)

    depot.answer = answer
    assert fetch(depot, tmp_path / "d") == depot.content
    assert "range" not in depot.requests[2]


def test_a_length_that_is_not_kept_is_no_whole_file_and_the_rest_is_asked_for_next_time(
    depot: Any, tmp_path: Path
) -> None:
    depot.answer = lambda handler, number: depot.send(handler, cut_after=700 if number == 1 else 0)
    with pytest.raises(InterruptedDownloadError, match="700 bytes are kept"):
        fetch(depot, tmp_path / "d")
    depot.answer = None
    num_before = len(depot.requests)
    assert fetch(depot, tmp_path / "d") == depot.content
    assert [request["range"] for request in depot.requests[num_before:]] == ["bytes=700-"]


def test_what_was_fetched_whole_is_not_fetched_again(depot: Any, tmp_path: Path) -> None:
    fetch(depot, tmp_path / "d")
    fetch(depot, tmp_path / "d")
    assert len(depot.requests) == 1


def test_another_address_does_not_go_on_with_the_first_ones_bytes(depot: Any, tmp_path: Path) -> None:
    depot.answer = lambda handler, number: depot.send(handler, cut_after=500 if number == 1 else 0)
    with pytest.raises(InterruptedDownloadError):
        fetch(depot, tmp_path / "d")
    depot.answer = None
    depot.url += "?other"
    num_before = len(depot.requests)
    assert fetch(depot, tmp_path / "d") == depot.content
    assert "range" not in depot.requests[num_before]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_final_and_says_the_status(depot: Any, tmp_path: Path, status: int) -> None:
    depot.answer = lambda handler, _number: handler.send_error(status)
    with pytest.raises(MapBuildError, match=str(status)) as refused:
        fetch(depot, tmp_path / "d")
    assert not isinstance(refused.value, InterruptedDownloadError)
    assert len(depot.requests) == 1


def test_a_server_in_trouble_is_asked_again(depot: Any, tmp_path: Path) -> None:
    depot.answer = lambda handler, number: handler.send_error(503) if number < 3 else depot.send(handler)
    assert fetch(depot, tmp_path / "d") == depot.content


def test_nobody_listening_is_one_line(tmp_path: Path, depot: Any) -> None:
    depot.url = "http://127.0.0.1:9/file.osm.pbf"
    with pytest.raises(MapBuildError, match=r"cannot fetch http://127\.0\.0\.1:9") as refused:
        fetch(depot, tmp_path / "d")
    assert not isinstance(refused.value, InterruptedDownloadError)
    assert "\n" not in refused.value.message


def test_a_file_over_the_limit_is_refused_before_and_while_it_comes(depot: Any, tmp_path: Path) -> None:
    with pytest.raises(MapBuildError, match="larger than the limit of 1000 bytes"):
        fetch(depot, tmp_path / "d", max_bytes=1000)

    def without_length(handler: Any, _number: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(depot.content)
        handler.close_connection = True

    depot.answer = without_length
    with pytest.raises(MapBuildError, match="larger than the limit of 1000 bytes"):
        fetch(depot, tmp_path / "e", max_bytes=1000)


def test_a_full_disk_is_noticed_before_anything_is_written(
    depot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FREE_MARGIN_BYTES", 1 << 62)
    with pytest.raises(StorageError, match="make room"):
        fetch(depot, tmp_path / "d")
    assert not list((tmp_path / "d").glob("*.part"))


def test_only_http_is_fetched() -> None:
    assert is_address("https://example.org/x.osm.pbf")
    assert not is_address("some/folder/x.osm.pbf")
    for source in ("ftp://example.org/x", "file:///etc/passwd"):
        with pytest.raises(MapBuildError, match="http and https"):
            is_address(source)


def test_secrets_of_an_address_are_not_shown() -> None:
    shown = shown_address("https://user:word@example.org/a.osm.pbf?token=1#x")
    assert shown == "https://example.org/a.osm.pbf"
