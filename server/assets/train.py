"""Trains the embedded model: a Llama of 11.8 million parameters that looks things up in long contexts.

    python -m server.assets.train --data DIR --out DIR --minutes 8 --device cuda
    python -m server.assets.train --data DIR --out DIR --minutes 8 --device cuda --resume DIR/checkpoint
    python -m server.assets.train --data DIR --out DIR --minutes 8 --processes 2    # on two GPUs

`--data` is a folder that `server.assets.training.packing` wrote. `--out` gets `checkpoint/`, from which the next run
goes on, `history.json` with all curves, and `model/`, the checkpoint for `rhumb serve --model`. `--minutes 0 --resume`
only exports and evaluates, with `--no-evaluate` only exports. See docs/training.md.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from server.assets.training.checkpoint import read_state
from server.assets.training.crew import Crew, work_together
from server.assets.training.curriculum import Part, Plan, Stage, default_plan, load_plan, plan_from_json, plan_to_json
from server.assets.training.export import export_model
from server.assets.training.loop import Budget, Trainer
from server.assets.training.network import Network, Shape
from server.assets.training.optimizer import Optimizer, Pace
from server.assets.training.printer import Printer
from server.assets.training.sources import open_sources
from server.assets.training.step import Stepper
from server.errors import ConfigError, RhumbError


def smoke_plan() -> Plan:
    """Every task once or twice, in rows and steps that a CPU takes in a second."""
    tiny = {"alphabet": 64}
    parts = (
        Part("lookup", 128, options=tiny),
        Part("records", 128, options=tiny),
        Part("smallest", 128, options=tiny),
        Part("choose", 128, options=tiny),
        Part("compare", 256, options=tiny),
        Part("passkey", 128),
        Part("passkeys", 256, options={"count": 2}),
        Part("books", 128),
        *(Part(task, length) for task in ("questions", "dialogues") for length in (128, 256, 512, 1024, 2048)),
    )
    first = Stage("copying", (Part("copying", 32, goal=0.0, options=tiny),), 256, min_steps=2)
    return Plan((first, Stage("everything", parts, 256, max_steps=None)), warmup_steps=4, record_every=2, window=1)


def smoke_shape(vocab_size: int) -> Shape:
    """Two thin layers."""
    return Shape(
        vocab_size, hidden_size=32, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=16, intermediate_size=64
    )


def device_of(name: str) -> torch.device:
    """The device of this name; raises `ConfigError` if it is not there."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here; try everything out with --smoke --device cpu")
    return torch.device(name)


def plan_of(args: argparse.Namespace) -> Plan:
    """The plan that the arguments ask for: a file's, a checkpoint's, or the default."""
    if args.plan is not None:
        return load_plan(args.plan)
    if args.resume is not None:
        state, _ = read_state(args.resume)
        return plan_from_json(json.dumps(state["plan"]))
    return smoke_plan() if args.smoke else default_plan()


def check_rows(plan: Plan, processes: int) -> None:
    """Raises `ConfigError` if a step of the plan has fewer rows than there are processes."""
    for stage in plan.stages:
        for part in stage.parts:
            if stage.rows_of(part) < processes:
                raise ConfigError(
                    f"{part.name} of the stage {stage.name} has {stage.rows_of(part)} rows a step, too few for "
                    f"{processes} processes: give the stage more tokens_per_step in a plan, or take fewer"
                )


def run(args: argparse.Namespace) -> None:
    """Trains, evaluates, saves and exports, in as many processes as the arguments ask for."""
    if args.print_plan:
        print(plan_to_json(plan_of(args)))
        return
    if args.data is None or args.out is None:
        raise ConfigError("name the training set with --data and a folder for the results with --out")
    if args.processes == 1:
        take_part(Crew(), args)
        return
    if args.processes < 1:
        raise ConfigError("--processes must be 1 or more")
    on_gpu = args.device.startswith("cuda")
    if on_gpu and args.processes > torch.cuda.device_count():
        raise ConfigError(f"--processes {args.processes} needs as many GPUs; there are {torch.cuda.device_count()}")
    check_rows(plan_of(args), args.processes)
    work_together(take_part, args, args.processes, "nccl" if on_gpu else "gloo")


