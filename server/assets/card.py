"""The model card of a trained checkpoint: data, shape, course, curves, figures, samples and limits.

    python -m server.assets.card --run OUT --data DIR --model server/assets/model --eval quality.json

Writes `MODEL_CARD.md`, `training.json` (the run's history) and `curves.svg` into the model's folder.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.assets.training.curves import draw_curves, read_history
from server.errors import ConfigError, RhumbError

PROMPTS = ("Hello! Who are you?", "What can you do?", "Tell me a story about the sea.")
EVALUATION_SCHEMA = "rhumb.quality/1"


def sample(folder: Path, *, num_tokens: int = 120) -> list[tuple[str, str]]:
    """The checkpoint's greedy replies to `PROMPTS`, on CPU in float32, as pairs of prompt and text."""
    # Only this function needs transformers, and whoever only draws curves need not wait for it.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    samples = []
    for prompt in PROMPTS:
        message = {"role": "user", "content": prompt}
        text = str(tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True))
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        output = model.generate(ids, attention_mask=mask, max_new_tokens=num_tokens, do_sample=False)
        samples.append((prompt, str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)).strip()))
    return samples


def card_of(
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    history: Mapping[str, Any],
    manifest: Mapping[str, Any],
    evaluations: Sequence[Mapping[str, Any]],
    samples: Sequence[tuple[str, str]],
) -> str:
    """The text of the card.

    Args:
        config: of the checkpoint.
        state, history: of the training run, as `checkpoint.read_state` gives them.
        manifest: of the training set.
        evaluations: JSON files of `rhumb eval`; none for a card without figures.
        samples: prompts and replies.
    """
    shape, progress = state["shape"], state["progress"]
    devices = ", ".join(dict.fromkeys(run["name"] for run in history["runs"]))
    minutes = sum(run["seconds"] for run in history["runs"]) / 60
    optimizer = "Muon for matrices, AdamW for the rest" if state["pace"]["uses_muon"] else "AdamW"
    lines = [
        "# rhumb-tiny",
        "",
        "The model that ships with Rhumb: a Llama small enough to live in a repository, trained to answer questions",
        "about places, distances, routes and plans from contexts of maps, and to find things in long texts.",
        "",
        "| | |",
        "| --- | --- |",
        f"| parameters | {num_parameters(shape):,}, stored in bfloat16 |",
        f"| shape | {shape['num_layers']} layers, hidden {shape['hidden_size']}, {shape['num_heads']} query and "
        f"{shape['num_kv_heads']} KV heads of {shape['head_dim']}, feed-forward {shape['intermediate_size']}, "
        "tied embeddings |",
        f"| context | {config['max_position_embeddings']:,} positions, RoPE with theta {shape['rope_theta']:,.0f} |",
        f"| tokenizer | byte-level BPE, {config['vocab_size']:,} tokens, digits one by one |",
        f"| training | {progress['step']:,} steps, {progress['num_tokens'] / 1e6:,.0f} million tokens with padding, "
        f"{minutes:.1f} minutes on one {devices}, in {len(history['runs'])} runs |",
        f"| optimizer | {optimizer}, peak learning rate {state['plan']['peak_lr']:g}, warm-up and final linear decay |",
        "",
        "## Figures",
        *(_figures(evaluations) if evaluations else ["Not measured yet: `rhumb eval` gives them."]),
        "",
        "## Course",
        "Stages end when their tasks are mastered (accuracy of the answers' tokens), never by time alone.",
        "",
        "| stage | steps | mastered | accuracy at its end |",
        "| --- | --- | --- | --- |",
        *_stages(history, progress, state["stage_name"]),
        "",
        "![Loss and accuracy of every task over the steps](curves.svg)",
        "",
        "## Data",
        "Everything is made or in the public domain: map questions over contexts from generated towns, random strings",
        "to copy and to look up, numbers hidden in books, small talk about the model, and English books. Towns that",
        "questions are judged by are never trained on.",
        *_held_out(manifest),
        "",
        "## Samples",
        "Greedy, unselected.",
        "",
        "\n\n".join(f"> **{prompt}** {text}".replace("\n", "\n> ") for prompt, text in samples),
        "",
        "## Limits",
        "It knows nothing of the world: what is not in its context it cannot answer, and towns of real maps look",
        "different from those it was trained on. It is easily wrong where a question needs several steps. Do not plan",
        "a journey with it.",
        "",
        "## Licence",
        "The training text is generated or in the public domain; the weights are released under the repository's",
        "Apache-2.0 licence. `docs/training.md` tells how to make them anew.",
    ]
    return "\n".join(lines) + "\n"


