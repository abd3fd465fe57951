"""The parser of families that write calls as JSON objects announced by a marker. Hermes and Llama 3 are two."""

from collections.abc import Callable
from enum import Enum, auto

from server.api.tools.call_object import CallObject
from server.api.tools.json_scan import WHITESPACE, Step
from server.api.tools.parser import CallArguments, CallStart, TextDelta, ToolCallParser, ToolEvent, new_call_id
from server.api.tools.text_gate import TextGate


class _In(Enum):
    START = auto()
    TEXT = auto()
    OBJECT = auto()
    AFTER_OBJECT = auto()


class MarkedJsonParser(ToolCallParser):
    """Finds JSON calls behind a marker, and, where `is_bare`, at the beginning of the message and after a call.

    Args:
        name: the family's name.
        marker: announces a call within text.
        closing: may follow a call's object and is dropped.
        argument_keys: the keys that may hold the arguments.
        accepts_name: whether a name may be called; other objects are plain text.
        is_bare: calls need no marker where a message begins and after another call. Since such a call looks like
            any JSON, only objects with a call's usual keys count.
        new_id: makes the id of a call.
    """

    def __init__(
        self,
        *,
        name: str,
        marker: str,
        closing: str,
        argument_keys: frozenset[str],
        accepts_name: Callable[[str], bool],
        is_bare: bool,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        self.name = name
        self._closing = closing
        self._argument_keys = argument_keys
        self._accepts_name = accepts_name
        self._is_bare = is_bare
        self._new_id = new_id
        self._gate = TextGate(marker)
        self._in = _In.START if is_bare else _In.TEXT
        self._num_calls = 0
        self._object = self._new_object()
        self._is_started = False
        self._opening = ""
        self._held: list[str] = []
        self._closing_read = 0

    def feed(self, text: str) -> list[ToolEvent]:
        events: list[ToolEvent] = []
        while text:
            if self._in is _In.TEXT:
                text = self._read_text(text, events)
            elif self._in is _In.OBJECT:
                text = self._read_object(text, events)
            else:
                text = self._read_between(text)
        return events

    def finish(self) -> list[ToolEvent]:
        events: list[ToolEvent] = []
        if self._in is _In.OBJECT:
            self._give_up_object(events)
        elif self._in is _In.START:
            self._add_text("".join(self._held), events)
        # After a call, what is held can only be whitespace or a beginning of the closing: wrapper, not text.
        self._add_text(self._gate.flush(), events)
        return events

    def _new_object(self) -> CallObject:
        return CallObject(argument_keys=self._argument_keys, accepts_name=self._accepts_name, is_strict=self._is_bare)

    def _read_text(self, text: str, events: list[ToolEvent]) -> str:
        released, marker, rest = self._gate.feed(text)
        self._add_text(released, events)
        if marker is not None:
            self._begin_object(marker)
        return rest

    def _begin_object(self, opening: str) -> None:
        self._object = self._new_object()
        self._is_started = False
        self._opening = opening
        self._in = _In.OBJECT

    def _read_object(self, text: str, events: list[ToolEvent]) -> str:
        for at, char in enumerate(text):
            step = self._object.step(char)
            if step is Step.BAD:
                self._give_up_object(events)
                self._in = _In.TEXT
                return text[at:]
            if step is Step.END:
                self._send_call(events)
                self._in = _In.AFTER_OBJECT
                self._held = []
                self._closing_read = 0
                return text[at + 1 :]
        self._send_call(events)
        return ""

    def _give_up_object(self, events: list[ToolEvent]) -> None:
        if self._object.is_committed:
            self._send_call(events)
        else:
            self._add_text(self._opening + self._object.raw, events)

    def _send_call(self, events: list[ToolEvent]) -> None:
        call = self._object
        if call.name is None or not call.is_committed:
            return
        if not self._is_started:
            self._is_started = True
            events.append(CallStart(self._num_calls, self._new_id(), call.name))
            self._num_calls += 1
        if arguments := call.take_arguments():
            events.append(CallArguments(self._num_calls - 1, arguments))

    def _read_between(self, text: str) -> str:
        """Skip whitespace (and, after a call, the closing); then a bare object or text begins."""
        for at, char in enumerate(text):
            if self._takes_between(char):
                self._hold_between(char)
                continue
            held, self._held = "".join(self._held), []
            if self._is_bare and char == "{":
                self._begin_object(held)
                return text[at:]
            self._in = _In.TEXT
            return held + text[at:]
        return ""

    def _takes_between(self, char: str) -> bool:
        is_inside_closing = 0 < self._closing_read < len(self._closing)
        if char in WHITESPACE and not is_inside_closing:
            return True
        if self._in is _In.START or self._closing_read == len(self._closing):
            return False
        if char != self._closing[self._closing_read]:
            return False
        self._closing_read += 1
        return True

    def _hold_between(self, char: str) -> None:
        self._held.append(char)
        if char == self._closing[-1] and self._closing_read == len(self._closing):
            self._held = []

    @staticmethod
    def _add_text(text: str, events: list[ToolEvent]) -> None:
        if not text:
            return
        if events and isinstance(events[-1], TextDelta):
            events[-1] = TextDelta(events[-1].text + text)
        else:
            events.append(TextDelta(text))
