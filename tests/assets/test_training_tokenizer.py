"""Every text comes back, digits and marks are tokens of their own, and all readers of the files agree."""

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from server.assets.training.tokenizer import ADDED_TOKENS, save_tokenizer, train_tokenizer
from server.engine.tokenizer import Tokenizer as ServerTokenizer
from tests.assets.map_lines import map_line, small_tokenizer

CALL = '<|im_start|>assistant\n<tool_call>\n{"name": "a", "arguments": {"lat": 1.5}}\n</tool_call><|im_end|>\n'


@cache
def tokenizer() -> Tokenizer:
    return small_tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(tokenizer(), folder)
    return folder


@pytest.fixture(scope="module")
def hugging_face(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


@given(st.one_of(st.text(), st.text(alphabet="0129 .,;:\n\r\t'\"{}[]aé€ß-+/")))
@settings(deadline=None, max_examples=150)
def test_any_text_comes_back_as_it_went_in(text: str) -> None:
    ids = tokenizer().encode(text).ids
    assert tokenizer().decode(ids, skip_special_tokens=False) == text


@given(st.text(alphabet="0123456789.,; m+-\n²Ⅷ"))
@settings(deadline=None, max_examples=100)
def test_every_digit_is_a_token_of_its_own(text: str) -> None:
    spelled = [tokenizer().decode([token_id]) for token_id in tokenizer().encode(text).ids]
    assert [token for token in spelled if re.search("[0-9]", token)] == re.findall("[0-9]", text)


def test_no_token_holds_a_digit_beside_something_else() -> None:
    size = tokenizer().get_vocab_size()
    spelled = [tokenizer().decode([token_id]) for token_id in range(size)]
    assert sorted(token for token in spelled if re.search("[0-9]", token)) == list("0123456789")


def test_added_tokens_have_fixed_ids_and_calls_stay_visible(
    hugging_face: PreTrainedTokenizerBase, folder: Path
) -> None:
    server = ServerTokenizer.from_directory(folder)
    for reader in (hugging_face, server):
        for token_id, token in enumerate(ADDED_TOKENS):
            assert reader.encode(token, add_special_tokens=False) == [token_id]
        ids = reader.encode(CALL, add_special_tokens=False)
        visible = CALL.replace("<|im_start|>", "").replace("<|im_end|>", "")
        assert reader.decode(ids, skip_special_tokens=True) == visible
    assert server.special_ids == {0, 1, 2}


def test_the_server_and_transformers_read_the_same_tokens(hugging_face: PreTrainedTokenizerBase, folder: Path) -> None:
    server = ServerTokenizer.from_directory(folder)
    line = map_line(99)
    for text in (line["contexts"]["text"], line["contexts"]["json"], CALL, "  indented\n\n\n 12  34"):
        assert server.encode(text) == hugging_face.encode(text) == tokenizer().encode(text).ids
    assert server.bytes_of is not None
    assert b"".join(server.bytes_of[i] for i in server.encode(CALL)).decode() == CALL
    assert hugging_face.eos_token_id == 0


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = [map_line(number)["contexts"]["text"] for number in range(6)]
    assert train_tokenizer(texts, 400).to_str() == train_tokenizer(texts, 400).to_str()