def num_parameters(shape: Mapping[str, Any]) -> int:
    """Parameters of a Llama of this shape with tied embeddings."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    query, kv = shape["num_heads"] * shape["head_dim"], shape["num_kv_heads"] * shape["head_dim"]
    layer = (2 * query + 2 * kv) * hidden + 3 * inner * hidden + 2 * hidden
    return int(shape["vocab_size"] * hidden + shape["num_layers"] * layer + hidden)


def _stages(history: Mapping[str, Any], progress: Mapping[str, Any], current: str) -> Iterator[str]:
    for stage in history["stages"]:
        told = ", ".join(f"{name.partition('[')[0]} {value:.1%}" for name, value in stage["accuracies"].items())
        steps = stage["last_step"] - stage["first_step"]
        yield f"| {stage['name']} | {steps:,} | {'yes' if stage['is_mastered'] else 'no'} | {told or '-'} |"
    yield f"| {current} | {progress['step'] - progress['stage_first_step']:,} | the last | - |"


def _figures(evaluations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "Greedy, by `rhumb eval`; intervals are 95 %."
    yield ""
    yield "| measure | length | items | result | interval |"
    yield "| --- | --- | --- | --- | --- |"
    for evaluation in evaluations:
        variant = evaluation["variants"][0]
        for row in evaluation["summary"]:
            if row["variant"] != variant:
                continue
            if "accuracy" in row:
                yield _accuracy_row(row["measure"], "all", row)
                for part in evaluation["breakdowns"]:
                    if (part["measure"], part["by"], part["variant"]) == (row["measure"], "length", variant):
                        yield _accuracy_row("", f"{part['value']:,}", part)
            elif "perplexity" in row:
                interval = row["perplexity_interval"]
                bits = f", {row['bits_per_byte']:.3f} bits a byte" if "bits_per_byte" in row else ""
                yield (
                    f"| {row['measure']} | | {row['num_tokens']:,} tokens | {row['perplexity']:.2f}{bits} "
                    f"| {interval['low']:.2f} to {interval['high']:.2f} |"
                )


def _accuracy_row(measure: str, length: str, row: Mapping[str, Any]) -> str:
    interval = row["interval"]
    return (
        f"| {measure} | {length} | {row['num_counted']:,} | {row['accuracy']:.1%} "
        f"| {interval['low']:.1%} to {interval['high']:.1%} |"
    )


def _held_out(manifest: Mapping[str, Any]) -> Iterator[str]:
    titles = manifest.get("held_out_titles", ())
    if titles:
        yield "Books held out from tokenizer and training: " + ", ".join(f"*{title}*" for title in titles) + "."


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        raise ConfigError(f"{path} is no {what}") from None
    return found


def write_card(run: Path, data: Path, model: Path, evaluations: Sequence[Path]) -> None:
    """Writes card, history and curves into `model`.

    Args:
        run: what `train.py` wrote: `history.json` and `checkpoint/`.
        data: the training set's folder.
        model: the exported checkpoint.
        evaluations: files of `rhumb eval --output-json`.
    """
    history = read_history(run / "history.json")
    state = _read(run / "checkpoint" / "state.json", "state of a training run")
    results = [_read(path, "result of rhumb eval") for path in evaluations]
    if any(result.get("schema") != EVALUATION_SCHEMA for result in results):
        raise ConfigError(
            f"--eval takes files of the schema {EVALUATION_SCHEMA}, which rhumb eval --output-json writes"
        )
    config = _read(model / "config.json", "configuration of a checkpoint")
    manifest = _read(data / "manifest.json", "manifest of a training set")
    text = card_of(config, state, history, manifest, results, sample(model))
    (model / "MODEL_CARD.md").write_text(text)
    shutil.copyfile(run / "history.json", model / "training.json")
    draw_curves(history, model / "curves.svg")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m server.assets.card", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--run", type=Path, required=True, help="--out of the training run")
    parser.add_argument("--data", type=Path, required=True, help="folder of the training set")
    parser.add_argument("--model", type=Path, required=True, help="folder of the exported checkpoint")
    parser.add_argument("--eval", type=Path, action="append", default=[], help="JSON of rhumb eval; may be repeated")
    args = parser.parse_args()
    try:
        write_card(args.run, args.data, args.model, args.eval)
    except RhumbError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
