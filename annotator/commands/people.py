"""`mapqator user`, `mapqator project` and `mapqator audit`: what an operator does at the command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from annotator.commands.options import settings_of
from annotator.commands.show import console, line
from annotator.errors import InputError
from annotator.store.sessions import Database

user = typer.Typer(no_args_is_help=True, help="Make, list and disable accounts.", rich_markup_mode=None)
project = typer.Typer(no_args_is_help=True, help="Make and list projects.", rich_markup_mode=None)
audit = typer.Typer(no_args_is_help=True, help="Check the log of everything that was done.", rich_markup_mode=None)

Username = Annotated[str, typer.Argument(help="The account's name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]


@user.command("add")
def add_user(
    context: typer.Context,
    username: Username,
    name: Annotated[str, typer.Option(help="Name that others see; by default the username.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="Make them an administrator.")] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Make an account."""
    from annotator.people import accounts
    from annotator.people.passwords import check_password, hash_password
    from annotator.store.times import utc_now

    with _database(context) as database:
        accounts.clean_username(username)
        password = _password(password_stdin)
        check_password(password, username, name)
        with database.writing() as connection:
            made = accounts.create(
                connection,
                None,
                username=username,
                display_name=name,
                password_hash=hash_password(password),
                is_admin=admin,
                now=utc_now(),
            )
    line(f"made {'administrator' if made.is_admin else 'account'} {made.username}")


@user.command("list")
def list_users(context: typer.Context) -> None:
    """List all accounts."""
    from annotator.people import accounts
    from annotator.store.times import to_text

    table = Table("username", "name", "administrator", "active", "last seen")
    with _database(context) as database, database.reading() as connection:
        for item in accounts.listing(connection, limit=1_000_000):
            seen = "never" if item.last_seen_at is None else to_text(item.last_seen_at)[:10]
            table.add_row(
                item.username,
                item.display_name.replace("[", r"\["),
                "yes" if item.is_admin else "",
                "yes" if item.is_active else "no",
                seen,
            )
    console.print(table)


@user.command("password")
def set_password(context: typer.Context, username: Username, password_stdin: FromStdin = False) -> None:
    """Give an account another password and sign it out everywhere."""
    from annotator.people.admin import change_account
    from annotator.people.passwords import check_password, hash_password
    from annotator.store.times import utc_now

    with _database(context) as database:
        password = _password(password_stdin)
        check_password(password, username)
        with database.writing() as connection:
            change_account(connection, None, username, password_hash=hash_password(password), now=utc_now())
    line(f"{username} has a new password and is signed out everywhere")


@user.command("disable")
def disable_user(
    context: typer.Context,
    username: Username,
    enable: Annotated[bool, typer.Option("--undo", help="Enable it again.")] = False,
) -> None:
    """Keep an account from signing in; what it wrote stays."""
    from annotator.people.admin import change_account
    from annotator.store.times import utc_now

    with _database(context) as database, database.writing() as connection:
        change_account(connection, None, username, is_active=enable, now=utc_now())
    line(f"{username} is {'enabled' if enable else 'disabled'}")


@project.command("create")
def create_project(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The project's name.")],
    slug: Annotated[str, typer.Option(help="Its part of addresses; by default made of the name.")] = "",
    owner: Annotated[str, typer.Option(help="Username of its owner; by default who sits at this machine.")] = "",
) -> None:
    """Make a project."""
    from annotator.people.accounts import by_username
    from annotator.people.actor import Actor
    from annotator.people.local import local_actor
    from annotator.people.projects import create
    from annotator.store.times import utc_now

    with _database(context) as database, database.writing() as connection:
        actor = local_actor(via_command=True)
        if owner:
            found = by_username(connection, owner)
            actor = Actor(found.id, found.username, found.display_name, via="command")
        made = create(connection, actor, name=name, slug=slug, now=utc_now())
    line(made.slug)


@project.command("list")
def list_projects(context: typer.Context) -> None:
    """List all projects."""
    from annotator.people.local import local_actor
    from annotator.people.overview import overview

    table = Table("slug", "name", "contexts", "questions", "approved")
    with _database(context) as database, database.reading() as connection:
        for item in overview(connection, local_actor(via_command=True)):
            approved = item.num_by_status.get("approved", 0)
            numbers = (str(number) for number in (item.num_contexts, item.num_questions, approved))
            table.add_row(item.slug, item.name.replace("[", r"\["), *numbers)
    console.print(table)


@audit.command("verify")
def verify_audit(
    context: typer.Context,
    head: Annotated[str, typer.Option(help="Hash of a row, noted earlier, that must still be in the log.")] = "",
) -> None:
    """Recompute the log's chain of hashes; name the rows that do not fit, and end with 1 if there are any."""
    from annotator.people.audit_check import has_row, verify_chain

    with _database(context) as database, database.reading() as connection:
        report = verify_chain(connection)
        is_kept = not head or has_row(connection, head)
    for fault in report.faults:
        line(f"row {fault.seq}: {fault.reason}")
    if not is_kept:
        line(f"no row has the hash {head[:64]}: rows were taken off the log's end, or all of it was written anew")
    if report.faults or not is_kept:
        raise typer.Exit(1)
    line(f"{report.num_rows} rows, all as they were written; the last has the hash {report.head}")


@contextmanager
def _database(context: typer.Context) -> Iterator[Database]:
    from annotator.people.local import ensure_local_account
    from annotator.store.migrate import migrate
    from annotator.store.sessions import open_database
    from annotator.store.times import utc_now

    database = open_database(settings_of(context).resolved_database_url)
    try:
        migrate(database)
        with database.writing() as connection:
            ensure_local_account(connection, utc_now())
        yield database
    finally:
        database.close()


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask at; give the password with --password-stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password
