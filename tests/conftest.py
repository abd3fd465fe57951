"""Fixtures that more than one area needs: the data beside the repository, and a random Llama with its tokenizer."""

import json
import os
import sys
from pathlib import Path

# Tests start a hundred Pythons. Where no bytecode may be kept, each of them compiles torch and numba anew, which takes
# longer than what it is started for.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Nothing here speaks TLS, and each HTTP client would read the certificates of all authorities first, for 20 ms.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull
# Tests share few cores between several workers; a second thread a worker only makes all of them wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if not Path("/dev/nvidiactl").exists():
    # Without a GPU the Triton kernels are interpreted. Triton decides when it is imported, which importing torch may
    # do.
    os.environ.setdefault("TRITON_INTERPRET", "1")

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SENTENCES = [
    "The ship left the harbour at dawn, and nobody on the quay waved.",
    "Alice was beginning to get very tired of sitting by her sister on the bank.",
    "What is the capital of France? The capital of France is Paris.",
    '{"name": "get_weather", "arguments": {"city": "Monaco", "days": 3}}',
    "Once upon a time there were 12 brothers, 7 sisters and 1 very old dog.",
    "Ein kleines Mädchen ging über die Brücke. Ça va très bien, señor.",
]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is collected. The process that only deals tests out to workers does without torch."""
    sys.dont_write_bytecode = False  # The variable was read before this file was.
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return
    import torch
    from httpx._config import DEFAULT_TIMEOUT_CONFIG
    from hypothesis import HealthCheck, settings

    # A busy machine may take longer over a request than the five seconds of who does not say.
    for what in ("connect", "read", "write", "pool"):
        setattr(DEFAULT_TIMEOUT_CONFIG, what, 60.0)
    torch.set_num_threads(1)
    # How long an example takes says how busy the machine is, not what is wrong. Tests take over the default of now.
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test data that lives beside the repository and is never committed."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the test data in {folder}, which is not here")
    return folder


@pytest.fixture(scope="session")
def stories260k(shared_data: Path) -> Path:
    """A real, trained Llama of 260 thousand parameters with its tokenizer."""
    folder = shared_data / "models" / "stories260K"
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"needs the checkpoint in {folder}, which is not here")
    return folder


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random float32 Llama with grouped queries, a byte-level BPE tokenizer and a ChatML-like template.

    Four layers, eight query heads, two KV heads, head size 16, context 512.
    """
    # Importing transformers takes seconds, and most areas' tests need none of it.
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-llama")
    tokenizer = _train_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<|endoftext|>",
                "pad_token": "<|endoftext|>",
                "clean_up_tokenization_spaces": False,
                "model_max_length": 512,
                "chat_template": CHAT_TEMPLATE,
            }
        )
    )
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id("<|endoftext|>"),
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        # The usual initialisation leaves logits so flat that a wrong layer hardly shows; spread them.
        for parameter in model.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.08)
    model.generation_config.eos_token_id = [
        tokenizer.token_to_id("<|endoftext|>"),
        tokenizer.token_to_id("<|im_end|>"),
    ]
    model.save_pretrained(folder)
    return folder


def _train_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer
