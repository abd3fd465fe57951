"""`rhumb calibrate`: what its commands do, one after another."""

import argparse
import hashlib
import importlib.util
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from server.api.templates import ChatTemplate
from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID
from server.bench.machine import describe_run
from server.calibrate.gates import STATE_FILE, GateSearch, Recipe, context_lengths, search, summary
from server.calibrate.haystack import Haystack, read_haystack
from server.calibrate.head_scores import builtin_samples, score_heads
from server.calibrate.options import parser
from server.calibrate.passkeys import LEAST_DEPTH, MOST_DEPTH, NUM_DEPTHS, PasskeyRows, Render
from server.calibrate.progress import Progress
from server.calibrate.two_way import TwoWayForward
from server.config import EngineConfig
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.kv.patterns import GATES_FILE, HeadPattern, read_pattern, write_pattern
from server.models.base import Model
from server.models.registry import load_model

HISTORY_FILE = "history.json"
USUAL_MIN, USUAL_MAX = 1_000, 32_000
"""Tokens of the shortest and the longest row, as in the paper, where model and keys allow them."""


def run(arguments: Sequence[str], program: str = "rhumb calibrate") -> int:
    """Run `rhumb calibrate` with these arguments; returns the exit code.

    Raises:
        ConfigError, ModelLoadError: something that the user can put right.
    """
    args = parser(program).parse_args(arguments)
    if args.command == "show":
        pattern = read_pattern(args.pattern)
        _describe(pattern)
        if args.plot is not None:
            _draw(pattern, args.plot, pattern.name)
        return 0
    _make(args)
    return 0


def _make(args: argparse.Namespace) -> None:
    if not args.text and not args.score:
        raise ConfigError("give a text to hide pass keys in with --text FILE_OR_FOLDER, or score heads with --score")
    # Read first: a wrong path should not wait for a large model to load.
    for path in args.text:
        if not path.exists():
            raise ConfigError(f"there is no text at {path}; give a file or a folder with --text")
    model, directory = load_model(
        EngineConfig(
            model=args.model or str(EMBEDDED_MODEL),
            revision=args.revision,
            load_format=args.load_format,
            dtype=args.dtype,
            device=args.device,
        )
    )
    name = args.model or EMBEDDED_MODEL_ID
    folder: Path = args.output or directory / "duo"
    tokenizer = Tokenizer.from_directory(directory)
    haystack = read_haystack(args.text, tokenizer) if args.text else None
    if args.score:
        _prepare(folder, is_new=args.restart)
        scores, notes = _score(args, model, tokenizer, haystack)
    else:
        assert haystack is not None
        rows = PasskeyRows(
            tokenizer,
            haystack,
            num_passkeys=args.passkeys,
            kind=args.key,
            key_length=args.key_length,
            render=_renderer(directory) if args.chat else None,
        )
        found = _search(args, model, rows, haystack, folder)
        if found is None:
            return
        scores, notes = found
    pattern = HeadPattern(scores, args.sinks, args.recent, folder.absolute().name)
    write_pattern(folder, pattern, {"model_name": name, **notes, "seed": args.seed, **describe_run()})
    _describe(pattern)
    if importlib.util.find_spec("matplotlib") is None:
        print(f"No picture: matplotlib is not here. Elsewhere: rhumb calibrate show {folder} --plot gates.svg")
    else:
        kind = "scores of heads without training" if args.score else "gates"
        _draw(pattern, folder / f"gates.{args.plot_format}", f"{name}: {kind}")
    print(f'Written to {folder}. Try it: rhumb serve MODEL --variants "full,duo(pattern={folder},sparsity=0.5)"')


def _score(
    args: argparse.Namespace, model: Model, tokenizer: Tokenizer, haystack: Haystack | None
) -> tuple[torch.Tensor, dict[str, Any]]:
    length = min(args.sample_length, model.config.max_model_len)
    if haystack is None:
        samples = builtin_samples(tokenizer, length, args.samples)
    else:
        length = min(length, len(haystack.ids))
        windows = (haystack.window(np.random.default_rng([args.seed, i]), length) for i in range(args.samples))
        samples = [torch.from_numpy(window.astype(np.int64)) for window in windows]
    notes = {"supervision": "scores without training", "num_samples": args.samples, "sample_length": length}
    return score_heads(model, samples), notes | {"texts": [path.name for path in args.text]}


