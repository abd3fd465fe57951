"""How a small network learns to look things up in context, and what keeps it from it, on one CPU core.

    OMP_NUM_THREADS=1 python -m benchmarks.training.lookup --out benchmarks/training/DATE-cpu-lookup.json

Every variant is a run of the training loop itself with another recipe. `--variants NAME,NAME` takes some of them and
adds them to the file. Stages end when 95 % of the answers' tokens are right.
"""

import argparse
import json
import platform
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from server.assets.training.curriculum import ALL_WORDS, Part, Plan, Stage
from server.assets.training.loop import Budget, Trainer
from server.assets.training.network import Network, Shape
from server.assets.training.optimizer import Optimizer, Pace
from server.assets.training.printer import Printer
from server.assets.training.sources import Sources
from server.assets.training.step import Stepper
from server.assets.training.symbols import plain_symbols

SHAPE = Shape(
    vocab_size=128, hidden_size=64, num_layers=3, num_heads=2, num_kv_heads=1, intermediate_size=160, max_positions=1024
)
TOKENS = 2048
COPYING = Part("copying", 64, goal=0.95, options={"alphabet": 32})
LOOKUP = Part("lookup", 64, goal=0.95, options={"alphabet": 32, "max_fact_share": 0.5})


@dataclass(frozen=True)
class Variant:
    """One recipe.

    Args:
        stages: what is learned, in order.
        lr, pace, shape: of the run.
        embedding_std: of the initial embedding.
        steps: bound of all stages together.
    """

    stages: tuple[Stage, ...]
    lr: float = 3e-3
    pace: Pace = field(default_factory=Pace)
    shape: Shape = SHAPE
    embedding_std: float = 0.02
    steps: int = 2000


def stage(name: str, *parts: Part, tokens: int = TOKENS) -> Stage:
    """A stage without a bound of steps: a variant that does not learn shows how far it came."""
    return Stage(name, parts, tokens, min_steps=100, max_steps=None)


def copying_first(**changes: Any) -> Variant:
    """Copying, then lookups with some copying left."""
    first = stage("copying", COPYING)
    return Variant((first, stage("lookup", LOOKUP, replace(COPYING, share=0.1, goal=None)), END), **changes)


END = stage("end", LOOKUP)
ADAMW = Pace(uses_muon=False)


def sized(part: Part, length: int, **options: Any) -> Part:
    """The same task, longer or with other options."""
    return replace(part, length=length, options={**part.options, **options})


WIDE = replace(SHAPE, vocab_size=512)
"""484 words, with 2,048 tokens a step: each comes about as often as one of 4,096 in the embedded model's steps."""
ROWS_OF_FEW = sized(COPYING, 64, alphabet=ALL_WORDS, row_alphabet=32)
"""Every row uses 32 words, each row others."""
COPYING_ALL = replace(sized(COPYING, 64, alphabet=ALL_WORDS), goal=0.9)
LOOKUP_ALL = replace(sized(LOOKUP, 64, alphabet=ALL_WORDS), goal=0.9)


def widened(first: tuple[Part, ...] = (COPYING,), **changes: Any) -> Variant:
    """Copying with few words, then with all, then lookups with all."""
    some = replace(COPYING, share=0.1, goal=None)
    return Variant(
        (
            stage("copying", *first),
            stage("copying-all", COPYING_ALL, some),
            stage("lookup-all", LOOKUP_ALL, replace(COPYING_ALL, share=0.1, goal=None), some),
            END,
        ),
        shape=WIDE,
        steps=3000,
        **changes,
    )


def course(embedding_std: float) -> Variant:
    """The curriculum in small: all words, strings of several tokens, near keys, records, then longer rows."""
    some = replace(COPYING_ALL, share=0.1, goal=None)
    strings = {"alphabet": ALL_WORDS, "longest_key": 3, "longest_value": 3, "near_share": 0.25, "max_fact_share": 0.6}
    several = Part("lookup", 96, goal=0.9, options=strings)
    records = Part("records", 96, 0.5, None, {"alphabet": ALL_WORDS, "longest_key": 2, "longest_value": 2})
    before = replace(several, share=0.2, goal=None)
    return Variant(
        (
            *widened((ROWS_OF_FEW,)).stages[:-1],
            stage("strings-96", several, records, some),
            stage("strings-192", sized(several, 192), sized(records, 192), before),
            stage("strings-384", sized(several, 384), sized(records, 384), before, tokens=3072),
            END,
        ),
        shape=WIDE,
        embedding_std=embedding_std,
        steps=3600,
    )


