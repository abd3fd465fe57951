"""A checkpoint with norms of queries and keys, which the tiny Llama lacks."""

from pathlib import Path

import pytest

from tests.models.dense import random_reference


@pytest.fixture(scope="session")
def tiny_qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random float32 Qwen3 of two layers, four query and two KV heads of 16 numbers."""
    from transformers import Qwen3Config

    config = Qwen3Config(
        vocab_size=64,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=600,
    )
    folder = tmp_path_factory.mktemp("tiny-qwen3")
    random_reference(config).save_pretrained(folder)
    return folder
