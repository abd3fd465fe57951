"""Trains the embedded model: a Llama of about 2.95 million parameters, 5.9 MB in bfloat16.

    python -m server.assets.train --data DIR --out server/assets/model --device cuda

`DIR` holds `books.tar.xz` (and, for one more perplexity, `wikitext2-valid.txt`), or what `--prepare-only` made of it.
Training stops by the clock, so that a faster machine simply sees more text.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from server.assets.card import write_card
from server.assets.corpus import CHAT_TEMPLATE, END_OF_TEXT, TURN_END, Corpus, Tokens, build_corpus, load_corpus
from server.errors import ConfigError, RhumbError

VOCAB_SIZE = 2048
CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and pace of one training run.

    Args:
        minutes: how long to train, the first (compiling) step not counted.
        batch_rows: windows of `context` tokens in a step.
        context: length of a window, in tokens.
        chat_share: share of windows that come from the conversations, in [0, 1].
        peak_lr: highest learning rate; a cosine over `minutes` brings it to 2 % of that.
        warmup_steps: steps of linear warm-up.
        hidden_size, num_layers, intermediate_size, num_heads, num_kv_heads: the model's shape; heads are 32 wide.
        save_every_s: seconds between checkpoints.
    """

    minutes: float
    batch_rows: int = 64
    context: int = CONTEXT
    chat_share: float = 0.15
    peak_lr: float = 3e-3
    warmup_steps: int = 300
    hidden_size: int = 192
    num_layers: int = 8
    intermediate_size: int = 384
    num_heads: int = 6
    num_kv_heads: int = 2
    save_every_s: float = 60.0


@dataclass(slots=True)
class History:
    """What happened in training; saved as `training.json` beside the weights."""

    num_parameters: int
    device: str
    num_steps: int = 0
    num_tokens: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float, float]] = field(default_factory=list)
    """(step, mean training loss since the last entry, learning rate)"""
    metrics: dict[str, float] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        facts = {name: getattr(self, name) for name in self.__slots__}
        (folder / "training.json").write_text(json.dumps(facts, indent=1))


def new_model(recipe: Recipe, vocab_size: int) -> LlamaForCausalLM:
    """A Llama with random float32 weights and tied embeddings."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        num_key_value_heads=recipe.num_kv_heads,
        head_dim=32,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    # Shrinking what each layer adds keeps the sum of many layers at the size of one.
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * recipe.num_layers))
    return model


def next_token_loss(model: LlamaForCausalLM, windows: Tensor) -> Tensor:
    """Mean cross-entropy in nats of every token but the first of each row; `windows` is [rows, context + 1] int64."""
    logits = model(input_ids=windows[:, :-1], use_cache=False).logits
    return functional.cross_entropy(logits.flatten(0, 1).float(), windows[:, 1:].flatten())


class Windows:
    """Random windows of both token streams, which live on the device.

    Args:
        corpus: where `books` and `chats` come from.
        recipe: rows, context and share of chats.
        device: where the streams and the windows are.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, device: torch.device) -> None:
        self.books = torch.from_numpy(corpus.books.astype("int32")).to(device)
        self.chats = torch.from_numpy(corpus.chats.astype("int32")).to(device)
        self.num_chat_rows = round(recipe.batch_rows * recipe.chat_share)
        self.num_book_rows = recipe.batch_rows - self.num_chat_rows
        self.offsets = torch.arange(recipe.context + 1, device=device)
        if min(len(self.books), len(self.chats)) <= recipe.context + 1:
            raise ConfigError(f"the corpus is too small for windows of {recipe.context} tokens")

    def draw(self) -> Tensor:
        """The next windows, [rows, context + 1] int64."""
        parts = [self._draw(self.books, self.num_book_rows), self._draw(self.chats, self.num_chat_rows)]
        return torch.cat(parts).long()

    def _draw(self, stream: Tensor, num_rows: int) -> Tensor:
        starts = torch.randint(len(stream) - len(self.offsets), (num_rows, 1), device=stream.device)
        return stream[starts + self.offsets]


def train(model: LlamaForCausalLM, corpus: Corpus, recipe: Recipe, save: Callable[[History], None]) -> History:
    """Trains `model` in place until the recipe's time is over, calling `save` now and then.

    The weights stay float32; on CUDA the arithmetic is bfloat16 and the step is compiled.
    """
    device = next(model.parameters()).device
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else "cpu"
    history = History(num_parameters=sum(p.numel() for p in model.parameters()), device=name)
    windows = Windows(corpus, recipe, device)
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=recipe.peak_lr,
        betas=(0.9, 0.95),
        fused=on_gpu,
    )
    loss_of = torch.compile(next_token_loss) if on_gpu else next_token_loss
    model.train()

    total_s = recipe.minutes * 60
    since = torch.zeros((), device=device)
    started = saved = time.monotonic()
    while (elapsed_s := time.monotonic() - started) < total_s:
        lr = recipe.peak_lr * min(1.0, (history.num_steps + 1) / recipe.warmup_steps)
        lr *= 0.02 + 0.98 * (1 + math.cos(math.pi * elapsed_s / total_s)) / 2
        for group in optimizer.param_groups:
            group["lr"] = lr
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            loss = loss_of(model, windows.draw())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        since += loss.detach()
        history.num_steps += 1
        history.num_tokens += recipe.batch_rows * recipe.context
        if history.num_steps == 1:
            # The first step compiles; it would otherwise eat the cosine's beginning.
            float(since)
            started = saved = time.monotonic()
        if history.num_steps % 100 == 0:
            # Reading the loss also keeps the host from running far ahead of the device and its clock.
            history.losses.append((history.num_steps, round(float(since) / 100, 4), lr))
            history.seconds = time.monotonic() - started
            since.zero_()
            print(
                f"step {history.num_steps:6d}  loss {history.losses[-1][1]:.4f}  {history.seconds:6.1f} s", flush=True
            )
            if time.monotonic() - saved >= recipe.save_every_s:
                save(history)
                saved = time.monotonic()
    history.seconds = time.monotonic() - started
    return history


