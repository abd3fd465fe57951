"""A model of random logits, sampled under a grammar through the real sampler."""

import numpy as np
import torch

from server.engine.request import GrammarSpec, SamplingParams
from server.engine.sampler import Sampler
from server.engine.tokenizer import Tokenizer
from server.grammar import GrammarCompiler

MAX_TOKENS = 600


def generate(
    compiler: GrammarCompiler, tokenizer: Tokenizer, spec: GrammarSpec, seed: int, eos_ids: set[int]
) -> str | None:
    """A text that the grammar lets a random model write; None if it has not ended after `MAX_TOKENS`.

    The longer it gets, the more the model likes tokens that bring a text to its end.
    """
    vocab_size = compiler._model_vocab_size
    sampler = Sampler(vocab_size, 1, torch.device("cpu"))
    sampler.add(0, SamplingParams(max_tokens=MAX_TOKENS, seed=seed), 0, [1], [])
    random = torch.Generator().manual_seed(seed)
    closing = torch.zeros(vocab_size)
    closing[[*eos_ids, *(tokenizer.encode(char)[0] for char in '"}],:')]] = 0.1
    state = compiler.start(spec)
    mask = torch.zeros(1, -(-vocab_size // 32), dtype=torch.int32)
    token_ids: list[int] = []
    while len(token_ids) < MAX_TOKENS:
        state.fill_mask(mask[0])
        logits = torch.randn(1, vocab_size, generator=random) * 3 + closing * len(token_ids)
        sampled = sampler.sample(logits, np.array([0]), np.array([len(token_ids)]), mask)
        assert not sampled.is_bad[0], state.error
        token_id = int(sampled.token_ids[0])
        assert state.accept(token_id)
        if token_id in eos_ids:
            assert state.is_finished
            return tokenizer.decode(token_ids, skip_special_tokens=False)
        token_ids.append(token_id)
    return None
