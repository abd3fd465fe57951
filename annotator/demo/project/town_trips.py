"""Contexts about ways through the embedded town. Every gold answer is read from a tool's answer, none is made up."""

import math

from annotator.demo.project.parts import SQUARE, at, open_at, proof_of
from annotator.demo.project.sheet import Sheet
from annotator.questions.answers import DistanceAnswer, DurationAnswer, OrderedListAnswer, PlaceAnswer, TextAnswer


async def station(sheet: Sheet) -> None:
    """Ways from the square to the station, and the straight line."""
    found = await sheet.ask("text_search", {"query": "Saltmere Station", "limit": 1}, heading="The station")
    place = found.places[0]
    details = await sheet.ask("place_details", {"place_id": place["pid"]}, heading=place["name"])
    by_mode = {
        mode: await sheet.ask(
            "compute_routes",
            {"origin": SQUARE, "destination": at(place), "mode": mode, "alternatives": alternatives},
            heading=f"From the square to {place['name']}, {words}",
            show_steps=mode == "walk",
        )
        for mode, words, alternatives in (("walk", "on foot", 1), ("bicycle", "by bicycle", 0), ("drive", "by car", 0))
    }
    line = await sheet.ask("distance_bearing", {"origin": SQUARE, "destination": at(place)})
    names = {"walk": "on foot", "bicycle": "by bicycle", "drive": "by car"}
    times = {mode: answer.get("/routes/0/duration_s") for mode, answer in by_mode.items()}
    quickest = min(times, key=lambda mode: times[mode])
    sheet.choice(
        f"How does one get from the square to {place['name']} in the shortest time?",
        [names[quickest]],
        [word for mode, word in names.items() if mode != quickest],
        [answer.proof("/routes/0/duration_s", "supports", names[mode]) for mode, answer in by_mode.items()],
        category="routing",
    )
    walk = by_mode["walk"]
    sheet.open(
        f"How long does the quickest walk from the square to {place['name']} take?",
        DurationAnswer(value_s=times["walk"], abs_tol_s=60),
        [walk.proof("/routes/0/duration_s")],
        category="routing",
    )
    sheet.open(
        f"How far is it from the square to {place['name']} in a straight line?",
        DistanceAnswer(value_m=line.get("/distance_m"), rel_tol=0.05),
        [line.proof("/distance_m")],
        category="routing",
    )
    sheet.open(
        f"Who operates {place['name']}?",
        TextAnswer(value=details.get("/place/attributes/operator")),
        [details.proof("/place/attributes/operator")],
        category="poi",
    )
    sheet.choice(
        f"In which direction from the square does {place['name']} lie?",
        [line.get("/compass")],
        [point for point in ("N", "NNE", "E", "S", "WSW", "NW") if point != line.get("/compass")][2:5],
        [line.proof("/compass")],
        category="routing",
    )
    sheet.yes_no(
        f"Is the other way on foot to {place['name']} more than 100 m longer than the quickest?",
        walk.get("/routes/1/distance_m") - walk.get("/routes/0/distance_m") > 100,
        [walk.proof("/routes/0/distance_m"), walk.proof("/routes/1/distance_m")],
        category="routing",
    )
    sheet.yes_no(
        f"Is the walk from the square to {place['name']} shorter than the drive, in metres?",
        walk.get("/routes/0/distance_m") < by_mode["drive"].get("/routes/0/distance_m"),
        [walk.proof("/routes/0/distance_m"), by_mode["drive"].proof("/routes/0/distance_m")],
        category="routing",
    )
    sheet.unanswerable(
        f"When does the next train leave {place['name']} after 09:00?", ["09:12", "09:25", "09:40"], category="trip"
    )
    sheet.unanswerable(f"What does a taxi from the square to {place['name']} cost?", category="trip")


