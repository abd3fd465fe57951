"""Map links, codes and coordinates that people paste."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.contexts.codes import geohash, osm_short_link, plus_code
from annotator.contexts.coordinates import read_coordinates
from annotator.contexts.links import Link, read_link
from annotator.errors import InputError

POINTS = [
    # Google Maps, as its address bar, its buttons and its documented URLs have them.
    ("https://www.google.com/maps/@48.8583701,2.2944813,17z", 48.85837, 2.294481, 17.0, None, "Google Maps"),
    (
        "https://www.google.com/maps/@48.8583701,2.2944813,3a,75y,90t/data=!3m6",
        48.85837,
        2.294481,
        None,
        None,
        "Google Maps",
    ),
    (
        "https://www.google.com/maps/place/Eiffel+Tower/@48.8583701,2.2919064,17z/data=!3m1!4b1!4m6!3m5"
        "!1s0x47e66e2964e34e2d:0x8ddca9ee380ef7e0!8m2!3d48.8583701!4d2.2944813!16zL20vMDJqODE",
        48.85837,
        2.294481,
        17.0,
        "Eiffel Tower",
        "Google Maps",
    ),
    (
        "https://www.google.com/maps/place/Caf%C3%A9+de+Paris/@43.7393,7.4277,17z",
        43.7393,
        7.4277,
        17.0,
        "Café de Paris",
        "Google Maps",
    ),
    ("https://maps.google.com/?q=43.7393,7.4277", 43.7393, 7.4277, None, None, "Google Maps"),
    ("https://maps.google.co.uk/maps?q=43.7393,7.4277&z=15", 43.7393, 7.4277, 15.0, None, "Google Maps"),
    ("https://www.google.de/maps?ll=43.7393,7.4277&z=12", 43.7393, 7.4277, 12.0, None, "Google Maps"),
    ("https://www.google.com/maps/search/?api=1&query=43.7393%2C7.4277", 43.7393, 7.4277, None, None, "Google Maps"),
    (
        "https://www.google.com/maps/place/43%C2%B044'21.5%22N+7%C2%B025'39.7%22E/",
        43.739306,
        7.427694,
        None,
        None,
        "Google Maps",
    ),
    (
        "https://www.google.com/maps/@?api=1&map_action=map&center=-33.712206,150.311941&zoom=12",
        -33.712206,
        150.311941,
        12.0,
        None,
        "Google Maps",
    ),
    ("https://www.google.com/maps/place/8FM9PCMF%2BRX", 43.734562, 7.424937, None, None, "Google Maps"),
    # OpenStreetMap
    ("https://www.openstreetmap.org/#map=19/43.73934/7.42776", 43.73934, 7.42776, 19.0, None, "OpenStreetMap"),
    (
        "https://www.openstreetmap.org/?mlat=43.73934&mlon=7.42776#map=19/43.7/7.4",
        43.73934,
        7.42776,
        19.0,
        None,
        "OpenStreetMap",
    ),
    ("openstreetmap.org/?mlat=-43.5&mlon=-7.25&zoom=12", -43.5, -7.25, 12.0, None, "OpenStreetMap"),
    (
        "https://www.openstreetmap.org/export/embed.html?bbox=1%2C2%2C3%2C4&marker=43.5%2C7.25",
        43.5,
        7.25,
        None,
        None,
        "OpenStreetMap",
    ),
    ("https://osm.org/go/0EEQjE--", 51.510772, 0.054932, 9.0, None, "OpenStreetMap"),
    # Apple Maps
    ("https://maps.apple.com/?ll=43.7393,7.4277&q=Casino&z=17", 43.7393, 7.4277, 17.0, "Casino", "Apple Maps"),
    ("https://maps.apple.com/?ll=50.894967,4.341626", 50.894967, 4.341626, None, None, "Apple Maps"),
    (
        "https://maps.apple.com/place?coordinate=43.7393,7.4277&name=Caf%C3%A9",
        43.7393,
        7.4277,
        None,
        "Café",
        "Apple Maps",
    ),
    # Bing Maps
    ("https://www.bing.com/maps?cp=43.7393%7E7.4277&lvl=15.4", 43.7393, 7.4277, 15.4, None, "Bing Maps"),
    ("https://bing.com/maps/default.aspx?cp=43.7393~7.4277&lvl=15", 43.7393, 7.4277, 15.0, None, "Bing Maps"),
    ("https://www.bing.com/maps?sp=point.43.7393_7.4277_Casino_note", 43.7393, 7.4277, None, "Casino", "Bing Maps"),
    # HERE
    ("https://wego.here.com/?map=43.7393,7.4277,16,normal", 43.7393, 7.4277, 16.0, None, "HERE"),
    ("https://share.here.com/l/43.7393,7.4277,Casino?z=16&p=yes", 43.7393, 7.4277, 16.0, "Casino", "HERE"),
    ("https://wego.here.com/p/s-bGF0PTQzLjU7bG9uPTcuMjU7bj1DYWZl", 43.5, 7.25, None, "Cafe", "HERE"),
    # Waze
    (
        "https://www.waze.com/ul?ll=40.75889500%2C-73.98513100&navigate=yes&zoom=17",
        40.758895,
        -73.985131,
        17.0,
        None,
        "Waze",
    ),
    ("https://waze.com/ul/hezs42", 42.60498, -5.603027, None, None, "Waze"),
    (
        "https://www.waze.com/live-map/directions?to=ll.40.758895%2C-73.985131",
        40.758895,
        -73.985131,
        None,
        None,
        "Waze",
    ),
    # RFC 5870, and what Android makes of it
    ("geo:43.7393,7.4277", 43.7393, 7.4277, None, None, "geo:"),
    ("GEO:43.7393,7.4277,12;u=35;crs=WGS84", 43.7393, 7.4277, None, None, "geo:"),
    ("geo:0,0?q=43.7393,7.4277(Caf%C3%A9)&z=15", 43.7393, 7.4277, 15.0, "Café", "geo:"),
    # Other sites that name coordinates as everybody does
    ("https://example.org/map?lat=43.7393&lng=7.4277", 43.7393, 7.4277, None, None, "link"),
    ("https://example.org/#14/43.7393/7.4277", 43.7393, 7.4277, 14.0, None, "link"),
    ("https://plus.codes/8FM9PCMF+RX", 43.734562, 7.424937, None, None, "plus code"),
    ("8FM9PCMF+RX", 43.734562, 7.424937, None, None, "plus code"),
    ("8fm9pcmf+rx", 43.734562, 7.424937, None, None, "plus code"),
    # Coordinates as people write them
    ("45.39265, -65.32871", 45.39265, -65.32871, None, None, "coordinates"),
    ("45.39265 -65.32871", 45.39265, -65.32871, None, None, "coordinates"),
    ("(45.39265; -65.32871)", 45.39265, -65.32871, None, None, "coordinates"),
    ("45,39265; -65,32871", 45.39265, -65.32871, None, None, "coordinates"),
    ("lat: 45.39265, lon: -65.32871", 45.39265, -65.32871, None, None, "coordinates"),
    ("lon=-65.32871 lat=45.39265", 45.39265, -65.32871, None, None, "coordinates"),
    ("45.39265° N, 65.32871° W", 45.39265, -65.32871, None, None, "coordinates"),
    ("45.39265N 65.32871W", 45.39265, -65.32871, None, None, "coordinates"),
    ("N 45.39265 W 65.32871", 45.39265, -65.32871, None, None, "coordinates"),
    ("65.32871 W, 45.39265 N", 45.39265, -65.32871, None, None, "coordinates"),
    ("45°23'33.5\"N 65°19'43.4\"W", 45.392639, -65.328722, None, None, "coordinates"),
    ("45\u00b023\u203233.5\u2033N, 65\u00b019\u203243.4\u2033W", 45.392639, -65.328722, None, None, "coordinates"),
    ("45 23 33.5 N, 65 19 43.4 W", 45.392639, -65.328722, None, None, "coordinates"),
    ("45°23.558'N 65°19.723'W", 45.392633, -65.328717, None, None, "coordinates"),
    ("33°51'30\"S 151°12'36\"E", -33.858333, 151.21, None, None, "coordinates"),
    ("\u0664\u0665\u066b\u0663\u0669, -\u0666\u0665", 45.39, -65.0, None, None, "coordinates"),
    ("\u221245.5, 65.25", -45.5, 65.25, None, None, "coordinates"),
]

PLACES = [
    ("https://www.openstreetmap.org/node/123456", "osm:n123456", "OpenStreetMap"),
    ("https://www.openstreetmap.org/way/4410921#map=19/43.7/7.4", "osm:w4410921", "OpenStreetMap"),
    ("https://openstreetmap.org/relation/2220322/history", "osm:r2220322", "OpenStreetMap"),
    ("https://www.openstreetmap.org/browse/way/17", "osm:w17", "OpenStreetMap"),
    (
        "https://www.google.com/maps/search/?api=1&query=47.5951518%2C-122.3316393&query_place_id=ChIJKxjxuaNqkFQR3CK6O1HNNqY",
        "google:ChIJKxjxuaNqkFQR3CK6O1HNNqY",
        "Google Maps",
    ),
    (
        "https://www.google.com/maps/place/?q=place_id:ChIJKxjxuaNqkFQR3CK6O1HNNqY",
        "google:ChIJKxjxuaNqkFQR3CK6O1HNNqY",
        "Google Maps",
    ),
]

SEARCHES = [
    (
        "https://www.google.com/maps/search/pizza+near+harbour/@43.7393,7.4277,14z",
        "pizza near harbour",
        43.7393,
        "Google Maps",
    ),
    ("https://maps.google.com/?q=Caf%C3%A9+de+Paris", "Café de Paris", None, "Google Maps"),
    ("https://www.openstreetmap.org/search?query=Monaco#map=14/43.73/7.42", "Monaco", 43.73, "OpenStreetMap"),
    ("https://maps.apple.com/?q=pizza&sll=43.73,7.42", "pizza", 43.73, "Apple Maps"),
    ("https://maps.apple.com/?address=1%20Quai%20Antoine", "1 Quai Antoine", None, "Apple Maps"),
    ("https://www.bing.com/maps?q=pizza&cp=43.73~7.42", "pizza", 43.73, "Bing Maps"),
    ("https://wego.here.com/search/pizza?map=43.73,7.42,12,normal", "pizza", 43.73, "HERE"),
    ("https://waze.com/ul?q=66%20Acacia%20Avenue", "66 Acacia Avenue", None, "Waze"),
    ("geo:0,0?q=1600+Amphitheatre+Parkway", "1600 Amphitheatre Parkway", None, "geo:"),
    ("geo:43.73,7.42?q=pizza", "pizza", 43.73, "geo:"),
]

REFUSED = [
    ("", "nothing to read"),
    ("hello", "no map link"),
    ("Saltmere", "no map link"),
    ("https://maps.app.goo.gl/AbCdEf123", "shortened"),
    ("https://goo.gl/maps/AbCdEf", "shortened"),
    ("https://maps.apple/p/abc", "shortened"),
    ("https://www.google.com/maps/dir/Nice/Monaco/@43.7,7.3,12z", "directions"),
    ("https://maps.apple.com/?daddr=43.7,7.4", "directions"),
    ("https://www.google.com/maps", "no place, position or search"),
    ("https://www.openstreetmap.org/about", "no place, position or search"),
    ("https://example.org/", "no place, position or search"),
    ("https://[::1", "cannot be read"),
    ("PCMF+RX Monaco", "short"),
    ("95.5, 10", "swap"),
    ("10, 200", "longitude"),
    ("geo:north", "geo:"),
    ("geo:1,2;crs=foo", "WGS 84"),
    ("45°70'0\"N 65°0'0\"W", "60 or more"),
    ("12 34 56", "no map link"),
    ("1,2,3", "no map link"),
    ("45.1 N 46.2 N", "no map link"),
]


@pytest.mark.parametrize(
    ("text", "lat", "lon", "zoom", "name", "source"), POINTS, ids=[case[0][:70] for case in POINTS]
)
def test_a_link_or_coordinates_give_their_position(text, lat, lon, zoom, name, source):
    found = read_link(f"  {text}\n")
    assert (found.kind, found.source) == ("point", source)
    assert (found.lat, found.lon) == pytest.approx((lat, lon), abs=2e-6)
    assert (found.zoom, found.query) == (zoom, name)


@pytest.mark.parametrize(("text", "place_id", "source"), PLACES, ids=[case[0][:70] for case in PLACES])
def test_a_link_to_a_place_gives_its_id(text, place_id, source):
    found = read_link(text)
    assert (found.kind, found.place_id, found.source) == ("place", place_id, source)


@pytest.mark.parametrize(("text", "query", "lat", "source"), SEARCHES, ids=[case[0][:70] for case in SEARCHES])
def test_a_link_to_a_search_gives_its_words_and_where_to_look(text, query, lat, source):
    found = read_link(text)
    assert (found.kind, found.query, found.lat, found.source) == ("search", query, lat, source)


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[case[0][:70] or "empty" for case in REFUSED])
def test_what_cannot_be_read_is_refused_with_advice(text, words):
    with pytest.raises(InputError) as refused:
        read_link(text)
    assert words in refused.value.message


latitudes = st.floats(-90, 90).map(lambda value: round(value, 6) + 0.0)
longitudes = st.floats(-180, 180).map(lambda value: round(value, 6) + 0.0)


def _read_or_refusal(text: str) -> Link | InputError:
    try:
        return read_link(text)
    except InputError as refused:
        return refused


def _dms(value: float, letters: str) -> str:
    """Degrees, whole minutes and seconds with four decimals, as a map's own page writes them."""
    total = round(abs(value) * 36_000_000)
    degrees, rest = divmod(total, 36_000_000)
    minutes, seconds = divmod(rest, 600_000)
    return f"{degrees}°{minutes}'{seconds / 10_000:.4f}\"{letters[value < 0]}"


