"""Prompts: what a template says never changes under its version, and letters lead back to the options they were for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.datasets.native import ItemContext, ItemEvidence, ItemOption, NativeItem
from annotator.errors import InputError
from annotator.evaluate.config import RunConfig
from annotator.evaluate.model import MODES
from annotator.evaluate.prompts import prompt_of, template_for
from annotator.evaluate.read import read_reply

PINNED = {
    "closed_book 1": "7f4a50be156cee4b",
    "text_context 1": "bcabebd431310f64",
    "json_context 1": "a04286d1ff8c844d",
    "oracle_evidence 1": "49ec07d8acd42391",
    "tools 1": "f17971896d3e18fb",
    "react 2": "c081ef2ab7c8e025",
}
"""Of the version that a template names. Whoever changes its words gives it the next version, and a row here."""

CONTEXT = ItemContext(
    id="c",
    number=1,
    n=1,
    title="Coffee",
    content_sha="0" * 64,
    text="The Lion stands at the quay.\n",
    json_content={"items": []},
    text_sha=None,
    json_sha=None,
    markdown_sha=None,
    template="1",
)


def item(**changed: Any) -> NativeItem:
    """A question with options A to C, of which B is right."""
    values = {
        "id": "q",
        "number": 1,
        "rev": 1,
        "content_sha": "ab" * 32,
        "project": "p",
        "status": "approved",
        "category": "poi",
        "question": "Which one?",
        "type": "single_choice",
        "options": tuple(ItemOption(key=key, text=f"The {key} café") for key in "ABC"),
        "gold": ["B"],
        "context": CONTEXT,
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    return NativeItem.model_validate(values | changed)


def test_the_words_of_a_template_are_those_of_its_version() -> None:
    templates = [*(template_for(mode) for mode in MODES), template_for("tools", "react")]
    assert {one.title: one.sha[:16] for one in templates} == PINNED


@given(seed=st.integers(0, 2**31 - 3), epoch=st.integers(0, 2), right=st.sampled_from("ABC"))
def test_a_letter_leads_back_to_the_option_that_it_was_shown_for(seed: int, epoch: int, right: str) -> None:
    prompt = prompt_of(item(), RunConfig(shuffle_seed=seed), template_for("text_context"), epoch=epoch)
    lines = prompt.messages[-1]["content"].splitlines()
    letter = next(line[0] for line in lines if line.endswith(f". The {right} café"))
    found = read_reply(prompt.shown, f"It is so.\nAnswer: {letter}")
    assert found is not None
    assert found.option_keys == (right,)


def test_questions_with_and_without_an_answer_look_alike() -> None:
    for options in (item().options, ()):
        kind = "single_choice" if options else "open_ended"
        shown = [
            prompt_of(
                item(type=type, options=options, gold=["B"] if options and type != "unanswerable" else None),
                RunConfig(),
                template_for("text_context"),
            ).body
            for type in (kind, "unanswerable")
        ]
        assert shown[0] == shown[1]


@pytest.mark.parametrize("mode", ["text_context", "json_context", "oracle_evidence"])
def test_what_terms_keep_is_not_asked_about_as_if_it_were_there(mode: str) -> None:
    kept = CONTEXT.model_copy(update={"text": None, "json_content": None})
    evidence = ItemEvidence(
        key="e",
        role="supports",
        tool="text_search",
        provider="p",
        params={},
        tool_call_id="t",
        result_sha="",
        pointer="",
    )
    asked = item(context=kept, evidence=(evidence,), export="ids_only")
    with pytest.raises(InputError, match="terms keep"):
        prompt_of(asked, RunConfig(mode=mode), template_for(mode))
    assert prompt_of(asked, RunConfig(mode="closed_book"), template_for("closed_book")).messages
