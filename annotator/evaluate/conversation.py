"""One question put to a model, from the first message to an answer, a limit or a failure; all of it is recorded."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from annotator.evaluate.config import RunConfig
from annotator.evaluate.evidence import cited_in_call, cited_in_words, ref_of
from annotator.evaluate.judge import Stop
from annotator.evaluate.model import Given
from annotator.evaluate.plain import plain_bytes
from annotator.evaluate.prompts import Prompt
from annotator.evaluate.read import read_reply, read_submitted
from annotator.evaluate.replies import Reply, ReplyError, Wanted
from annotator.evaluate.tools_mode import SUBMIT, Called, SnapshotTools
from annotator.evaluate.wire import Message, Note


class Asks(Protocol):
    """What a conversation needs of a client."""

    async def ask(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        stop: Sequence[str] = (),
        epoch: int = 0,
        note: Note | None = None,
    ) -> Reply:
        """The reply to messages; see `ModelClient`."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Args:
        kind: `reply` of the model, `call` of a tool, `message` to the model, `retry` of a request, or the `end`.
        at_ms: since the question was put.
        payload: JSON values.
        result_sha: of what a tool gave.
    """

    kind: str
    at_ms: float
    payload: Mapping[str, Any]
    tool_call_id: str | None = None
    result_sha: str | None = None


@dataclass
class Outcome:
    """What came of a question.

    Args:
        given: the answer as it was read; None where nothing could be.
        stopped: that a limit ended it or asking failed, and `why`.
        reply: the last that the model said, or the arguments with which it handed the answer in.
        is_down, is_fatal: that the server, not the question, is at fault; see `ReplyError`.
        calls: of tools, in order.
        cited: refs of the results that the answer names as its evidence.
        kv_bytes: of the largest request, `depth_layers` of the last one; None where the server does not say.
    """

    given: Given | None = None
    stopped: Stop | None = None
    why: str = ""
    reply: str | None = None
    is_down: bool = False
    is_fatal: bool = False
    events: list[Event] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    cited: tuple[str, ...] = ()
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    num_turns: int = 0
    kv_bytes: int | None = None
    depth_layers: float | None = None

    @property
    def tools(self) -> dict[str, int]:
        """Calls by name."""
        return dict(Counter(call.name for call in self.calls))

    @property
    def num_tool_errors(self) -> int:
        """Calls that gave an error other than an offline miss."""
        return sum(bool(call.error) and not call.is_offline_miss for call in self.calls)

    @property
    def num_offline_misses(self) -> int:
        """Calls that no recording answers."""
        return sum(call.is_offline_miss for call in self.calls)


class Talk:
    """A conversation that goes on.

    Args:
        client: asks the model.
        model: its name.
        config: of the run.
        prompt: of the question.
        epoch: which time it is asked.
    """

    def __init__(self, client: Asks, model: str, config: RunConfig, prompt: Prompt, epoch: int) -> None:
        self.outcome = Outcome()
        self.prompt = prompt
        self.config = config
        self.messages: list[Message] = [dict(message) for message in prompt.messages]
        self._client = client
        self._model = model
        self._epoch = epoch
        self._started_s = time.perf_counter()
        self._repeats: Counter[tuple[str, bytes]] = Counter()

    async def turn(self, *, stop: Sequence[str] = ()) -> Reply:
        """The model's next message.

        Raises:
            ReplyError: there is none.
        """
        reply = await self._client.ask(
            self._model,
            self.messages,
            tools=self.prompt.tools,
            stop=stop,
            epoch=self._epoch,
            note=lambda said: self.record("retry", said),
        )
        self._count(reply)
        self.outcome.reply = reply.content
        self.record("reply", reply.event())
        return reply

    def record(
        self, kind: str, payload: Mapping[str, Any], *, tool_call_id: str | None = None, result_sha: str | None = None
    ) -> None:
        """Notes that something happened."""
        self.outcome.events.append(Event(kind, self._now_ms(), dict(payload), tool_call_id, result_sha))

    def read(self, reply: Reply) -> Outcome:
        """The end, with the answer that a message holds."""
        self._read(reply.content)
        if self.outcome.given is None and reply.finish == "length":
            return self.stop("limit", f"the reply was cut off after {self.config.max_tokens} tokens")
        return self._over()

    def submit(self, arguments: str) -> Outcome:
        """The end, with the answer that was handed in."""
        self.outcome.reply = arguments
        self.outcome.given = read_submitted(self.prompt.shown, arguments)
        self.outcome.cited = cited_in_call(arguments)
        return self._over()

    def limit(self, why: str) -> Outcome:
        """The end by a limit; what was said of an answer until then counts."""
        self._read(self.outcome.reply or "")
        return self.stop("limit", why)

    def fail(self, failure: ReplyError) -> Outcome:
        """The end by a request without a whole reply."""
        if failure.partial is not None:
            self._count(failure.partial)
            self.outcome.reply = failure.partial.content
            self.record("reply", failure.partial.event())
        if failure.ends == "limit" and failure.partial is not None:
            self._read(failure.partial.content)
        self.outcome.is_down, self.outcome.is_fatal = failure.is_down, failure.is_fatal
        return self.stop(failure.ends, failure.message)

    def stop(self, stopped: Stop, why: str) -> Outcome:
        """The end without a last word of the model."""
        self.outcome.stopped, self.outcome.why = stopped, why
        self.record("end", {"stopped": stopped, "why": why})
        return self._over()

    def refusal(self, call: Wanted) -> str:
        """Why a call is one too many; empty where it may be made."""
        if len(self.outcome.calls) >= self.config.max_tool_calls:
            return f"no answer after {self.config.max_tool_calls} tool calls"
        key = (call.name, plain_bytes(call.arguments))
        self._repeats[key] += 1
        if self._repeats[key] >= self.config.max_repeats:
            return f"the same call of {call.name[:64]} came {self.config.max_repeats} times"
        return ""

    async def call(self, tools: SnapshotTools, call: Wanted) -> str:
        """Makes a call; gives what the model is told."""
        called = await tools.call(call.name, call.arguments)
        ref = ref_of(len(self.outcome.calls))
        self.outcome.calls.append(called)
        payload = {"id": call.id, **called.event(ref)}
        self.record("call", payload, tool_call_id=called.tool_call_id, result_sha=called.result_sha)
        return told(ref, called.content)

    def _read(self, text: str) -> None:
        self.outcome.given = read_reply(self.prompt.shown, text)
        self.outcome.cited = cited_in_words(text)

    def _count(self, reply: Reply) -> None:
        out = self.outcome
        out.num_turns += 1
        if out.num_turns == 1:
            out.first_token_ms = reply.first_token_ms
        out.kv_bytes = max(out.kv_bytes or 0, reply.kv_bytes) if reply.kv_bytes is not None else out.kv_bytes
        out.depth_layers = reply.depth_layers if reply.depth_layers is not None else out.depth_layers
        out.prompt_tokens = _sum(out.prompt_tokens, reply.prompt_tokens, is_first=out.num_turns == 1)
        out.completion_tokens = _sum(out.completion_tokens, reply.completion_tokens, is_first=out.num_turns == 1)

    def _over(self) -> Outcome:
        self.outcome.latency_ms = self._now_ms()
        return self.outcome

    def _now_ms(self) -> float:
        return (time.perf_counter() - self._started_s) * 1000


async def ask_once(talk: Talk) -> Outcome:
    """One message, one reply."""
    try:
        return talk.read(await talk.turn())
    except ReplyError as failure:
        return talk.fail(failure)


async def ask_with_tools(talk: Talk, tools: SnapshotTools) -> Outcome:
    """Function calling, until an answer is handed in or written, or a limit is reached."""
    try:
        for _ in range(talk.config.max_turns):
            reply = await talk.turn()
            talk.messages.append(reply.message())
            if not reply.tool_calls:
                return talk.read(reply)
            for call in reply.tool_calls:
                if call.name == SUBMIT:
                    return talk.submit(call.arguments)
                if why := talk.refusal(call):
                    return talk.limit(why)
                content = await talk.call(tools, call)
                talk.messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    except ReplyError as failure:
        return talk.fail(failure)
    return talk.limit(f"no answer after {talk.config.max_turns} turns")


def told(ref: str, content: str) -> str:
    """What the model is told of a call: first the `ref` by which it can name the result as evidence."""
    return f'{{"ref":"{ref}",{content[1:]}'


def _sum(total: int | None, more: int | None, *, is_first: bool) -> int | None:
    """Tokens of all turns; None once a turn was not counted."""
    if more is None or (total is None and not is_first):
        return None
    return (total or 0) + more
