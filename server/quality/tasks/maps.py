"""Map questions over a context, in its text or JSON form, or with the book closed."""

from collections.abc import Sequence
from functools import partial

from server.errors import ConfigError
from server.quality.items import Dialogue, Item, Judgement, Prompt
from server.quality.questions import Question
from server.quality.scoring import score
from server.quality.summary import CLOSED

CUE = "Answer:"


def map_items(questions: Sequence[Question], forms: Sequence[str], max_tokens: int) -> list[Item]:
    """One item for each question and form in which it can be asked; see `check_forms`."""
    items = []
    for form in forms:
        for question in questions:
            if form not in (*question.forms, CLOSED):
                continue
            prompt = Prompt(({"role": "user", "content": _content(question, form)},), max_tokens, cue=CUE)
            items.append(
                Item(
                    f"{question.id}/{form}",
                    "map",
                    question.context_id,
                    {"form": form, **question.facts},
                    partial(_dialogue, prompt, question),
                )
            )
    return items


def check_forms(questions: Sequence[Question], forms: Sequence[str]) -> None:
    """Raises `ConfigError` if a form is named twice or a context lacks one."""
    if not forms or len(set(forms)) < len(forms):
        raise ConfigError("--forms needs one form or more, each named once: text, json, closed")
    for question in questions:
        for form in forms:
            if form != CLOSED and form not in question.contexts:
                has = ", ".join([*question.contexts, CLOSED])
                raise ConfigError(f"the context {question.context_id} has no form {form!r}: choose --forms among {has}")


def _content(question: Question, form: str) -> str:
    if form == CLOSED:
        return question.ask
    return question.contexts[form].rstrip("\n") + "\n\n" + question.ask


def _dialogue(prompt: Prompt, question: Question) -> Dialogue:
    reply = yield prompt
    verdict = score(question.answer, _whole(reply.text) if reply.is_plain else reply.text)
    return Judgement(verdict, float(verdict == "right"), reply.text)


def _whole(text: str) -> str:
    """A plain continuation up to its first line: after that such a model often goes on with questions of its own."""
    return text.lstrip().split("\n", 1)[0]
