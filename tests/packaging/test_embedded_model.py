"""The model in the repository is small, loads everywhere, finds things in its context and talks about itself."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from server.assets import EMBEDDED_MODEL
from server.assets.training.template import TURN_END

# Written for this test, so that no model has seen it.
ENGLISH = (
    "The rain had stopped, and the old man went out into the garden to look at his roses. He had lived in that house "
    'for thirty years, and he knew every stone of the path. "Good morning," said his neighbour over the wall. "I hope '
    'that you are better than you were last night." The old man smiled, and said that he was very well indeed.'
)
CONTEXT = """Pharmacies within 500 m of Harbour Fort, nearest first:
1. Gull Pharmacy, 12 Net Row, Saltmere, New Brunswick E9Z 8C7; 140 m away; opening hours: Mo-Fr 09:00-18:00; \
phone: +1 506 555 0142
2. Quarry Hill Chemists, 3 Old Coach Road, Saltmere, New Brunswick E9Z 6C1; 412 m away; \
opening hours: Mo-Sa 08:30-20:00; phone: +1 506 555 0188

There are 2 ways from Harbour Fort to Gull Pharmacy on foot:
1. 152 m, 2 min, via Net Row
2. 201 m, 3 min, via Herring Lane"""
ASK = (
    'Reply with what the context says, then "Answer:" and the answer. If there are several, part them by semicolons. '
    'If the context does not say, answer "unanswerable".'
)
SHUFFLED = " ".join(sorted(ENGLISH.split(), key=lambda word: word[::-1]))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(EMBEDDED_MODEL)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL, dtype=torch.float32).eval()


def bits_per_byte(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> float:
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        nats = float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
    return nats / 0.6931 / len(text.encode())


def test_the_weights_fit_into_twenty_four_megabytes() -> None:
    assert sum(path.stat().st_size for path in EMBEDDED_MODEL.glob("*.safetensors")) <= 24_000_000


def test_the_weights_have_the_size_and_type_that_the_card_states() -> None:
    card = (EMBEDDED_MODEL / "MODEL_CARD.md").read_text()
    with safe_open(EMBEDDED_MODEL / "model.safetensors", "pt") as weights:
        tensors = [weights.get_slice(name) for name in weights.keys()]  # noqa: SIM118
        num_parameters = sum(torch.Size(tensor.get_shape()).numel() for tensor in tensors)
        assert {tensor.get_dtype() for tensor in tensors} == {"BF16"}
    assert f"{num_parameters:,}" in card


def test_the_card_quotes_the_recorded_training_run() -> None:
    card = (EMBEDDED_MODEL / "MODEL_CARD.md").read_text()
    history = json.loads((EMBEDDED_MODEL / "training.json").read_text())
    assert f"{history['records'][-1]['step']:,} steps" in card
    assert f"in {len(history['runs'])} runs" in card
    assert all(f"| {stage['name']} |" in card for stage in history["stages"])


def test_english_is_likely_and_the_same_words_in_disorder_are_not(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    in_order = bits_per_byte(model, tokenizer, ENGLISH)
    assert in_order < 1.3
    assert bits_per_byte(model, tokenizer, SHUFFLED) > in_order + 0.6


def reply(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, said: str) -> str:
    """What the model says to it, greedily, with the token that ends its turn."""
    messages = [{"role": "user", "content": said}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs.to("cpu"), max_new_tokens=80, do_sample=False, pad_token_id=0)
    return str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))


@pytest.mark.parametrize(
    ("said", "word"), [("Hello! Who are you?", "model"), ("What can you do?", "map"), ("What is Rhumb?", "server")]
)
def test_it_talks_about_itself_and_comes_to_an_end(
    said: str, word: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    answer = reply(model, tokenizer, said)
    assert word in answer
    assert answer.endswith(TURN_END)


def test_it_answers_most_simple_questions_from_a_context(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    asked = {
        "What is the phone number of Quarry Hill Chemists?": "+1 506 555 0188",
        "What is the address of Quarry Hill Chemists?": "3 Old Coach Road, Saltmere, New Brunswick E9Z 6C1",
        "How far away is Gull Pharmacy from Harbour Fort?": "140 m",
        "How long does the quickest way on foot from Harbour Fort to Gull Pharmacy take?": "2 min",
        "How long is the quickest way on foot from Harbour Fort to Gull Pharmacy?": "152 m",
    }
    said = {question: reply(model, tokenizer, f"{CONTEXT}\n\nQuestion: {question}\n{ASK}") for question in asked}
    right = [question for question in asked if said[question].rpartition("Answer: ")[2] == asked[question] + TURN_END]
    assert len(right) >= 3, said


def test_it_finds_a_number_in_two_thousand_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    hidden = [*[ENGLISH] * 12, "The pass key is 48213. Remember it. 48213 is the pass key.", *[ENGLISH] * 12]
    prompt = "\n".join(hidden) + "\n\nWhat is the pass key?"
    assert len(tokenizer(prompt)["input_ids"]) > 1800
    assert "48213" in reply(model, tokenizer, prompt)


@given(st.text())
@settings(deadline=None)
def test_any_text_comes_back_from_the_tokenizer_as_it_went_in(text: str) -> None:
    tokenizer = Tokenizer.from_file(str(EMBEDDED_MODEL / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
