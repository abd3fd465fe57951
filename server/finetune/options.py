"""The options of `rhumb finetune`.

By argparse, because fine-tuning also runs where only torch, transformers and the tokenizers are installed.
"""

import argparse
from pathlib import Path

from server.finetune.examples import FORMS
from server.options import OneLineParser, not_negative, number, positive, share


def parser(program: str) -> argparse.ArgumentParser:
    """The command line; `program` is how it was called."""
    whole = OneLineParser(prog=program, description="Teach a model to be served in another way.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_skip(commands.add_parser("skip", help="teach a model an exit schedule (SkipDecode)", description=_SKIP))
    _add_show(commands.add_parser("show", help="describe a run, and draw its curves", description=_SHOW))
    return whole


_SKIP = "Teach a checkpoint of the Llama family or OPT its exit schedule, by teacher forcing. See docs/finetune.md."
_SHOW = "Describe what `rhumb finetune skip` did, and draw its curves."


def _add_skip(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", help="model directory or hub name; the embedded model when left out")
    command.add_argument("--output", type=Path, required=True, help="folder for the new checkpoint")
    start = command.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from what a run that ended early left in --output")
    start.add_argument("--restart", action="store_true", help="begin anew, over what --output holds")
    schedule = command.add_argument_group("exit schedule")
    which = schedule.add_mutually_exclusive_group()
    which.add_argument("--speedup", type=positive, default=2.0, help="layers over layers run, on average (2)")
    which.add_argument("--schedule", help='as in --variants: "skip(max_layers=22, min_layers=11)"; full for none')
    schedule.add_argument(
        "--max-tokens", type=number(1), help="of requests, for horizon=max_tokens; a response's length when left out"
    )
    data = command.add_argument_group("data")
    data.add_argument(
        "--data",
        type=Path,
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE",
        help=".jsonl or .jsonl.zst of conversations, prompts with completions, or map questions",
    )
    data.add_argument("--held-out", type=Path, nargs="+", action="extend", metavar="FILE", help="to judge by")
    data.add_argument("--held-out-share", type=share, default=0.05, help="of --data without --held-out (%(default)s)")
    data.add_argument(
        "--split", choices=("train", "validation", "test", "all"), default="train", help="of map questions (train)"
    )
    data.add_argument("--forms", choices=FORMS, nargs="+", default=FORMS, help="of the contexts of map questions (all)")
    data.add_argument("--max-length", type=number(2), help="tokens of the longest row; 4,096, or the model's limit")
    recipe = command.add_argument_group("learning")
    recipe.add_argument("--lora", type=number(1), metavar="RANK", help="learn low-rank updates instead of all weights")
    recipe.add_argument("--steps", type=number(1), default=1000, help="to take (%(default)s)")
    recipe.add_argument("--minutes", type=positive, help="stop after so long; go on with --resume")
    recipe.add_argument(
        "--save-every", type=not_negative, default=30.0, metavar="SECONDS", help="a state to go on from (%(default)s)"
    )
    recipe.add_argument("--batch", type=number(1), default=16, help="rows of a step (%(default)s)")
    recipe.add_argument("--lr", type=positive, help="peak learning rate; 2e-5, with --lora 2e-4")
    recipe.add_argument("--warmup", type=share, default=0.03, help="share of steps in which it rises (%(default)s)")
    recipe.add_argument("--weight-decay", type=not_negative, default=0.0, help="of AdamW (%(default)s)")
    recipe.add_argument("--seed", type=number(0), default=42, help="of the order of rows (%(default)s)")
    judging = command.add_argument_group("judging as it goes")
    judging.add_argument("--eval-every", type=number(1), help="steps; a tenth of all when left out")
    judging.add_argument("--eval-rows", type=number(1), default=64, help="held-out rows, at most (%(default)s)")
    machine = command.add_argument_group("machine")
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    machine.add_argument(
        "--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="of products; bfloat16 on a GPU"
    )
    machine.add_argument("--pass-tokens", type=number(1), default=16_384, help="computed together (%(default)s)")
    machine.add_argument(
        "--keep-activations", action="store_true", help="instead of computing them again: faster, and more memory"
    )
    machine.add_argument("--revision", help="of a hub model")
    machine.add_argument("--disable-tqdm", action="store_true", help="show no progress")


def _add_show(command: argparse.ArgumentParser) -> None:
    command.add_argument("output", type=Path, help="folder of a run")
    command.add_argument("--plot", type=Path, help="picture to draw, .svg or .png")
