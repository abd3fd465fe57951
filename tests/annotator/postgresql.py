"""A PostgreSQL server for tests, where its programs are installed; elsewhere tests that want it are skipped."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest


def _postgres_programs() -> tuple[Path, Path] | None:
    """`initdb` and `postgres`, from the path or from where Debian has them."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [
        shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))
        for name in ("initdb", "postgres")
    ]
    return (Path(found[0]), Path(found[1])) if found[0] and found[1] else None


def _ordinary_user() -> str | None:
    """Whom to run PostgreSQL as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "")


@contextmanager
def running() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server of our own, which trusts everybody who can reach it."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's programs initdb and postgres, which are not here")
    user = _ordinary_user()
    if user == "":
        pytest.skip("needs a user 'postgres' or 'nobody': PostgreSQL does not run as root")
    # Not below pytest's folder, which other users cannot enter; and the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data = folder / "data"
    identity = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": ()}
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TMPDIR": str(folder)}
    initdb, postgres = programs
    subprocess.run(
        [initdb, "-D", data, "-U", "rhumb", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"],
        check=True,
        capture_output=True,
        cwd=folder,
        env=environment,
        **identity,
    )
    quick = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60", "listen_addresses=")
    options = [part for option in quick for part in ("-c", option)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [postgres, "-D", data, "-k", folder, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            **identity,
        )
    try:
        _wait_for(lambda: _answers(folder, server))
        yield str(folder)
    finally:
        server.send_signal(2)
        server.wait(30)
        shutil.rmtree(folder)


def _answers(folder: Path, server: subprocess.Popen) -> bool:
    import psycopg

    assert server.poll() is None, (folder / "log").read_text()
    try:
        psycopg.connect(host=str(folder), user="rhumb", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_for(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database on the server."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(host=server, user="rhumb", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://rhumb@/{name}?host={server}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
