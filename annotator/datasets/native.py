"""The native item: one question with everything that a reader needs, as a line of `items.jsonl` holds it."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from annotator.cache.json_text import canonical
from annotator.questions.answers import OpenAnswer

ITEM_SCHEMA: Literal["mapqator.item/1"] = "mapqator.item/1"
"""Name and version; the number goes up when a field changes its meaning or goes."""

ExportPolicy = Literal["full", "ids_only", "forbidden"]
STRICTEST: tuple[ExportPolicy, ...] = ("full", "ids_only", "forbidden")
"""From the most to the least that a dataset may hold of a provider's content."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class ItemOption(_Part):
    """One choice; `pid` is the place that it means, where it means one."""

    key: str
    text: str
    pid: str | None = None


class ItemContext(_Part):
    """What the question is asked about.

    Args:
        n: number of the context's revision.
        content_sha: sha256 of that revision's canonical content.
        text: as rendered; None where terms let only place ids out.
        json_content: `json` in the file: the JSON rendering as a value; None as for `text`.
        text_sha: sha256 of the text rendering, `json_sha` and `markdown_sha` of the others; None where recorded
            content that they need has expired.
        template: version of the rendering.
    """

    id: str
    number: int
    n: int
    title: str
    content_sha: str
    text: str | None
    json_content: Annotated[Any, Field(alias="json")] = None
    text_sha: str | None
    json_sha: str | None
    markdown_sha: str | None
    template: str


class ItemEvidence(_Part):
    """A recorded value that speaks for or against an answer.

    Args:
        pointer: where it stands in the canonical result `result_sha`.
        value: None where terms let only place ids out.
        request_hash: of the request behind it; None for what was computed of several.
        body_pointer: where it stands in the provider's own bytes `body_sha`, where it does.
    """

    key: str
    role: Literal["supports", "refutes", "distractor"]
    option_key: str | None = None
    tool: str
    provider: str
    params: dict[str, Any]
    tool_call_id: str
    result_sha: str
    pointer: str
    value: Any = None
    exchange_id: str | None = None
    request_hash: str | None = None
    body_sha: str | None = None
    body_pointer: str | None = None


class ItemPlace(_Part):
    """A place of the context or evidence; only `pid` where terms let no more out."""

    pid: str
    name: str | None = None
    lat: float | None = None
    lon: float | None = None


class ItemReview(_Part):
    """A verdict on the revision that the item holds."""

    reviewer: str
    verdict: Literal["approve", "request_changes", "reject"]
    created_at: str


class ItemResponses(_Part):
    """Blind second answers: how many, and the share that equals the gold answer (None where none can be compared)."""

    n: int = 0
    agreement: float | None = None


class NativeItem(_Part):
    """One question with its context, evidence and history.

    Args:
        schema_name: `schema` in the file.
        id: of the question, `number` its number in the project, `rev` the number of its revision.
        content_sha: sha256 of that revision's canonical content.
        dataset: slug; None, as `version` and `split`, for an item that is not frozen.
        gold: keys of the right options for choices and yes/no; the bare value for open-ended ones; None for
            unanswerable ones without options.
        answer_spec: an open-ended answer with its tolerance.
        places: of the context as shown, the evidence, the options and the gold answer.
        authors: usernames of who wrote revisions, the first author first.
        export: the strictest policy of the providers behind it.
        licence: of the dataset; of the providers' content, joined by AND, for an item that is not frozen.
        attribution: lines that must be shown with it.
    """

    schema_name: Annotated[Literal["mapqator.item/1"], Field(alias="schema")] = ITEM_SCHEMA
    id: str
    number: int
    rev: int
    content_sha: str
    project: str
    dataset: str | None = None
    version: str | None = None
    split: str | None = None
    status: str
    category: str
    tags: tuple[str, ...] = ()
    difficulty: str = ""
    question: str
    type: Literal["yes_no", "single_choice", "multiple_choice", "open_ended", "unanswerable"]
    options: tuple[ItemOption, ...] = ()
    gold: Any = None
    answer_spec: OpenAnswer | None = None
    explanation: str = ""
    context: ItemContext
    evidence: tuple[ItemEvidence, ...] = ()
    places: tuple[ItemPlace, ...] = ()
    authors: tuple[str, ...] = ()
    reviews: tuple[ItemReview, ...] = ()
    responses: ItemResponses = ItemResponses()
    created_at: str
    export: ExportPolicy = "full"
    licence: str = ""
    attribution: tuple[str, ...] = ()

    def line(self, context_json: bytes | None = None) -> bytes:
        """Canonical JSON (RFC 8785) without a line end: a line of `items.jsonl`.

        Args:
            context_json: canonical JSON of `context.json_content` where it is at hand, which saves writing it again.
        """
        if context_json is None or self.context.json_content is None:
            return canonical(self.model_dump(mode="json"))
        values = self.model_dump(mode="json", exclude={"context": {"json_content"}})
        values["context"]["json"] = None
        # Keys are sorted, and quotes within strings are escaped: nothing before the context looks like its beginning,
        # and nothing between that and its JSON like the latter.
        head, begin, rest = canonical(values).partition(b'"context":{"content_sha":')
        before, _, tail = rest.partition(b'"json":null')
        return b"".join((head, begin, before, b'"json":', context_json, tail))


def ids_only(item: NativeItem) -> NativeItem:
    """The item with nothing of its providers' content but place ids.

    What annotators wrote stays: question, options, gold answer and explanation.
    """
    return item.model_copy(
        update={
            "context": item.context.model_copy(update={"text": None, "json_content": None}),
            "evidence": tuple(evidence.model_copy(update={"value": None}) for evidence in item.evidence),
            "places": tuple(ItemPlace(pid=place.pid) for place in item.places),
        }
    )


def read_line(line: bytes) -> NativeItem:
    """The item of a line of `items.jsonl`.

    Raises:
        ValidationError: it is none of this schema.
    """
    return NativeItem.model_validate(json.loads(line))
