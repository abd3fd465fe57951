"""How a tool call uses recordings."""

from enum import StrEnum


class Mode(StrEnum):
    """What to do with recordings.

    `RECORD` answers from a valid recording and otherwise asks and records; it is the default. `REPLAY` answers from
    recordings alone, with the network gone. `REFRESH` always asks, records beside the old answer and says what changed.
    `LIVE` always asks and writes nothing down; providers whose terms forbid storage are always asked this way.
    """

    RECORD = "record"
    REPLAY = "replay"
    REFRESH = "refresh"
    LIVE = "live"
