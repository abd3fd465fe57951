"""Runs: questions asked a few at once, each written down once and whole, until all are, somebody cancels, or nobody
answers any more.

A question that is killed on its way leaves nothing behind and is asked again when the run goes on. Failures of the
server are held back until an answer shows that it is alive: they are written then, as errors, and are not where the run
ends because the server is down.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotator.datasets.manifest import Manifest, read_manifest
from annotator.datasets.runner import Progress
from annotator.datasets.snapshots import Snapshot, by_id, manifest_bytes
from annotator.errors import MapqatorError, UpstreamError
from annotator.evaluate import records, store
from annotator.evaluate.conversation import Outcome, Talk, ask_once, ask_with_tools
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.evidence import citing_of, evidence_found
from annotator.evaluate.judge import judge
from annotator.evaluate.model import VERDICTS, facts_of
from annotator.evaluate.prompts import Template, prompt_of, template_for
from annotator.evaluate.react import ask_in_text
from annotator.evaluate.records import Asked
from annotator.evaluate.selection import Chosen, load_item, select_items
from annotator.evaluate.store import Run
from annotator.evaluate.tools_mode import SnapshotTools
from annotator.evaluate.wire import ModelClient
from annotator.maps.service import MapService
from annotator.store.times import utc_now

TICK_S = 0.5
"""How often a run says how far it is, and looks whether it was cancelled."""


class DownError(UpstreamError):
    """The server stopped answering, and the run with it; it can be resumed."""

    code = "endpoint_down"


@dataclass
class Runner:
    """One run, once begun or resumed.

    Args:
        service: holds the dataset's recordings.
        run: as its row says.
        endpoint: to ask.
        progress: of its job.
        live: asks map providers for what is not recorded; None where nobody may.
        env: where the endpoint's key is looked up.
    """

    service: MapService
    run: Run
    endpoint: Endpoint
    progress: Progress
    live: MapService | None = None
    env: Mapping[str, str] | None = None
    _queue: deque[tuple[Chosen, int]] = field(default_factory=deque)
    _verdicts: Counter[str] = field(default_factory=Counter)
    _held: list[Asked] = field(default_factory=list)
    _num_failures: int = 0
    _num_answers: int = 0
    _num_tokens: int = 0
    _elapsed_s: float = 0.0

    async def work(self) -> Mapping[str, Any]:
        """Asks what is missing; gives the job's result.

        Raises:
            CancelledError, StoppedError: at a step of the job.
            DownError: the server is down, or refuses whatever it is asked.
        """
        started_s = time.perf_counter()
        snapshot, manifest = await asyncio.to_thread(self._prepare)
        template = template_for(self.run.mode, self.run.config.protocol or self.endpoint.protocol)
        config = self.run.config
        tools = None
        if config.mode == "tools":
            tools = SnapshotTools(self.service, snapshot, manifest, config.max_rows, self.live)
        client = ModelClient(self.endpoint, config, self.env)
        lock = asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as group:
                ticker = group.create_task(self._tick())
                workers = [
                    group.create_task(self._worker(client, template, tools, lock))
                    for _ in range(min(config.concurrency, len(self._queue)))
                ]
                await asyncio.gather(*workers)
                ticker.cancel()
            if self._held and not self._num_answers:
                raise self._down(self._held[-1].outcome)
            for asked in self._held:
                await self._write(asked, lock)
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from None
        finally:
            await client.close()
            self._elapsed_s = time.perf_counter() - started_s
            await asyncio.to_thread(self._note_work)
        return self.result()

    def result(self) -> dict[str, Any]:
        """What the run has come to so far, of which `message` is for people."""
        done = sum(self._verdicts.values())
        counts = {verdict: self._verdicts[verdict] for verdict in VERDICTS if self._verdicts[verdict]}
        return {"run": self.run.id, "num_done": done, "verdicts": counts, "message": self._message()}

    def _prepare(self) -> tuple[Snapshot, Manifest]:
        with self.service.store.database.reading() as connection:
            snapshot = by_id(connection, self.run.snapshot_id)
            manifest = read_manifest(manifest_bytes(connection, snapshot))
            chosen = select_items(connection, snapshot, self.run.config).chosen
            done = records.done_keys(connection, self.run.id)
            self._verdicts.update(records.verdicts(connection, self.run.id))
        self._queue.extend(
            (one, epoch)
            for epoch in range(self.run.config.epochs)
            for one in chosen
            if (one.question_id, epoch) not in done
        )
        return snapshot, manifest

    async def _worker(
        self, client: ModelClient, template: Template, tools: SnapshotTools | None, lock: asyncio.Lock
    ) -> None:
        while self._queue:
            chosen, epoch = self._queue.popleft()
            asked = await self._ask(client, template, tools, chosen, epoch)
            if asked.outcome.is_fatal:
                raise self._down(asked.outcome)
            if asked.outcome.is_down and asked.judgement.verdict == "error":
                self._held.append(asked)
                self._num_failures += 1
                if self._num_failures >= self.run.config.max_failures:
                    raise self._down(asked.outcome)
                continue
            self._num_failures = 0
            self._num_answers += 1
            held, self._held = self._held, []
            for one in (*held, asked):
                await self._write(one, lock)

    async def _ask(
        self, client: ModelClient, template: Template, tools: SnapshotTools | None, chosen: Chosen, epoch: int
    ) -> Asked:
        item = await asyncio.to_thread(self._load, chosen.item_sha)
        config = self.run.config
        offered = () if tools is None else tools.offered()
        prompt = prompt_of(item, config, template, epoch=epoch, tools=offered, area="" if tools is None else tools.area)
        talk = Talk(client, self.run.model, config, prompt, epoch)
        if tools is None:
            outcome = await ask_once(talk)
        elif template.name == "react":
            outcome = await ask_in_text(talk, tools)
        else:
            outcome = await ask_with_tools(talk, tools)
        judgement = judge(item, outcome.given, stopped=outcome.stopped, why=outcome.why)
        if tools is not None and judgement.given is not None:
            citing = citing_of(item, outcome.calls, outcome.cited)
            judgement = judgement.model_copy(update={"citing": citing})
        return Asked(
            question_id=item.id,
            epoch=epoch,
            ordinal=chosen.ordinal,
            facts=facts_of(item),
            prompt=prompt,
            outcome=outcome,
            judgement=judgement,
            evidence=(0, 0) if tools is None else evidence_found(item, outcome.calls),
        )

    def _load(self, sha: str) -> Any:
        with self.service.store.database.reading() as connection:
            return load_item(connection, sha)

    async def _write(self, asked: Asked, lock: asyncio.Lock) -> None:
        packing = records.pack(self.run.id, asked, utc_now())
        self._num_tokens += asked.outcome.completion_tokens or 0
        async with lock:
            # Cancelling this task must not part what is counted from what is written.
            await asyncio.shield(asyncio.to_thread(self._commit, packing, asked.judgement.verdict))

    def _commit(self, packing: records.Packing, verdict: str) -> None:
        counted = self._verdicts + Counter([verdict])
        with self.service.store.database.writing() as connection:
            if not records.write(connection, packing):
                return
            self.progress.within(connection, sum(counted.values()), self.run.num_items, self._message(counted))
        self._verdicts = counted
        self.progress.result = self.result()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            done = sum(self._verdicts.values())
            await asyncio.to_thread(self.progress, done, self.run.num_items, self._message())

    def _message(self, verdicts: Counter[str] | None = None) -> str:
        verdicts = self._verdicts if verdicts is None else verdicts
        done = sum(verdicts.values())
        counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])
        return f"{done} of {self.run.num_items} questions" + (f": {counts}" if counts else "")

    def _down(self, outcome: Outcome) -> DownError:
        return DownError(f"the endpoint '{self.endpoint.name}' does not serve this run: {outcome.why}; resume it later")

    def _note_work(self) -> None:
        """Adds the time of this stretch of work, so that tokens per second can be told of the whole run."""
        with self.service.store.database.writing() as connection:
            run = store.get_run(connection, self.run.project_id, self.run.id)
            if run.job_id != self.run.job_id:
                return
            work_s = float(run.server.get("work_s", 0.0)) + self._elapsed_s
            tokens = int(run.server.get("work_tokens", 0)) + self._num_tokens
            server = run.server | {"work_s": round(work_s, 3), "work_tokens": tokens}
            is_done = sum(self._verdicts.values()) >= self.run.num_items
            store.change_run(
                connection, self.run.id, server=server, finished_at=utc_now() if is_done else run.finished_at
            )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the others; one that is meant for people before any other."""
    leaves = list(_leaves(group))
    return next((one for one in leaves if isinstance(one, MapqatorError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
