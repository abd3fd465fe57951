"""What no map of OpenStreetMap data can honour, and why."""

from annotator.maps.params import (
    ComputeRoutesParams,
    NearbySearchParams,
    SearchAlongRouteParams,
    ToolParams,
    TravelMatrixParams,
)
from annotator.maps.providers.valhalla_shapes import mode_refusals


def refusals_of(params: ToolParams) -> list[str]:
    """Reasons why these parameters cannot be honoured; empty when they can."""
    match params:
        case NearbySearchParams():
            reasons = _rating_refusals(params.min_rating)
            if params.price_levels is not None:
                reasons.append("OpenStreetMap has no price levels: leave out price_levels")
            return reasons + ([] if params.travel_mode is None else mode_refusals(params.travel_mode, ()))
        case ComputeRoutesParams():
            reasons = mode_refusals(params.mode, params.avoid)
            if params.alternatives and params.intermediates:
                reasons.append("alternatives exist only between two stops: leave out alternatives or intermediates")
            return reasons
        case TravelMatrixParams():
            return mode_refusals(params.mode, params.avoid)
        case SearchAlongRouteParams():
            return _rating_refusals(params.min_rating) + mode_refusals(params.mode, params.avoid)
        case _:
            return []


def _rating_refusals(min_rating: float | None) -> list[str]:
    return [] if min_rating is None else ["OpenStreetMap has no ratings: leave out min_rating"]