VARIANTS: dict[str, Variant] = {
    "muon": copying_first(),
    "adamw": copying_first(pace=ADAMW),
    "adamw-lr1e-3": copying_first(pace=ADAMW, lr=1e-3),
    "adamw-lr1e-2": copying_first(pace=ADAMW, lr=1e-2),
    "muon-lr1e-3": copying_first(lr=1e-3),
    "muon-lr1e-2": copying_first(lr=1e-2),
    "muon-lr3e-2": copying_first(lr=3e-2),
    "no-copying": Variant((stage("lookup", LOOKUP), END), steps=1500),
    "no-copying-adamw": Variant((stage("lookup", LOOKUP), END), pace=ADAMW),
    "mixed-from-start": Variant((stage("lookup", LOOKUP, replace(COPYING, goal=None)), END)),
    "long-rows": Variant(
        (stage("copying", sized(COPYING, 256)), stage("lookup", sized(LOOKUP, 256), sized(COPYING, 256)), END)
    ),
    "theta-10000": copying_first(shape=replace(SHAPE, rope_theta=10_000.0)),
    "embedding-lr-x3": copying_first(pace=Pace(embedding_lr_scale=3.0)),
    "large-steps": Variant(
        (stage("copying", COPYING, tokens=4 * TOKENS), stage("lookup", LOOKUP, COPYING, tokens=4 * TOKENS), END)
    ),
    "wide-alphabet": Variant(
        (
            stage("copying", sized(COPYING, 64, alphabet=ALL_WORDS)),
            stage("lookup", sized(LOOKUP, 64, alphabet=ALL_WORDS), replace(COPYING, share=0.1, goal=None)),
            END,
        ),
        shape=WIDE,
    ),
    "course": course(0.1),
    "alike-fixed": replace(widened(), steps=200),
    "alike-fixed-std0.2": replace(widened(embedding_std=0.2), steps=200),
    "alike-rows": replace(widened((ROWS_OF_FEW,)), steps=200),
    "widened": widened(),
    "widened-std0.2": widened(embedding_std=0.2),
    "widened-std1": widened(embedding_std=1.0),
    "widened-std0.2-embedding-lr-x2": widened(embedding_std=0.2, pace=Pace(embedding_lr_scale=2.0)),
    "widened-std0.2-adamw": widened(embedding_std=0.2, pace=ADAMW),
    "deep": replace(widened((ROWS_OF_FEW,), embedding_std=0.1), shape=replace(WIDE, num_layers=10)),
    "widened-embedding-lr-x0.3": widened(pace=Pace(embedding_lr_scale=0.3)),
    "widened-mixed": widened((COPYING, replace(COPYING_ALL, share=0.3, goal=None))),
    "widened-row-alphabet": widened((ROWS_OF_FEW,)),
    "widened-row-alphabet-std0.1": widened((ROWS_OF_FEW,), embedding_std=0.1),
    "widened-row-alphabet-std0.2": widened((ROWS_OF_FEW,), embedding_std=0.2),
    "widened-row-alphabet-adamw": widened((ROWS_OF_FEW,), embedding_std=0.1, pace=ADAMW),
    "no-copying-row-alphabet": Variant(
        (stage("lookup-all", sized(LOOKUP_ALL, 64, row_alphabet=32)), END), shape=WIDE, embedding_std=0.1, steps=1500
    ),
}


def likeness(network: Network) -> float:
    """Mean cosine between the embeddings of two words, none of them of the first 32."""
    words = plain_symbols(network.shape.vocab_size).words[32:]
    vectors = torch.nn.functional.normalize(network.embedding.detach()[words], dim=1)
    cosines = vectors @ vectors.T
    count = len(words)
    return float((cosines.sum() - count) / (count * (count - 1)))


def run(name: str, variant: Variant, seed: int) -> dict[str, Any]:
    """Trains until the stage `end` is reached or the time is over."""
    torch.manual_seed(seed)
    plan = Plan(variant.stages, peak_lr=variant.lr, warmup_steps=100)
    network = Network(variant.shape, seed=seed, embedding_std=variant.embedding_std)
    optimizer = Optimizer(network, variant.pace)
    sources = Sources(plain_symbols(variant.shape.vocab_size), seed)
    stepper = Stepper(network, optimizer)
    trainer = Trainer(network, optimizer, stepper, sources, plan, seed=seed, printer=Printer(has_bar=False))
    processor, clock = time.process_time(), time.monotonic()
    while trainer.stage.name != "end" and trainer.progress.step < variant.steps:
        trainer.run(Budget(steps=plan.record_every), run_name="cpu")
    steps = max(1, trainer.progress.step)
    processor = time.process_time() - processor
    last = trainer.history["records"][-1]
    return {
        "variant": name,
        "seed": seed,
        "lr": variant.lr,
        "optimizer": "muon" if variant.pace.uses_muon else "adamw",
        "num_parameters": network.num_parameters,
        "num_steps": steps,
        "num_tokens": trainer.progress.num_tokens,
        "processor_s": round(processor, 1),
        "clock_s": round(time.monotonic() - clock, 1),
        "is_learned": trainer.stage.name == "end",
        "stages": [
            {
                "name": entry["name"],
                "steps": entry["last_step"] - entry["first_step"],
                "processor_s": round((entry["last_step"] - entry["first_step"]) * processor / steps, 1),
                "accuracies": entry["accuracies"],
            }
            for entry in trainer.history["stages"]
        ],
        "word_cosine": round(likeness(network), 4),
        "last": {"stage": last["stage"], "parts": last["parts"]},
        "curve": [
            [record["step"], record["stage"], *[[p, f["loss"], f["accuracy"]] for p, f in record["parts"].items()]]
            for record in trainer.history["records"][:: max(1, len(trainer.history["records"]) // 60)]
        ],
    }


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.lookup", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.variants.split(","):
        result = run(name, VARIANTS[name], args.seed)
        record = json.loads(args.out.read_text()) if args.out.is_file() else {"runs": []}
        record |= {
            "command": "OMP_NUM_THREADS=1 python -m benchmarks.training.lookup",
            "machine": f"{platform.machine()}, one core of two, shared",
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        others = [entry for entry in record["runs"] if (entry["variant"], entry["seed"]) != (name, args.seed)]
        record["runs"] = [*others, result]
        args.out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
