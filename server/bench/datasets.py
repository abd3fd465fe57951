"""What is asked: prompts of known length, made or read, the same for the same seed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from server.bench.texts import TextMaker, Tokenizer
from server.errors import ConfigError

DatasetName = Literal["random", "sharegpt", "prefix_repetition", "sonnet", "custom"]

# The limits with which ShareGPT figures are usually published: neither trivial nor longer than 2K.
SHAREGPT_MIN_TOKENS = 4
SHAREGPT_MAX_PROMPT = 1024
SHAREGPT_MAX_TOTAL = 2048

SONNET_TASK = "Write more lines in the manner of this poem:\n"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to make.

    Args:
        text: the prompt; empty where only token ids are drawn.
        token_ids: the prompt as the tokenizer encodes it, special tokens included.
        output_len: tokens to ask for.
    """

    text: str
    token_ids: list[int]
    output_len: int

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Prompt and output lengths of random prompts, in tokens.

    Args:
        range_ratio: lengths are uniform in [(1 - r) n, (1 + r) n]; 0 makes them all equal.
        prefix_len: tokens at the beginning that all prompts share, on top of `input_len`.
    """

    input_len: int
    output_len: int
    range_ratio: float = 0.0
    prefix_len: int = 0

    def __post_init__(self) -> None:
        if self.input_len < 1 or self.output_len < 1 or self.prefix_len < 0:
            raise ConfigError("input and output lengths must be at least 1, and the prefix length at least 0")
        if not 0 <= self.range_ratio < 1:
            raise ConfigError(f"--random-range-ratio must be in [0, 1), not {self.range_ratio}")

    def draw(self, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """`count` pairs of (input length without the prefix, output length)."""
        inputs = self._uniform(self.input_len, count, rng)
        outputs = self._uniform(self.output_len, count, rng)
        return list(zip(inputs, outputs, strict=True))

    def _uniform(self, length: int, count: int, rng: np.random.Generator) -> list[int]:
        low = max(1, int(np.floor(length * (1 - self.range_ratio))))
        high = int(np.ceil(length * (1 + self.range_ratio)))
        return rng.integers(low, high + 1, size=count).tolist()


def random_ids(num_prompts: int, lengths: Lengths, vocab_size: int, seed: int) -> list[Prompt]:
    """Random prompts without text, for engines that are called without HTTP and need no tokenizer."""
    rng = np.random.default_rng(seed)
    prefix = rng.integers(0, vocab_size, size=lengths.prefix_len).tolist()
    return [
        Prompt("", [*prefix, *rng.integers(0, vocab_size, size=input_len).tolist()], output_len)
        for input_len, output_len in lengths.draw(num_prompts, rng)
    ]


def random_texts(tokenizer: Tokenizer, num_prompts: int, lengths: Lengths, seed: int) -> list[Prompt]:
    """Random prompts that are exactly as long as asked when the server tokenises them."""
    rng = np.random.default_rng(seed)
    maker = TextMaker(tokenizer, rng)
    prefix = maker.make(lengths.prefix_len + maker.num_added) if lengths.prefix_len else ""
    return [
        _prompt(tokenizer, maker.make(lengths.prefix_len + input_len, prefix), output_len)
        for input_len, output_len in lengths.draw(num_prompts, rng)
    ]


def prefix_repetition(
    tokenizer: Tokenizer,
    num_prompts: int,
    *,
    prefix_len: int,
    suffix_len: int,
    num_prefixes: int,
    output_len: int,
    seed: int,
) -> list[Prompt]:
    """Prompts that share `num_prefixes` beginnings evenly, in random order: a test of the prefix cache."""
    if min(prefix_len, suffix_len, num_prefixes, output_len) < 1:
        raise ConfigError("prefix, suffix and output lengths and the number of prefixes must be at least 1")
    rng = np.random.default_rng(seed)
    maker = TextMaker(tokenizer, rng)
    prefixes = [maker.make(prefix_len + maker.num_added) for _ in range(num_prefixes)]
    prompts = [
        _prompt(tokenizer, maker.make(prefix_len + suffix_len, prefixes[i % num_prefixes]), output_len)
        for i in range(num_prompts)
    ]
    return [prompts[i] for i in rng.permutation(num_prompts)]


def sonnet(
    tokenizer: Tokenizer,
    num_prompts: int,
    path: Path,
    *,
    input_len: int,
    prefix_len: int,
    output_len: int,
    seed: int,
) -> list[Prompt]:
    """Lines of a poem up to `input_len` tokens; the lines of the first `prefix_len` are the same in all prompts."""
    if prefix_len >= input_len:
        raise ConfigError("--sonnet-prefix-len must be less than --sonnet-input-len")
    rng = np.random.default_rng(seed)
    lines = [line for line in _read(path).splitlines(keepends=True) if line.strip()]
    if not lines:
        raise ConfigError(f"--dataset-path {path} holds no lines")
    shared = _fill(tokenizer, SONNET_TASK, lines, prefix_len)
    prompts = []
    for _ in range(num_prompts):
        text = _fill(tokenizer, shared, [lines[i] for i in rng.permutation(len(lines))], input_len)
        prompts.append(_prompt(tokenizer, text, output_len))
    return prompts


def sharegpt(
    tokenizer: Tokenizer, num_prompts: int, path: Path, *, output_len: int | None = None, seed: int = 0
) -> list[Prompt]:
    """First turns of real conversations; the output is as long as the recorded answer unless `output_len` is given."""
    try:
        conversations = json.loads(_read(path))
        turns = [
            (str(entry["conversations"][0]["value"]), str(entry["conversations"][1]["value"]))
            for entry in conversations
            if len(entry.get("conversations") or ()) >= 2
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"--dataset-path {path} is not ShareGPT: a JSON list of {{'conversations': [...]}}") from None
    prompts = []
    for i in np.random.default_rng(seed).permutation(len(turns)):
        question, answer = turns[i]
        prompt = _prompt(tokenizer, question, output_len or len(tokenizer.encode(answer, add_special_tokens=False)))
        if _is_usual_length(prompt):
            prompts.append(prompt)
            if len(prompts) == num_prompts:
                break
    return _fill_up(prompts, num_prompts, path)


def custom(tokenizer: Tokenizer, num_prompts: int, path: Path, *, output_len: int, seed: int) -> list[Prompt]:
    """A JSON Lines file of `{"prompt": ..., "output_tokens": ...}`; the second is optional."""
    prompts = []
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
            prompts.append(_prompt(tokenizer, str(record["prompt"]), int(record.get("output_tokens", output_len))))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(f'--dataset-path {path}, line {number}: write {{"prompt": "..."}}') from None
    order = np.random.default_rng(seed).permutation(len(prompts))
    return _fill_up([prompts[i] for i in order][:num_prompts], num_prompts, path)


def _prompt(tokenizer: Tokenizer, text: str, output_len: int) -> Prompt:
    return Prompt(text, tokenizer.encode(text), output_len)


def _is_usual_length(prompt: Prompt) -> bool:
    return (
        min(prompt.num_tokens, prompt.output_len) >= SHAREGPT_MIN_TOKENS
        and prompt.num_tokens <= SHAREGPT_MAX_PROMPT
        and prompt.num_tokens + prompt.output_len <= SHAREGPT_MAX_TOTAL
    )


def _fill(tokenizer: Tokenizer, start: str, lines: Sequence[str], num_tokens: int) -> str:
    """Append lines to `start` while the text stays within `num_tokens`."""
    text = start
    for line in lines:
        if len(tokenizer.encode(text + line)) > num_tokens:
            break
        text += line
    return text


def _fill_up(prompts: list[Prompt], num_prompts: int, path: Path) -> list[Prompt]:
    """Repeat the prompts until there are enough, as `vllm bench` does by default."""
    if not prompts:
        raise ConfigError(f"--dataset-path {path} holds no usable prompt")
    return [prompts[i % len(prompts)] for i in range(num_prompts)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--dataset-path {path} cannot be read: {error}") from None
