"""The options of `rhumb calibrate`.

By argparse, because calibration also runs where only torch and the tokenizers are installed.
"""

import argparse
from pathlib import Path

from server.calibrate.passkeys import KEY_LENGTH, MAX_PASSKEYS
from server.kv.patterns import DEFAULT_RECENT, DEFAULT_SINKS
from server.options import OneLineParser, not_negative, number, positive


def parser(program: str) -> argparse.ArgumentParser:
    """The command line; `program` is how it was called."""
    whole = OneLineParser(prog=program, description="Find out which KV heads of a model need their whole context.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_duo(commands.add_parser("duo", help="make a head pattern for DuoAttention", description=_DUO))
    _add_show(commands.add_parser("show", help="describe and draw a pattern", description=_SHOW))
    return whole


_DUO = (
    "Make a head pattern for DuoAttention: optimise one gate for each KV head on pass keys hidden in a text. "
    "A run that was interrupted goes on when the same command is given again."
)
_SHOW = "Describe a head pattern, and draw it."


def _add_duo(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", help="model directory or hub name; the embedded model when left out")
    command.add_argument(
        "--text", type=Path, action="append", default=[], help="file or folder to hide pass keys in (repeatable)"
    )
    command.add_argument(
        "--output", type=Path, help="folder for the pattern; by default 'duo' in the model's directory"
    )
    command.add_argument("--score", action="store_true", help="score heads without training, which takes seconds")
    command.add_argument("--restart", action="store_true", help="begin anew, over what --output holds")
    window = command.add_argument_group("the window of heads that stream")
    window.add_argument("--sinks", type=number(0), default=DEFAULT_SINKS, help="leading positions (%(default)s)")
    window.add_argument("--recent", type=number(1), default=DEFAULT_RECENT, help="trailing positions (%(default)s)")
    rows = command.add_argument_group("rows")
    rows.add_argument("--min-context", type=number(1), help="tokens of the shortest; 1,000, or more if keys need it")
    rows.add_argument("--max-context", type=number(1), help="tokens of the longest; 32,000, or the model's limit")
    rows.add_argument("--contexts", type=number(1), default=50, help="lengths between them (%(default)s)")
    rows.add_argument(
        "--passkeys",
        type=int,
        choices=range(1, MAX_PASSKEYS + 1),
        default=MAX_PASSKEYS,
        metavar="N",
        help="of a row, 1 to 10 (10)",
    )
    rows.add_argument("--key", choices=tuple(KEY_LENGTH), default="words", help="what keys consist of (%(default)s)")
    rows.add_argument("--key-length", type=number(1), help="words or digits of a key; 32 or 5")
    rows.add_argument("--chat", action="store_true", help="lay rows out as conversations, by the chat template")
    recipe = command.add_argument_group("optimisation")
    recipe.add_argument("--steps", type=number(1), default=2000, help="rows to learn from (%(default)s)")
    recipe.add_argument("--lr", type=positive, default=0.02, help="peak learning rate (%(default)s)")
    recipe.add_argument("--reg", type=not_negative, default=0.05, help="price of the mean gate (%(default)s)")
    recipe.add_argument("--seed", type=number(0), default=42, help="of rows and samples (%(default)s)")
    recipe.add_argument("--minutes", type=positive, help="stop after so long; the same command goes on")
    scoring = command.add_argument_group("--score")
    scoring.add_argument("--samples", type=number(1), default=8, help="pieces of text (%(default)s)")
    scoring.add_argument("--sample-length", type=number(1), default=4096, help="tokens of each, at most (%(default)s)")
    machine = command.add_argument_group("machine")
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    machine.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto")
    machine.add_argument("--revision", help="of a hub model")
    machine.add_argument(
        "--load-format", choices=("safetensors", "dummy"), default="safetensors", help="dummy: random weights"
    )
    machine.add_argument("--plot-format", choices=("svg", "png"), default="svg", help="kind of picture (%(default)s)")
    machine.add_argument("--disable-tqdm", action="store_true", help="show no progress")


def _add_show(command: argparse.ArgumentParser) -> None:
    command.add_argument("pattern", type=Path, help="folder of a pattern, or its file of gates")
    command.add_argument("--plot", type=Path, help="picture to draw, .svg or .png")
