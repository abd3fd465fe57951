"""A model of eight thin layers that learns something within seconds, and things to learn."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def thin_llama(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of eight layers of 32 numbers, tied, with the tokenizer and template of `tiny_llama`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("thin-llama")
    ends = json.loads((tiny_llama / "generation_config.json").read_text())["eos_token_id"]
    config = LlamaConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=ends[0],
        pad_token_id=ends[0],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(tiny_llama / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def sayings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve conversations whose answer follows from the question."""
    path = tmp_path_factory.mktemp("data") / "sayings.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": f"{word}?"}, {"role": "assistant", "content": f"{word} {word} end"}]}
        for word in ("aa", "bo", "ca", "du", "ef", "go", "ha", "ip", "jo", "ku", "la", "mo")
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
