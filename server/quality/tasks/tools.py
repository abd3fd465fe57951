"""Tool mode: the model gets no context but the map tools, and its calls are answered from the file."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from server.quality.items import Dialogue, Item, Judgement, Message, Prompt
from server.quality.questions import Question
from server.quality.scoring import score

NOT_RECORDED = json.dumps({"error": "There is no result for these arguments."})
NO_SUCH_TOOL = json.dumps({"error": "There is no tool of this name."})
NOT_JSON = json.dumps({"error": "The arguments are not a JSON object."})


def tool_items(questions: Sequence[Question], max_turns: int, max_tokens: int) -> list[Item]:
    """One item for each question.

    Args:
        questions: which `has_tools`.
        max_turns: replies of the model, the final one included.
        max_tokens: of each reply.
    """
    return [
        Item(
            question.id,
            "tools",
            question.context_id,
            question.facts | {"num_calls": len(question.fields["calls"])},
            partial(_dialogue, question, max_turns, max_tokens),
        )
        for question in questions
    ]


def has_tools(question: Question) -> bool:
    """Whether it was recorded with tools, and with the calls that answer it."""
    return bool(question.tools and question.fields.get("calls"))


def _dialogue(question: Question, max_turns: int, max_tokens: int) -> Dialogue:
    """Solved is what ends with the right answer, whatever way led there."""
    tools = tuple({"type": "function", "function": tool} for tool in question.tools)
    schemas = {tool["name"]: tool.get("parameters") or {} for tool in question.tools}
    messages: list[Message] = [{"role": "user", "content": question.ask}]
    written: list[str] = []
    num_turns = num_calls = num_recorded = 0
    while num_turns < max_turns:
        num_turns += 1
        reply = yield Prompt(tuple(messages), max_tokens, tools)
        written += [reply.text] if reply.text else []
        written += [f"{call['function']['name']} {call['function']['arguments']}" for call in reply.calls]
        if not reply.calls:
            verdict = score(question.answer, reply.text)
            break
        messages.append({"role": "assistant", "content": reply.text or None, "tool_calls": list(reply.calls)})
        for call in reply.calls:
            content = recorded_content(call["function"], question.fields["calls"], schemas)
            num_calls += 1
            num_recorded += content not in (NOT_RECORDED, NO_SUCH_TOOL, NOT_JSON)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    else:
        # It never came to an answer.
        verdict = "invalid"
    facts = {"num_turns": num_turns, "num_calls_made": num_calls, "num_calls_recorded": num_recorded}
    return Judgement(verdict, float(verdict == "right"), "\n".join(written), facts)


def recorded_content(
    function: Mapping[str, Any], recorded: Sequence[Mapping[str, Any]], schemas: Mapping[str, Mapping[str, Any]]
) -> str:
    """What a tool answers: the recorded content of the call with equal canonical arguments, else an error as JSON.

    Args:
        function: `name` and `arguments` (JSON text) of a call.
        recorded: calls with `name`, `arguments` (an object) and `content`.
        schemas: tool name -> JSON schema of its arguments.
    """
    name = function["name"]
    if name not in schemas:
        return NO_SUCH_TOOL
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return NOT_JSON
    wanted = canonical(arguments, schemas[name])
    for call in recorded:
        if call["name"] == name and canonical(call["arguments"], schemas[name]) == wanted:
            return str(call["content"])
    return NOT_RECORDED


def canonical(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without what is null or the schema's default. Order and the kind of number do not matter."""
    properties = schema.get("properties") or {}
    defaults = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
    return {
        name: value
        for name, value in arguments.items()
        if value is not None and not (name in defaults and value == defaults[name])
    }
