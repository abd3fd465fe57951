"""Webhooks: what is sent, how it is signed and tried again, and where it never goes."""

import asyncio
import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from annotator.errors import ForbiddenError, InputError
from annotator.people import audit, projects, webhook_address, webhook_queue, webhooks
from annotator.people.secret_key import FILE, load_key
from annotator.people.webhook_address import check_url, find_target, refusal
from annotator.people.webhook_worker import WebhookWorker
from annotator.store.sessions import Database
from annotator.store.times import utc_now

KEY = bytes(range(32))


@dataclass
class Receiver:
    """Somebody who listens; answers what `statuses` says, and 200 then."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


@contextmanager
def listening() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            self.send_response(status)
            if status == 302:
                self.send_header("location", f"{receiver.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()
            receiver.arrived.set()

        def log_message(self, *words: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as running:
        yield running


@dataclass
class Scene:
    """A project with a way to make webhooks in it and to let things happen."""

    database: Database
    actor: object
    project: projects.Project

    def hook(self, url: str, *actions: str) -> webhooks.Webhook:
        with self.database.writing() as connection:
            return webhooks.create(
                connection,
                self.actor,
                self.project,
                url=url,
                actions=actions or ("*",),
                private_hosts=["127.0.0.1"],
                now=utc_now(),
            )

    def happens(self, *actions: str) -> None:
        with self.database.writing() as connection:
            for action in actions:
                audit.record(
                    connection,
                    self.actor,
                    action,
                    "x",
                    project_id=self.project.id,
                    detail={"words": "naïve 名"},
                    now=utc_now(),
                )

    def deliveries(self, hook: webhooks.Webhook) -> list[webhooks.Delivery]:
        with self.database.reading() as connection:
            return webhooks.deliveries(connection, self.project.id, hook.id)

    def send(self, **options: object) -> int:
        worker = WebhookWorker(self.database, lambda: KEY, **{"private_hosts": ["127.0.0.1"], **options})
        return asyncio.run(worker.once())

    def pass_time(self) -> None:
        """Lets every wait be over."""
        with self.database.writing() as connection:
            connection.exec_driver_sql("UPDATE webhook_delivery SET next_at = '2020-01-01T00:00:00.000Z'")


@pytest.fixture
def scene(database: Database, account_in: Callable) -> Scene:
    with database.writing() as connection:
        ada = account_in(connection, "ada")
        return Scene(database, ada, projects.create(connection, ada, name="Harbour", now=utc_now()))


def test_a_message_is_signed_as_standard_webhooks_says(scene: Scene, receiver: Receiver) -> None:
    hook = scene.hook(receiver.url)
    scene.happens("question.submit")
    assert scene.send() == 1
    ((headers, body),) = receiver.received
    content = Verifier(webhooks.secret_of(KEY, hook.id)).verify(body, headers)
    assert content["type"] == "question.submit"
    assert content["data"]["project"] == "harbour"
    assert content["data"]["by"] == {"username": "ada", "display_name": "ada"}
    assert content["data"]["detail"] == {"words": "naïve 名"}
    with pytest.raises(WebhookVerificationError):
        Verifier(webhooks.secret_of(KEY, "another")).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhooks.secret_of(KEY, hook.id)).verify(body.replace(b"submit", b"rejekt"), headers)
    (delivery,) = scene.deliveries(hook)
    assert (delivery.state, delivery.status, delivery.num_attempts) == ("delivered", 200, 1)


def test_a_webhook_is_told_what_it_wants_from_when_it_was_made_and_each_row_once(
    scene: Scene, receiver: Receiver
) -> None:
    scene.happens("question.save")
    scene.hook(receiver.url, "review", "question.submit")
    scene.happens("question.save", "question.submit", "review.create", "reviewer.create", "review.withdraw")
    scene.send()
    scene.send()
    told = [json.loads(body)["type"] for _, body in receiver.received]
    assert sorted(told) == ["question.submit", "review.create", "review.withdraw"]


def test_what_is_not_accepted_is_tried_again_with_the_same_id_and_given_up_at_last(
    scene: Scene, receiver: Receiver
) -> None:
    hook = scene.hook(receiver.url)
    scene.happens("question.save")
    receiver.statuses = [500, 503, 302, 404]
    waits = []
    for _ in range(4):
        assert scene.send(backoff_s=(1000, 3000, 9000)) == 1
        assert scene.send(backoff_s=(1000, 3000, 9000)) == 0
        (delivery,) = scene.deliveries(hook)
        waits.append((delivery.next_at - utc_now()).total_seconds() if delivery.state == "waiting" else None)
        scene.pass_time()
    assert [wait and round(wait, -3) for wait in waits] == [1000, 3000, 9000, None]
    assert (delivery.state, delivery.status, delivery.num_attempts) == ("failed", 404, 4)
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert scene.send() == 0
    assert all("elsewhere" not in headers.get("path", "") for headers, _ in receiver.received)
    assert len(receiver.received) == 4


def test_a_receiver_that_is_down_costs_nothing_but_time(scene: Scene) -> None:
    with listening() as receiver:
        url = receiver.url
    hook = scene.hook(url)
    scene.happens("question.save")
    assert scene.send() == 1
    (delivery,) = scene.deliveries(hook)
    assert (delivery.state, delivery.status) == ("waiting", None)
    assert "no answer" in (delivery.error or "")


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(scene: Scene, receiver: Receiver) -> None:
    hook = scene.hook(receiver.url)
    scene.happens("question.save")
    receiver.statuses = [410]
    scene.send()
    with scene.database.reading() as connection:
        assert not webhooks.get(connection, scene.project.id, hook.id).is_active
    scene.happens("question.save")
    scene.pass_time()
    assert scene.send() == 0


def test_a_paused_webhook_hears_nothing_of_the_time_between(scene: Scene, receiver: Receiver) -> None:
    hook = scene.hook(receiver.url)
    change = {"private_hosts": ["127.0.0.1"], "now": utc_now()}
    with scene.database.writing() as connection:
        webhooks.change(connection, scene.actor, scene.project, hook.id, is_active=False, **change)
    scene.happens("question.save")
    assert scene.send() == 0
    with scene.database.writing() as connection:
        webhooks.change(connection, scene.actor, scene.project, hook.id, is_active=True, **change)
    scene.happens("question.submit")
    scene.send()
    assert [json.loads(body)["type"] for _, body in receiver.received] == ["question.submit"]


def test_two_processes_do_not_send_the_same_message_at_once(scene: Scene, receiver: Receiver) -> None:
    scene.hook(receiver.url)
    scene.happens(*["question.save"] * 5)
    with scene.database.writing() as connection:
        webhook_queue.enqueue(connection, now=utc_now())
        first = webhook_queue.take(connection, now=utc_now())
        assert webhook_queue.take(connection, now=utc_now()) == []
        later = utc_now() + webhook_queue.LEASE + timedelta(seconds=1)
        again = webhook_queue.take(connection, now=later)
    assert [message.id for message in first] == [message.id for message in again]
    assert len(first) == 5


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://224.0.0.1/",
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://user:secret@example.org/",
        "https://example.org/#x",
        "https://exa mple.org/",
        "https://example.org\r\nhost: x/",
        "https://",
        "https://example.org:99999/",
        "javascript:alert(1)",
    ],
)
def test_an_address_inside_is_refused_before_anything_is_kept(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url, [])
    with pytest.raises(ForbiddenError):
        find_target(url, [])


@pytest.mark.parametrize("name", ["localhost", socket.gethostname()])
def test_a_name_of_this_machine_is_refused_when_it_is_looked_up(name: str) -> None:
    check_url(f"https://{name}/", [])
    with pytest.raises(ForbiddenError, match="this machine"):
        find_target(f"https://{name}/", [])


def test_all_addresses_of_a_name_must_be_outside_and_the_one_looked_at_is_the_one_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [["93.184.215.14"], ["93.184.215.14", "10.0.0.1"], ["::ffff:10.0.0.1"]]

    def resolve(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(webhook_address.socket, "getaddrinfo", resolve)
    target = find_target("https://hooks.example:8443/a?b=c", [])
    assert target.url == "https://93.184.215.14:8443/a?b=c"
    assert (target.host, target.host_header) == ("hooks.example", "hooks.example:8443")
    for _ in range(2):
        with pytest.raises(ForbiddenError):
            find_target("https://hooks.example/", [])


def test_a_public_address_of_this_machine_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    address = ipaddress.ip_address("93.184.215.14")
    assert refusal(address) == ""
    monkeypatch.setattr(webhook_address, "_is_own", lambda found: found == address)
    assert refusal(address) == "is this machine"


def test_a_webhook_whose_host_is_not_allowed_any_more_fails_at_once(scene: Scene, receiver: Receiver) -> None:
    hook = scene.hook(receiver.url)
    scene.happens("question.save")
    scene.send(private_hosts=[])
    (delivery,) = scene.deliveries(hook)
    assert delivery.state == "failed"
    assert receiver.received == []


def test_the_key_is_a_file_that_only_its_owner_reads_and_the_database_has_no_secret(
    scene: Scene, receiver: Receiver, tmp_path: Path
) -> None:
    key = load_key(tmp_path / "data")
    path = tmp_path / "data" / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path / "data") == key
    assert list((tmp_path / "data").iterdir()) == [path]
    path.chmod(0o644)
    load_key(tmp_path / "data")
    assert path.stat().st_mode & 0o777 == 0o600
    hook = scene.hook(receiver.url)
    secret = webhooks.secret_of(KEY, hook.id)
    scene.database.truncate_log()
    assert secret.encode() not in Path(str(scene.database.engine.url.database)).read_bytes()


def test_the_running_program_sends_tests_and_news(sign_in, house, receiver: Receiver) -> None:
    admin = sign_in("admin")
    address = f"/api/projects/{house.project.slug}/webhooks"
    made = admin.send("POST", address, {"url": receiver.url, "actions": ["member"]})
    assert made.status_code == 201, made.text
    hook, secret = made.json()["id"], made.json()["secret"]
    assert admin.send("POST", f"{address}/{hook}/test").status_code == 202
    assert receiver.arrived.wait(60)
    headers, body = receiver.received[0]
    assert Verifier(secret).verify(body, headers)["type"] == "webhook.test"
    receiver.arrived.clear()
    member = f"/api/projects/{house.project.slug}/members/{house.actors['stranger'].username}"
    assert admin.send("PUT", member, {"role": "viewer"}).status_code == 200
    assert admin.send("DELETE", member).status_code == 200
    assert receiver.arrived.wait(60)
    assert admin.client.get(f"{address}/{hook}").json()["secret"] == secret
    assert secret not in admin.client.get(address).text
    assert sign_in("reviewer").client.get(f"{address}/{hook}").status_code == 403
    assert admin.send("DELETE", f"{address}/{hook}").status_code == 204
    assert admin.client.get(address).json() == {"webhooks": []}


def test_the_running_program_refuses_an_address_inside(sign_in, house) -> None:
    admin = sign_in("admin")
    refused = admin.send(
        "POST", f"/api/projects/{house.project.slug}/webhooks", {"url": "https://169.254.169.254/latest"}
    )
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "url")
