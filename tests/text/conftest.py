"""One tokenizer of each kind that models come with."""

from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

from server.engine.tokenizer import Tokenizer

TEXTS = [
    "The ship left the harbour at dawn, and nobody on the quay waved.",
    "Ein kleines Mädchen ging über die Brücke. Ça va très bien, señor.",
    "東京は今日も晴れです。北京的春天很美。",
    "🌊🚢 family: 👩‍👩‍👧 flags: 🇲🇨🇫🇷",
    "Once upon  a time   there were 12 brothers.\n\tAnd 7 sisters!",
]
SPECIAL = ["<s>", "</s>", "<|im_end|>"]


def byte_level() -> tokenizers.Tokenizer:
    """GPT-2's kind."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken("naïve tool", special=False)])
    return tokenizer


def byte_fallback() -> tokenizers.Tokenizer:
    """Llama 2's kind."""
    tokens = [*SPECIAL, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdehinorst,.", "é", "東"]
    tokens += ["▁t", "he", "▁the", "▁a", "▁▁", "in"]
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("▁", "a"), ("▁", "▁"), ("i", "n")]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer


def metaspace() -> tokenizers.Tokenizer:
    """T5's kind."""
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[*SPECIAL, "<unk>"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def word_piece() -> tokenizers.Tokenizer:
    """BERT's kind, which decodes text-wise."""
    words = [*SPECIAL, "[UNK]", "the", "ship", "##s", "##ed", "left", "##land", ".", ",", "harbour"]
    vocab = {word: index for index, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


MAKERS = {maker.__name__: maker for maker in (byte_level, byte_fallback, metaspace, word_piece)}


@pytest.fixture(scope="session")
def tokenizer_of(request: pytest.FixtureRequest):
    """Kind -> (our tokenizer, the library's own)."""
    made: dict[str, tuple[Tokenizer, tokenizers.Tokenizer]] = {}

    def get(kind: str) -> tuple[Tokenizer, tokenizers.Tokenizer]:
        if kind not in made:
            if kind == "stories260K":
                folder: Path = request.getfixturevalue("stories260k")
                reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
                made[kind] = Tokenizer.from_directory(folder), reference
            else:
                reference = MAKERS[kind]()
                config = {"bos_token": "<s>", "eos_token": "</s>"}
                made[kind] = Tokenizer(tokenizers.Tokenizer.from_str(reference.to_str()), config), reference
        return made[kind]

    return get
