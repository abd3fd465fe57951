"""What DuoAttention costs in answers: pass keys and map questions by share of retrieval heads, beside heads at random.

    python -m benchmarks.quality.duo --questions test-8k.jsonl.zst --output duo.json [--pattern DIR]

Prompts are processed densely, as is the default, so every variant answers from the same prefix in the cache and differs
only in what its heads still see while it generates: the pattern at 50 and 25 % retrieval heads, as many heads drawn at
random, and none. The record is one that `rhumb eval show` reads; pictures stand beside it, in a folder of its name.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID
from server.config import EngineConfig
from server.kv.patterns import read_pattern
from server.quality.evaluation import Inputs, make_items, make_run
from server.quality.items import Record
from server.quality.local import LocalModel
from server.quality.plan import TaskSettings
from server.quality.plots import draw
from server.quality.summary import summarise

SHARES = (50, 25)
"""Percent of the KV heads that retrieve."""
AT_ONCE = 4
"""Items whose prompts stay in the prefix cache until every variant has answered."""


def random_pattern(folder: Path, num_layers: int, num_heads: int, seed: int) -> Path:
    """A pattern whose gates say nothing."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    lines = ["\t".join(str(rng.random()) for _ in range(num_heads)) for _ in range(num_layers)]
    (folder / "full_attention_heads.tsv").write_text("\n".join(lines) + "\n")
    (folder / "config.json").write_text(json.dumps({"sink_size": 128, "recent_size": 256}))
    return folder


def variants_of(pattern: Path, randoms: Sequence[Path]) -> list[str]:
    """What is compared, as `--variants` has it."""
    found = ["full"]
    for share in SHARES:
        sparsity = 1 - share / 100
        found.append(f"duo{share}=duo(pattern={pattern},sparsity={sparsity})")
        found += [
            f"random{share}-{number}=duo(pattern={path},sparsity={sparsity})" for number, path in enumerate(randoms)
        ]
    return [*found, f"streaming=duo(pattern={pattern},sparsity=1)"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.duo", description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=Path, action="append", required=True, help="files of map questions")
    parser.add_argument("--limit", type=int, default=60, help="map questions [60]")
    parser.add_argument("--lengths", default="4096,8192,16384", help="tokens of the pass key prompts")
    parser.add_argument("--depths", default="10,30,50,70,90", help="percent")
    parser.add_argument("--repeats", type=int, default=2, help="pass keys of a length and depth [2]")
    parser.add_argument("--model", type=Path, default=EMBEDDED_MODEL)
    parser.add_argument("--pattern", type=Path, default=None, help="folder [MODEL/duo]")
    parser.add_argument("--random", type=int, default=2, help="random patterns [2]")
    parser.add_argument("--output", type=Path, required=True, help="file for the record")
    args = parser.parse_args()
    own = read_pattern(args.pattern or args.model / "duo")
    num_layers, num_heads = own.scores.shape
    with tempfile.TemporaryDirectory() as folder:
        randoms = [random_pattern(Path(folder) / str(n), num_layers, num_heads, n) for n in range(args.random)]
        variants = variants_of(args.pattern or args.model / "duo", randoms)
        settings = TaskSettings(
            tasks="map,passkey",
            questions=args.questions,
            limit=args.limit,
            max_reply=192,
            passkey_lengths=args.lengths,
            passkey_depths=args.depths,
            passkey_repeats=args.repeats,
        )
        inputs = Inputs.read(settings)
        config = EngineConfig(str(args.model), served_name=EMBEDDED_MODEL_ID, variants=tuple(variants))
        model = LocalModel(config)
        names = [variant.partition("=")[0] for variant in variants]
        items = make_items(settings, inputs, model)
        records: list[Record] = []
        for first in range(0, len(items), AT_ONCE):
            for name in names:
                model.run(items[first : first + AT_ONCE], name, records.append)
            print(f"{min(first + AT_ONCE, len(items))} of {len(items)} items", flush=True)
        run = make_run(model, EMBEDDED_MODEL_ID, names, settings, items, records, is_complete=True)
    args.output.write_text(json.dumps(run.to_json(), indent=1, ensure_ascii=False) + "\n")
    for row in summarise(run.records, run.seed):
        print(f"{row['measure']:<20}{row['variant']:<14}{row['accuracy']:8.1%} of {row['num_counted']}")
    for picture in draw(run, args.output.with_suffix(""), "svg"):
        print(picture)


if __name__ == "__main__":
    main()
