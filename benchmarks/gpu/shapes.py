"""Folders that `rhumb serve --load-format dummy` takes for models: a known shape, random weights, a made-up tokenizer.

    python -m benchmarks.gpu.shapes llama-3-8b FOLDER

Speed depends on the shape and not on the values of weights, so no checkpoint has to be fetched to measure it. The
tokenizer has as many tokens as the model, and all but one of them are a space and up to four letters, or one
printable ASCII character: whatever a random model says is short plain text, and encodes to the same tokens again.
"""

import argparse
import itertools
import json
import string
from pathlib import Path
from typing import Any

from server.bench.shape import LLAMA_3_8B

SPACE = "Ġ"
"""How byte-level BPE spells a space."""
END = "<|end|>"
CHAT_TEMPLATE = "{% for message in messages %} {{ message['content'] }}{% endfor %}"

_OPT: dict[str, Any] = {
    "architectures": ["OPTForCausalLM"],
    "model_type": "opt",
    "activation_function": "relu",
    "do_layer_norm_before": True,
    "init_std": 0.02,
    "vocab_size": 50272,
    "max_position_embeddings": 2048,
    "torch_dtype": "float16",
}

SHAPES: dict[str, dict[str, Any]] = {
    "llama-3-8b": LLAMA_3_8B,
    "llama-2-7b": LLAMA_3_8B
    | {
        "vocab_size": 32000,
        "intermediate_size": 11008,
        "num_key_value_heads": 32,
        "rope_theta": 10000.0,
    },
    "opt-1.3b": _OPT
    | {
        "hidden_size": 2048,
        "word_embed_proj_dim": 2048,
        "ffn_dim": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
    },
    "opt-6.7b": _OPT
    | {
        "hidden_size": 4096,
        "word_embed_proj_dim": 4096,
        "ffn_dim": 16384,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    # For trying the scripts themselves, on any machine.
    "tiny": LLAMA_3_8B
    | {
        "vocab_size": 1024,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "torch_dtype": "float32",
    },
}
"""Name -> `config.json` without the ids of special tokens."""


def build_shape(name: str, folder: Path, **changes: Any) -> Path:
    """Write `config.json` and the tokenizer of a shape to `folder`, and return it.

    Args:
        name: one of `SHAPES`.
        changes: keys of `config.json` that differ from the shape's.
    """
    config = SHAPES[name] | changes
    end_id = config["vocab_size"] - 1
    config |= {"bos_token_id": None, "eos_token_id": end_id, "pad_token_id": end_id}
    # Without it transformers takes the folder for an old checkpoint and warns of its tokenizer.
    config["transformers_version"] = "5.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in (
        ("config.json", config),
        ("tokenizer.json", tokenizer_json(config["vocab_size"])),
        (
            "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": END,
                "clean_up_tokenization_spaces": False,
                "model_max_length": config["max_position_embeddings"],
                "chat_template": CHAT_TEMPLATE,
            },
        ),
    ):
        (folder / file_name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return folder


def tokenizer_json(vocab_size: int) -> dict[str, Any]:
    """A byte-level BPE tokenizer with ids [0, vocab_size): characters, words in order of length, the end token.

    Every word but a single letter is a shorter word and one more letter, and no merge joins letters without a
    space before them, so a text has one reading: word by word, each as long as there are tokens for it.

    Raises:
        ValueError: `vocab_size` has no room for the characters, or needs words of five letters.
    """
    characters = [SPACE, *(chr(code) for code in range(33, 127))]
    num_words = vocab_size - len(characters) - 1
    words = list(itertools.islice(_words(), max(num_words, 0)))
    if num_words < 0 or len(words) < num_words:
        raise ValueError(f"a vocabulary of {vocab_size} is too small, or more than there are words")
    tokens = [*characters, *words, END]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    end = {"id": vocab_size - 1, "content": END, "special": True, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [end | {"single_word": False, "lstrip": False, "rstrip": False}],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: token_id for token_id, token in enumerate(tokens)},
            "merges": [f"{word[:-1]} {word[-1]}" for word in words],
        },
    }


def _words() -> itertools.chain[str]:
    """` a`, ` b`, ..., ` zz`, ..., ` zzzz`, every word after its beginning."""
    letters = string.ascii_lowercase
    spelled = (itertools.product(letters, repeat=length) for length in range(1, 5))
    return itertools.chain.from_iterable((SPACE + "".join(word) for word in words) for words in spelled)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the folder of a model shape.")
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    print(build_shape(arguments.shape, arguments.folder))


if __name__ == "__main__":
    main()
