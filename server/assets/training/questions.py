"""From files of map questions to the conversations that the model learns from.

A file holds one context a line with many questions (`mapqator.map_questions/1`). A line becomes a conversation that
shows the context in one of its forms and then asks one question a turn, or one in which the assistant calls tools.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.assets.training.renaming import names_of, replacement
from server.assets.training.shards import Kind
from server.assets.training.template import Message, Piece, assistant, calling, pieces, system, told, user
from server.errors import ConfigError
from server.quality.lines import SCHEMA

SYSTEMS = ("You are a helpful assistant.", "Answer from the context.", "Answer questions about maps.", "Be brief.")

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How conversations are drawn from lines. Shares are probabilities.

    Args:
        json_share: of contexts in JSON, among those that are short enough.
        max_json_estimate: estimated tokens up to which a context may be in JSON.
        rename_share: of conversations in which names, phone numbers and hosts are exchanged.
        verbatim_share: of conversations that keep only questions in the context's own words, where there are any.
        single_share: of conversations with one question only.
        keep_shares: one of them is drawn for each other conversation; it keeps that share of questions.
        system_share: of conversations that begin with a system message.
        tools_share: of lines whose questions for tools are asked; the others keep to the context.
        max_tool_questions: a conversation with tools asks one to this many.
    """

    json_share: float = 0.35
    max_json_estimate: int = 16_000
    rename_share: float = 0.7
    verbatim_share: float = 0.25
    single_share: float = 0.1
    keep_shares: tuple[float, ...] = (1.0, 1.0, 0.75, 0.5)
    system_share: float = 0.04
    tools_share: float = 0.5
    max_tool_questions: int = 6


AS_WRITTEN = Drawing(
    rename_share=0.0, verbatim_share=0.0, single_share=0.0, keep_shares=(1.0,), system_share=0.0, tools_share=1.0
)
"""For validation: every question, nothing exchanged."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the chat template takes it.

    Args:
        messages: of the API's shape.
        tools: each with `name`, `description` and `parameters`; empty where a context is given.
        kind: flags of the row that it becomes.
    """

    messages: list[Message]
    tools: Sequence[Mapping[str, Any]] = field(default=())
    kind: Kind = Kind.NONE

    def pieces(self) -> list[Piece]:
        """Its text, parted where the assistant begins and ends to write."""
        return pieces(self.messages, self.tools)


def parse_line(text: str, where: str) -> Line:
    """One context with its questions.

    Raises:
        ConfigError: it is not of the format; the message begins with `where`.
    """
    try:
        line = json.loads(text)
        schema, questions, contexts = line["schema"], line["questions"], line["contexts"]
        complete = all(isinstance(q["ask"], str) and isinstance(q["reply"], str) for q in questions)
        complete = complete and all("wording" in q and isinstance(q["forms"], list) for q in questions)
        complete = complete and isinstance(line["id"], str) and line["split"] in ("train", "validation", "test")
        complete = complete and all(isinstance(contexts[form], str) for form in ("text", "json"))
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{where}: not a line of the format {SCHEMA}") from None
    if schema != SCHEMA or not complete:
        raise ConfigError(f"{where}: not a line of the format {SCHEMA}")
    return line


def names_in(line: Line) -> list[str]:
    """Names of places that the context shows and that may be exchanged."""
    context = line["contexts"]["json"]
    return names_of(context) if context else []


def conversations(line: Line, pool: Sequence[str], drawing: Drawing, rng: random.Random) -> list[Conversation]:
    """The conversations that one line becomes: at most one over its context, and some with tools.

    Args:
        line: from `parse_line`.
        pool: names that may take the place of the line's own.
        drawing: shares.
        rng: decides; the same state gives the same conversations.
    """
    looked_up = [question for question in line["questions"] if not question.get("calls")]
    called = [question for question in line["questions"] if question.get("calls")]
    found = []
    if looked_up and line["contexts"]["text"]:
        found.append(_over_context(line, looked_up, pool, drawing, rng))
    if called and line.get("tools") and rng.random() < drawing.tools_share:
        called = rng.sample(called, len(called))
        while called:
            num_asked = rng.randint(1, drawing.max_tool_questions)
            found.append(_with_tools(line["tools"], called[:num_asked], pool, drawing, rng))
            called = called[num_asked:]
    return found


