"""`rhumb finetune`: what its commands do, one after another."""

import argparse
import hashlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from server.api.templates import ChatTemplate
from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID
from server.bench.machine import describe_run
from server.depth.carried import carried_schedule
from server.depth.skip import Skip
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.finetune.checkpoint import load_causal_model, write_checkpoint
from server.finetune.course import Course
from server.finetune.examples import Encoder, Example, digest_of, hold_out, read_examples
from server.finetune.feed import Feed
from server.finetune.forward import ScheduledForward
from server.finetune.learner import STATE_FILE, Learner, Recipe
from server.finetune.lora import add_lora, merge_lora
from server.finetune.options import parser
from server.finetune.progress import Progress
from server.finetune.record import RUN_FOLDER, read_record, summary, write_record
from server.finetune.rows import Reach, Row
from server.finetune.schedules import schedule_for
from server.models.config import ModelConfig
from server.models.hub import resolve_model
from server.models.registry import choose_device

USUAL_LENGTH = 4096
"""Tokens of the longest row where neither the model nor the user sets less."""
FULL_LR, LORA_LR = 2e-5, 2e-4


def run(arguments: Sequence[str], program: str = "rhumb finetune") -> int:
    """Run `rhumb finetune` with these arguments; returns the exit code.

    Raises:
        ConfigError, ModelLoadError: something that the user can put right.
    """
    args = parser(program).parse_args(arguments)
    if args.command == "show":
        record, history = read_record(args.output)
        for line in summary(record, history):
            print(line)
        if args.plot is not None:
            _draw(record, history, args.plot)
        return 0
    _teach(args)
    return 0


def _teach(args: argparse.Namespace) -> None:
    # Read first: a bad line should not wait for a large model to load.
    examples, held_out = _examples(args)
    directory = resolve_model(args.model or str(EMBEDDED_MODEL), args.revision)
    config = ModelConfig.from_directory(directory)
    schedule = schedule_for(args.speedup, args.schedule, config.num_layers, carried_schedule(directory))
    taught = schedule.to_config() if isinstance(schedule, Skip) else None
    device, dtype = _device_and_dtype(args)
    encoder = _encoder(args, directory, config)
    held_out_rows = _rows(held_out, encoder, args.eval_rows)
    folder = args.output / RUN_FOLDER
    _prepare(args, directory)

    # Small steps would be lost in bfloat16 weights; those that stay as they are can have it.
    model = load_causal_model(directory, torch.float32 if args.lora is None else dtype, device)
    weights = _weights_digest(model)
    forward = ScheduledForward(model, config.sliding_windows, is_checkpointed=not args.keep_activations, dtype=dtype)
    if args.lora is not None:
        add_lora(model, forward.layers, args.lora, args.seed)
    recipe = Recipe(
        args.steps,
        args.lr or (FULL_LR if args.lora is None else LORA_LR),
        args.batch,
        args.pass_tokens,
        args.warmup,
        args.weight_decay,
    )
    reach = Reach(schedule, config.num_layers, args.max_tokens)
    learner = Learner(forward, reach, Feed(examples, encoder, args.seed), recipe)
    judge_every = args.eval_every or max(1, args.steps // 10)
    settings = {
        "schedule": schedule.identity,
        "weights_digest": weights,
        "data_digest": digest_of(args.data),
        "held_out_digest": digest_of(args.held_out or ()),
        "num_examples": len(examples),
        "split": args.split,
        "forms": args.forms,
        "num_held_out": len(held_out_rows),
        "lora": args.lora,
        "num_steps": args.steps,
        "batch": args.batch,
        "lr": recipe.lr,
        "warmup": args.warmup,
        "weight_decay": args.weight_decay,
        "seed": args.seed,
        "max_tokens": args.max_tokens,
        "max_length": _max_length(args, config),
        "pass_tokens": args.pass_tokens,
        "eval_every": judge_every,
        "dtype": str(dtype).removeprefix("torch."),
    }
    if args.resume and learner.resume(folder, settings):
        print(f"Going on from step {learner.step:,} of {args.steps:,} in {args.output}.")
    print(
        f"{learner.num_learned:,} of {sum(weight.numel() for weight in model.parameters()):,} weights learn "
        f"{schedule.identity} from {len(examples):,} examples, judged by {len(held_out_rows):,}"
    )
    course = Course(learner, held_out_rows, judge_every, save_every_s=args.save_every)
    progress = Progress(args.steps, learner.step, is_hidden=args.disable_tqdm)
    try:
        is_done = course.run(folder, settings, progress, minutes=args.minutes or math.inf)
    finally:
        progress.close()
    _write(args, course, model, directory, config, taught, settings)
    if is_done:
        (folder / STATE_FILE).unlink()
        print(f"Written to {args.output}. Try it: rhumb serve {args.output}")
    else:
        print(
            f"Stopped at step {learner.step:,} of {args.steps:,}, and wrote what there is to {args.output}; "
            "the same command with --resume goes on from there."
        )


def _examples(args: argparse.Namespace) -> tuple[list[Example], list[Example]]:
    """To learn from, and held out."""
    examples = read_examples(args.data, args.split, args.forms)
    if args.held_out is None:
        return hold_out(examples, args.held_out_share, args.seed)
    return examples, read_examples(args.held_out, "all", args.forms)


def _device_and_dtype(args: argparse.Namespace) -> tuple[torch.device, torch.dtype]:
    device = choose_device(args.device)
    if args.dtype == "auto":
        return device, torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, args.dtype)
    return device, dtype