async def lunch(sheet: Sheet) -> None:
    """Restaurants along the way, with the detour that each costs."""
    goal = (await sheet.ask("text_search", {"query": "Saltmere Station", "limit": 1}, heading="The station")).places[0]
    found = await sheet.ask(
        "search_along_route",
        {"origin": SQUARE, "destination": at(goal), "mode": "walk", "type": "restaurant", "limit": 6},
        heading=f"Restaurants on the way from the square to {goal['name']}",
    )
    by_detour = sorted(found.places, key=lambda place: place["detour"]["duration_s"])
    least, most = by_detour[0], by_detour[-1]
    sheet.open(
        "Which of the restaurants costs the longest detour?",
        PlaceAnswer(pid=most["pid"], name=most["name"], lat=most["lat"], lon=most["lon"], max_m=50),
        [proof_of(found, most, "detour/duration_s"), proof_of(found, by_detour[-2], "detour/duration_s", "distractor")],
        category="trip",
    )
    sheet.choice(
        f"Somebody walks to {goal['name']} and eats at {most['name']}. How much longer is the walk by that?",
        [f"{most['detour']['distance_m']:.0f} m"],
        [f"{most['detour']['distance_m'] + more:.0f} m" for more in (150, 320, 500)],
        [proof_of(found, most, "detour/distance_m")],
        category="trip",
    )
    in_order = sorted(by_detour[:4], key=lambda place: place["detour"]["offset_m"])
    sheet.choice(
        "Which of these restaurants comes first on the way?",
        [in_order[0]["name"]],
        [place["name"] for place in in_order[1:]],
        [proof_of(found, place, "detour/offset_m", "supports", place["name"]) for place in in_order],
        category="trip",
    )
    short = [place for place in by_detour if place["detour"]["duration_s"] <= 60]
    sheet.multiple(
        "Which of these restaurants cost a detour of one minute at most?",
        [place["name"] for place in short][:4],
        [place["name"] for place in by_detour if place not in short][:3],
        [proof_of(found, place, "detour/duration_s", "supports", place["name"]) for place in short[:4]],
        category="trip",
    )
    half_m = found.get("/route/distance_m") / 2
    early = [place for place in found.places if place["detour"]["offset_m"] < half_m]
    sheet.multiple(
        f"Which of these restaurants does one pass in the first half of the way to {goal['name']}?",
        [place["name"] for place in early][:3],
        [place["name"] for place in found.places if place not in early][:3],
        [found.proof("/route/distance_m")]
        + [proof_of(found, place, "detour/offset_m", "supports", place["name"]) for place in early[:3]],
        category="trip",
    )
    said = await open_at(sheet, least, "Wednesday", "12:30")
    sheet.yes_no(
        f"Is {least['name']} open on a Wednesday at 12:30?",
        said.get("/state") == "open",
        [proof_of(found, least, "opening_hours/raw"), said.proof("/state")],
        category="poi",
        tags=("opening hours",),
    )
    sheet.unanswerable(f"What is the dish of the day at {least['name']}?", category="poi")
    sheet.unanswerable(f"How many guests can sit at {most['name']}?", ["24", "40", "65"], category="poi")


