"""The checkpoint that the CPU comparison runs: a random Llama of 7.1 million parameters and a tokenizer of words."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

VOCAB_SIZE = 8192
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")
SHAPE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 2048,
}


def build_checkpoint(folder: Path) -> Path:
    """Write weights (float32, seed 0), configuration and tokenizer into `folder`; the same bytes every time."""
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        # Wide enough that the best logit stands out: then equal arithmetic gives equal tokens.
        initializer_range=0.08,
        dtype="float32",
        **SHAPE,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    words = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    words |= {f"w{i}": i for i in range(len(words), VOCAB_SIZE)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "unk_token": "<unk>",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "pad_token": "</s>",
                "clean_up_tokenization_spaces": False,
                "model_max_length": SHAPE["max_position_embeddings"],
            }
        )
    )
    return folder


def text_of(token_ids: list[int]) -> str:
    """The words of the ids, as the tokenizer would write them."""
    return " ".join(f"w{token_id}" for token_id in token_ids)


def ids_of(text: str) -> list[int]:
    """The inverse of `text_of`, special tokens included."""
    return [SPECIAL_TOKENS.index(word) if word in SPECIAL_TOKENS else int(word[1:]) for word in text.split()]
