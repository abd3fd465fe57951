"""How a model asks map tools: by function calling where its server can, else in text (ReAct); found out before a run.

What a run or an endpoint says is done. Otherwise the server's list of models is believed where it tells, and else the
server is asked for one call. A server that refuses `tools`, or answers in words although a call is required, gets the
text protocol.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotator.evaluate.config import Protocol, RunConfig
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.replies import Reply, ReplyError
from annotator.evaluate.wire import Message, ModelClient

PROBE_TIMEOUT_S = 30.0
"""That one request of a probe may take; a server that takes longer is asked as if it could, and the run says more."""
MIN_PROBE_TOKENS = 256
"""Of a reply to a probe: thoughts come before calls."""

_READY = {
    "type": "function",
    "function": {
        "name": "ready",
        "description": "Says that you can call functions.",
        "parameters": {"type": "object", "properties": {}},
    },
}
_ASK: Message = {"role": "user", "content": "Call the function `ready` now, without arguments."}
_ABOUT_TOOLS = re.compile(r"\btool|\bfunction[ _]?call|\bfunctions?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The protocol of a run.

    Args:
        why: one sentence without a full stop, for people.
    """

    protocol: Protocol
    why: str

    def note(self) -> dict[str, str]:
        """As it is recorded with a run."""
        return {"protocol": self.protocol, "why": self.why}


async def choose_protocol(
    endpoint: Endpoint, listed: Mapping[str, Any], config: RunConfig, env: Mapping[str, str] | None = None
) -> Chosen:
    """The protocol of a run in tools mode.

    Args:
        listed: the model as the server lists it.

    Raises:
        InputError: the endpoint's key is not set.
    """
    if config.protocol is not None:
        return Chosen(config.protocol, "the run asks for it")
    if endpoint.protocol == "react":
        return Chosen("react", "the endpoint is set up so")
    told = says_of_tools(listed)
    if told is not None:
        return Chosen("tools" if told else "react", f"the server lists the model {'with' if told else 'without'} tools")
    probe = config.model_copy(
        update={
            "max_tokens": max(config.max_tokens, MIN_PROBE_TOKENS),
            "timeout_s": min(config.timeout_s, PROBE_TIMEOUT_S),
            "max_retries": min(config.max_retries, 1),
        }
    )
    client = ModelClient(endpoint, probe, env)
    try:
        return await _probed(client, str(listed["id"]))
    finally:
        await client.close()


def says_of_tools(listed: Mapping[str, Any]) -> bool | None:
    """Whether a model can call functions, by what its server lists of it; None where that does not tell."""
    abilities, parameters = listed.get("capabilities"), listed.get("supported_parameters")
    if isinstance(abilities, Mapping) and isinstance(abilities.get("function_calling"), bool):
        return bool(abilities["function_calling"])
    if isinstance(parameters, list) and parameters:
        return "tools" in parameters
    # Lists of abilities often name only some, so that what is missing there may be had all the same.
    return True if isinstance(abilities, list) and "tools" in abilities else None


async def _probed(client: ModelClient, model: str) -> Chosen:
    try:
        reply = await client.ask(model, [_ASK], tools=[_READY])
    except ReplyError as failure:
        return await _refused(client, model, failure)
    if reply.tool_calls:
        return Chosen("tools", "the server called a function when it was asked to")
    try:
        # The model may just not have wanted to; a server that can makes it.
        reply = await client.ask(model, [_ASK], tools=[_READY], tool_choice="required")
    except ReplyError as failure:
        if failure.is_down:
            return _unknown(failure)
        return Chosen("react", f"the server answers in words and cannot be made to call: {_said(failure)}")
    if reply.tool_calls:
        return Chosen("tools", "the server called a function when it was made to")
    if _said_nothing(reply):
        return Chosen("tools", "not found out: the reply to a request for a call ended before it said anything")
    return Chosen("react", "the server ignores tools: it answers in words where a call is required")


async def _refused(client: ModelClient, model: str, failure: ReplyError) -> Chosen:
    if _ABOUT_TOOLS.search(failure.message.replace(model, "")):
        return Chosen("react", f"the server refuses tools: {_said(failure)}")
    if failure.status is None:
        return _unknown(failure)
    try:
        await client.ask(model, [_ASK])
    except ReplyError as other:
        return _unknown(other)
    return Chosen("react", f"the server refuses requests with tools and takes others: {_said(failure)}")


def _said(failure: ReplyError) -> str:
    """What the server said, without our own words before it."""
    return failure.message.removeprefix("the server refused the request: ").removeprefix("the server failed: ")


def _unknown(failure: ReplyError) -> Chosen:
    return Chosen("tools", f"not found out: {failure.message}")


def _said_nothing(reply: Reply) -> bool:
    return reply.finish == "length" and not reply.content.strip()
