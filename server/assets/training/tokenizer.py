"""The embedded model's tokenizer: byte-level BPE in which every digit is a token of its own.

Words are parted from each other as in GPT-4's and Llama 3's tokenizers, with two differences that serve contexts of
maps: digits come one by one, so that a number looks the same wherever it stands, and the space before a number belongs
to the mark before it (`; 109 m away` is `; `, three digits, ` m`, ` away`).
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from server.assets.training.template import (
    CALL_END,
    CALL_START,
    CHAT_TEMPLATE,
    END_OF_TEXT,
    TURN_END,
    TURN_START,
)

VOCAB_SIZE = 4096
MAX_TOKENS = 20_480
"""Tokens of a context that the tokenizer's configuration promises."""

ADDED_TOKENS = (END_OF_TEXT, TURN_START, TURN_END, CALL_START, CALL_END)
"""By id, 0 to 4."""
_VISIBLE_TOKENS = (CALL_START, CALL_END)

# Runs of marks are short, so that JSON is made of few different ones.
_PIECES = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",  # a word with the space or the mark before it
        r"\p{N}",
        r"[^\s\p{L}\p{N}]{1,3} (?=\p{N})",
        r" ?[^\s\p{L}\p{N}]{1,3}[\r\n]*",
        r"\s*[\r\n]+",
        r"[^\S\r\n]+(?=\p{N})",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Tokenizer:
    """Learns a byte-level BPE: every text has an encoding, and decoding gives it back exactly.

    The same texts in the same order give the same tokenizer.

    Args:
        texts: what to learn from.
        vocab_size: of all tokens: the five added ones, the 256 bytes and what is learned.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(ADDED_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _with_visible_calls(tokenizer)


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`, the chat template within, into `folder`."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": MAX_TOKENS,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _with_visible_calls(tokenizer: Tokenizer) -> Tokenizer:
    """The trainer makes all added tokens special; calls must stay in the text that the server parses."""
    content = json.loads(tokenizer.to_str())
    for token in content["added_tokens"]:
        token["special"] = token["content"] not in _VISIBLE_TOKENS
    return Tokenizer.from_str(json.dumps(content))
