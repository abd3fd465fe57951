"""Single sign-on against an issuer of our own: the happy way, and everything that could be forged on it."""

import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.annotator.people.issuer import FakeIssuer
from tests.annotator.program import Annotator


@pytest.fixture
def browser(server: Annotator):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def begin(browser: httpx.Client, target: str = "/me") -> dict[str, str]:
    """Presses the button; gives what the issuer is asked."""
    answer = browser.get("/login/oidc", params={"next": target})
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def come_back(browser: httpx.Client, issuer: FakeIssuer, asked: dict[str, str], **changed: str) -> httpx.Response:
    """What the browser sends when the issuer has let somebody in."""
    back = urlsplit(issuer.authorize(asked))
    query = {name: values[0] for name, values in parse_qs(back.query).items()} | changed
    return browser.get(f"{back.path}?{urlencode(query)}")


def test_whoever_the_issuer_vouches_for_gets_an_account_and_the_same_one_the_next_time(
    browser: httpx.Client, issuer: FakeIssuer, server: Annotator
) -> None:
    subject = secrets.token_hex(8)
    issuer.let_in(subject, preferred_username="Zoë Q", name="Zoë Quell")
    answer = come_back(browser, issuer, begin(browser))
    assert (answer.status_code, answer.headers["location"]) == (303, "/me"), answer.text
    me = browser.get("/api/me").json()
    assert (me["username"], me["display_name"], me["is_admin"]) == ("zo-q", "Zoë Quell", False)
    with httpx.Client(base_url=server.url) as phone:
        issuer.let_in(subject, preferred_username="renamed")
        come_back(phone, issuer, begin(phone))
        assert phone.get("/api/me").json()["username"] == "zo-q"


def test_a_name_that_is_taken_here_does_not_give_its_account_away(browser: httpx.Client, issuer: FakeIssuer) -> None:
    issuer.let_in(secrets.token_hex(8), preferred_username="root", email="root@example.org")
    assert come_back(browser, issuer, begin(browser)).status_code == 303
    me = browser.get("/api/me").json()
    assert me["username"] == "root-2"
    assert not me["is_admin"]


def test_the_request_proves_itself(browser: httpx.Client, issuer: FakeIssuer, server: Annotator) -> None:
    first, second = begin(browser), begin(browser)
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]
    assert first["redirect_uri"] == f"{server.url}/login/oidc/callback"


def test_a_forged_state_is_refused(browser: httpx.Client, issuer: FakeIssuer) -> None:
    issuer.let_in("forger")
    assert come_back(browser, issuer, begin(browser), state="forged").status_code == 403
    assert browser.get("/api/me").status_code == 401


def test_a_login_that_was_begun_in_another_browser_is_refused(
    browser: httpx.Client, issuer: FakeIssuer, server: Annotator
) -> None:
    issuer.let_in("attacker")
    with httpx.Client(base_url=server.url) as attacker:
        asked = begin(attacker)
    assert come_back(browser, issuer, asked).status_code == 403
    begin(browser)
    assert come_back(browser, issuer, asked).status_code == 403
    assert browser.get("/api/me").status_code == 401


def test_what_is_remembered_meanwhile_cannot_be_changed(browser: httpx.Client, issuer: FakeIssuer) -> None:
    issuer.let_in("forger")
    asked = begin(browser)
    (cookie,) = [item for item in browser.cookies.jar if item.name == "mapqator_oidc"]
    assert cookie.path == "/login/oidc"
    content, _, signature = cookie.value.partition(".")
    for forged in (f"{content[:-8]}AAAA{content[-4:]}.{signature}", f"{content}.{'0' * 64}", content, "", ".", "é.é"):
        headers = {"cookie": f"mapqator_oidc={forged}".encode()}
        back = urlsplit(issuer.authorize(asked))
        answer = httpx.get(f"{browser.base_url}{back.path}?{back.query}", headers=headers)
        assert answer.status_code == 403, forged


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "forged"},
        {"nonce": None},
        {"aud": "somebody-else"},
        {"iss": "https://evil.example"},
        {"exp": 1_000_000_000},
        {"sub": None},
        {"aud": ["mapqator", "somebody-else"], "azp": "somebody-else"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_login_is_refused(
    browser: httpx.Client, issuer: FakeIssuer, lies: dict[str, object]
) -> None:
    issuer.let_in("liar")
    issuer.lies = lies
    answer = come_back(browser, issuer, begin(browser))
    assert answer.status_code == 403, answer.text
    assert browser.get("/api/me").status_code == 401


@pytest.mark.parametrize("signs_with", ["none", "public key as secret", "another key"])
def test_an_id_token_that_the_issuer_did_not_sign_is_refused(
    browser: httpx.Client, issuer: FakeIssuer, signs_with: str
) -> None:
    issuer.let_in("liar")
    issuer.signs_with = issuer.wrong_key() if signs_with == "another key" else signs_with
    assert come_back(browser, issuer, begin(browser)).status_code == 403
    assert browser.get("/api/me").status_code == 401


def test_a_code_works_once_and_an_error_of_the_issuer_is_told(browser: httpx.Client, issuer: FakeIssuer) -> None:
    issuer.let_in(secrets.token_hex(8), preferred_username="once")
    asked = begin(browser)
    back = urlsplit(issuer.authorize(asked))
    cookies = dict(browser.cookies)
    assert browser.get(f"{back.path}?{back.query}").status_code == 303
    again = httpx.get(f"{browser.base_url}{back.path}?{back.query}", cookies=cookies)
    assert again.status_code == 403
    asked = begin(browser)
    denied = browser.get(f"/login/oidc/callback?error=access_denied&state={asked['state']}")
    assert (denied.status_code, "access_denied" in denied.text) == (403, True)


def test_after_single_sign_on_too_only_pages_of_this_program_come(browser: httpx.Client, issuer: FakeIssuer) -> None:
    issuer.let_in(secrets.token_hex(8), preferred_username="wanderer")
    answer = come_back(browser, issuer, begin(browser, "https://evil.example/"))
    assert answer.headers["location"] == "/"


def test_the_login_page_offers_it(browser: httpx.Client) -> None:
    assert 'href="/login/oidc?next=/p/x"' in browser.get("/login", params={"next": "/p/x"}).text
