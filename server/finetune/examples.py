"""What a model learns from: conversations, prompts with completions, and files of map questions.

Everything is read and checked at once, so that a bad line is found before a model is loaded. Tokens are made when they
are needed: a run looks at far fewer examples than a set has.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.api.templates import ChatTemplate
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError, RequestError
from server.finetune.rows import Row
from server.quality.lines import SCHEMA, read_lines
from server.quality.questions import read_questions

FORMS = ("text", "json")
"""Of a map question's context."""


@dataclass(frozen=True, slots=True)
class Example:
    """One response with what comes before it.

    Args:
        place: where it stands, for messages.
        group: examples of one group are either all held out or none: those that share a context.
        messages: a conversation that ends with the response; empty for a prompt with its completion.
        tools: what the conversation may call, in the API's shape.
        context: what the first message begins with, kept apart because many examples share it.
        prompt, completion: plain text, where there are no messages.
    """

    place: str
    group: str
    messages: tuple[dict[str, Any], ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    context: str = ""
    prompt: str = ""
    completion: str = ""


def read_examples(paths: Sequence[Path], split: str, forms: Sequence[str] = FORMS) -> list[Example]:
    """All examples of these files, in order.

    Args:
        split: of files of map questions: "train", "validation", "test" or "all".
        forms: in which forms of its context a map question is asked; each is an example.

    Raises:
        ConfigError: a file cannot be read, or a line is not of a kind that is known.
    """
    examples: list[Example] = []
    for path in paths:
        lines = read_lines(path)
        first = next(lines, None)
        if first is None:
            raise ConfigError(f"{path} is empty: give a file with examples")
        found = _parsed(first, f"{path}, line 1")
        if found.get("schema") == SCHEMA:
            examples += _map_examples(path, split, forms)
        else:
            examples.append(_example(found, f"{path}, line 1"))
            for number, line in enumerate(lines, 2):
                examples.append(_example(_parsed(line, f"{path}, line {number}"), f"{path}, line {number}"))
    return examples


def digest_of(paths: Iterable[Path]) -> str:
    """Tells whether files have changed, whatever they are called."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def hold_out(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """(to learn from, held out): about `share` of the groups, at least one, chosen by their names.

    Raises:
        ConfigError: there is only one group.
    """
    groups = sorted({example.group for example in examples}, key=lambda group: _rank(f"{seed}/{group}"))
    if len(groups) < 2:
        raise ConfigError("all examples share one context, so none can be held out; name others with --held-out")
    held = set(groups[: max(1, round(share * len(groups)))])
    return [e for e in examples if e.group not in held], [e for e in examples if e.group in held]


class Encoder:
    """Turns examples into rows, as serving would turn the same request into a prompt.

    Args:
        tokenizer: of the model.
        template: of the model; None if it has none.
        eos_token_ids: ids that end a response. A response that lacks one gets the first.
        max_tokens: longer rows are none.
    """

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate | None, eos_token_ids: Sequence[int], max_tokens: int
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._eos_token_ids = tuple(eos_token_ids)
        self._max_tokens = max_tokens

    def row(self, example: Example) -> Row | None:
        """The example's tokens; None if they are too many.

        Raises:
            ConfigError: the model has no chat template, or its template cannot write the conversation.
        """
        try:
            if example.messages:
                prompt, response = self._conversation(example)
            else:
                prompt = self._tokenizer.encode(example.prompt, allow_special=False)
                response = self._tokenizer.encode(example.completion, add_special_tokens=False, allow_special=False)
        except RequestError as error:
            raise ConfigError(f"{example.place}: {error.message}") from None
        response = self._ended(response)
        if not prompt:
            raise ConfigError(f"{example.place}: the prompt has no tokens; begin with a few words")
        if len(prompt) + len(response) > self._max_tokens:
            return None
        return Row((*prompt, *response), len(prompt))

    def _conversation(self, example: Example) -> tuple[list[int], list[int]]:
        if self._template is None:
            raise ConfigError(
                f"{example.place} is a conversation, but the model has no chat template; "
                "give lines with prompt and completion"
            )
        tools = list(example.tools) or None
        messages = list(example.messages)
        if example.context:
            first = messages[0]
            messages[0] = first | {"content": example.context.rstrip("\n") + "\n\n" + first["content"]}
        before = self._template.render(messages[:-1], tools)
        whole = self._template.render(messages, tools, add_generation_prompt=False)
        if not whole.startswith(before):
            raise ConfigError(
                f"{example.place}: the model's chat template writes the answered conversation otherwise than the one "
                "to be answered; give lines with prompt and completion"
            )
        prompt, response = self._tokenizer.encode_batch([before, whole[len(before) :]], add_special_tokens=False)
        return prompt, response

    def _ended(self, response: list[int]) -> list[int]:
        """The response up to the last token that ends it: what templates write after that is never generated."""
        ends = [index for index, token in enumerate(response) if token in self._eos_token_ids]
        if ends:
            return response[: ends[-1] + 1]
        return [*response, *self._eos_token_ids[:1]]


def _parsed(line: str, place: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{place} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{place} is not a JSON object")
    return found


def _example(line: dict[str, Any], place: str) -> Example:
    if "messages" in line:
        messages, tools = line["messages"], line.get("tools") or []
        is_good = isinstance(messages, list) and all(
            isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages
        )
        if not is_good or not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            raise ConfigError(f"{place}: messages and tools must be lists of objects, each message with a role")
        if len(messages) < 2 or messages[-1]["role"] != "assistant":
            raise ConfigError(f"{place}: messages must end with the assistant's, which is what is learned")
        return Example(place, place, tuple(messages), tuple(tools))
    prompt, completion = line.get("prompt"), line.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str) and completion:
        return Example(place, place, prompt=prompt, completion=completion)
    raise ConfigError(f"{place} has neither messages nor texts as prompt and completion")


def _map_examples(path: Path, split: str, forms: Sequence[str]) -> list[Example]:
    """One example for each question and form; those that are answered by calling tools are left out."""
    examples = []
    for question in read_questions([path], split):
        reply = question.fields.get("reply")
        if not isinstance(reply, str) or not reply:
            raise ConfigError(f"{path}: the question {question.id} has no reply to learn; make the file anew")
        for form in question.forms:
            if form in forms:
                place, context = f"{path}, {question.id}", question.contexts[form]
                messages = ({"role": "user", "content": question.ask}, {"role": "assistant", "content": reply})
                examples.append(Example(place, question.context_id, messages, context=context))
    return examples


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