@settings(deadline=None)
@given(latitudes, longitudes, st.integers(0, 10))
def test_every_way_to_write_coordinates_gives_them_back(lat, lon, way):
    decimal = f"{lat:.6f}", f"{lon:.6f}"
    written = [
        ", ".join(decimal),
        " ".join(decimal),
        f"{decimal[0].replace('.', ',')}; {decimal[1].replace('.', ',')}",
        f"{_dms(lat, 'NS')} {_dms(lon, 'EW')}",
        f"{abs(lat):.6f}{'NS'[lat < 0]} {abs(lon):.6f}{'EW'[lon < 0]}",
        f"lon: {decimal[1]} lat: {decimal[0]}",
        f"geo:{decimal[0]},{decimal[1]}",
        f"https://www.google.com/maps/@{decimal[0]},{decimal[1]},15z",
        f"https://www.openstreetmap.org/#map=15/{decimal[0]}/{decimal[1]}",
        f"https://www.bing.com/maps?cp={decimal[0]}~{decimal[1]}",
        f"https://wego.here.com/?map={decimal[0]},{decimal[1]},15,normal",
    ][way]
    found = read_link(written)
    assert (found.lat, found.lon) == pytest.approx((lat, lon), abs=1.1e-6)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_one_line(text):
    found = _read_or_refusal(text)
    if isinstance(found, InputError):
        assert len(found.message.splitlines()) == 1
    else:
        assert found.lat is None or -90 <= found.lat <= 90


