"""Hand-made lines of map questions, small enough to be read, and what the tests of the training set share."""

import json
import random
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from server.assets.training.tokenizer import train_tokenizer

NAMES = (
    "Kaffa & Fils",
    "Early Bird",
    "Harbour Coffee",
    "Square Café",
    "The Soft Egg",
    "Lion Pharmacy",
    "Umi",
    "Nova Bar",
)
OTHER_NAMES = ("Old Mill", "Blue Door", "Chez Marthe", "Green Owl", "Pont Neuf", "Zur Waage", "Hill Top", "Red Barn")
CHOICE = """\
Reply with what the context says, then "Answer:" and the letter. If the context does not say, answer "unanswerable".\
"""
TOOLS: list[dict[str, Any]] = [
    {
        "name": "nearby_search",
        "description": "Places around a position.",
        "parameters": {
            "type": "object",
            "properties": {
                "lat": {"type": "number"},
                "lon": {"type": "number"},
                "type": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "rank": {"enum": ["distance", "prominence"]},
            },
            "required": ["lat", "lon"],
        },
    },
    {
        "name": "distance_bearing",
        "description": "Distance between two points.",
        "parameters": {
            "type": "object",
            "$defs": {
                "Point": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}}
            },
            "properties": {
                "origin": {"$ref": "#/$defs/Point"},
                "stops": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
            },
            "required": ["origin"],
        },
    },
]


def map_line(number: int, *, split: str = "train", has_tools: bool = False) -> dict[str, Any]:
    """A context of four cafés with a phone and a website each, and four questions about them."""
    rng = random.Random(number)
    places = [
        {
            "name": name,
            "pid": f"town:n{rng.randrange(9999)}",
            "distance_m": 10 + 97 * index + rng.randrange(90) + 0.4,
            "phone": f"+1 506 555 {1000 * index + rng.randrange(1000):04}",
            "website": f"https://{'-'.join(name.lower().replace('&', '').replace('é', 'e').split())}.example.org",
        }
        for index, name in enumerate(rng.sample(NAMES, 4))
    ]
    rows = [
        f"{index}. {place['name']}; {place['distance_m']:.0f} m away; "
        f"phone: {place['phone']}; website: {place['website']}"
        for index, place in enumerate(places, 1)
    ]
    town = f"Curlew Haven {number}"
    context = {"items": [{"kind": "nearby", "result": {"kind": "places", "places": places}}], "title": town}
    first, second = places[0], places[1]
    questions = [
        {
            "wording": "verbatim",
            "ask": f"Question: What is the phone of {first['name']}?\n{CHOICE}",
            "reply": f"Answer: {first['phone']}",
        },
        {
            "wording": "verbatim",
            "ask": f"Question: What is the website of {second['name']}?\n{CHOICE}",
            "reply": f"Answer: {second['website']}",
        },
        {
            "wording": "paraphrase",
            "ask": f"Question: Which is nearer?\nA. {second['name']}\nB. {first['name']}\n{CHOICE}",
            "reply": f"{first['name']}: {first['distance_m']:.0f} m away\nAnswer: B",
        },
        {
            "wording": "paraphrase",
            "ask": f"Question: Does {first['name']}'s list say when it opens?\n{CHOICE}",
            "reply": "Answer: unanswerable",
        },
    ]
    for question in questions:
        question |= {"calls": None, "forms": ["text", "json"]}
    if has_tools:
        call = {"name": "nearby_search", "arguments": {"type": "café", "lon": -65.33, "lat": 45.39}}
        questions[2]["calls"] = [call | {"content": json.dumps({"places": places}, ensure_ascii=False)}]
    return {
        "schema": "mapqator.map_questions/1",
        "id": f"small-{number}-00",
        "split": split,
        "town": {"seed": number, "size": "small", "name": town, "country_code": "CA"},
        "contexts": {
            "text": f"Cafés in {town}, nearest first:\n" + "\n".join(rows) + "\n",
            "json": json.dumps(context, ensure_ascii=False, separators=(",", ":"), sort_keys=True),
        },
        "num_tokens": {"text": 200, "json": 300},
        "questions": questions,
    } | ({"tools": TOOLS} if has_tools else {})


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    """A file of map questions."""
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def small_tokenizer(vocab_size: int = 512) -> Tokenizer:
    """A tokenizer with the real one's tokens and pieces, trained on these lines."""
    lines = [map_line(number, has_tools=True) for number in range(12)]
    return train_tokenizer([json.dumps(line, ensure_ascii=False) for line in lines], vocab_size)
