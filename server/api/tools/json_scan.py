"""A JSON value read one character at a time, so that a tool call's arguments can be passed on as they arrive.

Follows RFC 8259: what this accepts, `json.loads` accepts, and `NaN`, raw control characters and trailing commas
are refused. Nesting is a list, not recursion, so deep output cannot exhaust the stack.
"""

from enum import Enum, auto

WHITESPACE = " \t\n\r"
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_SIMPLE_ESCAPES = frozenset('"\\/bfnrt')
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_CLOSER = {"{": "}", "[": "]"}
_DIGITS = "0123456789"
# State -> next state -> the characters that lead there. States are named for what was read last.
_NUMBER_NEXT = {
    "minus": {"zero": "0", "integer": "123456789"},
    "zero": {"point": ".", "e": "eE"},
    "integer": {"integer": _DIGITS, "point": ".", "e": "eE"},
    "point": {"fraction": _DIGITS},
    "fraction": {"fraction": _DIGITS, "e": "eE"},
    "e": {"sign": "+-", "exponent": _DIGITS},
    "sign": {"exponent": _DIGITS},
    "exponent": {"exponent": _DIGITS},
}
_NUMBER_COMPLETE = frozenset({"zero", "integer", "fraction", "exponent"})


class Step(Enum):
    """What became of one character."""

    MORE = auto()
    """Taken; the value goes on."""
    END = auto()
    """Taken; the value is complete."""
    AFTER = auto()
    """Not taken: the value was complete before this character (only numbers end this way)."""
    BAD = auto()
    """Not taken: no JSON value goes on like this."""


class _Expect(Enum):
    VALUE = auto()
    ITEM_OR_CLOSE = auto()
    KEY = auto()
    KEY_OR_CLOSE = auto()
    COLON = auto()
    COMMA_OR_CLOSE = auto()


class _String:
    """What follows the opening quote."""

    def __init__(self) -> None:
        self._is_escaped = False
        self._hex_digits_left = 0

    def step(self, char: str) -> Step:
        if self._hex_digits_left:
            if char not in _HEX_DIGITS:
                return Step.BAD
            self._hex_digits_left -= 1
        elif self._is_escaped:
            self._is_escaped = False
            if char == "u":
                self._hex_digits_left = 4
            elif char not in _SIMPLE_ESCAPES:
                return Step.BAD
        elif char == '"':
            return Step.END
        elif char == "\\":
            self._is_escaped = True
        elif char < " ":
            return Step.BAD
        return Step.MORE


class _Literal:
    """What follows the first letter of `true`, `false` or `null`."""

    def __init__(self, first: str) -> None:
        self._rest = _LITERALS[first][1:]

    def step(self, char: str) -> Step:
        if char != self._rest[0]:
            return Step.BAD
        self._rest = self._rest[1:]
        return Step.MORE if self._rest else Step.END


class _Number:
    """What follows the first character of a number."""

    def __init__(self, first: str) -> None:
        self._state = {"-": "minus", "0": "zero"}.get(first, "integer")

    def step(self, char: str) -> Step:
        for state, chars in _NUMBER_NEXT[self._state].items():
            if char in chars:
                self._state = state
                return Step.MORE
        return Step.AFTER if self._state in _NUMBER_COMPLETE else Step.BAD


class JsonValue:
    """Reads one JSON value. Feed characters until `step` returns anything but `Step.MORE`, then no more."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._expect = _Expect.VALUE
        self._scalar: _String | _Literal | _Number | None = None
        self._is_key = False

    def step(self, char: str) -> Step:
        """Take the next character, of length 1."""
        if self._scalar is not None:
            step = self._scalar.step(char)
            if step is Step.MORE or step is Step.BAD:
                return step
            self._scalar = None
            ended = self._end_value()
            if step is Step.END:
                return ended
            if ended is Step.END:
                return Step.AFTER
        return self._structure(char)

    def _structure(self, char: str) -> Step:
        if char in WHITESPACE:
            return Step.MORE
        expect = self._expect
        if expect is _Expect.VALUE:
            return self._begin_value(char)
        if expect is _Expect.COLON:
            if char != ":":
                return Step.BAD
            self._expect = _Expect.VALUE
            return Step.MORE
        if expect is not _Expect.KEY and char == _CLOSER[self._open[-1]]:
            self._open.pop()
            return self._end_value()
        if expect is _Expect.ITEM_OR_CLOSE:
            return self._begin_value(char)
        if expect is _Expect.COMMA_OR_CLOSE:
            if char != ",":
                return Step.BAD
            self._expect = _Expect.KEY if self._open[-1] == "{" else _Expect.VALUE
            return Step.MORE
        if char != '"':
            return Step.BAD
        self._is_key = True
        self._scalar = _String()
        return Step.MORE

    def _begin_value(self, char: str) -> Step:
        if char in _CLOSER:
            self._open.append(char)
            self._expect = _Expect.KEY_OR_CLOSE if char == "{" else _Expect.ITEM_OR_CLOSE
        elif char == '"':
            self._scalar = _String()
        elif char in _LITERALS:
            self._scalar = _Literal(char)
        elif char in "-0123456789":
            self._scalar = _Number(char)
        else:
            return Step.BAD
        return Step.MORE

    def _end_value(self) -> Step:
        if self._is_key:
            self._is_key = False
            self._expect = _Expect.COLON
            return Step.MORE
        self._expect = _Expect.COMMA_OR_CLOSE
        return Step.MORE if self._open else Step.END
