"""Tool calls in text, for servers that cannot call functions: thought, action, observation.

Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models" (2023).
"""

import json
import re
from dataclasses import replace

from annotator.evaluate.conversation import Outcome, Talk
from annotator.evaluate.replies import ReplyError, Wanted
from annotator.evaluate.tools_mode import SUBMIT, SnapshotTools

STOP = "Observation:"

_ACTION = re.compile(r"^[ \t]*\**Action\**[ \t]*:\**[ \t]*`?([A-Za-z_][\w.-]{0,63})`?[ \t]*$", re.MULTILINE)
_INPUT = re.compile(r"^[ \t]*\**Action[ _]Input\**[ \t]*:\**[ \t]*", re.MULTILINE)


async def ask_in_text(talk: Talk, tools: SnapshotTools) -> Outcome:
    """The protocol, until an answer is written or a limit is reached."""
    try:
        for number in range(talk.config.max_turns):
            reply = await talk.turn(stop=[STOP])
            # A server that does not stop there lets the model make the tools' answers up.
            said = reply.content.partition(STOP)[0].rstrip()
            wanted = action_in(said, f"call_{number}")
            if wanted is None:
                return talk.read(replace(reply, content=said))
            if wanted.name == SUBMIT:
                return talk.submit(wanted.arguments)
            if why := talk.refusal(wanted):
                return talk.limit(why)
            observed = f"{STOP} {await talk.call(tools, wanted)}"
            talk.messages += [{"role": "assistant", "content": said}, {"role": "user", "content": observed}]
    except ReplyError as failure:
        return talk.fail(failure)
    return talk.limit(f"no answer after {talk.config.max_turns} turns")


def action_in(said: str, call_id: str) -> Wanted | None:
    """The first action of a message; None where there is none.

    The input is the first JSON object behind `Action Input:`, or else that line as it is, for the tool to refuse.
    """
    action = _ACTION.search(said)
    if action is None:
        return None
    given = _INPUT.search(said, action.end())
    rest = "" if given is None else said[given.end() :]
    start = rest.find("{")
    try:
        value, _ = json.JSONDecoder().raw_decode(rest, start) if start >= 0 else ("", 0)
    except (ValueError, RecursionError):
        value = ""
    arguments = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else rest.strip().partition("\n")[0]
    return Wanted(call_id, action[1], arguments)