def _over_context(
    line: Line, questions: Sequence[Line], pool: Sequence[str], drawing: Drawing, rng: random.Random
) -> Conversation:
    kind = Kind.NONE
    estimate = line.get("num_tokens", {}).get("json", 0)
    if rng.random() < drawing.json_share and estimate <= drawing.max_json_estimate:
        grounded = [question for question in questions if "json" in question["forms"]]
        if grounded:
            questions = grounded
            kind |= Kind.JSON
    verbatim = [question for question in questions if question["wording"] == "verbatim"]
    if verbatim and rng.random() < drawing.verbatim_share:
        questions = verbatim
    asked = _some(questions, drawing, rng)
    if all(question["wording"] == "verbatim" for question in asked):
        kind |= Kind.VERBATIM

    context: str = line["contexts"]["json" if Kind.JSON in kind else "text"].rstrip("\n")
    texts = [context, *(question[part] for question in asked for part in ("ask", "reply"))]
    if rng.random() < drawing.rename_share:
        # Some names stay, so that the names of towns are not unknown to the model.
        names = names_of(line["contexts"]["json"])
        change = replacement(texts, names, pool, rng, share=rng.choice((0.5, 1.0)))
        texts = [change(text) for text in texts]
    messages = []
    for turn, (ask, reply) in enumerate(zip(texts[1::2], texts[2::2], strict=True)):
        messages += [user(ask if turn else f"{texts[0]}\n\n{ask}"), assistant(reply)]
    if rng.random() < drawing.system_share:
        messages.insert(0, system(rng.choice(SYSTEMS)))
    return Conversation(messages, kind=kind)


def _some(questions: Sequence[Line], drawing: Drawing, rng: random.Random) -> list[Line]:
    """At least one of the questions, in random order."""
    num_kept = 1
    if rng.random() >= drawing.single_share:
        num_kept = max(1, round(len(questions) * rng.choice(drawing.keep_shares)))
    return rng.sample(questions, num_kept)


def _with_tools(
    tools: Sequence[Line], asked: Sequence[Line], pool: Sequence[str], drawing: Drawing, rng: random.Random
) -> Conversation:
    needed = {call["name"] for question in asked for call in question["calls"]}
    offered = list(tools)
    if rng.random() < 0.5:
        # Fewer tools in another order, so that the list is read rather than known.
        offered = [tool for tool in rng.sample(offered, len(offered)) if tool["name"] in needed or rng.random() < 0.6]
    contents = [call["content"] for question in asked for call in question["calls"]]
    change: Callable[[str], str] = _as_it_is
    if rng.random() < drawing.rename_share:
        names = [name for content in contents for name in names_of(content)]
        texts = [*contents, *(question[part] for question in asked for part in ("ask", "reply"))]
        change = replacement(texts, names, pool, rng)
    messages: list[Message] = []
    for question in asked:
        messages.append(user(change(question["ask"])))
        for call in question["calls"]:
            arguments = _in_order(call, tools)
            # Only queries hold names; what else is text in arguments has none to change.
            arguments = {key: change(value) if isinstance(value, str) else value for key, value in arguments.items()}
            messages += [calling(call["name"], arguments), told(change(call["content"]))]
        messages.append(assistant(change(question["reply"])))
    return Conversation(messages, offered, Kind.TOOLS)


def _in_order(call: Line, tools: Sequence[Line]) -> dict[str, Any]:
    """A call's arguments in the order of the tool's schema, which a grammar made of the schema demands."""
    properties = next(tool["parameters"]["properties"] for tool in tools if tool["name"] == call["name"])
    return {key: call["arguments"][key] for key in properties if key in call["arguments"]}


def _as_it_is(text: str) -> str:
    return text
