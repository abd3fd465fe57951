"""What the town's contexts have in common: its square, some days, and a place's fields as proofs."""

from typing import Any

from annotator.demo.project.sheet import Answer, Proof, Sheet
from annotator.questions.model import EvidenceRole

SQUARE = {"lat": 45.392654, "lon": -65.328712}
"""The town's main square."""

DAYS = {
    "Monday": "2026-06-15",
    "Wednesday": "2026-06-17",
    "Saturday": "2026-06-20",
    "Sunday": "2026-06-21",
}
"""Days without a public holiday."""


async def open_at(sheet: Sheet, place: dict[str, Any], day: str, clock: str, *, shown: bool = False) -> Answer:
    """What a place's hours say at a time of one of `DAYS`."""
    return await sheet.ask(
        "open_at",
        {
            "opening_hours": place["opening_hours"]["raw"],
            "at": f"{DAYS[day]}T{clock}",
            "lat": place["lat"],
            "lon": place["lon"],
        },
        shown=shown,
    )


def at(place: dict[str, Any]) -> dict[str, float]:
    """A place as a waypoint."""
    return {"lat": place["lat"], "lon": place["lon"]}


def with_hours(answer: Answer) -> list[dict[str, Any]]:
    """The places whose hours are known."""
    return [place for place in answer.places if "opening_hours" in place]


def proof_of(
    answer: Answer, place: dict[str, Any], field: str, role: EvidenceRole = "supports", option: str | None = None
) -> Proof:
    """A field of a place as a proof."""
    return answer.proof(f"{place['at']}/{field}", role, option)
