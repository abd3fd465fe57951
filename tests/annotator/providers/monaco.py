"""Points in Monaco, and what routing tools take them as; hand-written answers are about ways between them."""

from typing import Any

CASINO = (43.7396, 7.4273)
HARBOUR = (43.7347, 7.4206)
PALACE = (43.7315, 7.4197)
GARDEN = (43.7450, 7.4330)


def stop(point: tuple[float, float]) -> dict[str, float]:
    """A stop as a client gives it."""
    return {"lat": point[0], "lon": point[1]}


WAY: dict[str, Any] = {"origin": stop(CASINO), "destination": stop(HARBOUR)}
TOUR: dict[str, Any] = {
    "origin": stop(CASINO),
    "destination": stop(PALACE),
    "intermediates": [stop(GARDEN), stop(HARBOUR)],
}
PAIRS: dict[str, Any] = {
    "origins": [stop(CASINO), stop(PALACE)],
    "destinations": [stop(CASINO), stop(GARDEN)],
}
