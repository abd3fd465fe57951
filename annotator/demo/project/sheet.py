"""A context in the making: tools asked one after another, and questions written from nothing but their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotator.contexts.model import ITEM_KIND_OF_TOOL, ContextContent, Item, View
from annotator.maps.answer import ToolAnswer
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.service import MapService
from annotator.pointers import look_up
from annotator.questions.answers import OpenAnswer
from annotator.questions.model import NO, YES, EvidenceRole, Option, QuestionContent, QuestionType

KEYS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class Proof:
    """A value that speaks for an answer.

    Args:
        call_id: the tool call that gave it.
        pointer: where it stands in the call's result.
        option_key: the option that it speaks about.
    """

    call_id: str
    pointer: str
    role: EvidenceRole = "supports"
    option_key: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A question without its evidence, and the proofs that become it."""

    content: QuestionContent
    proofs: tuple[Proof, ...]


@dataclass
class Sheet:
    """Asks tools and keeps what they said.

    Args:
        service: answers tools; every answer is recorded.
        provider: the map that is asked.
        title: of the context.
        language: of places' names.
    """

    service: MapService
    provider: str
    title: str
    items: list[Item] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)

    async def ask(
        self,
        tool: ToolName,
        params: Mapping[str, Any],
        *,
        heading: str = "",
        fields: tuple[str, ...] | None = None,
        show_steps: bool = False,
        shown: bool = True,
    ) -> "Answer":
        """One tool call, put into the context unless it is only a proof."""
        local = tool in ("distance_bearing", "open_at")
        checked = PARAMS[tool].model_validate(params)
        answer = await self.service.call(tool, checked, provider=None if local else self.provider)
        if answer.id is None:
            raise ValueError(f"{tool} was not recorded")
        if shown:
            view = View(fields=fields, show_steps=show_steps)
            kind = ITEM_KIND_OF_TOOL[tool]
            key = f"i{len(self.items) + 1}"
            self.items.append(Item(key=key, kind=kind, tool_call_id=answer.id, title=heading, view=view))
        return Answer(answer)

    def note(self, text: str) -> None:
        """Puts a note into the context."""
        self.items.append(Item(key=f"i{len(self.items) + 1}", kind="note", text=text))

    @property
    def content(self) -> ContextContent:
        """The context so far."""
        return ContextContent(title=self.title, items=tuple(self.items))

    def yes_no(self, body: str, answer: bool, proofs: Sequence[Proof], **more: Any) -> None:
        """A question with yes or no for an answer."""
        options = (Option(key=YES, text="Yes"), Option(key=NO, text="No"))
        self._write("yes_no", body, proofs, options=options, gold_keys=(YES if answer else NO,), **more)

    def choice(
        self, body: str, right: Sequence[str], wrong: Sequence[str], proofs: Sequence[Proof], **more: Any
    ) -> None:
        """A question with options in the alphabet's order, so that their order says nothing; several may be right.

        Proofs may name an option by its text; that becomes its key.
        """
        texts = sorted({*right, *wrong})
        key_of = dict(zip(texts, KEYS, strict=False))
        named = [
            Proof(proof.call_id, proof.pointer, proof.role, key_of.get(proof.option_key or "")) for proof in proofs
        ]
        self._write(
            more.pop("type", "single_choice"),
            body,
            named,
            options=tuple(Option(key=key_of[text], text=text) for text in texts),
            gold_keys=tuple(key_of[text] for text in texts if text in right),
            **more,
        )

    def multiple(
        self, body: str, right: Sequence[str], wrong: Sequence[str], proofs: Sequence[Proof], **more: Any
    ) -> None:
        """A question of whose options several may be right."""
        self.choice(body, right, wrong, proofs, type="multiple_choice", **more)

    def open(self, body: str, gold: OpenAnswer, proofs: Sequence[Proof], **more: Any) -> None:
        """A question without options."""
        self._write("open_ended", body, proofs, gold=gold, **more)

    def unanswerable(self, body: str, options: Sequence[str] = (), **more: Any) -> None:
        """A question that the context does not answer."""
        listed = tuple(Option(key=key, text=text) for key, text in zip(KEYS, options, strict=False))
        self._write("unanswerable", body, (), options=listed, tags=("unanswerable",), **more)

    def _write(self, kind: QuestionType, body: str, proofs: Sequence[Proof], **more: Any) -> None:
        content = QuestionContent(type=kind, body=body, **more)
        self.written.append(Written(content, tuple(proofs)))


@dataclass(frozen=True)
class Answer:
    """What a tool said, by JSON Pointer."""

    raw: ToolAnswer

    @property
    def call_id(self) -> str:
        """The recorded call."""
        return self.raw.id or ""

    @property
    def values(self) -> dict[str, Any]:
        """The result as JSON values."""
        return self.raw.result.model_dump(mode="json", exclude_none=True)

    @property
    def places(self) -> list[dict[str, Any]]:
        """The places that have a name, and each its pointer as `at`."""
        listed = enumerate(self.values.get("places", ()))
        return [{**place, "at": f"/places/{index}"} for index, place in listed if place["name"]]

    def get(self, pointer: str) -> Any:
        """The value at a pointer."""
        return look_up(self.values, pointer)

    def proof(self, pointer: str, role: EvidenceRole = "supports", option: str | None = None) -> Proof:
        """The value at a pointer as a proof."""
        return Proof(self.call_id, pointer, role, option)
