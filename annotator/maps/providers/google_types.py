"""Google's place types that a search may ask for (Table A of Places API (New)), by canonical type, and back.

A canonical type that is missing here has no counterpart at Google; a keyword may still find such places.
"""

from collections.abc import Iterable

GOOGLE_TYPES: dict[str, tuple[str, ...]] = {
    "restaurant": ("restaurant",),
    "fast_food": ("fast_food_restaurant",),
    "cafe": ("cafe", "coffee_shop"),
    "bar": ("bar",),
    "pub": ("pub",),
    "nightclub": ("night_club",),
    "ice_cream": ("ice_cream_shop",),
    "bakery": ("bakery",),
    "butcher": ("butcher_shop",),
    "supermarket": ("supermarket",),
    "convenience_store": ("convenience_store",),
    "market": ("market",),
    "shopping_mall": ("shopping_mall",),
    "department_store": ("department_store",),
    "clothing_store": ("clothing_store",),
    "shoe_store": ("shoe_store",),
    "jewellery_store": ("jewelry_store",),
    "book_store": ("book_store",),
    "gift_shop": ("gift_shop",),
    "florist": ("florist",),
    "furniture_store": ("furniture_store",),
    "electronics_store": ("electronics_store", "cell_phone_store"),
    "hardware_store": ("hardware_store", "home_improvement_store"),
    "sports_store": ("sporting_goods_store",),
    "bicycle_store": ("bicycle_store",),
    "pet_store": ("pet_store",),
    "wine_store": ("liquor_store",),
    "hairdresser": ("hair_salon", "barber_shop", "hair_care"),
    "beauty_salon": ("beauty_salon",),
    "laundry": ("laundry",),
    "travel_agency": ("travel_agency",),
    "estate_agent": ("real_estate_agency",),
    "pharmacy": ("pharmacy",),
    "hospital": ("hospital",),
    "doctor": ("doctor",),
    "dentist": ("dentist", "dental_clinic"),
    "veterinary": ("veterinary_care",),
    "bank": ("bank",),
    "atm": ("atm",),
    "post_office": ("post_office",),
    "police": ("police",),
    "fire_station": ("fire_station",),
    "town_hall": ("city_hall",),
    "courthouse": ("courthouse",),
    "embassy": ("embassy",),
    "library": ("library",),
    "school": ("school",),
    "kindergarten": ("preschool",),
    "university": ("university",),
    "cinema": ("movie_theater",),
    "theatre": ("performing_arts_theater",),
    "museum": ("museum",),
    "art_gallery": ("art_gallery",),
    "community_centre": ("community_center",),
    "place_of_worship": ("church", "hindu_temple", "mosque", "synagogue"),
    "hotel": ("hotel",),
    "hostel": ("hostel",),
    "guest_house": ("guest_house", "bed_and_breakfast"),
    "campsite": ("campground",),
    "tourist_information": ("tourist_information_center", "visitor_center"),
    "attraction": ("tourist_attraction",),
    "zoo": ("zoo",),
    "aquarium": ("aquarium",),
    "theme_park": ("amusement_park",),
    "monument": ("monument",),
    "park": ("park",),
    "garden": ("garden", "botanical_garden"),
    "playground": ("playground",),
    "sports_centre": ("sports_complex",),
    "stadium": ("stadium", "arena"),
    "swimming_pool": ("swimming_pool", "public_bath"),
    "gym": ("gym", "fitness_center"),
    "golf_course": ("golf_course",),
    "marina": ("marina",),
    "beach": ("beach",),
    "casino": ("casino",),
    "cemetery": ("cemetery",),
    "parking": ("parking",),
    "car_rental": ("car_rental",),
    "car_wash": ("car_wash",),
    "car_repair": ("car_repair",),
    "car_dealer": ("car_dealer",),
    "fuel_station": ("gas_station",),
    "charging_station": ("electric_vehicle_charging_station",),
    "taxi_stand": ("taxi_stand",),
    "bus_station": ("bus_station",),
    "bus_stop": ("bus_stop",),
    "train_station": ("train_station",),
    "subway_station": ("subway_station",),
    "tram_stop": ("light_rail_station",),
    "ferry_terminal": ("ferry_terminal",),
    "airport": ("airport",),
    "toilets": ("public_bathroom",),
    "public_art": ("sculpture",),
    "office": ("corporate_office",),
}

CUISINES: dict[str, str] = {
    **{
        cuisine: f"{cuisine.replace(' ', '_')}_restaurant"
        for cuisine in (
            "afghani", "african", "american", "asian", "barbecue", "brazilian", "breakfast", "brunch", "chinese",
            "dessert", "french", "greek", "hamburger", "indian", "indonesian", "italian", "japanese", "korean",
            "lebanese", "mediterranean", "mexican", "middle eastern", "pizza", "ramen", "seafood", "spanish", "sushi",
            "thai", "turkish", "vegan", "vegetarian", "vietnamese",
        )
    },
    "burger": "hamburger_restaurant",
    "steak": "steak_house",
}  # fmt: skip
"""Google's restaurant type by cuisine."""

_CANONICAL = {google: key for key, types in GOOGLE_TYPES.items() for google in types} | {
    "place_of_worship": "place_of_worship"
}


def cuisine_type(cuisine: str) -> str | None:
    """Google's type for a cuisine in anybody's spelling (`middle_eastern`, `Pizza`); None if it has none."""
    return CUISINES.get(cuisine.lower().replace("_", " ").replace("-", " "))


def canonical_types(google_types: Iterable[str]) -> tuple[str, ...]:
    """Canonical types of a place, in the order of Google's, the primary one first."""
    found = []
    for google in google_types:
        if google in _CANONICAL:
            found.append(_CANONICAL[google])
        elif google.endswith("_restaurant") or google == "steak_house":
            found.append("restaurant")
    return tuple(dict.fromkeys(found))
