"""TomTom's numbers for kinds of places, by canonical type and back.

Source: the categories of TomTom's Search API 2 (`poiCategories.json`). Seven digits name a kind, its first four the
group that it is in, and to ask for a group is to ask for all that is in it. A canonical type that is missing here has
no counterpart; a keyword may still find such places.
"""

from collections.abc import Iterable

TOMTOM_CATEGORIES: dict[str, tuple[int, ...]] = {
    "restaurant": (7315,),
    "fast_food": (7315015,),
    "cafe": (9376002, 9376005, 9376006),
    "bar": (9379004, 9379006),
    "pub": (9376003, 9376007),
    "nightclub": (9379002,),
    "ice_cream": (7315078,),
    "bakery": (9361018,),
    "butcher": (9361019,),
    "supermarket": (7332005,),
    "convenience_store": (9361009,),
    "greengrocer": (9361022,),
    "market": (7332002, 7332003, 7332004),
    "shopping_mall": (7373,),
    "department_store": (7327,),
    "clothing_store": (9361004, 9361006, 9361007, 9361008, 9361079),
    "shoe_store": (9361005,),
    "jewellery_store": (9361036,),
    "book_store": (9361002,),
    "newsagent": (9361037,),
    "toy_store": (9361040,),
    "gift_shop": (9361026,),
    "florist": (9361017,),
    "furniture_store": (9361054,),
    "electronics_store": (9361012, 9361013, 9361075),
    "hardware_store": (9361030, 9361069),
    "sports_store": (9361039,),
    "pet_store": (9361064,),
    "wine_store": (9361025,),
    "hairdresser": (9361027,),
    "beauty_salon": (9361067, 9361068),
    "laundry": (9361010, 9361045),
    "optician": (9361038,),
    "travel_agency": (9361041,),
    "estate_agent": (9361015,),
    "pharmacy": (7326,),
    "hospital": (7321,),
    "doctor": (9373,),
    "dentist": (9374,),
    "veterinary": (9375,),
    "bank": (7328,),
    "atm": (7397,),
    "currency_exchange": (9160004,),
    "post_office": (7324,),
    "police": (7322,),
    "fire_station": (7392,),
    "courthouse": (9363,),
    "embassy": (7365,),
    "library": (9913,),
    "school": (7372,),
    "kindergarten": (7372003, 7372004),
    "university": (7377,),
    "college": (7377003,),
    "cinema": (7342,),
    "theatre": (7318,),
    "museum": (7317,),
    "community_centre": (7363,),
    "place_of_worship": (7339,),
    "hotel": (7314003, 7314005, 7314006),
    "hostel": (7314004,),
    "guest_house": (7314002,),
    "apartment": (7304006,),
    "campsite": (7360,),
    "tourist_information": (7316,),
    "attraction": (7376,),
    "viewpoint": (7337,),
    "zoo": (9927003, 9927005),
    "aquarium": (9927004,),
    "theme_park": (9902003,),
    "monument": (7376003, 7376013, 9362007),
    "park": (9362008,),
    "garden": (9927002,),
    "sports_centre": (7320,),
    "stadium": (7374,),
    "swimming_pool": (7338,),
    "gym": (7320002,),
    "golf_course": (9911,),
    "marina": (7347,),
    "beach": (9357,),
    "casino": (7341,),
    "cemetery": (9362003,),
    "parking": (7313, 7369),
    "car_rental": (7312,),
    "car_wash": (9155,),
    "car_repair": (7310,),
    "car_dealer": (9910002,),
    "fuel_station": (7311,),
    "charging_station": (7309,),
    "taxi_stand": (9942003,),
    "bus_stop": (9942002,),
    "train_station": (7380,),
    "subway_station": (7380005,),
    "tram_stop": (9942004,),
    "ferry_terminal": (7352,),
    "airport": (7383,),
    "toilets": (9932005,),
    "office": (9352,),
    "industrial": (9156, 9383),
}

_BY_NUMBER: dict[int, list[str]] = {}
for _type, _numbers in TOMTOM_CATEGORIES.items():
    for _number in _numbers:
        _BY_NUMBER.setdefault(_number, []).append(_type)


def categories_of_tomtom(numbers: Iterable[int]) -> tuple[str, ...]:
    """Canonical types of a place by its numbers: those of its kinds before those of their groups."""
    ordered = list(numbers)
    found = [_BY_NUMBER.get(number, []) for number in ordered]
    found += [_BY_NUMBER.get(number // 1000, []) for number in ordered if number >= 1_000_000]
    return tuple(dict.fromkeys(key for keys in found for key in keys))
