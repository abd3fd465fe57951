"""The exact bytes by their hash, as a page and raw, who uses them, and the list of all recordings."""

import hashlib

import pytest

from annotator.cache.blobs import pack_blob, put_blob
from annotator.contexts.uses import uses_of
from annotator.people.actor import Actor
from annotator.store.ids import new_id
from annotator.store.sessions import open_database
from annotator.store.tables import account, dataset, membership, project, snapshot, snapshot_blob
from annotator.store.times import utc_now

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def database(annotator_server):
    """The running annotator's database, to add what its API does not."""
    opened = open_database(str(annotator_server.data_dir / "mapqator.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def answer(project, square):
    """An answer of the town."""
    return project.tool("nearby_search", {**square, "type": "cafe", "limit": 4})


def test_programs_get_the_bytes_and_browsers_a_page(project, answer):
    exchange = answer["provenance"]["exchanges"][0]
    path = f"/x/{exchange['body_sha']}"
    raw = project.http.get(path)
    assert hashlib.sha256(raw.content).hexdigest() == exchange["body_sha"]
    assert raw.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert "accept" in raw.headers["vary"]
    assert project.http.get(f"{path}?raw", headers=PAGE).content == raw.content
    page = project.http.get(path, headers=PAGE)
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert exchange["url"] in page.text
    assert project.http.get(f"/x/{'0' * 64}", headers=PAGE).status_code == 404
    assert project.http.get(f"/x/{'0' * 64}").status_code == 404
    assert project.http.get("/x/..%2f..%2fetc").status_code in (400, 404)


def test_uses_name_the_contexts_and_the_questions_with_their_pointers(project, item, answer):
    sha = answer["provenance"]["result_sha"]
    made = project.context(title="<b>Cafes</b>", items=[item("a", answer)])
    question = project.ask("POST", f"/contexts/{made['id']}/questions", {}, code=201)
    taken = project.ask("POST", "/evidence", {"tool_call_id": answer["id"], "pointer": "/places/1/name"})
    content = {**question["content"], "body": "Which is near?", "evidence": [taken]}
    project.ask("PUT", f"/questions/{question['id']}", {"base_n": question["n"], "content": content})
    uses = project.http.get(f"/api/bodies/{sha}/uses").json()
    mine = [use for use in uses["contexts"] if use["project"] == project.slug]
    assert mine == [{"project": project.slug, "id": made["id"], "number": 1, "title": "<b>Cafes</b>"}]
    asked = next(use for use in uses["questions"] if use["project"] == project.slug)
    assert (asked["number"], asked["pointer"], asked["role"]) == (1, "/places/1/name", "supports")
    assert answer["id"] in {call["id"] for call in uses["calls"]}
    page = project.http.get(f"/x/{sha}", headers=PAGE).text
    assert "&lt;b&gt;Cafes&lt;/b&gt;" in page
    assert "<b>Cafes</b>" not in page


def test_uses_tell_nobody_of_a_project_that_is_not_theirs(project, item, answer, database):
    project.context(items=[item("a", answer)])
    sha = answer["provenance"]["result_sha"]
    now = utc_now()
    stranger = new_id(now)
    with database.writing() as connection:
        values = {
            "id": stranger,
            "username": f"s{stranger.lower()}",
            "display_name": "S",
            "is_admin": False,
            "is_active": True,
            "prefs_json": "{}",
            "created_at": now,
        }
        connection.execute(account.insert(), values)
    actor = Actor(account_id=stranger, username="stranger", display_name="S")
    with database.reading() as connection:
        seen = uses_of(connection, actor, sha)
        assert (seen.contexts, seen.questions) == ((), ())
        project_id = connection.execute(project_row(project.slug)).scalar_one()
    with database.writing() as connection:
        row = {"project_id": project_id, "account_id": stranger, "role": "viewer", "created_at": now}
        connection.execute(membership.insert(), row)
    with database.reading() as connection:
        assert {use.project_slug for use in uses_of(connection, actor, sha).contexts} == {project.slug}


def project_row(slug: str):
    """Finds a project's id."""
    return project.select().with_only_columns(project.c.id).where(project.c.slug == slug)


def test_what_a_frozen_dataset_holds_is_shown_by_its_hash(project, database):
    text = f"A context that was frozen in {project.slug}, مقهى.".encode()
    packed = pack_blob(text, "text/plain; charset=utf-8")
    manifest = pack_blob(b'{"schema":"mapqator.manifest/1"}' + text, "application/json")
    now = utc_now()
    with database.writing() as connection:
        put_blob(connection, packed)
        put_blob(connection, manifest)
    assert project.http.get(f"/x/{packed.sha256}").status_code == 404
    with database.writing() as connection:
        project_id = connection.execute(project_row(project.slug)).scalar_one()
        made = {
            "id": new_id(now),
            "project_id": project_id,
            "slug": "d",
            "title": "D",
            "licence": "",
            "card": "",
            "created_by": "00000000000000000000LOCAL0",
            "created_at": now,
        }
        connection.execute(dataset.insert(), made)
        frozen = {
            "id": new_id(now),
            "dataset_id": made["id"],
            "version": "1.0.0",
            "manifest_sha": manifest.sha256,
            "filter_json": "{}",
            "counts_json": "{}",
            "created_by": made["created_by"],
            "created_at": now,
        }
        connection.execute(snapshot.insert(), frozen)
        connection.execute(snapshot_blob.insert(), {"snapshot_id": frozen["id"], "sha": packed.sha256})
    assert project.http.get(f"/x/{packed.sha256}").content == text
    assert project.http.get(f"/x/{manifest.sha256}").status_code == 200
    assert "Frozen content" in project.http.get(f"/x/{packed.sha256}", headers=PAGE).text


def test_recordings_are_found_by_provider_tool_and_address(project, answer):
    exchange = answer["provenance"]["exchanges"][0]

    def found(**query):
        listed = project.http.get("/api/exchanges", params={"limit": 200, **query}).json()
        return {entry["id"] for entry in listed["exchanges"]}

    assert exchange["id"] in found()
    assert exchange["id"] in found(provider="town", tool="nearby_search", state="live")
    assert exchange["id"] in found(q=exchange["body_sha"][:12])
    assert exchange["id"] not in found(provider="local")
    assert exchange["id"] not in found(tool="open_at")
    assert exchange["id"] not in found(state="expired")
    first = project.http.get("/api/exchanges", params={"limit": 1}).json()
    second = project.http.get("/api/exchanges", params={"limit": 1, "cursor": first["next"]}).json()
    assert second["exchanges"][0]["id"] < first["exchanges"][0]["id"]
    counted = project.http.get("/api/cache/statistics").json()
    assert counted["providers"]["town"]["num_live"] >= 1


def test_asking_again_records_beside_and_says_what_changed(project, answer):
    exchange = answer["provenance"]["exchanges"][0]
    params = answer["params"]
    again = project.http.post("/api/tools/nearby_search", params={"mode": "refresh"}, json=params).json()
    fresh = again["provenance"]["exchanges"][0]
    assert fresh["id"] != exchange["id"]
    page = project.http.get(f"/cache/{fresh['id']}", headers=PAGE).text
    assert "both answers are the same" in page
    assert f"/cache/{exchange['id']}" in page
    for path in ("/cache", "/cache?q=%25&provider=x&tool=y&state=z", "/cache/statistics"):
        assert project.http.get(path, headers=PAGE).status_code == 200


def test_the_list_page_escapes_titles_and_keeps_what_was_searched(project):
    project.context(title='<script>alert("x")</script>')
    page = project.http.get(f"/p/{project.slug}/contexts?q=%22%3E%3Cscript%3E", headers=PAGE)
    assert "<script>alert" not in page.text
    listed = project.http.get(f"/p/{project.slug}/contexts", headers=PAGE).text
    assert "&lt;script&gt;alert" in listed
    assert "<script>alert" not in listed
