"""Contexts over HTTP: revisions, undo and redo, two hands at once, lists."""

import pytest

NOTE = {"key": "a", "kind": "note", "text": "One."}


def _note(text: str, key: str = "a") -> dict:
    return {"key": key, "kind": "note", "text": text}


def test_a_context_is_undone_and_redone_revision_by_revision(project):
    made = project.context(title="First", items=[NOTE])
    path = f"/contexts/{made['id']}"
    assert (made["n"], made["can_undo"], made["can_redo"], made["status"]) == (1, False, False, "open")
    saved = project.ask("PUT", path, {"base_n": 1, "content": {"title": "Second", "items": [NOTE]}})
    assert (saved["n"], saved["can_undo"], saved["can_redo"], saved["merged"]) == (2, True, False, False)
    undone = project.ask("POST", f"{path}/undo")
    assert (undone["title"], undone["can_undo"], undone["can_redo"]) == ("First", False, True)
    project.ask("POST", f"{path}/undo", code=409)
    redone = project.ask("POST", f"{path}/redo")
    assert (redone["title"], redone["can_redo"]) == ("Second", False)
    project.ask("POST", f"{path}/redo", code=409)
    # Something else written after an undo is another branch; nothing is lost.
    project.ask("POST", f"{path}/undo")
    other = project.ask("PUT", path, {"base_n": 1, "content": {"title": "Other", "items": []}})
    assert (other["n"], other["can_redo"]) == (3, False)
    history = project.ask("GET", f"{path}/history")
    assert [(entry["n"], entry["parent_n"], entry["changed"], entry["is_current"]) for entry in history] == [
        (3, 1, ["items", "title"], True),
        (2, 1, ["title"], False),
        (1, None, ["items", "title"], False),
    ]
    assert {entry["by"]["username"] for entry in history} == {"local"}
    assert project.ask("GET", f"{path}/revisions/2")["content"]["title"] == "Second"
    project.ask("GET", f"{path}/revisions/7", code=404)


def test_saving_what_is_there_already_makes_no_revision(project):
    made = project.context(title="Same")
    again = project.ask("PUT", f"/contexts/{made['id']}", {"base_n": 1, "content": {"title": "Same"}})
    assert again["n"] == 1


def test_two_hands_on_different_fields_are_merged_and_on_the_same_field_both_are_shown(project):
    made = project.context(title="Base", items=[NOTE])
    path = f"/contexts/{made['id']}"
    project.ask("PUT", path, {"base_n": 1, "content": {"title": "Theirs", "items": [NOTE]}})
    mine = {"title": "Base", "items": [_note("Mine.")]}
    merged = project.ask("PUT", path, {"base_n": 1, "content": mine})
    assert merged["merged"] is True
    assert merged["content"]["title"] == "Theirs"
    assert merged["content"]["items"][0]["text"] == "Mine."
    refused = project.ask("PUT", path, {"base_n": 1, "content": {"title": "Also mine", "items": [NOTE]}}, code=409)[
        "error"
    ]
    assert refused["code"] == "conflict"
    detail = refused["detail"]
    assert (detail["current_n"], detail["conflicts"]) == (3, ["title"])
    assert detail["current"]["title"] == "Theirs"
    assert detail["author"] == {"username": "local", "display_name": "You"}


def test_a_deleted_context_is_gone_until_it_is_restored(project):
    made = project.context(title="Short-lived")
    path = f"/contexts/{made['id']}"
    assert project.ask("DELETE", path)["deleted_at"]
    project.ask("GET", path, code=404)
    project.ask("PUT", path, {"base_n": 1, "content": {}}, code=404)
    assert project.ask("GET", "/contexts")["total"] == 0
    assert project.ask("POST", f"{path}/restore")["deleted_at"] is None
    assert project.ask("GET", path)["title"] == "Short-lived"
    actions = [entry["action"] for entry in project.ask("GET", "/audit")["entries"]]
    assert actions[:3] == ["context.restore", "context.delete", "context.create"]


def test_a_context_of_another_project_is_not_found(new_project):
    one, other = new_project(), new_project()
    made = one.context(title="Mine")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/undo"), ("GET", "/history"), ("GET", "/render")):
        other.ask(method, f"/contexts/{made['id']}{path}", code=404)
    other.ask("PUT", f"/contexts/{made['id']}", {"base_n": 1, "content": {}}, code=404)
    other.ask("GET", f"/contexts/{made['id']}/revisions/1", code=404)


def test_the_list_finds_by_title_number_and_status_and_pages_without_gaps(project):
    ids = [project.context(title=title)["id"] for title in ("Harbour 100%", "harbour_walk", "مقهى الميناء", "Station")]
    project.ask("POST", f"/contexts/{ids[0]}/questions", {}, code=201)
    project.ask("PATCH", f"/contexts/{ids[3]}", {"status": "done"})

    def titles(**query):
        return [entry["title"] for entry in project.ask("GET", "/contexts", **query)["contexts"]]

    assert titles() == ["Station", "مقهى الميناء", "harbour_walk", "Harbour 100%"]
    assert titles(q="HARBOUR") == ["harbour_walk", "Harbour 100%"]
    # What means something in a pattern means itself in a search.
    assert titles(q="100%") == ["Harbour 100%"]
    assert titles(q="_") == ["harbour_walk"]
    assert titles(q="مقهى") == ["مقهى الميناء"]
    assert titles(q="#3") == ["مقهى الميناء"]
    assert titles(status="done") == ["Station"]
    assert titles(q="' OR 1=1 --") == []
    first = project.ask("GET", "/contexts", limit=3)
    assert (len(first["contexts"]), first["total"]) == (3, 4)
    rest = project.ask("GET", "/contexts", limit=3, cursor=first["next"])
    assert ([entry["title"] for entry in rest["contexts"]], rest["next"]) == (["Harbour 100%"], None)
    assert (rest["contexts"][0]["num_items"], rest["contexts"][0]["num_questions"]) == (0, 1)
    for cursor in ("x", "2026-01-01T00:00:00.000Z", "2026-01-01~A", "~"):
        project.ask("GET", "/contexts", cursor=cursor, code=400 if cursor != "2026-01-01T00:00:00.000Z" else 200)


def test_content_that_cannot_be_is_refused_in_one_line(project):
    unknown = {"key": "a", "kind": "nearby", "tool_call_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    for items in ([unknown], [NOTE, NOTE], [{"key": "a", "kind": "nearby"}], [{"key": "a", "kind": "note", "x": 1}]):
        refused = project.ask("POST", "/contexts", {"content": {"items": items}}, code=400)
        assert "\n" not in refused["error"]["message"]
    assert project.ask("GET", "/contexts")["total"] == 0


def test_the_context_fields_are_told_by_kind(project):
    fields = project.ask("GET", "/context-fields")
    assert {"places", "details", "nearby", "route", "matrix", "along_route", "calc", "note"} == set(fields)
    assert {"name": "address", "title": "Address", "standard": True} in fields["nearby"]
    assert {"name": "phone", "title": "Phone", "standard": False} in fields["nearby"]


@pytest.mark.parametrize("status", ["open", "done", "archived"])
def test_a_status_is_kept_and_logged(project, status):
    made = project.context(title="A")
    assert project.ask("PATCH", f"/contexts/{made['id']}", {"status": "archived"})["status"] == "archived"
    assert project.ask("PATCH", f"/contexts/{made['id']}", {"status": status})["status"] == status
    assert project.ask("GET", "/audit")["entries"][0]["action"] == f"context.{status}"