def _max_length(args: argparse.Namespace, config: ModelConfig) -> int:
    limit = config.max_model_len
    if args.max_length is not None and args.max_length > limit:
        raise ConfigError(f"--max-length {args.max_length:,} is longer than the model's {limit:,} tokens")
    return args.max_length or min(USUAL_LENGTH, limit)


def _encoder(args: argparse.Namespace, directory: Path, config: ModelConfig) -> Encoder:
    return Encoder(
        Tokenizer.from_directory(directory),
        ChatTemplate.from_directory(directory),
        config.eos_token_ids,
        _max_length(args, config),
    )


def _rows(examples: Sequence[Example], encoder: Encoder, count: int) -> list[Row]:
    """Up to `count` rows of different examples, drawn from all of them evenly."""
    order = sorted(range(len(examples)), key=lambda index: hashlib.sha256(str(index).encode()).digest())
    rows: list[Row] = []
    for index in order:
        if len(rows) == count:
            break
        row = encoder.row(examples[index])
        rows += [] if row is None else [row]
    if not rows:
        raise ConfigError("every held-out example has more tokens than --max-length; raise it, or give shorter ones")
    return rows


def _prepare(args: argparse.Namespace, directory: Path) -> None:
    """Make sure that the output can be written to, and that nothing of value in it is overwritten."""
    output: Path = args.output
    state = output / RUN_FOLDER / STATE_FILE
    if output.resolve() == directory.resolve():
        raise ConfigError(f"--output {output} is the model itself; choose another folder")
    try:
        if args.restart:
            state.unlink(missing_ok=True)
        elif state.exists() and not args.resume:
            raise ConfigError(f"{output} holds a run that is not done; go on with --resume, or begin anew by --restart")
        elif (output / "config.json").exists() and not state.exists():
            raise ConfigError(f"{output} holds a model already; choose another --output, or overwrite it by --restart")
        state.parent.mkdir(parents=True, exist_ok=True)
        probe = output / f"{STATE_FILE}.partial"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"cannot write to {output} ({error.strerror}); choose another --output") from None


def _write(
    args: argparse.Namespace,
    course: Course,
    model: PreTrainedModel,
    directory: Path,
    config: ModelConfig,
    taught: dict[str, int | str] | None,
    settings: dict[str, Any],
) -> None:
    """The checkpoint, the record and the picture."""
    learner = course.learner
    judgement = course.last_judgement()
    if args.lora is not None:
        merge_lora(learner.forward.layers)
    write_checkpoint(model, directory, args.output, config.dtype, taught)
    record = {
        "model": args.model or EMBEDDED_MODEL_ID,
        **settings,
        "steps_done": learner.step,
        "data": [path.name for path in args.data],
        "held_out": [path.name for path in args.held_out or ()],
        "examples_too_long": learner.num_passed_over,
        "judgement": judgement,
        **describe_run(),
    }
    write_record(args.output / RUN_FOLDER, record, learner.history)
    for line in summary(record, learner.history):
        print(line)
    if importlib.util.find_spec("matplotlib") is None:
        print(f"No picture: matplotlib is not here. Elsewhere: rhumb finetune show {args.output} --plot curves.svg")
    else:
        _draw(record, learner.history, args.output / RUN_FOLDER / "curves.svg")


def _weights_digest(model: PreTrainedModel) -> str:
    """Of a few numbers of every weight: enough to tell that a checkpoint was trained on, at no cost."""
    digest = hashlib.sha256()
    for weight in model.parameters():
        flat = weight.detach().reshape(-1)
        digest.update(flat[:: max(1, flat.numel() // 64)].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _draw(record: dict[str, Any], history: dict[str, Any], path: Path) -> None:
    # matplotlib takes a second to import, and machines that only learn have none.
    from server.finetune.picture import draw_history

    draw_history(history, path, f"{record['model']} learns {record['schedule']}")
    print(f"Drawn: {path}")