@settings(deadline=None)
@given(st.sampled_from([case[0] for case in POINTS + PLACES + SEARCHES]), st.data())
def test_a_spoiled_link_is_read_or_refused_and_never_fails(text, data):
    place = data.draw(st.integers(0, len(text)))
    spoiled = text[:place] + data.draw(st.text(max_size=5)) + text[place + data.draw(st.integers(0, 5)) :]
    assert isinstance(_read_or_refusal(spoiled), Link | InputError)


def _geohash(lat: float, lon: float, num_digits: int) -> str:
    """The cell that holds a position, found by trying every digit: the oracle of `geohash`."""
    digits = "0123456789bcdefghjkmnpqrstuvwxyz"
    code, south, north, west, east = "", -90.0, 90.0, -180.0, 180.0
    for place in range(num_digits):
        # A digit parts its cell into 8 by 4, alternately wide and high.
        columns, rows = (8, 4) if place % 2 == 0 else (4, 8)
        width, height = (east - west) / columns, (north - south) / rows
        column, row = min(int((lon - west) / width), columns - 1), min(int((lat - south) / height), rows - 1)
        lon_bits, lat_bits = f"{column:0{columns.bit_length() - 1}b}", f"{row:0{rows.bit_length() - 1}b}"
        first, second = (lon_bits, lat_bits) if place % 2 == 0 else (lat_bits, lon_bits)
        mixed = "".join(one + other for one, other in zip(first, second + " ", strict=False)).strip()
        code += digits[int(mixed, 2)]
        west, south = west + column * width, south + row * height
        east, north = west + width, south + height
    return code


