"""Points in time as the database holds them: ISO 8601 text in UTC with milliseconds, whose order is time's order."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present, with the precision that the database keeps."""
    return to_ms(datetime.now(UTC))


def to_ms(moment: datetime) -> datetime:
    """The moment in UTC without the digits that are not stored.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a point in time needs a time zone")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_text(moment: datetime) -> str:
    """For instance `2026-11-24T09:30:00.250Z`."""
    return to_ms(moment).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)
