"""Engines of several ranks on CPU, with real follower processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

from server.config import EngineConfig
from server.engine.core import EngineCore

SMALL = {"page_size": 4, "max_rows": 4, "max_step_tokens": 32, "num_pages": 400, "num_threads": 1, "device": "cpu"}


@contextmanager
def opened(model: Path, **settings) -> Iterator[EngineCore]:
    """A core that is closed at the end, and its followers with it."""
    core = EngineCore(EngineConfig(model=str(model), **(SMALL | settings)))
    try:
        yield core
    finally:
        core.close()


@pytest.fixture(scope="session")
def tiny_opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random OPT with biases everywhere, tied embeddings and a vocabulary that two ranks cannot halve."""
    folder = tmp_path_factory.mktemp("tiny-opt")
    config = OPTConfig(
        vocab_size=131,
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=130,
        pad_token_id=129,
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = OPTForCausalLM(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder
