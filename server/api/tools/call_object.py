"""Reads one `{"name": …, "arguments": {…}}` object while it is being written."""

import json
from collections.abc import Callable
from enum import Enum, auto

from server.api.tools.json_scan import WHITESPACE, JsonValue, Step


class _At(Enum):
    OPEN = auto()
    KEY_OR_CLOSE = auto()
    KEY = auto()
    IN_KEY = auto()
    COLON = auto()
    VALUE = auto()
    IN_VALUE = auto()
    COMMA_OR_CLOSE = auto()


class CallObject:
    """One call, character by character.

    The call is *committed* once its name and the beginning of its arguments are known: from then on it is a call,
    whatever follows. Until then `raw` holds all that was read, so that it can still come out as plain text.

    Args:
        argument_keys: the keys that may hold the arguments.
        accepts_name: whether a name may be called; if not, the object is not a call.
        is_strict: refuse any key that a bare call would not have, and a call without arguments. For formats
            whose calls look like any other JSON.
    """

    _USUAL_KEYS = frozenset({"name", "type", "id"})

    def __init__(
        self, *, argument_keys: frozenset[str], accepts_name: Callable[[str], bool], is_strict: bool = False
    ) -> None:
        self._argument_keys = argument_keys
        self._accepts_name = accepts_name
        self._is_strict = is_strict
        self._at = _At.OPEN
        self._value = JsonValue()
        self._token: list[str] = []
        self._key = ""
        self._raw: list[str] = []
        self._arguments: list[str] = []
        self._has_arguments = False
        self.name: str | None = None

    @property
    def is_committed(self) -> bool:
        return self.name is not None and self._has_arguments

    @property
    def raw(self) -> str:
        """All characters read before the call was committed."""
        return "".join(self._raw)

    def take_arguments(self) -> str:
        """The JSON text of the arguments that arrived since the last call of this method."""
        text = "".join(self._arguments)
        self._arguments.clear()
        return text

    def step(self, char: str) -> Step:
        """Take one character: `END` closed the object, `BAD` was not taken since no call goes on like this."""
        was_committed = self.is_committed
        step = self._step(char)
        if step is not Step.BAD and not was_committed:
            self._raw.append(char)
        return step

    def _step(self, char: str) -> Step:
        if self._at is _At.IN_KEY:
            return self._step_in_key(char)
        if self._at is _At.IN_VALUE:
            step = self._step_in_value(char)
            if step is not Step.AFTER:
                return step
        if char in WHITESPACE:
            return Step.MORE
        return self._structure(char)

    def _structure(self, char: str) -> Step:
        at = self._at
        if at is _At.OPEN and char == "{":
            self._at = _At.KEY_OR_CLOSE
        elif at in (_At.KEY, _At.KEY_OR_CLOSE) and char == '"':
            self._begin_token(char)
            self._at = _At.IN_KEY
        elif at is _At.COLON and char == ":":
            self._at = _At.VALUE
        elif at is _At.VALUE:
            return self._begin_value(char)
        elif at is _At.COMMA_OR_CLOSE and char == ",":
            self._at = _At.KEY
        elif at in (_At.KEY_OR_CLOSE, _At.COMMA_OR_CLOSE) and char == "}":
            return self._close()
        else:
            return Step.BAD
        return Step.MORE

    def _begin_token(self, char: str) -> Step:
        self._value = JsonValue()
        self._token = [char]
        return self._value.step(char)

    def _step_in_key(self, char: str) -> Step:
        step = self._value.step(char)
        if step is Step.BAD:
            return step
        self._token.append(char)
        if step is Step.END:
            self._key = json.loads("".join(self._token))
            if not self._may_have(self._key):
                return Step.BAD
            self._at = _At.COLON
        return Step.MORE

    def _may_have(self, key: str) -> bool:
        if key == "name":
            return self.name is None
        if key in self._argument_keys:
            return not self._has_arguments
        return not self._is_strict or key in self._USUAL_KEYS

    def _begin_value(self, char: str) -> Step:
        if self._key in self._argument_keys:
            if char != "{":
                return Step.BAD
            self._has_arguments = True
            self._arguments.append(char)
        if self._key == "name" and char != '"':
            return Step.BAD
        self._at = _At.IN_VALUE
        return self._begin_token(char)

    def _step_in_value(self, char: str) -> Step:
        step = self._value.step(char)
        if step is Step.BAD:
            return step
        if step is not Step.AFTER:
            if self._key in self._argument_keys:
                self._arguments.append(char)
            elif self._key == "name":
                self._token.append(char)
        if step is Step.MORE:
            return Step.MORE
        if self._key == "name":
            name = json.loads("".join(self._token))
            if not self._accepts_name(name):
                return Step.BAD
            self.name = name
        self._at = _At.COMMA_OR_CLOSE
        return Step.AFTER if step is Step.AFTER else Step.MORE

    def _close(self) -> Step:
        if self.name is None or (self._is_strict and not self._has_arguments):
            return Step.BAD
        if not self._has_arguments:
            self._has_arguments = True
            self._arguments.append("{}")
        return Step.END
