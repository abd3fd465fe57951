"""Describing a place whose facts are given, in the style of E2E.

    python -m server.quality.tasks.describe train.jsonl --split train --count 20000

writes conversations of the same kind to learn from, of other places.
"""

import argparse
import random
import sys
from functools import partial
from pathlib import Path

from server.errors import RhumbError
from server.quality.items import Dialogue, Item, Judgement, Model, Outcome, Prompt
from server.quality.places import SPLITS, ask_about, describe, draw_place, write_examples

NUM_REFERENCES = 4


def describe_items(model: Model, count: int, seed: int) -> list[Item]:
    """One item for each of `count` places of the test split."""
    items = []
    for number in range(count):
        facts = draw_place(f"{seed}/{number}", "test")
        references = [describe(facts, random.Random(f"{seed} {number} {index}")) for index in range(NUM_REFERENCES)]
        max_tokens = max(model.count_tokens(references)) * 3 // 2 + 16
        prompt = Prompt(({"role": "user", "content": ask_about(facts)},), max_tokens)
        told = {"num_facts": len(facts), "references": references}
        name = f"describe-{number}"
        items.append(Item(name, "describe", name, told, partial(_dialogue, prompt, tuple(facts.values()))))
    return items


def _dialogue(prompt: Prompt, values: tuple[str, ...]) -> Dialogue:
    reply = yield prompt
    text = " ".join(reply.text.split())
    stated = sum(value.casefold() in text.casefold() for value in values) / len(values)
    outcome: Outcome = "right" if stated == 1 else "wrong" if text else "invalid"
    return Judgement(outcome, stated, text)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m server.quality.tasks.describe")
    parser.add_argument("output", type=Path, help=".jsonl file to write")
    parser.add_argument("--split", choices=SPLITS, default="train", help="whose names of places (%(default)s)")
    parser.add_argument("--count", type=int, default=20_000, help="places (%(default)s)")
    args = parser.parse_args()
    try:
        write_examples(args.output, args.split, args.count)
    except RhumbError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
