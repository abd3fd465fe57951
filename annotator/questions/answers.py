"""Gold answers of open-ended questions and their tolerances, one model a kind.

Distances are metres, durations seconds, positions WGS 84 degrees. Evaluation scores against exactly these.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from annotator.maps.params import Latitude, Longitude

Short = Annotated[str, Field(max_length=2000)]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextAnswer(_Answer):
    """Words; right when they equal the value or an alias after normalising.

    Args:
        normaliser: `exact` compares characters, `loose` ignores case, accents, punctuation and articles.
    """

    kind: Literal["text"] = "text"
    value: Short = ""
    aliases: tuple[Short, ...] = Field(default=(), max_length=50)
    normaliser: Literal["exact", "loose"] = "loose"


class NumberAnswer(_Answer):
    """A number with its unit; right within `abs_tol`, or within `rel_tol` of the value."""

    kind: Literal["number"] = "number"
    value: float | None = Field(default=None, allow_inf_nan=False)
    unit: str = Field(default="", max_length=40)
    abs_tol: Tolerance = 0.0
    rel_tol: Tolerance = 0.0


class DurationAnswer(_Answer):
    """Seconds; right within `abs_tol_s` or `rel_tol`."""

    kind: Literal["duration"] = "duration"
    value_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    abs_tol_s: Tolerance = 60.0
    rel_tol: Tolerance = 0.0


class DistanceAnswer(_Answer):
    """Metres; right within `abs_tol_m` or `rel_tol`."""

    kind: Literal["distance"] = "distance"
    value_m: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    abs_tol_m: Tolerance = 0.0
    rel_tol: Tolerance = 0.05


class TimeAnswer(_Answer):
    """A time of day `HH:MM`, or a date and time `YYYY-MM-DDTHH:MM` in the place's zone; right within `abs_tol_s`."""

    kind: Literal["time"] = "time"
    value: str = Field(default="", pattern=r"^(|(\d{4}-\d{2}-\d{2}T)?([01]\d|2[0-3]):[0-5]\d)$")
    abs_tol_s: Tolerance = 0.0


class PlaceAnswer(_Answer):
    """A place; right by id, by name where one of the two has no id of the same map, or within `max_m` where given."""

    kind: Literal["place"] = "place"
    pid: str = Field(default="", max_length=512)
    name: Short = ""
    aliases: tuple[Short, ...] = Field(default=(), max_length=50)
    lat: Latitude | None = None
    lon: Longitude | None = None
    max_m: Tolerance | None = None


class PointAnswer(_Answer):
    """A position; right within `max_m`."""

    kind: Literal["point"] = "point"
    lat: Latitude | None = None
    lon: Longitude | None = None
    max_m: Tolerance = 100.0


class OrderedListAnswer(_Answer):
    """Items in order; each is compared loosely as text."""

    kind: Literal["ordered_list"] = "ordered_list"
    items: tuple[Short, ...] = Field(default=(), max_length=100)


class SetAnswer(_Answer):
    """Items in any order; each is compared loosely as text."""

    kind: Literal["set"] = "set"
    items: tuple[Short, ...] = Field(default=(), max_length=100)


OpenAnswer = Annotated[
    TextAnswer
    | NumberAnswer
    | DurationAnswer
    | DistanceAnswer
    | TimeAnswer
    | PlaceAnswer
    | PointAnswer
    | OrderedListAnswer
    | SetAnswer,
    Field(discriminator="kind"),
]

OpenKind = Literal["text", "number", "duration", "distance", "time", "place", "point", "ordered_list", "set"]


def is_empty(answer: OpenAnswer) -> bool:
    """Whether no answer has been given yet."""
    match answer:
        case TextAnswer(value=value) | TimeAnswer(value=value):
            return not value.strip()
        case NumberAnswer(value=number) | DurationAnswer(value_s=number) | DistanceAnswer(value_m=number):
            return number is None
        case PlaceAnswer(pid=pid, name=name):
            return not pid and not name.strip()
        case PointAnswer(lat=lat, lon=lon):
            return lat is None or lon is None
        case OrderedListAnswer(items=items) | SetAnswer(items=items):
            return not any(item.strip() for item in items)
