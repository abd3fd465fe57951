"""Help over HTTP: from Rhumb's own server as `make up` runs it, and refused where terms or its absence say so."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from annotator.assist.suggest import refuse_without_consent
from annotator.errors import ForbiddenError
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.library import MapLibrary
from annotator.people.projects import Project, ProjectSettings
from annotator.settings import Settings
from annotator.store.times import utc_now
from tests.annotator.program import Annotator, serving, serving_model


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """Rhumb with the embedded model."""
    with serving_model() as url:
        yield url


@pytest.fixture(scope="module")
def helped(model_url: str, town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Annotator]:
    """An annotator that gets help from it."""
    folder = tmp_path_factory.mktemp("helped")
    (folder / "maps").symlink_to(town_data / "maps")
    with serving(folder, {"MAPQATOR_ASSIST_URL": model_url}) as annotator:
        yield annotator


def _written(annotator: Annotator) -> tuple[str, str, str]:
    """The API of a new project, a context of it and a question in that."""
    api = f"{annotator.url}/api/projects"
    slug = httpx.post(api, json={"name": "Helped"}).json()["slug"]
    note = {"key": "a", "kind": "note", "text": "The Lion Pharmacy is 79 m away, the Oakley Pharmacy 570 m."}
    context = httpx.post(f"{api}/{slug}/contexts", json={"content": {"items": [note]}}).json()["id"]
    content = {"body": "Which pharmacy is nearest?", "options": [{"key": "A", "text": "Lion Pharmacy"}]}
    question = httpx.post(f"{api}/{slug}/contexts/{context}/questions", json={"content": content}).json()["id"]
    return f"{api}/{slug}", context, question


@pytest.mark.slow
def test_the_embedded_model_explains_and_its_words_are_recorded_and_decided_on(helped: Annotator) -> None:
    api, context, question = _written(helped)
    state = httpx.get(f"{api}/assist").json()
    assert state["available"]
    asked = {"kind": "explanation", "context_id": context, "question_id": question}
    made = httpx.post(f"{api}/assist", json=asked, timeout=60)
    assert made.status_code == 201, made.text
    suggestion = made.json()
    assert suggestion["content"]["text"]
    assert suggestion["model"] == state["model"]
    assert len(suggestion["prompt_sha"]) == 64
    before = httpx.get(f"{api}/questions/{question}").json()
    assert before["content"]["explanation"] == ""
    content = before["content"] | {"explanation": suggestion["content"]["text"]}
    saved = httpx.put(
        f"{api}/questions/{question}", json={"base_n": 1, "content": content, "suggestion_id": suggestion["id"]}
    )
    assert saved.status_code == 200, saved.text
    assert httpx.post(f"{api}/assist/{suggestion['id']}/accept").json()["state"] == "accepted"
    assert httpx.post(f"{api}/assist/{suggestion['id']}/dismiss").status_code == 409
    origin = httpx.get(f"{api}/questions/{question}/history").json()[0]["origin"]
    assert origin["model"] == state["model"]
    assert origin["prompt_sha"] == suggestion["prompt_sha"]


def test_without_a_model_everything_else_works_and_the_reason_is_told(annotator_server: Annotator) -> None:
    api, context, _ = _written(annotator_server)
    state = httpx.get(f"{api}/assist").json()
    assert not state["available"]
    assert "make up" in state["reason"]
    refused = httpx.post(f"{api}/assist", json={"kind": "rewrite", "context_id": context})
    assert refused.status_code == 502
    assert "make up" in refused.json()["error"]["message"]


def test_content_whose_terms_want_consent_reaches_a_model_only_with_it(tmp_path: Path) -> None:
    catalogue = Catalogue(Settings(data_dir=tmp_path), MapLibrary(tmp_path), {})
    needs = next(item.info for item in catalogue.providers() if item.info.policy.evaluation == "needs_consent")

    def project(consent: tuple[str, ...]) -> Project:
        settings = ProjectSettings(model_consent=consent)
        return Project("1", "p", "P", "", settings, "2", utc_now(), None, None)

    with pytest.raises(ForbiddenError, match=re.escape(needs.title)):
        refuse_without_consent(catalogue, {needs.key}, project(()))
    refuse_without_consent(catalogue, {needs.key}, project((needs.key,)))
    refuse_without_consent(catalogue, {"town"}, project(()))
