"""The place types that every provider speaks: each with the OpenStreetMap tags that mean it.

A type's key is stable: it stands in parameters, results and datasets. Providers map their own kinds to it in their own
file; words by which people search for a type are in `embedded/synonyms.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """One place type.

    Args:
        key: canonical name.
        osm_tags: `key=value` of OpenStreetMap, the most usual first; `key=*` takes any value.
    """

    key: str
    osm_tags: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name for people."""
        return self.key.replace("_", " ")


_TABLE = (
    Category("restaurant", ("amenity=restaurant",)),
    Category("fast_food", ("amenity=fast_food",)),
    Category("cafe", ("amenity=cafe",)),
    Category("bar", ("amenity=bar",)),
    Category("pub", ("amenity=pub",)),
    Category("nightclub", ("amenity=nightclub",)),
    Category("ice_cream", ("amenity=ice_cream", "shop=ice_cream")),
    Category("bakery", ("shop=bakery",)),
    Category("butcher", ("shop=butcher",)),
    Category("supermarket", ("shop=supermarket",)),
    Category("convenience_store", ("shop=convenience",)),
    Category("greengrocer", ("shop=greengrocer",)),
    Category("market", ("amenity=marketplace",)),
    Category("shopping_mall", ("shop=mall",)),
    Category("department_store", ("shop=department_store",)),
    Category("clothing_store", ("shop=clothes",)),
    Category("shoe_store", ("shop=shoes",)),
    Category("jewellery_store", ("shop=jewelry",)),
    Category("book_store", ("shop=books",)),
    Category("stationery_store", ("shop=stationery",)),
    Category("newsagent", ("shop=newsagent", "shop=kiosk")),
    Category("toy_store", ("shop=toys",)),
    Category("gift_shop", ("shop=gift",)),
    Category("florist", ("shop=florist",)),
    Category("furniture_store", ("shop=furniture",)),
    Category("electronics_store", ("shop=electronics", "shop=computer", "shop=mobile_phone")),
    Category("hardware_store", ("shop=hardware", "shop=doityourself")),
    Category("sports_store", ("shop=sports",)),
    Category("bicycle_store", ("shop=bicycle",)),
    Category("pet_store", ("shop=pet",)),
    Category("wine_store", ("shop=wine", "shop=alcohol")),
    Category("hairdresser", ("shop=hairdresser",)),
    Category("beauty_salon", ("shop=beauty",)),
    Category("laundry", ("shop=laundry", "shop=dry_cleaning")),
    Category("optician", ("shop=optician",)),
    Category("travel_agency", ("shop=travel_agency",)),
    Category("estate_agent", ("office=estate_agent",)),
    Category("pharmacy", ("amenity=pharmacy",)),
    Category("hospital", ("amenity=hospital",)),
    Category("clinic", ("amenity=clinic",)),
    Category("doctor", ("amenity=doctors",)),
    Category("dentist", ("amenity=dentist",)),
    Category("veterinary", ("amenity=veterinary",)),
    Category("bank", ("amenity=bank",)),
    Category("atm", ("amenity=atm",)),
    Category("currency_exchange", ("amenity=bureau_de_change",)),
    Category("post_office", ("amenity=post_office",)),
    Category("police", ("amenity=police",)),
    Category("fire_station", ("amenity=fire_station",)),
    Category("town_hall", ("amenity=townhall",)),
    Category("courthouse", ("amenity=courthouse",)),
    Category("embassy", ("office=diplomatic", "amenity=embassy", "diplomatic=embassy")),
    Category("library", ("amenity=library",)),
    Category("school", ("amenity=school",)),
    Category("kindergarten", ("amenity=kindergarten",)),
    Category("university", ("amenity=university",)),
    Category("college", ("amenity=college",)),
    Category("cinema", ("amenity=cinema",)),
    Category("theatre", ("amenity=theatre",)),
    Category("museum", ("tourism=museum",)),
    Category("art_gallery", ("tourism=gallery",)),
    Category("community_centre", ("amenity=community_centre",)),
    Category("place_of_worship", ("amenity=place_of_worship",)),
    Category("hotel", ("tourism=hotel",)),
    Category("hostel", ("tourism=hostel",)),
    Category("guest_house", ("tourism=guest_house",)),
    Category("apartment", ("tourism=apartment",)),
    Category("campsite", ("tourism=camp_site",)),
    Category("tourist_information", ("tourism=information",)),
    Category("viewpoint", ("tourism=viewpoint",)),
    Category("zoo", ("tourism=zoo",)),
    Category("aquarium", ("tourism=aquarium",)),
    Category("theme_park", ("tourism=theme_park",)),
    Category("monument", ("historic=monument", "historic=memorial")),
    Category("castle", ("historic=castle",)),
    Category("park", ("leisure=park",)),
    Category("garden", ("leisure=garden",)),
    Category("playground", ("leisure=playground",)),
    Category("sports_centre", ("leisure=sports_centre",)),
    Category("stadium", ("leisure=stadium",)),
    Category("swimming_pool", ("leisure=swimming_pool", "amenity=public_bath")),
    Category("gym", ("leisure=fitness_centre",)),
    Category("golf_course", ("leisure=golf_course",)),
    Category("marina", ("leisure=marina",)),
    Category("beach", ("natural=beach",)),
    Category("casino", ("amenity=casino",)),
    Category("cemetery", ("landuse=cemetery", "amenity=grave_yard")),
    Category("parking", ("amenity=parking",)),
    Category("bicycle_parking", ("amenity=bicycle_parking",)),
    Category("bicycle_rental", ("amenity=bicycle_rental",)),
    Category("car_rental", ("amenity=car_rental",)),
    Category("car_wash", ("amenity=car_wash",)),
    Category("car_repair", ("shop=car_repair",)),
    Category("car_dealer", ("shop=car",)),
    Category("fuel_station", ("amenity=fuel",)),
    Category("charging_station", ("amenity=charging_station",)),
    Category("taxi_stand", ("amenity=taxi",)),
    Category("bus_station", ("amenity=bus_station",)),
    Category("bus_stop", ("highway=bus_stop",)),
    Category("train_station", ("railway=station", "railway=halt")),
    Category("subway_station", ("station=subway",)),
    Category("tram_stop", ("railway=tram_stop",)),
    Category("ferry_terminal", ("amenity=ferry_terminal",)),
    Category("airport", ("aeroway=aerodrome",)),
    Category("toilets", ("amenity=toilets",)),
    Category("drinking_water", ("amenity=drinking_water",)),
    Category("bench", ("amenity=bench",)),
    Category("recycling", ("amenity=recycling",)),
    Category("fountain", ("amenity=fountain",)),
    Category("public_art", ("tourism=artwork",)),
    Category("attraction", ("tourism=attraction",)),
    Category("office", ("office=*",)),
    Category("industrial", ("landuse=industrial",)),
)

CATEGORIES: dict[str, Category] = {category.key: category for category in _TABLE}
"""Every canonical place type by key; the order of the table is the order of preference."""

_ORDER = {key: rank for rank, key in enumerate(CATEGORIES)}
_BY_TAG: dict[str, list[str]] = {}
for _category in _TABLE:
    for _tag in _category.osm_tags:
        _BY_TAG.setdefault(_tag, []).append(_category.key)
_KEYS = frozenset(tag.partition("=")[0] for tag in _BY_TAG)


def categories_of_osm(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Canonical types of an OpenStreetMap object, most specific first (`key=*` last); empty if it has none."""
    found = {
        key
        for name, value in tags.items()
        if name in _KEYS
        for part in value.split(";")
        for key in _BY_TAG.get(f"{name}={part.strip()}", ())
    }
    general = [key for name, value in tags.items() if value != "no" for key in _BY_TAG.get(f"{name}=*", ())]
    return tuple(dict.fromkeys([*sorted(found, key=_ORDER.__getitem__), *sorted(general, key=_ORDER.__getitem__)]))
