"""A project with approved questions, written over HTTP as the pages do."""

from typing import Any

import httpx

CENTER = (45.3957, -65.33)
"""In the middle of the embedded town."""


def write_project(url: str, name: str = "Frozen walks", dataset: str = "Walks") -> str:
    """Three approved questions about two contexts and a draft, and a dataset `walks`; gives the project's slug."""
    with httpx.Client(timeout=60) as client:

        def post(path: str, body: Any) -> Any:
            answer = client.post(f"{url}/api/projects{path}", json=body)
            assert answer.status_code in (200, 201), answer.text
            return answer.json()

        slug = post("", {"name": name, "settings": {"min_reviews": 0}})["slug"]
        lat, lon = CENTER
        cafes = post(
            f"/{slug}/tools/nearby_search", {"lat": lat, "lon": lon, "radius_m": 4000, "type": "cafe", "limit": 4}
        )
        far = post(
            f"/{slug}/tools/distance_bearing",
            {"origin": {"lat": lat, "lon": lon}, "destination": {"lat": lat + 0.01, "lon": lon}},
        )
        names = [place["name"] for place in cafes["result"]["places"]]
        coffee = _context(post, slug, "Coffee", cafes, "nearby")
        crow = _context(post, slug, "As the crow flies", far, "calc")
        for index in (0, 1):
            cited = {"tool_call_id": cafes["id"], "pointer": f"/places/{index}/name", "role": "supports"}
            evidence = post(f"/{slug}/evidence", cited)
            body = f"Which café is number {index + 1} by distance?"
            _approved(post, slug, coffee, _choice(body, names, index, evidence))
        evidence = post(f"/{slug}/evidence", {"tool_call_id": far["id"], "pointer": "/distance_m", "role": "supports"})
        gold = {"kind": "distance", "value_m": far["result"]["distance_m"]}
        _approved(
            post,
            slug,
            crow,
            {
                "type": "open_ended",
                "body": "How far apart are the two points in a straight line?",
                "gold": gold,
                "category": "routing",
                "evidence": [evidence],
            },
        )
        post(f"/{slug}/contexts/{coffee}/questions", {"content": {"body": "Which one is cosy?", "category": "poi"}})
        post(f"/{slug}/datasets", {"title": dataset, "slug": "walks"})
    return slug


def _context(post: Any, slug: str, title: str, answer: dict[str, Any], kind: str) -> str:
    item = {"key": "i0", "kind": kind, "tool_call_id": answer["id"]}
    return str(post(f"/{slug}/contexts", {"content": {"title": title, "items": [item]}})["id"])


def _choice(body: str, names: list[str], index: int, evidence: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "single_choice",
        "body": body,
        "options": [{"key": key, "text": text} for key, text in zip("ABCD", names, strict=False)],
        "gold_keys": ["ABCD"[index]],
        "category": "nearby",
        "tags": ["coffee"],
        "evidence": [evidence],
    }


def _approved(post: Any, slug: str, context_id: str, content: dict[str, Any]) -> None:
    made = post(f"/{slug}/contexts/{context_id}/questions", {"content": content})
    done = post(f"/{slug}/questions/{made['id']}/submit", {})
    assert done["status"] == "approved", done
