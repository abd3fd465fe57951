"""Imports and exports over HTTP: uploads that are streamed, jobs, downloads in ranges, and their pages."""

import json
import threading

import httpx
import pytest

from tests.annotator.program import Annotator, serving

PATIENCE_S = 60
ROWS = [{"question": f"Question {number}?", "answer": "x", "context": f"c{number // 2}"} for number in range(10)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An annotator that takes files of one MiB at most."""
    folder = tmp_path_factory.mktemp("small") / "data"
    with serving(folder, {"MAPQATOR_MAX_UPLOAD_BYTES": str(2**20), "MAPQATOR_TOWN": "false"}) as annotator:
        yield annotator


@pytest.fixture
def api(small: Annotator):
    """A client of a new project."""
    with httpx.Client(base_url=small.url, timeout=PATIENCE_S) as client:
        slug = client.post("/api/projects", json={"name": "Transfer"}).json()["slug"]
    with httpx.Client(base_url=f"{small.url}/api/projects/{slug}/", timeout=PATIENCE_S) as client:
        yield client


def ended(api, job):
    waiter = threading.Event()
    while job["state"] in ("waiting", "running"):
        waiter.wait(0.05)
        job = api.get(f"jobs/{job['id']}").json()
    return job


def upload(api, content, **query):
    return api.post("imports", params=query, content=content, headers={"content-type": "application/octet-stream"})


def test_a_file_is_looked_at_then_imported_then_undone_then_brought_back(api):
    looked = upload(api, LINES, dry_run="true", name="rows.jsonl")
    assert looked.status_code == 202
    looked = ended(api, looked.json())
    assert (looked["state"], looked["message"]) == ("done", "10 questions in 5 contexts")
    assert api.get("questions").json()["total"] == 0
    job = ended(api, api.post(f"imports/{looked['id']}/run").json())
    assert (job["message"], job["num_done"], job["params"]["file"]) == (looked["message"], 10, "rows.jsonl")
    assert api.get("questions").json()["total"] == 10
    # The upload has served its purpose.
    assert api.post(f"imports/{looked['id']}/run").status_code == 404
    assert api.post(f"imports/{job['id']}/undo").json() == {"num_contexts": 5, "num_questions": 10, "num_kept": 0}
    assert api.get("questions").json()["total"] == 0
    assert api.post(f"imports/{job['id']}/redo").json()["num_questions"] == 10
    assert [row["id"] for row in api.get("jobs", params={"kind": "import"}).json()["jobs"]] == [job["id"], looked["id"]]


def test_lists_of_jobs_go_on_page_by_page(api):
    ids = [ended(api, upload(api, LINES, dry_run="true").json())["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = api.get("jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert page["total"] == 5
        seen += [row["id"] for row in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_a_file_beyond_the_limit_is_refused_announced_or_not(api, small):
    big = b"x" * (2**20 + 1)
    assert upload(api, big).status_code == 413
    assert upload(api, iter([big])).status_code == 413
    assert upload(api, b"").json()["error"]["message"] == "the file is empty"
    # What is larger than any other body may be still goes through here, and nowhere else.
    padded = LINES + b"\n" * (2**20 - len(LINES))
    assert upload(api, padded, dry_run="true").status_code == 202
    assert api.post("contexts", content=big).status_code == 413
    folders = [path for path in (small.data_dir / "jobs").iterdir() if any(path.iterdir())]
    assert len(folders) <= len(api.get("jobs").json()["jobs"]) + 10


def test_an_export_is_downloaded_whole_and_in_ranges(api):
    ended(api, upload(api, LINES).json())
    job = ended(api, api.post("exports", json={"format": "csv", "filter": {"status": []}}).json())
    assert (job["state"], job["result"]["num_items"]) == ("done", 10)
    path = f"exports/{job['id']}/file"
    whole = api.get(path)
    assert whole.status_code == 200
    assert "attachment" in whole.headers["content-disposition"]
    assert len(whole.content) == job["result"]["size_bytes"]
    part = api.get(path, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert whole.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"format": "docx"}, 400, "no export format"),
        ({"format": "csv", "dataset": "none"}, 404, "no dataset"),
        ({"format": "csv", "version": "1.0.0"}, 400, "needs the dataset"),
        ({"format": "csv", "filter": {"status": ["lost"]}}, 400, "status"),
        ({"format": "csv", "filter": {"colour": 1}}, 400, "colour"),
        ({"format": "../../etc", "file": "/etc/passwd"}, 400, "file"),
    ],
)
def test_exports_that_cannot_be_are_refused_before_a_job_is_made(api, body, status, words):
    answer = api.post("exports", json=body)
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (status, True), answer.text
    assert api.get("jobs").json()["total"] == 0


@pytest.mark.parametrize("name", ["..", "%2e%2e", "../../mapqator.sqlite", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
def test_no_path_leads_out_of_the_files_of_jobs(api, name):
    assert api.get(f"exports/{name}/file").status_code == 404
    assert api.post(f"imports/{name}/run").status_code in (404, 405)


def test_a_job_of_another_project_is_none_of_this_one(api, small):
    job = ended(api, upload(api, LINES).json())
    with httpx.Client(base_url=small.url, timeout=PATIENCE_S) as client:
        other = client.post("/api/projects", json={"name": "Other"}).json()["slug"]
        for method, path in (
            ("GET", f"jobs/{job['id']}"),
            ("DELETE", f"jobs/{job['id']}"),
            ("POST", f"imports/{job['id']}/undo"),
            ("GET", f"exports/{job['id']}/file"),
        ):
            assert client.request(method, f"/api/projects/{other}/{path}").status_code == 404


def test_a_job_that_is_over_is_not_cancelled(api):
    job = ended(api, upload(api, LINES).json())
    answer = api.delete(f"jobs/{job['id']}")
    assert (answer.status_code, "cannot be cancelled" in answer.text) == (409, True)


def test_another_sites_page_starts_no_import(api):
    answer = api.post("imports", content=LINES, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


def test_pages_show_what_was_done_and_let_no_markup_through(api, small):
    slug = str(api.base_url).rstrip("/").rpartition("/")[2]
    evil = "<script>alert(1)</script>.jsonl"
    ended(api, upload(api, LINES + b"not json\n", name=evil).json())
    ended(api, api.post("exports", json={"format": "geojson", "filter": {"status": []}}).json())
    page = httpx.get(f"{small.url}/p/{slug}/import", timeout=PATIENCE_S).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "line 11: it is no JSON" in page
    page = httpx.get(f"{small.url}/p/{slug}/exports", timeout=PATIENCE_S).text
    assert ".geojson" in page