def take_part(crew: Crew, args: argparse.Namespace) -> None:
    """What one process of a run does."""
    started = time.monotonic()
    plan = plan_of(args)
    device = device_of(args.device if crew.size == 1 or args.device == "cpu" else f"cuda:{crew.rank}")
    on_gpu = device.type == "cuda"
    torch.set_float32_matmul_precision("high")
    sources, tokenizer_files = open_sources(args.data, device, seed=args.seed)
    if args.smoke:
        sources.validation_tokens, sources.passkey_trials = 512, 1
    shape, pace, seed = Shape(vocab_size=sources.vocab_size), Pace(uses_muon=not args.adamw), args.seed
    if args.smoke:
        shape = smoke_shape(sources.vocab_size)
    if args.resume is not None:
        state, _ = read_state(args.resume)
        shape, seed = Shape(**state["shape"]), state["seed"]
        pace = Pace(**{**state["pace"], "betas": tuple(state["pace"]["betas"])})
    if args.lr is not None:
        plan = replace(plan, peak_lr=args.lr)
    dtype = torch.bfloat16 if on_gpu else torch.float32
    network = Network(shape, seed=seed, compute_dtype=dtype).to(device)
    optimizer = Optimizer(network, pace)
    graph_tokens = args.graph_tokens if on_gpu else 0
    stepper = Stepper(network, optimizer, is_compiled=args.compile, graph_tokens=graph_tokens, crew=crew)
    printer = Printer(is_silent=not crew.leads)
    trainer = Trainer(network, optimizer, stepper, sources, plan, seed=seed, printer=printer, crew=crew)
    if args.resume is not None:
        trainer.resume(args.resume, from_stage=args.from_stage)
    elif args.from_stage is not None:
        trainer.progress.stage = plan.stage_named(args.from_stage)
    ready_s = time.monotonic() - started
    where = str(device) if crew.size == 1 else f"{crew.size} x {device.type}"
    printer.say(f"{network.num_parameters:,} parameters on {where}, ready after {ready_s:.0f} s")
    # Reading the data counts: what bounds a run is the machine's time.
    seconds = max(0.0, args.minutes * 60 - ready_s) if args.steps is None else float("inf")
    steps = float("inf") if args.steps is None else args.steps
    name = torch.cuda.get_device_name(device) if on_gpu else "cpu"
    name = name if crew.size == 1 else f"{crew.size} x {name}"
    budget = Budget(seconds=seconds, steps=steps, decay_share=args.decay_share)
    trainer.run(
        budget,
        run_name=name,
        evaluate_every_s=args.evaluate_every * 60,
        save_into=args.out / "checkpoint" if args.steps is None else None,
    )
    # Saved and exported first: an evaluation that takes too long must not cost what was learned.
    _save(trainer, args.out, crew)
    if args.export and crew.leads:
        export_model(network, args.out / "model", tokenizer_files)
    if args.evaluate:
        trainer.evaluate()
        _save(trainer, args.out, crew)
    if not crew.leads:
        return
    tokens = trainer.progress.num_tokens
    printer.say(f"{trainer.progress.step} steps, {tokens / 1e6:,.1f} M tokens, stage {trainer.stage.name}: {args.out}")


def _save(trainer: Trainer, out: Path, crew: Crew) -> None:
    trainer.save(out / "checkpoint")
    if crew.leads:
        (out / "history.json").write_text(json.dumps(trainer.history))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m server.assets.train", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", type=Path, help="folder of a packed training set")
    parser.add_argument("--out", type=Path, help="folder for checkpoint, history and model")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=1, help="that share every step, on a GPU each (default 1)")
    parser.add_argument("--minutes", type=float, default=8.0, help="bound of the clock, loading included (default 8)")
    parser.add_argument("--steps", type=int, help="bound of steps instead of the clock")
    parser.add_argument("--resume", type=Path, metavar="CHECKPOINT", help="go on from this folder")
    parser.add_argument("--from-stage", metavar="NAME", help="begin with this stage of the plan")
    parser.add_argument("--plan", type=Path, help="a plan as JSON (default: the checkpoint's, or the built-in one)")
    parser.add_argument("--print-plan", action="store_true", help="write the plan to the standard output, then stop")
    parser.add_argument(
        "--decay-share", type=float, default=0.0, help="last share of this run in which the learning rate falls"
    )
    parser.add_argument("--lr", type=float, help="peak learning rate (default: the plan's)")
    parser.add_argument("--evaluate-every", type=float, default=2.0, metavar="MINUTES", help="and save")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--adamw", action="store_true", help="AdamW for all weights instead of Muon for the matrices")
    parser.add_argument("--compile", action="store_true", help="fuse the layers; a minute or so a length")
    parser.add_argument(
        "--graph-tokens", type=int, default=36_864, help="steps of up to so many tokens are CUDA graphs; 0: none"
    )
    parser.add_argument(
        "--no-evaluate", dest="evaluate", action="store_false", help="no evaluation at the end, which is slow on a CPU"
    )
    parser.add_argument("--no-export", dest="export", action="store_false", help="no model/, only the checkpoint")
    parser.add_argument("--smoke", action="store_true", help="a tiny model, to see that everything runs")
    return parser


def main() -> None:
    """Runs the command line."""
    try:
        run(parser().parse_args())
    except RhumbError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
