"""In which forms of a context a question can be asked."""

import pytest

from annotator.demo.questions.grounding import forms_of, is_grounded


@pytest.mark.parametrize(
    ("shown", "ask", "grounded"),
    [
        ({"pid": "town:n1", "name": "Umi"}, "from Umi to (45.2, -65.1)", True),
        ({"pid": "town:n1"}, "from Umi to (45.2, -65.1)", False),
        ({"pid": "town:n1", "name": "Umi"}, "from Umi to Nova Bar", False),
        ({"pid": "town:n2", "name": "Nova Bar", "lat": 45.200004, "lon": -65.1}, "from Umi to Nova Bar", False),
    ],
)
def test_a_way_is_asked_about_in_json_only_if_its_ends_are_told(
    shown: dict[str, str], ask: str, grounded: bool
) -> None:
    way = {"kind": "route", "params": {"origin": {"place_id": "town:n1"}, "destination": {"lat": 45.2, "lon": -65.1}}}
    context = {"items": [{"kind": "details", "params": {}, "result": {"place": shown}}, way]}
    question = {
        "ask": ask,
        "category": "routing",
        "evidence": [{"item": 1, "pointer": "/routes/0/distance_m"}],
        "calls": None,
    }
    assert is_grounded(question, context) is grounded
    assert forms_of(question, context) == (["text", "json"] if grounded else ["text"])
    assert forms_of(question | {"calls": [{}]}, context) == []
    assert is_grounded(question | {"category": "poi"}, context)
    assert is_grounded(question | {"evidence": [{"item": 0, "pointer": "/place/name"}]}, context)
    both = {"pid": "town:n1", "name": "Umi", "near": {"name": "Nova Bar", "lat": 45.200004, "lon": -65.1}}
    context["items"][0]["result"] = {"place": both}
    assert is_grounded(question, context)
