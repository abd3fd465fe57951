"""Sends what the queue of webhooks holds, signed, as long as the program runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook as Signer

from annotator import __version__
from annotator.errors import ForbiddenError, StorageError, UpstreamError
from annotator.people.webhook_address import Target, find_target
from annotator.people.webhook_queue import BACKOFF_S, Message, Outcome, enqueue, finish, has_due, has_news, take
from annotator.people.webhooks import secret_of
from annotator.store.sessions import Database
from annotator.store.times import utc_now

logger = logging.getLogger("mapqator.webhooks")

POLL_S = 1.0
"""How often the log is looked at; nobody who writes to it has to know of webhooks."""
TIMEOUT_S = 10.0


class WebhookWorker:
    """Feeds webhooks from the audit log.

    Args:
        key: gives the installation's, once something is to be signed.
        private_hosts: hosts that may be reached although they are this machine or in a private network.
        backoff_s: waits between attempts, in seconds.
    """

    def __init__(
        self,
        database: Database,
        key: Callable[[], bytes],
        *,
        private_hosts: Sequence[str] = (),
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        self._database = database
        self._key = key
        self._private_hosts = tuple(private_hosts)
        self._backoff_s = backoff_s

    async def run(self) -> None:
        """Works until it is cancelled. A database that fails for a while loses nothing: the log is still there."""
        async with self._client() as client:
            while True:
                try:
                    while await self.step(client):
                        pass
                except StorageError as error:
                    logger.warning("webhooks wait: %s", error)
                await asyncio.sleep(POLL_S)

    async def once(self) -> int:
        """Sends everything that is due, once, and says how many messages that were."""
        num_sent = 0
        async with self._client() as client:
            while number := await self.step(client):
                num_sent += number
        return num_sent

    async def step(self, client: httpx.AsyncClient) -> int:
        """Sends a few messages that are due, and says how many; 0 when none is."""
        messages = await asyncio.to_thread(self._take)
        outcomes = await asyncio.gather(*(self._send(client, message) for message in messages))
        if messages:
            await asyncio.to_thread(self._finish, messages, outcomes)
        return len(messages)

    def _take(self) -> list[Message]:
        # Mostly there is nothing to do, and looking takes no writer's turn.
        with self._database.reading() as connection:
            is_news, is_due = has_news(connection), has_due(connection, now=utc_now())
        if not is_news and not is_due:
            return []
        with self._database.writing() as connection:
            if is_news:
                enqueue(connection, now=utc_now())
            return take(connection, now=utc_now())

    def _finish(self, messages: Sequence[Message], outcomes: Sequence[Outcome]) -> None:
        with self._database.writing() as connection:
            for message, outcome in zip(messages, outcomes, strict=True):
                finish(connection, message, outcome, backoff_s=self._backoff_s, now=utc_now())

    async def _send(self, client: httpx.AsyncClient, message: Message) -> Outcome:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                target = await asyncio.to_thread(find_target, message.url, self._private_hosts)
                return await self._post(client, message, target)
        except ForbiddenError as error:
            return Outcome(False, error=error.message, is_final=True)
        except UpstreamError as error:
            return Outcome(False, error=error.message)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(False, error=f"no answer within {TIMEOUT_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Outcome(False, error=f"no answer: {error}"[:300])

    async def _post(self, client: httpx.AsyncClient, message: Message, target: Target) -> Outcome:
        now = datetime.now(UTC)
        signer = Signer(secret_of(self._key(), message.webhook_id))
        headers = {
            "host": target.host_header,
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(message.id, now, message.body),
        }
        request = client.build_request(
            "POST",
            target.url,
            content=message.body.encode(),
            headers=headers,
            extensions={"sni_hostname": target.host},
        )
        # The answer's body is of no interest, and could be endless.
        answer = await client.send(request, stream=True)
        await answer.aclose()
        if answer.is_success:
            return Outcome(True, answer.status_code)
        if answer.has_redirect_location:
            return Outcome(False, answer.status_code, "it sends elsewhere, and redirects are not followed")
        return Outcome(False, answer.status_code, f"it answered {answer.status_code}", answer.status_code == 410)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            headers={"user-agent": f"MapQaTor/{__version__}"},
            timeout=TIMEOUT_S,
            follow_redirects=False,
            # A proxy from the environment would look names up itself, after they were checked here.
            trust_env=False,
        )
