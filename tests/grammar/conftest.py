"""A byte-level tokenizer whose model has more logits than it has tokens, and grammars over it."""

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from server.engine.tokenizer import Tokenizer
from server.grammar import GrammarCompiler

NUM_PADDING = 45


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<|end|>", "<|turn|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(
        ['{"name": "value", "count": 12, "tags": ["a", "b"]}', "yes or no", "true false null"], trainer
    )
    return Tokenizer(backend, {"eos_token": "<|end|>"})


@pytest.fixture(scope="session")
def vocab_size(tokenizer) -> int:
    return tokenizer.vocab_size + NUM_PADDING


@pytest.fixture(scope="session")
def compiler(tokenizer, vocab_size):
    compiler = GrammarCompiler(
        tokenizer, vocab_size, [tokenizer.special_id("<|end|>"), tokenizer.special_id("<|turn|>")]
    )
    yield compiler
    compiler.close()
