"""Samples from a freshly trained model and the model card that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

if TYPE_CHECKING:
    from server.assets.corpus import Corpus
    from server.assets.train import History, Recipe

STORY_PROMPTS = ("Once upon a time", "The old house stood at the end of the lane,", '"I have not seen him," said')
CHAT_PROMPTS = ("Tell me a story about the sea.", "Continue this story: The door opened slowly.")


def sample(folder: Path, *, seed: int, num_tokens: int = 120) -> list[tuple[str, str]]:
    """Completes the prompts above with the checkpoint in `folder`, on CPU in float32.

    Returns:
        Pairs of prompt and text, the chat prompts last.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    torch.manual_seed(seed)
    samples = []
    for prompt in STORY_PROMPTS + CHAT_PROMPTS:
        text = prompt
        if prompt in CHAT_PROMPTS:
            message = {"role": "user", "content": prompt}
            text = str(tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True))
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=num_tokens)
        samples.append((prompt, str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True))))
    return samples


def write_card(folder: Path, history: History, recipe: Recipe, corpus: Corpus, *, seed: int) -> None:
    """Writes `MODEL_CARD.md` into `folder`: data, shape, training, figures, samples and limits."""
    metrics = history.metrics
    figures = [f"| final training loss, nats a token | {history.losses[-1][1]:.3f} |"] if history.losses else []
    names = {"held_out": "held-out books", "wikitext": "WikiText-2 validation"}
    for name, title in names.items():
        if f"{name}_perplexity" in metrics:
            figures.append(f"| {title}: perplexity a token | {metrics[f'{name}_perplexity']:.1f} |")
            figures.append(f"| {title}: bits a byte | {metrics[f'{name}_bits_per_byte']:.3f} |")
    samples = [f"> **{prompt}** {text.strip()}".replace("\n", "\n> ") for prompt, text in sample(folder, seed=seed)]
    lines = [
        "# rhumb-tiny",
        "",
        "The model that ships with Rhumb: a Llama small enough to live in a repository, for first steps, tests and",
        "demonstrations. It writes recognisable English and knows nothing.",
        "",
        "| | |",
        "| --- | --- |",
        f"| parameters | {history.num_parameters:,}, stored in bfloat16 |",
        f"| shape | {recipe.num_layers} layers, hidden {recipe.hidden_size}, {recipe.num_heads} query and "
        f"{recipe.num_kv_heads} KV heads of 32, feed-forward {recipe.intermediate_size}, tied embeddings |",
        f"| context | {recipe.context} tokens |",
        f"| tokenizer | byte-level BPE, {corpus.tokenizer.get_vocab_size()} tokens, trained on the same books |",
        f"| training | {history.num_steps:,} steps, {history.num_tokens / 1e6:,.0f} million tokens, "
        f"{history.seconds / 60:.1f} minutes on one {history.device} |",
        *figures,
        "",
        "## Data",
        f"Public-domain books in English, {len(corpus.books) / 1e6:.1f} million tokens, each seen many times. "
        f"{recipe.chat_share:.0%} of the",
        "training windows are conversations cut from the same books: a user gives the beginning of a passage, a topic",
        "or an author, the assistant answers with a passage and ends with `<|im_end|>`. Held out from tokenizer and",
        "training: " + ", ".join(f"*{title}*" for title in corpus.held_out_titles) + ".",
        "",
        "Perplexity is a token's, with at least half a context before each token. WikiText-2 is scored in its",
        "published, pre-tokenised form, which reads unlike any book; it was never trained on.",
        "",
        "## Samples",
        f"Unselected: the first draw with seed {seed}, temperature 0.8, top-p 0.95.",
        "",
        "\n\n".join(samples),
        "",
        "## Limits",
        "It answers in the manner of a novel a hundred years old. It does not follow instructions, states no facts",
        "that can be relied on, and repeats what such books say, prejudices included. It was made for a server to",
        "have something to serve, and for nothing else.",
        "",
        "## Licence",
        "The training text is in the public domain; the weights are released under the repository's Apache-2.0",
        "licence. `python -m server.assets.train` makes them anew.",
    ]
    (folder / "MODEL_CARD.md").write_text("\n".join(lines) + "\n")
