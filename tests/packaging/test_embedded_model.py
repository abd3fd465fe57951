"""The model in the repository is small, loads everywhere, and writes English."""

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


def test_the_weights_fit_into_six_megabytes() -> None:
    assert sum(path.stat().st_size for path in EMBEDDED_MODEL.glob("*.safetensors")) <= 6_000_000


def test_the_weights_have_the_size_and_type_that_the_card_states() -> None:
    card = (EMBEDDED_MODEL / "MODEL_CARD.md").read_text()
    with safe_open(EMBEDDED_MODEL / "model.safetensors", "pt") as weights:
        tensors = [weights.get_slice(name) for name in weights.keys()]  # noqa: SIM118
        num_parameters = sum(torch.Size(tensor.get_shape()).numel() for tensor in tensors)
        assert {tensor.get_dtype() for tensor in tensors} == {"BF16"}
    assert f"{num_parameters:,}" in card


def test_the_card_quotes_the_recorded_training_run() -> None:
    card = (EMBEDDED_MODEL / "MODEL_CARD.md").read_text()
    training = json.loads((EMBEDDED_MODEL / "training.json").read_text())
    assert f"{training['num_steps']:,} steps" in card
    assert f"perplexity a token | {training['metrics']['held_out_perplexity']:.1f} |" in card


def test_english_is_likely_and_the_same_words_in_disorder_are_not(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    in_order = bits_per_byte(model, tokenizer, ENGLISH)
    assert in_order < 1.3
    assert bits_per_byte(model, tokenizer, SHUFFLED) > in_order + 0.6


def test_an_answer_in_a_chat_ends_by_itself(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    messages = [{"role": "user", "content": "Tell me a story about the sea."}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    torch.manual_seed(0)
    output = model.generate(**inputs.to("cpu"), max_new_tokens=400, num_return_sequences=4, pad_token_id=0)
    answers = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :])
    assert sum(TURN_END in answer for answer in answers) >= 3
    assert all(answer.strip() and answer[0].isprintable() for answer in answers)


@given(st.text())
@settings(deadline=None)
def test_any_text_comes_back_from_the_tokenizer_as_it_went_in(text: str) -> None:
    tokenizer = Tokenizer.from_file(str(EMBEDDED_MODEL / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