def _search(
    args: argparse.Namespace, model: Model, rows: PasskeyRows, haystack: Haystack, folder: Path
) -> tuple[torch.Tensor, dict[str, Any]] | None:
    """Gates and where they come from; None if the time was up before all steps were done."""
    shortest, longest = _bounds(args, model.config.max_model_len, rows)
    rows.check(longest)
    _prepare(folder, is_new=args.restart)
    recipe = Recipe(context_lengths(shortest, longest, args.contexts), args.steps, args.lr, args.reg, args.seed)
    gates = GateSearch(TwoWayForward(model, args.sinks, args.recent), rows.make, recipe)
    # The names of the published files where these have one.
    notes = {
        "supervision": "distill",
        "dataset_format": "multiple_passkey",
        "num_steps": args.steps,
        "lr": args.lr,
        "reg_weight": args.reg,
        "initial_value": 1.0,
        "context_length_min": shortest,
        "context_length_max": longest,
        "context_lengths_num_intervals": len(recipe.lengths),
        "depth_ratio_num_intervals": NUM_DEPTHS,
        "min_needle_depth_ratio": LEAST_DEPTH,
        "max_needle_depth_ratio": MOST_DEPTH,
        "num_passkeys": args.passkeys,
        "passkey_kind": args.key,
        "passkey_length": rows.key_length,
        "is_chat": args.chat,
        "text_digest": haystack.digest,
        "weights_digest": _weights_digest(model),
    }
    settings = {**notes, "sinks": args.sinks, "recent": args.recent, "seed": args.seed, "dtype": args.dtype}
    if gates.resume(folder, settings):
        print(f"Going on from step {gates.step:,} of {args.steps:,} in {folder}.")
    progress = Progress(args.steps, gates.step, is_hidden=args.disable_tqdm)
    minutes = math.inf if args.minutes is None else args.minutes
    try:
        is_done = search(gates, folder, settings, minutes=minutes, on_step=progress.show)
    finally:
        progress.close()
    if not is_done:
        print(f"Stopped at step {gates.step:,} of {args.steps:,}; the same command goes on from there.")
        return None
    (folder / HISTORY_FILE).write_text(json.dumps(gates.history) + "\n")
    return gates.scores(), notes | {"texts": [path.name for path in args.text]}


def _bounds(args: argparse.Namespace, limit: int, rows: PasskeyRows) -> tuple[int, int]:
    """Tokens of the shortest and the longest row."""
    least = rows.least_length
    longest = args.max_context or min(USUAL_MAX, limit)
    if longest > limit:
        raise ConfigError(f"--max-context {longest:,} is longer than the model's {limit:,} tokens")
    if longest < least:
        raise ConfigError(
            f"{args.passkeys} pass keys and their questions need rows of {least:,} tokens, but the longest are "
            f"{longest:,}: take fewer --passkeys, a smaller --key-length or a larger --max-context"
        )
    shortest = args.min_context or min(max(USUAL_MIN, least), longest)
    if shortest < least:
        raise ConfigError(
            f"--min-context {shortest:,} is too short: {args.passkeys} pass keys and their questions need rows of "
            f"{least:,} tokens"
        )
    if shortest > longest:
        raise ConfigError(f"--min-context {shortest:,} is more than the longest row of {longest:,} tokens")
    return shortest, longest


def _prepare(folder: Path, *, is_new: bool) -> None:
    """Make sure that the folder can be written to, and that nothing of value in it is overwritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state, gates = folder / STATE_FILE, folder / GATES_FILE
        if is_new:
            state.unlink(missing_ok=True)
        elif gates.exists() and not state.exists():
            raise ConfigError(
                f"{folder} holds a pattern already; choose another --output, or overwrite it by --restart"
            )
        probe = folder / f"{STATE_FILE}.partial"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"cannot write to {folder} ({error.strerror}); choose another --output") from None


def _renderer(directory: Path) -> Render:
    template = ChatTemplate.from_directory(directory)
    if template is None:
        raise ConfigError(f"{directory} has no chat template, so leave --chat out to use plain text")

    def render(messages: Sequence[dict[str, str]]) -> str:
        return template.render(list(messages), add_generation_prompt=False)

    return render


def _weights_digest(model: Model) -> str:
    """Of a few numbers of every weight: enough to tell that a checkpoint was trained on, at no cost."""
    digest = hashlib.sha256()
    for weight in model.parameters():
        flat = weight.detach().reshape(-1)
        digest.update(flat[:: max(1, flat.numel() // 64)].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _describe(pattern: HeadPattern) -> None:
    print(f"{pattern.name}: sinks {pattern.sinks}, recent {pattern.recent}")
    for line in summary(pattern.scores):
        print(line)


def _draw(pattern: HeadPattern, path: Path, title: str) -> None:
    # matplotlib takes a second to import, and machines that only calibrate have none.
    from server.calibrate.picture import draw_pattern

    draw_pattern(pattern, path, title)
    print(f"Drawn: {path}")
