"""Suggestions: asked over HTTP of whatever speaks the OpenAI API, checked before anybody sees them."""

import json
from collections.abc import Iterator

import pytest

from annotator.assist.endpoint import ASSUMED_CONTEXT_TOKENS, Endpoint
from annotator.assist.suggest import ask
from annotator.errors import InputError, UpstreamError, UpstreamFormatError
from annotator.questions.model import Option, QuestionContent
from tests.annotator.upstream import Asked, Upstream, http, running_upstream

QUESTION = QuestionContent(
    body="Which pharmacy is nearest to the station?",
    options=(Option(key="A", text="Harbour Pharmacy"), Option(key="B", text="Old Town Pharmacy")),
    gold_keys=("A",),
)


class Model:
    """What the scripted server says; tests set it."""

    said = json.dumps({"text": "Because it is 200 m away."})
    max_model_len: int | None = 4096
    knows_schemas = True

    def __call__(self, asked: Asked) -> bytes:
        if asked.path.endswith("/models"):
            listed = {"id": "small"} | ({} if self.max_model_len is None else {"max_model_len": self.max_model_len})
            return http(200, {"object": "list", "data": [listed, {"id": "large"}]})
        body = json.loads(asked.body)
        if "response_format" in body and not self.knows_schemas:
            return http(400, {"error": {"message": "unknown field response_format"}})
        return http(200, {"choices": [{"message": {"role": "assistant", "content": self.said}}]})


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def upstream(model: Model) -> Iterator[Upstream]:
    with running_upstream(model) as running:
        yield running


@pytest.fixture
def endpoint(upstream: Upstream) -> Iterator[Endpoint]:
    made = Endpoint(f"{upstream.url}/v1", env={"MAPQATOR_ASSIST_KEY": "sk-secret"})
    yield made
    made.close()


def test_an_explanation_is_asked_with_context_question_and_key(
    endpoint: Endpoint, upstream: Upstream, model: Model
) -> None:
    content, name, prompt, was_cut = ask(endpoint, "explanation", "The station is here.", QUESTION, n=1)
    assert content == {"text": "Because it is 200 m away."}
    assert name == "small"
    assert not was_cut
    sent = upstream.asked[-1]
    assert sent.headers["authorization"] == "Bearer sk-secret"
    words = json.loads(sent.body)["messages"][-1]["content"]
    assert "The station is here." in words
    assert "Option A (right): Harbour Pharmacy" in words
    assert prompt["messages"] == json.loads(sent.body)["messages"]
    assert "sk-secret" not in json.dumps(prompt)


def test_a_server_without_schemas_is_asked_again_in_words(endpoint: Endpoint, model: Model) -> None:
    model.knows_schemas = False
    model.said = 'Sure! Here you go:\n```json\n{"text": "So it is."}\n```'
    assert ask(endpoint, "rewrite", "Some context.", None, n=1)[0] == {"text": "So it is."}


def test_distractors_that_are_options_already_are_left_out(endpoint: Endpoint, model: Model) -> None:
    model.said = json.dumps({"options": ["harbour pharmacy ", "Mill Pharmacy", "Mill Pharmacy", " "]})
    assert ask(endpoint, "distractors", "", QUESTION, n=3)[0] == {"options": ["Mill Pharmacy"]}
    model.said = json.dumps({"options": ["Old Town Pharmacy"]})
    with pytest.raises(UpstreamFormatError, match="repeated"):
        ask(endpoint, "distractors", "", QUESTION, n=3)


@pytest.mark.parametrize(
    "said", ["", "I cannot.", "{", '{"text": ""}', '{"text": 5}', "[1]", '{"options": []}', '{"a":' * 5000]
)
def test_what_cannot_be_used_is_told_in_one_line(endpoint: Endpoint, model: Model, said: str) -> None:
    model.said = said
    with pytest.raises(UpstreamFormatError, match="could not be used"):
        ask(endpoint, "explanation", "", QUESTION, n=1)


def test_a_context_that_is_too_long_is_cut_to_what_the_model_reads(
    endpoint: Endpoint, upstream: Upstream, model: Model
) -> None:
    model.max_model_len = 512
    *_, was_cut = ask(endpoint, "rewrite", "word " * 5000, None, n=1)
    assert was_cut
    body = json.loads(upstream.asked[-1].body)
    assert sum(len(message["content"]) for message in body["messages"]) <= 512 * 3
    assert body["max_tokens"] == 256
    model.max_model_len = None
    assert endpoint.model().context_tokens == ASSUMED_CONTEXT_TOKENS


def test_a_model_by_name_is_asked_and_an_unknown_one_is_told(endpoint: Endpoint) -> None:
    assert endpoint.model("large").name == "large"
    with pytest.raises(UpstreamError, match="no model 'huge'; it has small, large"):
        endpoint.model("huge")


def test_help_with_a_question_needs_the_question(endpoint: Endpoint) -> None:
    for kind in ("distractors", "explanation"):
        with pytest.raises(InputError, match="write the question first"):
            ask(endpoint, kind, "", QuestionContent(), n=1)


def test_without_a_server_the_message_says_how_to_get_one() -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1")
    with pytest.raises(UpstreamError, match="make up"):
        endpoint.model()
    endpoint.close()
