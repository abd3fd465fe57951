"""Items, results and runs that tests make up."""

import hashlib
from typing import Any

from annotator.datasets.native import ItemContext, ItemOption, ItemResponses, NativeItem
from annotator.evaluate.baselines import MemberRun
from annotator.evaluate.interchange.model import Sample
from annotator.evaluate.judge import judge
from annotator.evaluate.model import Given, ItemResult, RunFacts, Verdict, facts_of
from annotator.evaluate.read import read_reply
from annotator.evaluate.shown import shown_of
from annotator.questions.answers import OpenAnswer

CAFES = ("Café Lumen", "Mole", "The Anchor", "Gull & Co")


def item(
    number: int = 1,
    *,
    type: Any = "single_choice",
    options: tuple[str, ...] = CAFES,
    gold: tuple[str, ...] = ("B",),
    context: str = "c1",
    responses: ItemResponses | None = None,
    **values: Any,
) -> NativeItem:
    """An item with options A, B, … or yes and no; `open_item` makes the others."""
    keys = ("yes", "no") if type == "yes_no" else tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(options)])
    texts = ("Yes", "No") if type == "yes_no" else options
    return NativeItem(
        id=f"item{number}",
        number=number,
        rev=1,
        content_sha=hashlib.sha256(f"{number}".encode()).hexdigest(),
        project="harbour",
        status="approved",
        category=values.pop("category", "poi"),
        question=values.pop("question", "Which café is nearest to the mole?"),
        type=type,
        options=tuple(ItemOption(key=key, text=text) for key, text in zip(keys, texts, strict=True)),
        gold=list(gold) if gold and type != "unanswerable" else None,
        context=ItemContext(
            id=context,
            number=1,
            n=1,
            title="Cafés",
            content_sha="0" * 64,
            text=values.pop("text", "Two cafés stand at the mole."),
            text_sha=None,
            json_sha=None,
            markdown_sha=None,
            template="1",
        ),
        responses=responses or ItemResponses(),
        created_at="2026-01-01T00:00:00.000000Z",
        **values,
    )


def open_item(number: int = 1, gold: OpenAnswer | None = None, **values: Any) -> NativeItem:
    """An open question; without a gold answer it cannot be answered."""
    kind = "unanswerable" if gold is None else "open_ended"
    return item(number, type=kind, options=(), gold=(), answer_spec=gold, **values)


def result(of: NativeItem, verdict: Verdict = "right", *, epoch: int = 0, **values: Any) -> ItemResult:
    """A result with a verdict, and the answer that goes with it."""
    given = None
    if verdict == "abstained" or (verdict == "right" and of.type == "unanswerable"):
        given = Given(abstains=True, how="json")
    elif verdict in ("right", "wrong") and of.options:
        right = tuple(of.gold or ())
        wrong = tuple(option.key for option in of.options if option.key not in right)[:1]
        given = Given(option_keys=right if verdict == "right" else wrong, how="json")
    judged = judge(of, given, stopped=verdict if verdict in ("limit", "error") else None)
    assert judged.verdict == verdict
    return ItemResult(facts=facts_of(of), epoch=epoch, judgement=judged, **values)


def facts(run_id: str = "run1", **values: Any) -> RunFacts:
    """A finished run in text mode."""
    return RunFacts.model_validate(
        {
            "run_id": run_id,
            "name": run_id,
            "snapshot": "harbour/cafes@1.0.0",
            "manifest_sha": "ab" * 32,
            "endpoint": "local",
            "model": "rhumb-tiny",
            "mode": "text_context",
            "offers_abstaining": True,
            "decoding": {"temperature": 0, "max_tokens": 64},
            "started_at": "2026-01-01T10:00:00.000000Z",
            "finished_at": "2026-01-01T10:05:00.000000Z",
        }
        | values
    )


def run_of(items: list[NativeItem], verdicts: str, run_id: str = "run1", **values: Any) -> MemberRun:
    """A run whose verdicts are given by their first letters, an item each."""
    names: dict[str, Verdict] = {
        "r": "right",
        "w": "wrong",
        "a": "abstained",
        "i": "invalid",
        "l": "limit",
        "e": "error",
    }
    results = [result(one, names[letter]) for one, letter in zip(items, verdicts, strict=True)]
    return MemberRun(facts(run_id, **values), results)


def sample(of: NativeItem, reply: str, *, shuffle_seed: int | None = None, **values: Any) -> Sample:
    """An item whose reply was read and judged."""
    shown = shown_of(of, offers_abstaining=True, shuffle_seed=shuffle_seed)
    judged = judge(of, read_reply(shown, reply))
    messages = (
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": f"{of.context.text}\n\n{of.question}"},
        {"role": "assistant", "content": reply},
    )
    made = ItemResult(facts=facts_of(of), judgement=judged, latency_ms=120.5, num_turns=1, **values)
    return Sample(item=of, result=made, shown=shown, messages=messages, reply=reply)