@torch.no_grad()
def mean_nats(model: LlamaForCausalLM, tokens: Tokens, context: int) -> float:
    """Mean negative log-likelihood of `tokens` in nats a token, over windows that overlap by half.

    Each token is judged once, with at least half a window before it where the text has that much.
    """
    device = next(model.parameters()).device
    stream = torch.from_numpy(tokens.astype("int64")).to(device)
    stride = context // 2
    total, counted = 0.0, 0
    for start in range(0, max(1, len(stream) - stride), stride):
        window = stream[start : start + context + 1]
        logits = model(input_ids=window[None, :-1], use_cache=False).logits[0].float()
        losses = functional.cross_entropy(logits, window[1:], reduction="none")
        fresh = losses if start == 0 else losses[stride:]
        total += float(fresh.sum())
        counted += len(fresh)
    return total / counted


def evaluate(model: LlamaForCausalLM, corpus: Corpus, context: int) -> dict[str, float]:
    """Perplexity a token and bits a byte of the held-out books and, where there is one, the encyclopedia text."""
    model.eval()
    metrics = {}
    for name in ("held_out", "wikitext"):
        tokens: Tokens = getattr(corpus, name)
        if len(tokens) > 1:
            nats = mean_nats(model, tokens, context)
            metrics[f"{name}_perplexity"] = math.exp(nats)
            num_bytes = len(corpus.tokenizer.decode(tokens.tolist()).encode())
            metrics[f"{name}_bits_per_byte"] = nats * len(tokens) / math.log(2) / num_bytes
    return metrics


def save_model(model: LlamaForCausalLM, corpus: Corpus, history: History, folder: Path) -> None:
    """Writes weights in bfloat16, configuration, tokenizer, generation defaults and history."""
    folder.mkdir(parents=True, exist_ok=True)
    rounded = LlamaForCausalLM(model.config)
    rounded.load_state_dict(model.state_dict())
    rounded = rounded.bfloat16()
    eos = [corpus.tokenizer.token_to_id(END_OF_TEXT), corpus.tokenizer.token_to_id(TURN_END)]
    rounded.generation_config = GenerationConfig(
        eos_token_id=eos, pad_token_id=eos[0], do_sample=True, temperature=0.8, top_p=0.95
    )
    rounded.save_pretrained(folder)
    corpus.tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.config.max_position_embeddings,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2))
    history.save(folder)


def run(args: argparse.Namespace) -> None:
    """Prepares, trains, evaluates the weights as stored, and writes the card."""
    if (args.data / "tokens.npz").is_file():
        corpus = load_corpus(args.data)
    else:
        corpus = build_corpus(args.data, vocab_size=VOCAB_SIZE, num_books=12 if args.smoke else None)
    if args.prepare_only:
        corpus.save(args.out)
        return
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here; train with --device cpu, which takes hours, or with --smoke")
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    recipe = Recipe(minutes=args.minutes)
    if args.smoke:
        corpus = replace(corpus, held_out=corpus.held_out[:5000], wikitext=corpus.wikitext[:5000])
        recipe = Recipe(minutes=args.minutes, batch_rows=8, context=64, num_layers=2, warmup_steps=20, save_every_s=5)
    model = new_model(recipe, corpus.tokenizer.get_vocab_size()).to(args.device)
    history = train(model, corpus, recipe, lambda so_far: save_model(model, corpus, so_far, args.out))
    save_model(model, corpus, history, args.out)
    stored = LlamaForCausalLM.from_pretrained(args.out, dtype=torch.float32).to(args.device)
    history.metrics = evaluate(stored, corpus, recipe.context)
    history.save(args.out)
    write_card(args.out, history, recipe, corpus, seed=args.seed)
    print(json.dumps(history.metrics, indent=1))


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m server.assets.train", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with books.tar.xz or a prepared corpus")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model, or for the prepared corpus")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=7.0, help="how long to train (default 7)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prepare-only", action="store_true", help="write the tokenizer and token streams, then stop")
    parser.add_argument("--smoke", action="store_true", help="a tiny model, to see that everything runs")
    try:
        run(parser.parse_args())
    except RhumbError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