async def hotels(sheet: Sheet) -> None:
    """Times from hotels to sights."""
    inns = await sheet.ask("nearby_search", {**SQUARE, "type": "hotel", "radius_m": 1500, "limit": 4}, heading="Hotels")
    sights = await sheet.ask(
        "nearby_search", {**SQUARE, "type": "attraction", "radius_m": 1500, "limit": 3}, heading="Sights"
    )
    matrix = await sheet.ask(
        "travel_matrix",
        {
            "origins": [at(place) for place in inns.places],
            "destinations": [at(place) for place in sights.places],
            "mode": "walk",
        },
        heading="On foot from each hotel (in the order above) to each sight",
    )
    times = [[cell["duration_s"] for cell in row] for row in matrix.values["cells"]]
    for column, sight in enumerate(sights.places[:2]):
        best = min(range(len(times)), key=lambda row: times[row][column])
        sheet.choice(
            f"From which hotel is the walk to {sight['name']} the shortest in time?",
            [inns.places[best]["name"]],
            [place["name"] for row, place in enumerate(inns.places) if row != best],
            [
                matrix.proof(f"/cells/{row}/{column}/duration_s", "supports", place["name"])
                for row, place in enumerate(inns.places)
            ],
            category="trip",
        )
    limit_min = math.ceil(sorted(row[0] for row in times)[1] / 60)
    near = [place["name"] for row, place in enumerate(inns.places) if times[row][0] <= 60 * limit_min]
    sheet.multiple(
        f"From which of these hotels does the walk to {sights.places[0]['name']} take at most {limit_min} minutes?",
        near,
        [place["name"] for place in inns.places if place["name"] not in near],
        [
            matrix.proof(f"/cells/{row}/0/duration_s", "supports", place["name"])
            for row, place in enumerate(inns.places)
        ],
        category="trip",
    )
    able = [place for place in inns.places if place.get("wheelchair") == "yes"]
    sheet.multiple(
        "A guest uses a wheelchair. Which hotels are fully accessible?",
        [place["name"] for place in able],
        [place["name"] for place in inns.places if place not in able],
        [proof_of(inns, place, "wheelchair", "supports", place["name"]) for place in able],
        category="poi",
        tags=("accessibility",),
    )
    sheet.yes_no(
        f"Is {inns.places[0]['name']} nearer to the square than {inns.places[2]['name']} in a straight line?",
        inns.places[0]["distance_m"] < inns.places[2]["distance_m"],
        [proof_of(inns, inns.places[0], "distance_m"), proof_of(inns, inns.places[2], "distance_m")],
        category="nearby",
    )
    sheet.unanswerable(f"What does a double room at {inns.places[0]['name']} cost a night?", category="poi")


async def errands(sheet: Sheet) -> None:
    """Several stops in the best order."""
    stops = []
    others = []
    for kind in ("bank", "bakery", "post_office"):
        found = await sheet.ask(
            "nearby_search",
            {**SQUARE, "type": kind, "radius_m": 1500, "limit": 3},
            heading=kind.replace("_", " ").capitalize(),
        )
        stops.append(found.places[0])
        others += [place["name"] for place in found.places[1:] if place["name"] != stops[-1]["name"]]
    route = await sheet.ask(
        "compute_routes",
        {
            "origin": SQUARE,
            "destination": SQUARE,
            "intermediates": [at(place) for place in stops],
            "optimize_order": True,
            "mode": "walk",
        },
        heading="A round from the square by way of all three, in the best order",
    )
    order = [stops[index]["name"] for index in route.get("/routes/0/waypoint_order")]
    orders = [", ".join(order), ", ".join(reversed(order)), ", ".join([order[1], order[0], order[2]])]
    proofs = [route.proof("/routes/0/waypoint_order")]
    sheet.open(
        f"In which order does the shortest round from the square visit {stops[0]['name']}, {stops[1]['name']} and "
        f"{stops[2]['name']}?",
        OrderedListAnswer(items=tuple(order)),
        proofs,
        category="trip",
    )
    sheet.choice(
        "Which of these orders makes the shortest round from the square, as planned?",
        orders[:1],
        orders[1:],
        proofs,
        category="trip",
    )
    sheet.multiple(
        "Which of these places does the round visit?",
        order[:2],
        others[:2],
        proofs,
        category="trip",
    )
    hours = await open_at(sheet, stops[1], "Saturday", "12:00")
    sheet.yes_no(
        f"Is {stops[1]['name']} open on a Saturday at 12:00?",
        hours.get("/state") == "open",
        [hours.proof("/state")],
        category="poi",
        tags=("opening hours",),
    )
    sheet.unanswerable(f"How long does one wait at the counter of {stops[2]['name']} on average?", category="trip")
