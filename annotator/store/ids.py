"""Names of new rows."""

from datetime import datetime

from ulid import ULID


def new_id(now: datetime) -> str:
    """A ULID: 26 characters that sort by time of making."""
    return str(ULID.from_datetime(now))
