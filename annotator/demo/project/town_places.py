"""Contexts about places of the embedded town. Every gold answer is read from a tool's answer, none is made up."""

from annotator.demo.project.parts import SQUARE, open_at, proof_of, with_hours
from annotator.demo.project.sheet import Sheet
from annotator.questions.answers import NumberAnswer, PointAnswer, SetAnswer, TextAnswer, TimeAnswer


async def pharmacies(sheet: Sheet) -> None:
    """Nearby places, their hours and distances."""
    found = await sheet.ask(
        "nearby_search",
        {**SQUARE, "type": "pharmacy", "radius_m": 1000, "limit": 8},
        heading="Pharmacies within 1 km",
    )
    first, second, third, fourth = with_hours(found)[:4]
    sheet.choice(
        "Which pharmacy is nearest to the square?",
        [first["name"]],
        [place["name"] for place in (second, third, fourth)],
        [proof_of(found, first, "distance_m", "supports", first["name"])]
        + [proof_of(found, place, "distance_m", "distractor", place["name"]) for place in (second, third)],
        category="nearby",
        explanation=f"{first['name']} is {first['distance_m']:.0f} m away, and every other one is farther.",
    )
    for place, day, clock in ((first, "Saturday", "15:00"), (second, "Sunday", "11:00"), (third, "Wednesday", "18:45")):
        said = await open_at(sheet, place, day, clock)
        is_open = said.get("/state") == "open"
        sheet.yes_no(
            f"Is {place['name']} open on a {day} at {clock}, if it is no public holiday?",
            is_open,
            [proof_of(found, place, "opening_hours/raw"), said.proof("/state")],
            category="poi",
            tags=("opening hours",),
            explanation=f"Its hours are {place['opening_hours']['raw']}.",
        )
    near = [place for place in found.places if place["distance_m"] <= 600]
    far = [place for place in found.places if place["distance_m"] > 600]
    sheet.multiple(
        "Which of these pharmacies are at most 600 m from the square in a straight line?",
        [place["name"] for place in near][:4],
        [place["name"] for place in far][:2],
        [proof_of(found, place, "distance_m", "supports", place["name"]) for place in near[:4]],
        category="nearby",
    )
    sheet.open(
        "How many pharmacies are at most 600 m from the square in a straight line?",
        NumberAnswer(value=len(near), unit="pharmacies"),
        [proof_of(found, place, "distance_m") for place in near],
        category="nearby",
    )
    sunday = [(place, (await open_at(sheet, place, "Sunday", "11:00"))) for place in (first, second, third, fourth)]
    sheet.multiple(
        "Which of these pharmacies are open on a Sunday at 11:00 that is no public holiday?",
        [place["name"] for place, said in sunday if said.get("/state") == "open"],
        [place["name"] for place, said in sunday if said.get("/state") != "open"],
        [said.proof("/state", "supports", place["name"]) for place, said in sunday],
        category="poi",
        tags=("opening hours",),
    )
    sheet.unanswerable(
        f"How do customers rate {second['name']} on average?", ["3.5 of 5", "4.0 of 5", "4.5 of 5"], category="poi"
    )
    sheet.unanswerable(f"How many people work at {third['name']}?", category="poi")


