"""Signing in over HTTP: sessions, requests that other sites forge, guessing, tokens, and the first administrator."""

import hashlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from annotator.errors import MapqatorError
from annotator.people import login, sessions
from annotator.people.actor import Actor
from annotator.settings import load
from annotator.store.tables import login_failure
from annotator.store.times import utc_now
from tests.annotator.program import Annotator, serving

COOKIE = "mapqator_session"


@pytest.fixture
def browser(server: Annotator):
    """A browser that nobody is signed in with, behind an address that no other test uses up."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def enter(browser: httpx.Client, username: str, password: str, **more: str) -> httpx.Response:
    return browser.post("/api/login", json={"username": username, "password": password, **more})


def csrf_of(browser: httpx.Client) -> str:
    """What the pages carry for their scripts."""
    return browser.get("/me").text.partition('name="csrf" content="')[2].partition('"')[0]


def test_the_cookie_is_out_of_scripts_reach_and_only_its_hash_is_kept(
    browser: httpx.Client, server: Annotator, person: Actor, password: str
) -> None:
    answer = enter(browser, person.username.upper(), password)
    assert answer.status_code == 200
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=lax" in attributes
    assert "path=/" in attributes
    secret = browser.cookies[COOKIE]
    files = b"".join(path.read_bytes() for path in server.data_dir.glob("mapqator.sqlite*"))
    assert secret.encode() not in files
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in files


def test_a_login_gives_another_session_than_the_browser_came_with(
    browser: httpx.Client, person: Actor, password: str
) -> None:
    chosen = {"cookie": f"{COOKIE}=chosen-by-somebody-else"}
    body = {"username": person.username, "password": password}
    first = browser.post("/api/login", json=body, headers=chosen).cookies[COOKIE]
    assert first != "chosen-by-somebody-else"
    with httpx.Client(base_url=browser.base_url, cookies={COOKIE: "chosen-by-somebody-else"}) as other:
        assert other.get("/api/me").status_code == 401
    with httpx.Client(base_url=browser.base_url, cookies={COOKIE: first}) as again:
        assert again.get("/api/me").json()["username"] == person.username
        assert enter(again, person.username, password).status_code == 200
    with httpx.Client(base_url=browser.base_url, cookies={COOKIE: first}) as old:
        assert old.get("/api/me").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-csrf-token": ""},
        {"x-csrf-token": "guessed"},
        {"x-csrf-token": "TRUE", "origin": "https://evil.example"},
        {"x-csrf-token": "TRUE", "sec-fetch-site": "cross-site"},
        {"x-csrf-token": "TRUE", "sec-fetch-site": "same-site"},
    ],
)
def test_a_request_that_another_site_makes_a_browser_send_changes_nothing(sign_in, headers: dict[str, str]) -> None:
    owner = sign_in("owner")
    sent = {name: owner.csrf if value == "TRUE" else value for name, value in headers.items()}
    before = owner.client.get("/api/projects").json()
    answer = owner.client.post("/api/projects", json={"name": "Forged"}, headers=sent)
    assert answer.status_code == 403
    assert owner.client.get("/api/projects").json() == before


def test_a_form_of_another_site_is_not_read(sign_in) -> None:
    owner = sign_in("owner")
    kinds = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x")
    for kind in kinds:
        headers = {"content-type": kind, "x-csrf-token": owner.csrf}
        assert owner.client.post("/api/projects", content=b'{"name": "Forged"}', headers=headers).status_code == 400


def test_signing_out_ends_the_session_and_everywhere_ends_all(
    browser: httpx.Client, server: Annotator, person: Actor, password: str
) -> None:
    enter(browser, person.username, password)
    with httpx.Client(base_url=server.url) as phone, httpx.Client(base_url=server.url) as desk:
        for other in (phone, desk):
            enter(other, person.username, password)
        kept = dict(browser.cookies)
        assert browser.post("/api/logout", json={}, headers={"x-csrf-token": csrf_of(browser)}).status_code == 200
        assert COOKIE not in browser.cookies
        assert httpx.get(f"{server.url}/api/me", cookies=kept).status_code == 401
        assert phone.get("/api/me").status_code == 200
        answer = phone.post("/api/logout", json={"everywhere": True}, headers={"x-csrf-token": csrf_of(phone)})
        assert answer.status_code == 200
        assert desk.get("/api/me").status_code == 401


def test_another_password_signs_out_all_other_browsers(
    browser: httpx.Client, server: Annotator, person: Actor, password: str
) -> None:
    enter(browser, person.username, password)
    with httpx.Client(base_url=server.url) as phone:
        enter(phone, person.username, password)
        change = {"old": "not this one either", "new": "eleven quiet meadows"}
        headers = {"x-csrf-token": csrf_of(browser)}
        refused = browser.put("/api/me/password", json=change, headers=headers)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "old")
        weak = browser.put("/api/me/password", json={"old": password, "new": "password1234"}, headers=headers)
        assert (weak.status_code, weak.json()["error"]["param"]) == (400, "new")
        assert browser.put("/api/me/password", json=change | {"old": password}, headers=headers).status_code == 204
        assert browser.get("/api/me").status_code == 200
        assert phone.get("/api/me").status_code == 401
        assert enter(phone, person.username, password).status_code == 401
        assert enter(phone, person.username, "eleven quiet meadows").status_code == 200


def test_wrong_names_and_wrong_passwords_are_told_alike(browser: httpx.Client, person: Actor) -> None:
    wrong_password = enter(browser, person.username, "nine amber lanterns")
    wrong_name = enter(browser, f"{person.username}-x", "nine amber lanterns")
    local = enter(browser, "local", "nine amber lanterns")
    assert wrong_password.status_code == wrong_name.status_code == local.status_code == 401
    assert wrong_password.json() == wrong_name.json() == local.json()


def test_whoever_guesses_has_to_wait_and_the_right_password_does_not_help_meanwhile(
    browser: httpx.Client, person: Actor, password: str, server_database
) -> None:
    statuses = []
    while 429 not in statuses and len(statuses) < 20:
        answer = enter(browser, person.username, f"guess number {len(statuses)}")
        statuses.append(answer.status_code)
    assert statuses[-1] == 429
    assert int(answer.headers["retry-after"]) >= 1
    with server_database.writing() as connection:
        # The first wait is a second, which may be over when a busy machine has asked again.
        connection.execute(login_failure.update().values(blocked_until=utc_now() + timedelta(minutes=5)))
    assert enter(browser, person.username, password).status_code == 429
    with server_database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM login_failure")
    assert enter(browser, person.username, password).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/p/saltmere?x=1", "/p/saltmere?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/login?next=/login", "/"),
    ],
)
def test_after_the_login_only_pages_of_this_program_come(
    browser: httpx.Client, person: Actor, password: str, wanted: str, given: str
) -> None:
    assert enter(browser, person.username, password, next=wanted).json() == {"next": given}


def test_a_page_sends_whoever_is_signed_out_to_the_login_and_back(browser: httpx.Client) -> None:
    answer = browser.get("/me?tab=2", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fme%3Ftab%3D2")
    page = browser.get(answer.headers["location"], headers={"accept": "text/html"})
    assert 'value="/me?tab=2"' in page.text
    assert browser.get("/api/me", headers={"accept": "text/html"}).status_code == 401


def test_a_session_lasts_while_it_is_used_and_not_for_ever(database, account_in) -> None:
    start = utc_now()
    with database.writing() as connection:
        ada = account_in(connection, "ada")
        made = login.begin(connection, ada.account_id, how="test", old_secret=None, now=start)
        assert sessions.find(connection, made.secret, now=start + sessions.IDLE) is None
        now = start
        while (found := sessions.find(connection, made.secret, now=now)) is not None:
            sessions.touch(connection, found, now=now)
            now += sessions.IDLE * 0.9
        assert sessions.LIFETIME <= now - start < sessions.LIFETIME + sessions.IDLE


def test_a_disabled_account_is_out_at_once(sign_in, server: Annotator, person: Actor, password: str, house) -> None:
    admin = sign_in("administrator")
    house.actors["disabled"] = person
    theirs, token = sign_in("disabled"), house.token_headers("disabled", "read")
    assert httpx.get(f"{server.url}/api/me", headers=token).status_code == 200
    address = f"/api/admin/accounts/{person.username}"
    assert admin.send("PATCH", address, {"is_active": False}).json()["is_active"] is False
    assert theirs.client.get("/api/me").status_code == 401
    assert httpx.get(f"{server.url}/api/me", headers=token).status_code == 401
    assert enter(theirs.client, person.username, password).status_code == 401
    admin.send("PATCH", address, {"is_active": True})
    assert enter(theirs.client, person.username, password).status_code == 200


def test_a_token_is_shown_once_has_its_scope_and_ends_when_it_is_revoked(sign_in, server: Annotator, house) -> None:
    owner = sign_in("owner")
    made = owner.send("POST", "/api/me/tokens", {"name": "script", "scope": "read", "project": house.project.slug})
    assert made.status_code == 201
    secret, token_id = made.json()["secret"], made.json()["id"]
    assert secret.startswith("mq_")
    assert secret not in owner.client.get("/api/me/tokens").text
    assert secret not in owner.client.get("/me").text
    headers = {"authorization": f"Bearer {secret}"}
    address = f"{server.url}/api/projects/{house.project.slug}"
    assert httpx.get(address, headers=headers).status_code == 200
    refused = httpx.patch(address, headers=headers, json={"name": "Other"})
    assert (refused.status_code, "scope 'read'" in refused.text) == (403, True)
    assert httpx.get(f"{server.url}/api/projects/{house.other.slug}", headers=headers).status_code == 404
    assert owner.send("DELETE", f"/api/me/tokens/{token_id}").status_code == 204
    assert httpx.get(address, headers=headers).status_code == 401
    assert owner.send("DELETE", f"/api/me/tokens/{token_id}").status_code == 404


def test_nobody_revokes_somebody_elses_token(sign_in, house) -> None:
    made = sign_in("owner").send("POST", "/api/me/tokens", {"name": "mine"}).json()
    assert sign_in("viewer").send("DELETE", f"/api/me/tokens/{made['id']}").status_code == 404
    assert sign_in("viewer").client.get("/api/me/tokens").json() == {"tokens": []}


def test_a_token_that_has_run_out_is_no_good_even_beside_a_good_cookie(sign_in, server_database) -> None:
    viewer = sign_in("viewer")
    made = viewer.send("POST", "/api/me/tokens", {"name": "short", "days": 1}).json()
    headers = {"authorization": f"Bearer {made['secret']}"}
    assert viewer.client.get("/api/me", headers=headers).json()["via"] == "token"
    with server_database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE api_token SET expires_at = '2020-01-01T00:00:00.000Z' WHERE id = ?", (made["id"],)
        )
    assert viewer.client.get("/api/me", headers=headers).status_code == 401
    assert viewer.client.get("/api/me", headers={"authorization": "Basic YTpi"}).status_code == 401
    assert viewer.client.get("/api/me").status_code == 200


def test_the_installation_is_set_up_only_once(server: Annotator) -> None:
    answer = httpx.post(f"{server.url}/api/setup", json={"username": "second", "password": "nine amber lanterns"})
    assert answer.status_code == 409
    page = httpx.get(f"{server.url}/setup")
    assert (page.status_code, page.headers["location"]) == (303, "/")


def test_behind_a_public_address_the_first_administrator_needs_the_code_from_the_log(tmp_path: Path) -> None:
    env = {"MAPQATOR_LOGIN": "required", "MAPQATOR_TOWN": "false", "MAPQATOR_PUBLIC_URL": "https://maps.example"}
    with serving(tmp_path / "data", env) as annotator:
        body = {"username": "root", "password": "nine amber lanterns"}
        assert 'name="token"' in httpx.get(f"{annotator.url}/setup").text
        for token in ("", "0123456789abcdef"):
            refused = httpx.post(f"{annotator.url}/api/setup", json=body | {"token": token})
            assert refused.status_code == 403
        log = (annotator.data_dir / "serve.log").read_text()
        code = log.partition("give the code ")[2].split()[0]
        made = httpx.post(f"{annotator.url}/api/setup", json=body | {"token": code})
        assert made.status_code == 200
        assert "secure" in made.headers["set-cookie"].lower()
        assert httpx.get(f"{annotator.url}/version", headers={"host": "maps.example"}).status_code == 200
        assert httpx.get(f"{annotator.url}/version", headers={"host": "evil.example"}).status_code == 400


def test_in_single_user_mode_nobody_signs_in_and_the_machine_is_its_administrator(tmp_path: Path) -> None:
    with serving(tmp_path / "data", {"MAPQATOR_TOWN": "false"}) as annotator:
        url = annotator.url
        me = httpx.get(f"{url}/api/me").json()
        assert (me["username"], me["via"], me["is_admin"]) == ("local", "local", True)
        assert httpx.post(f"{url}/api/login", json={"username": "local", "password": "x"}).status_code == 409
        assert httpx.get(f"{url}/login").headers["location"] == "/"
        assert httpx.post(f"{url}/api/projects", json={"name": "Alone"}).status_code == 201


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"login": "none", "host": "0.0.0.0"}, "--login"),
        ({"oidc_issuer": "https://id.example"}, "--oidc-client-id"),
        ({"oidc_issuer": "https://id.example", "oidc_client_id": "x", "host": "0.0.0.0"}, "--public-url"),
        ({"public_url": "maps.example"}, "https://"),
    ],
)
def test_settings_that_would_open_the_door_are_refused(flags: dict[str, str], words: str) -> None:
    with pytest.raises(MapqatorError, match=words):
        load(flags)


def test_usernames_cannot_smuggle_anything_in(sign_in, server: Annotator) -> None:
    admin = sign_in("administrator")
    for name in (
        "",
        "a b",
        "../etc",
        "a'; DROP TABLE account; --",
        "<script>",
        "a" * 64,
        "ada\u200b",
        "\uff41\uff44\uff41",
    ):
        assert admin.send("POST", "/api/admin/accounts", {"username": name}).status_code == 400, name
    markup = "<img src=x onerror=alert(1)>"
    name = "markup-ok"
    assert admin.send("POST", "/api/admin/accounts", {"username": name, "display_name": markup}).status_code == 201
    page = admin.client.get(f"/admin?q={name}").text
    assert markup not in page
    assert "&lt;img src=x" in page
    with sqlite3.connect(server.data_dir / "mapqator.sqlite") as database:
        assert database.execute("SELECT count(*) FROM account WHERE username = ?", (name,)).fetchone() == (1,)
