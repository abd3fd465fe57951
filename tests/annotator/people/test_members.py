"""Members and their roles, projects and their settings, and what the operator does at the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from annotator.cli import app
from annotator.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from annotator.people import accounts, admin, members, overview, project_changes, projects
from annotator.people.projects import ProjectSettings
from annotator.people.roles import ROLES
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now
from annotator.web.pages.setting_fields import GROUPS


@pytest.fixture
def crew(database: Database, account_in):
    """A project with somebody in each role, by role; and `outside`, who is in none."""
    with database.writing() as connection:
        made = {name: account_in(connection, f"the-{name}") for name in (*ROLES, "outside")}
        project = projects.create(connection, made["owner"], name="Harbour", now=utc_now())
        for role in ROLES[:-1]:
            members.set_role(connection, made["owner"], "owner", project, made[role].username, role, now=utc_now())
    return project, made


@pytest.mark.parametrize("actor_role", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_admins_and_owners_are_made_by_owners_alone(database: Database, crew, actor_role: str, role: str) -> None:
    project, people = crew
    may = actor_role == "owner" or role not in ("admin", "owner")
    with database.writing() as connection:
        change = (connection, people[actor_role], actor_role, project, "the-outside", role)
        if may:
            assert members.set_role(*change, now=utc_now()).role == role
        else:
            with pytest.raises(ForbiddenError):
                members.set_role(*change, now=utc_now())


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_an_admin_neither_demotes_nor_removes_admins_and_owners(database: Database, crew, role: str) -> None:
    project, people = crew
    with database.writing() as connection:
        with pytest.raises(ForbiddenError):
            members.set_role(connection, people["admin"], "admin", project, f"the-{role}", "viewer", now=utc_now())
        with pytest.raises(ForbiddenError):
            members.remove(connection, people["admin"], "admin", project, f"the-{role}", now=utc_now())


def test_the_last_owner_stays(database: Database, crew) -> None:
    project, people = crew
    with database.writing() as connection:
        with pytest.raises(ConflictError, match="needs an owner"):
            members.remove(connection, people["owner"], "owner", project, "the-owner", now=utc_now())
        with pytest.raises(ConflictError, match="needs an owner"):
            members.set_role(connection, people["owner"], "owner", project, "the-owner", "admin", now=utc_now())
        members.set_role(connection, people["owner"], "owner", project, "the-viewer", "owner", now=utc_now())
        assert members.remove(connection, people["owner"], "owner", project, "the-owner", now=utc_now()) == "owner"
        assert projects.role_in(connection, project.id, people["owner"].account_id) is None


def test_the_last_administrator_stays(database: Database, account_in) -> None:
    with database.writing() as connection:
        root = account_in(connection, "root", is_admin=True)
        for change in ({"is_admin": False}, {"is_active": False}):
            with pytest.raises(ConflictError, match="needs an administrator"):
                admin.change_account(connection, root, "root", **change, now=utc_now())
        account_in(connection, "second", is_admin=True)
        assert not admin.change_account(connection, root, "root", is_admin=False, now=utc_now()).is_admin
        with pytest.raises(NotFoundError):
            admin.change_account(connection, root, "local", is_active=False, now=utc_now())


def test_a_deleted_project_is_out_of_sight_until_its_owner_restores_it(database: Database, crew) -> None:
    project, people = crew
    with database.writing() as connection:
        project_changes.delete(connection, people["owner"], project, now=utc_now())
        with pytest.raises(NotFoundError):
            projects.by_slug(connection, project.slug)
        assert overview.overview(connection, people["owner"]) == []
        assert [item.slug for item in overview.overview(connection, people["owner"], "deleted")] == ["harbour"]
        assert overview.overview(connection, people["viewer"], "deleted") == []
        deleted = projects.by_slug(connection, project.slug, is_deleted=True)
        project_changes.restore(connection, people["owner"], deleted, now=utc_now())
        assert [item.slug for item in overview.overview(connection, people["viewer"])] == ["harbour"]


def test_a_change_of_settings_leaves_the_others_and_says_what_changed(database: Database, crew) -> None:
    project, people = crew
    with database.writing() as connection:
        changed = project_changes.update(
            connection, people["owner"], project, settings={"min_reviews": 3}, guidelines="Be kind.", now=utc_now()
        )
        assert changed.settings == project.settings.model_copy(update={"min_reviews": 3})
        (detail,) = connection.exec_driver_sql("SELECT detail_json FROM audit_log WHERE action = 'project.save'").one()
        assert detail == '{"changed":["guidelines","settings.min_reviews"]}'
        for bad in ({"min_reviews": -1}, {"overlap": 2}, {"no_such": 1}, {"categories": ["x" * 65]}):
            with pytest.raises(InputError) as refused:
                project_changes.update(connection, people["owner"], project, settings=bad, now=utc_now())
            assert (refused.value.param or "").startswith("settings.")


def test_every_setting_of_a_project_is_on_its_page_and_explained() -> None:
    shown = [field for _, fields in GROUPS for field in fields]
    assert {field.name for field in shown} == set(ProjectSettings.model_fields)
    assert all(field.title and field.help.endswith(".") for field in shown)


def test_names_of_many_people_take_one_query(database: Database, crew) -> None:
    _, people = crew
    with database.reading() as connection:
        ids = [actor.account_id for actor in people.values()]
        found = accounts.names(connection, [*ids, None, "nobody"])
        assert {found[identity].username for identity in ids} == {f"the-{name}" for name in people}
        assert len(found) == len(ids)
        assert accounts.names(connection, []) == {}


def test_accounts_and_projects_are_made_at_the_command_line(tmp_path: Path) -> None:
    runner = CliRunner(env={"MAPQATOR_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "160"})

    def run(*arguments: str, password: str = "") -> Result:
        return runner.invoke(app, list(arguments), input=f"{password}\n")

    add = ("user", "add", "ada", "--admin", "--name", "Ada [x]", "--password-stdin")
    weak = run(*add, password="password")
    assert isinstance(weak.exception, InputError)
    assert "at least 10 characters" in weak.exception.message
    assert run(*add, password="seven lemon harbours").output.strip() == "made administrator ada"
    assert isinstance(run("user", "disable", "ada").exception, ConflictError)
    assert run("user", "password", "ada", "--password-stdin", password="nine amber lanterns").exit_code == 0
    assert run("project", "create", "Old Harbour", "--owner", "ada").output.strip() == "old-harbour"
    assert isinstance(run("user", "add", "bob").exception, InputError)
    database = open_database(str(tmp_path / "data" / "mapqator.sqlite"))
    with database.reading() as connection:
        assert accounts.by_username(connection, "ada").display_name == "Ada [x]"
        assert [item.role for item in members.listing(connection, projects.by_slug(connection, "old-harbour").id)] == [
            "owner"
        ]
    database.close()
    assert run("user", "list").exit_code == run("project", "list").exit_code == 0
