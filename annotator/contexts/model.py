"""What a context holds: an ordered list of items, each a recorded tool call seen in a certain way, or a note."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ItemKind = Literal["places", "details", "nearby", "route", "matrix", "along_route", "calc", "note"]

ITEM_KIND_OF_TOOL: dict[str, ItemKind] = {
    "text_search": "places",
    "place_details": "details",
    "reverse_geocode": "places",
    "nearby_search": "nearby",
    "compute_routes": "route",
    "travel_matrix": "matrix",
    "search_along_route": "along_route",
    "distance_bearing": "calc",
    "open_at": "calc",
}

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Ulid = Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]

MAX_ITEMS = 500
MAX_NOTE_CHARACTERS = 200_000
"""Imported contexts are one note, and the longest that people publish come near a book's chapter."""


class View(BaseModel):
    """How an item's result is seen in the context.

    Args:
        fields: names of a place's fields to show, such as `address`; None shows the kind's standard ones.
        hidden: JSON pointers into the result of rows left out, such as `/places/3` or `/routes/1`.
        show_steps: whether routes tell their single instructions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[Annotated[str, Field(max_length=64)], ...] | None = Field(default=None, max_length=64)
    hidden: tuple[Annotated[str, Field(max_length=64, pattern=r"^(/[^/]+)+$")], ...] = Field(default=(), max_length=200)
    show_steps: bool = False


class Item(BaseModel):
    """One part of a context.

    Args:
        key: names it within its context, whatever its place in the list.
        kind: what it is; follows from the tool.
        tool_call_id: the recorded call; None for a note.
        title: a heading of the annotator's own; empty for the standard one.
        text: a note's words; empty for calls.
        role: what a note is: `note` is part of the context, `rewrite` takes the place of all other items' text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    kind: ItemKind
    tool_call_id: Ulid | None = None
    title: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=MAX_NOTE_CHARACTERS)
    role: Literal["note", "rewrite"] = "note"
    view: View = View()

    @model_validator(mode="after")
    def _note_or_call(self) -> Self:
        if (self.kind == "note") != (self.tool_call_id is None):
            raise ValueError("a note has no tool_call_id, and every other kind needs one")
        if self.kind != "note" and self.text:
            raise ValueError("only a note has text of its own")
        return self


class ContextContent(BaseModel):
    """A context as one revision holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", max_length=200)
    items: tuple[Item, ...] = Field(default=(), max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _keys_are_distinct(self) -> Self:
        if len({item.key for item in self.items}) < len(self.items):
            raise ValueError("two items have the same key")
        return self

    @property
    def tool_call_ids(self) -> tuple[str, ...]:
        """The calls behind it, each once, in order."""
        return tuple(dict.fromkeys(item.tool_call_id for item in self.items if item.tool_call_id is not None))
