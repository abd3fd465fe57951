"""The base map's colours, light and dark, and which shape stands for which kind of place."""

from dataclasses import dataclass
from typing import Literal

type Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme. Land, water and green stay close to each other so that results stand out on them."""

    land: str
    residential: str
    commercial: str
    industrial: str
    civic: str
    sand: str
    rock: str
    paved: str
    water: str
    shore: str
    wood: str
    park: str
    grass: str
    farmland: str
    pitch: str
    building: str
    building_edge: str
    minor: str
    minor_edge: str
    major: str
    major_edge: str
    motorway: str
    motorway_edge: str
    path: str
    rail: str
    boundary: str
    ink: str
    soft: str
    water_ink: str
    green_ink: str
    halo: str
    kinds: dict[str, str]


LIGHT = Palette(
    land="#f7f4ed",
    residential="#f3efe6",
    commercial="#f4ebe2",
    industrial="#eeece8",
    civic="#f3ecdc",
    sand="#f3e8cb",
    rock="#e9e5dd",
    paved="#f2efe9",
    water="#c3d9e4",
    shore="#9fbfce",
    wood="#d3e0c3",
    park="#dbe7cd",
    grass="#e3ead5",
    farmland="#f1eed9",
    pitch="#cde0c2",
    building="#e6dfd3",
    building_edge="#d6cdbd",
    minor="#ffffff",
    minor_edge="#d8d1c4",
    major="#fbedc4",
    major_edge="#d9bf80",
    motorway="#f5d3a5",
    motorway_edge="#cf9a58",
    path="#b59b7c",
    rail="#8f949b",
    boundary="#a58fb0",
    ink="#333a44",
    soft="#656d78",
    water_ink="#3f6f88",
    green_ink="#4f6e3d",
    halo="#fbf9f5",
    kinds={
        "food": "#b4531a",
        "shop": "#8a3d8f",
        "health": "#b3261e",
        "culture": "#6b4e16",
        "lodging": "#2f5aa8",
        "transport": "#27607f",
        "civic": "#555d68",
        "leisure": "#3c6e2f",
        "other": "#6d6a66",
    },
)

DARK = Palette(
    land="#1b2026",
    residential="#1f242b",
    commercial="#25262b",
    industrial="#22262b",
    civic="#26272a",
    sand="#2c2a25",
    rock="#24272b",
    paved="#23282f",
    water="#14303e",
    shore="#23495b",
    wood="#1d2f26",
    park="#203429",
    grass="#202e28",
    farmland="#232822",
    pitch="#243d2e",
    building="#2a3038",
    building_edge="#363d47",
    minor="#3a424d",
    minor_edge="#14181d",
    major="#5a5340",
    major_edge="#14181d",
    motorway="#76603c",
    motorway_edge="#14181d",
    path="#6d6250",
    rail="#6b737d",
    boundary="#7d6b8a",
    ink="#dfe3e8",
    soft="#a4aebb",
    water_ink="#7fb3cc",
    green_ink="#93b98a",
    halo="#161a1f",
    kinds={
        "food": "#f0a46f",
        "shop": "#d99be0",
        "health": "#ff9a92",
        "culture": "#dcc07c",
        "lodging": "#9dbcf5",
        "transport": "#86c5e6",
        "civic": "#b8c0ca",
        "leisure": "#96cf86",
        "other": "#b3b0ab",
    },
)

PALETTES: dict[Theme, Palette] = {"light": LIGHT, "dark": DARK}

KINDS: dict[str, tuple[str, ...]] = {
    "food": ("restaurant", "fast_food", "cafe", "bar", "pub", "nightclub", "ice_cream"),
    "shop": (
        *("bakery", "butcher", "supermarket", "convenience_store", "greengrocer", "market", "shopping_mall"),
        *("department_store", "clothing_store", "shoe_store", "jewellery_store", "book_store", "stationery_store"),
        *("newsagent", "toy_store", "gift_shop", "florist", "furniture_store", "electronics_store", "hardware_store"),
        *("sports_store", "bicycle_store", "pet_store", "wine_store", "hairdresser", "beauty_salon", "laundry"),
        *("optician", "travel_agency", "estate_agent", "car_dealer", "car_repair"),
    ),
    "health": ("pharmacy", "hospital", "clinic", "doctor", "dentist", "veterinary"),
    "culture": (
        *("library", "cinema", "theatre", "museum", "art_gallery", "community_centre", "place_of_worship"),
        *("tourist_information", "attraction", "viewpoint", "zoo", "aquarium", "theme_park", "monument", "castle"),
        *("casino", "fountain", "public_art"),
    ),
    "lodging": ("hotel", "hostel", "guest_house", "apartment", "campsite"),
    "transport": (
        *("parking", "bicycle_parking", "bicycle_rental", "car_rental", "car_wash", "fuel_station"),
        *("charging_station", "taxi_stand", "bus_station", "bus_stop", "train_station", "subway_station"),
        *("tram_stop", "ferry_terminal", "airport"),
    ),
    "civic": (
        *("bank", "atm", "currency_exchange", "post_office", "police", "fire_station", "town_hall", "courthouse"),
        *("embassy", "school", "kindergarten", "university", "college"),
    ),
    "leisure": (
        *("park", "garden", "playground", "sports_centre", "stadium", "swimming_pool", "gym", "golf_course"),
        *("marina", "beach", "cemetery"),
    ),
}
"""Canonical place types by the shape that stands for them on the map; all others are `other`.

`static/annotator/shapes.js` draws a shape for each of these names.
"""