@settings(deadline=None)
@given(latitudes, longitudes, st.integers(5, 9))
def test_a_geohash_leads_back_to_where_it_was_made(lat, lon, num_digits):
    found = geohash(_geohash(lat, lon, num_digits))
    assert found == pytest.approx((lat, lon), abs=360 / 2 ** (2.5 * num_digits - 1))


def test_known_codes_decode_to_their_published_positions():
    assert geohash("ezs42") == pytest.approx((42.605, -5.603), abs=0.03)
    assert geohash("u4pruydqqvj") == pytest.approx((57.64911, 10.40744), abs=1e-5)
    assert plus_code("6PH57VP3+PR") == pytest.approx((1.286813, 103.854563), abs=1e-5)
    assert plus_code("8FVC2222+22") == pytest.approx((47.0000625, 8.0000625), abs=1e-6)
    assert plus_code("4VCPPQGP+Q9") == pytest.approx((-41.2730625, 174.7859375), abs=1e-6)
    assert plus_code("7FG49QCJ+2VX") == pytest.approx((20.3701125, 2.782234375), abs=2e-6)
    assert plus_code("7FG49Q00+") == pytest.approx((20.375, 2.775), abs=1e-6)
    assert plus_code("not a code") is None


@settings(deadline=None)
@given(
    latitudes.filter(lambda lat: abs(lat) < 89.9), longitudes.filter(lambda lon: abs(lon) < 179.9), st.integers(3, 9)
)
def test_an_osm_short_link_leads_back_to_where_it_was_made(lat, lon, num_digits):
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~"
    x, y = int((lon + 180) * 2**32 / 360), int((lat + 90) * 2**32 / 180)
    bits = [(x >> (31 - place) & 1, y >> (31 - place) & 1) for place in range(3 * num_digits)]
    flat = [bit for pair in bits for bit in pair]
    code = "".join(digits[int("".join(map(str, flat[start : start + 6])), 2)] for start in range(0, len(flat), 6))
    found = osm_short_link(code)
    assert found is not None
    (got_lat, got_lon), zoom = found
    assert zoom == max(0, 3 * num_digits - 8)
    size = 360 / 2 ** (3 * num_digits)
    assert (got_lat, got_lon) == pytest.approx((lat, lon), abs=size + 1e-6)


def test_digits_of_other_scripts_are_digits():
    assert read_coordinates("४५.३९, ६५.३२") == (45.39, 65.32)
