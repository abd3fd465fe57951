"""A grammar may be written with added tokens that are text, and never with special ones."""

import json

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from server.engine.request import GrammarSpec
from server.engine.tokenizer import Tokenizer as ServerTokenizer
from server.grammar.added_tokens import visible_tokenizer
from server.grammar.compiler import GrammarCompiler


def tokenizer_with(*, is_special: bool, is_in_vocabulary: bool) -> Tokenizer:
    """A byte-level tokenizer with `<end>`, and `<call>` within its vocabulary or behind it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<end>", "<call>"] if is_in_vocabulary else ["<end>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=names, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["call calls <calling> call"], trainer)
    tokenizer.add_tokens([AddedToken("<call>", normalized=False)])
    content = json.loads(tokenizer.to_str())
    for token in content["added_tokens"]:
        token["special"] = is_special or token["content"] == "<end>"
    return Tokenizer.from_str(json.dumps(content))


def allowed_ids(tokenizer: Tokenizer, grammar: str, before: list[int]) -> list[int]:
    size = tokenizer.get_vocab_size()
    compiler = GrammarCompiler(ServerTokenizer(tokenizer), size, [0])
    state = compiler.start(GrammarSpec("lark", grammar))
    for token_id in before:
        state.accept(token_id)
    row = torch.zeros(-(-size // 32), dtype=torch.int32)
    state.fill_mask(row)
    return [token_id for token_id in range(size) if row[token_id // 32] >> token_id % 32 & 1]


@pytest.mark.parametrize("is_in_vocabulary", [True, False])
@pytest.mark.parametrize("grammar", ['start: "<call>x"', r"start: /(.|\n)*<call>x/"])
def test_a_visible_token_may_spell_its_text_and_the_text_goes_on(is_in_vocabulary: bool, grammar: str) -> None:
    tokenizer = tokenizer_with(is_special=False, is_in_vocabulary=is_in_vocabulary)
    call, x = tokenizer.token_to_id("<call>"), tokenizer.token_to_id("x")
    assert call in allowed_ids(tokenizer, grammar, [])
    assert x in allowed_ids(tokenizer, grammar, [call])
    assert 0 in allowed_ids(tokenizer, grammar, [call, x])


def test_a_special_token_may_not() -> None:
    tokenizer = tokenizer_with(is_special=True, is_in_vocabulary=True)
    found = allowed_ids(tokenizer, r"start: /(.|\n)*<call>x/", [])
    assert tokenizer.token_to_id("<call>") not in found
    assert tokenizer.token_to_id("<") in found


def test_tokenizers_without_such_tokens_are_read_as_before() -> None:
    assert visible_tokenizer(tokenizer_with(is_special=True, is_in_vocabulary=True).to_str()) is None
    assert visible_tokenizer(tokenizer_with(is_special=False, is_in_vocabulary=True).to_str()) is not None