async def museums(sheet: Sheet) -> None:
    """Places by kind, with what each says about itself."""
    found = await sheet.ask(
        "nearby_search", {**SQUARE, "type": "museum", "radius_m": 2000, "limit": 6}, heading="Museums"
    )
    listed = with_hours(found)
    first = listed[0]
    details = await sheet.ask("place_details", {"place_id": first["pid"]}, heading=first["name"])
    able = [place for place in listed if place.get("wheelchair") == "yes"]
    other = [place for place in listed if place.get("wheelchair") in ("no", "limited")]
    sheet.multiple(
        "Which of these museums can wheelchair users enter without limits?",
        [place["name"] for place in able],
        [place["name"] for place in other],
        [proof_of(found, place, "wheelchair", "supports", place["name"]) for place in able]
        + [proof_of(found, place, "wheelchair", "refutes", place["name"]) for place in other],
        category="poi",
        tags=("accessibility",),
    )
    for place in (able[0], other[0]):
        sheet.yes_no(
            f"Can wheelchair users enter the {place['name']} without limits?",
            place in able,
            [proof_of(found, place, "wheelchair")],
            category="poi",
            tags=("accessibility",),
        )
    hours = {place["opening_hours"]["raw"]: place for place in listed}
    sheet.choice(
        f"What are the opening hours of the {first['name']}?",
        [first["opening_hours"]["raw"]],
        [raw for raw in hours if raw != first["opening_hours"]["raw"]][:3],
        [details.proof("/place/opening_hours/raw")],
        category="poi",
        tags=("opening hours",),
    )
    monday = [(place, await open_at(sheet, place, "Monday", "11:00")) for place in listed]
    closed = [place["name"] for place, said in monday if said.get("/state") == "closed"]
    sheet.multiple(
        "Which of these museums are closed on a Monday at 11:00 in June?",
        closed,
        [place["name"] for place, _ in monday if place["name"] not in closed],
        [said.proof("/state", "supports", place["name"]) for place, said in monday],
        category="poi",
        tags=("opening hours",),
    )
    late = await open_at(sheet, first, "Wednesday", "17:00")
    sheet.open(
        f"A visitor is in the {first['name']} on a Wednesday in June at 17:00. At what time does it close?",
        TimeAnswer(value=late.get("/next_change")[11:16]),
        [late.proof("/next_change"), details.proof("/place/opening_hours/raw")],
        category="poi",
        tags=("opening hours",),
    )
    sheet.open(
        f"Where is the {first['name']}? Give its latitude and longitude.",
        PointAnswer(lat=first["lat"], lon=first["lon"], max_m=100),
        [proof_of(found, first, "lat"), proof_of(found, first, "lon")],
        category="poi",
    )
    sheet.open(
        "Name all museums at most 1 km from the square in a straight line.",
        SetAnswer(items=tuple(place["name"] for place in found.places if place["distance_m"] <= 1000)),
        [proof_of(found, place, "name") for place in found.places if place["distance_m"] <= 1000],
        category="nearby",
    )
    sheet.unanswerable(
        f"How much does an adult pay to enter the {listed[1]['name']}?", ["6 dollars", "9 dollars"], category="poi"
    )
    sheet.unanswerable(f"In which year did the {first['name']} open?", ["1958", "1974", "1991"], category="poi")


async def address(sheet: Sheet) -> None:
    """What stands where, by address and position."""
    here = await sheet.ask("reverse_geocode", {**SQUARE, "limit": 3}, heading="At the square")
    cafes = await sheet.ask("nearby_search", {**SQUARE, "type": "cafe", "radius_m": 400, "limit": 5}, heading="Cafés")
    sheet.note("The square is the town's middle; every distance above is measured from it in a straight line.")
    first, second = cafes.places[:2]
    sheet.open(
        f"In which street is {first['name']}?",
        TextAnswer(value=first["address_parts"]["street"]),
        [proof_of(cafes, first, "address_parts/street")],
        category="poi",
    )
    sheet.multiple(
        "Which of these cafés are at most 100 m from the square in a straight line?",
        [place["name"] for place in cafes.places if place["distance_m"] <= 100],
        [place["name"] for place in cafes.places if place["distance_m"] > 100],
        [proof_of(cafes, place, "distance_m", "supports", place["name"]) for place in cafes.places],
        category="nearby",
    )
    sheet.choice(
        f"What is the address of {second['name']}?",
        [second["address"]],
        [place["address"] for place in cafes.places if place["address"] != second["address"]][:3],
        [proof_of(cafes, second, "address")],
        category="poi",
    )
    sheet.yes_no(
        f"Is {first['name']} nearer to the square than {second['name']}, in a straight line?",
        first["distance_m"] < second["distance_m"],
        [proof_of(cafes, first, "distance_m"), proof_of(cafes, second, "distance_m")],
        category="nearby",
    )
    sheet.unanswerable(f"Who owns {first['name']}?", category="poi")
    if not here.places:
        raise ValueError("nothing stands at the square")
