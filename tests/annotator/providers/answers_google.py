"""Answers of Google's Places, Geocoding and Routes APIs, written by hand; places and numbers are invented."""

from typing import Any

import polyline

CENTER = (43.734, 7.421)
HERE = {"lat": CENTER[0], "lon": CENTER[1]}
THERE = {"lat": 43.744, "lon": 7.431}
SHAPE = [CENTER, (43.738, 7.424), (43.744, 7.431)]
WAY = {"origin": HERE, "destination": THERE}
TOUR = WAY | {"intermediates": [{"lat": 43.736, "lon": 7.43}, {"place_id": "google:ChIJfountain"}]}
PAIRS = {"origins": [HERE, THERE], "destinations": [THERE, {"place_id": "google:ChIJharbour"}]}


def place(native: str, lat: float, lon: float, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": native,
        "types": ["cafe", "food", "point_of_interest", "establishment"],
        "formattedAddress": f"{name}, 98000 Porto Lume",
        "location": {"latitude": lat, "longitude": lon},
        "displayName": {"text": name, "languageCode": "en"},
        "primaryType": "cafe",
        "businessStatus": "OPERATIONAL",
    } | more


NEAR = place(
    "ChIJnear", 43.7345, 7.421, "Blue Kettle", rating=4.4, userRatingCount=31, priceLevel="PRICE_LEVEL_MODERATE"
)
FAR = place("ChIJfar", 43.739, 7.421, "Old Mill Coffee", rating=4.8, userRatingCount=7)
BARE = {"id": "ChIJbare", "location": {"latitude": 43.7341, "longitude": 7.4211}}
OUTSIDE = place("ChIJoutside", 43.80, 7.5, "Hill Cafe", rating=5.0)

DETAILS = NEAR | {
    "addressComponents": [
        {"longText": "7", "shortText": "7", "types": ["street_number"]},
        {"longText": "Quai des Figues", "shortText": "Quai des Figues", "types": ["route"]},
        {"longText": "Porto Lume", "shortText": "Porto Lume", "types": ["locality", "political"]},
        {"longText": "Monaco", "shortText": "MC", "types": ["country", "political"]},
    ],
    "internationalPhoneNumber": "+377 99 00 00 01",
    "websiteUri": "https://kettle.example/",
    "googleMapsUri": "https://maps.example/?cid=1",
    "regularOpeningHours": {"weekdayDescriptions": ["Monday: 8:00 AM - 6:00 PM", "Tuesday: Closed"]},
    "timeZone": {"id": "Europe/Monaco"},
    "accessibilityOptions": {"wheelchairAccessibleEntrance": True},
    "outdoorSeating": True,
    "delivery": False,
    "editorialSummary": {"text": "Tea by the water.", "languageCode": "en"},
}

GEOCODED: dict[str, Any] = {
    "status": "OK",
    "plus_code": {"global_code": "8FM9PCMC+XX"},
    "results": [
        {
            "place_id": "ChIJstreet7",
            "formatted_address": "7 Quai des Figues, 98000 Porto Lume",
            "types": ["street_address"],
            "geometry": {"location": {"lat": 43.73402, "lng": 7.42101}, "location_type": "ROOFTOP"},
            "address_components": [
                {"long_name": "7", "short_name": "7", "types": ["street_number"]},
                {"long_name": "Quai des Figues", "short_name": "Q. des Figues", "types": ["route"]},
                {"long_name": "98000", "short_name": "98000", "types": ["postal_code"]},
            ],
        },
        {
            "place_id": "ChIJtown",
            "formatted_address": "Porto Lume",
            "types": ["locality", "political"],
            "geometry": {"location": {"lat": 43.735, "lng": 7.42}},
            "address_components": [],
        },
    ],
}


def step(words: str, metres: int, seconds: int) -> dict[str, Any]:
    return {
        "distanceMeters": metres,
        "staticDuration": f"{seconds}s",
        "navigationInstruction": {"maneuver": "TURN_LEFT", "instructions": words},
    }


def leg(metres: int, seconds: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"distanceMeters": metres, "duration": seconds, "steps": list(steps)}


def route(metres: int, seconds: str, *legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "legs": list(legs),
        "distanceMeters": metres,
        "duration": seconds,
        "description": "Quai des Figues",
        "polyline": {"encodedPolyline": polyline.encode(SHAPE, 5)},
    } | more


ROUTE = route(
    1500,
    "245.5s",
    leg(1500, "245.5s", step("Turn left onto Quai des Figues", 1400, 200), {"staticDuration": "45s"}),
    warnings=["Some of this route is narrow."],
)
OTHER = route(1900, "300s", leg(1900, "300s"))
ROUNDTRIP = route(
    4000,
    "700s",
    leg(1000, "200s"),
    leg(1000, "200s"),
    leg(2000, "300s"),
    optimizedIntermediateWaypointIndex=[1, 0],
)


def cell(i: int, j: int, **more: Any) -> dict[str, Any]:
    return {"originIndex": i, "destinationIndex": j, "status": {}} | more


MATRIX = [
    cell(0, 1, condition="ROUTE_EXISTS", distanceMeters=800, duration="95s"),
    cell(0, 0, condition="ROUTE_EXISTS", distanceMeters=1500, duration="245s"),
    cell(1, 0, condition="ROUTE_EXISTS", duration="0s"),
    cell(1, 1, condition="ROUTE_NOT_FOUND"),
]
NO_PAIRS = [cell(i, j, condition="ROUTE_NOT_FOUND") for i in range(2) for j in range(2)]

ALONG = {
    "places": [FAR, NEAR, BARE],
    "routingSummaries": [
        {"legs": [{"duration": "200s", "distanceMeters": 900}, {"duration": "180s", "distanceMeters": 1000}]},
        {"legs": [{"duration": "60s", "distanceMeters": 300}, {"duration": "180s", "distanceMeters": 1250}]},
        {},
    ],
}


def error(status: int, name: str, words: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": words, "status": name}}


BAD = (400, error(400, "INVALID_ARGUMENT", "Unsupported types: cafee."))
DENIED = (403, error(403, "PERMISSION_DENIED", "Places API (New) has not been used in this project."))
BUSY = (429, error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric."))
BROKEN = (500, error(500, "INTERNAL", "Internal error encountered."))

WALKS = {
    "places": [NEAR, FAR],
    "routingSummaries": [{"legs": [{"duration": "61s", "distanceMeters": 70}]}, {}],
}
CAFES = HERE | {"type": "cafe"}
ALONG_CAFES = WAY | {"type": "cafe"}
