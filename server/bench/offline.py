"""Commands of `rhumb bench` that need no server: the engine in this process, its kernels, a start from nothing."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from server.assets import EMBEDDED_MODEL
from server.bench.datasets import random_ids
from server.bench.flags import engine_flags, progress, prompt_flags
from server.bench.latency import measure_latency
from server.bench.machine import describe_run
from server.bench.prompts import PromptFlags
from server.bench.shape import LLAMA_3_8B
from server.bench.startup import running_server, time_startup
from server.bench.tables import LATENCY_ROWS, THROUGHPUT_ROWS, print_kernels, print_parts, print_rows, save
from server.bench.texts import load_tokenizer
from server.bench.throughput import measure_throughput
from server.config import EngineConfig
from server.engine.loop import Core, load_core
from server.errors import ConfigError

app = typer.Typer()

Hidden = Annotated[bool, typer.Option("--disable-tqdm", help="Show no progress bar.")]
OutputJson = Annotated[Path | None, typer.Option(help="Save the result, with versions and machine, as JSON.")]
Variant = Annotated[str | None, typer.Option(help="Variant that serves the requests; the first one if left out.")]
Temperature = Annotated[float, typer.Option(min=0.0, help="0 is greedy.")]
Trace = Annotated[Path | None, typer.Option("--profile", help="Write a torch profiler trace of some steps here.")]


@app.command()
@engine_flags
@prompt_flags
def throughput(
    engine: EngineConfig,
    prompts: PromptFlags,
    variant: Variant = None,
    temperature: Temperature = 0.0,
    profile: Trace = None,
    output_json: OutputJson = None,
    disable_tqdm: Hidden = False,
) -> None:
    """Queue all prompts at once in an engine of this process, without HTTP, and report tokens per second."""
    # The whole benchmark waits in the queue by design.
    core = load_core(replace(engine, max_waiting=max(engine.max_waiting, prompts.num_prompts)))
    made = (
        random_ids(prompts.num_prompts, prompts.lengths, core.info.vocab_size, prompts.seed)
        if prompts.is_random
        else prompts.texts(load_tokenizer(core.info.model_path))
    )
    with progress(core.info.model, len(made), is_hidden=disable_tqdm) as on_done:
        result = measure_throughput(
            core,
            made,
            variant=_variant(core, variant),
            temperature=temperature,
            profile_dir=_folder(profile, engine),
            on_done=on_done,
        )
    core.close()
    print_rows(f"{core.info.model} in this process", THROUGHPUT_ROWS, result)
    _save_offline(output_json, core, result | {"dataset_name": prompts.dataset_name, "seed": prompts.seed})


@app.command()
@engine_flags
def latency(
    engine: EngineConfig,
    batch_size: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 8,
    input_len: Annotated[int, typer.Option(min=1, help="Tokens of a prompt.")] = 32,
    output_len: Annotated[int, typer.Option(min=1, help="Tokens to generate.")] = 128,
    num_iters: Annotated[int, typer.Option(min=1, help="Batches to time.")] = 30,
    num_iters_warmup: Annotated[int, typer.Option(min=0, help="Batches before.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the prompts.")] = 0,
    cached_prompts: Annotated[
        bool, typer.Option("--cached-prompts", help="Time decode steps alone: prompts are computed before.")
    ] = False,
    variant: Variant = None,
    profile: Trace = None,
    output_json: OutputJson = None,
    disable_tqdm: Hidden = False,
) -> None:
    """Time one batch of equal requests in an engine of this process, from submission to the last token."""
    # A batch that runs in two halves would be timed as one.
    rows = max(engine.max_rows or batch_size, batch_size)
    tokens = None if engine.max_step_tokens is None else max(engine.max_step_tokens, rows)
    core = load_core(replace(engine, max_rows=rows, max_step_tokens=tokens))
    with progress(core.info.model, num_iters + num_iters_warmup, is_hidden=disable_tqdm) as on_done:
        result = measure_latency(
            core,
            variant=_variant(core, variant),
            batch_size=batch_size,
            input_len=input_len,
            output_len=output_len,
            num_iters=num_iters,
            num_iters_warmup=num_iters_warmup,
            seed=seed,
            cached_prompts=cached_prompts,
            profile_dir=_folder(profile, engine),
            on_done=on_done,
        )
    core.close()
    print_rows(f"{core.info.model}, {batch_size} at once", LATENCY_ROWS, result)
    _save_offline(output_json, core, result | {"seed": seed})


@app.command()
@engine_flags
def kernels(
    engine: EngineConfig,
    rows: Annotated[str, typer.Option(help="Rows of decode steps.")] = "1,8,32,64,128,256",
    decode: Annotated[str, typer.Option(help="ROWSxCONTEXT of decode attention.")] = "1x128,32x1024,128x2048,1x131072",
    prompts: Annotated[str, typer.Option(help="Lengths of prompts in tokens.")] = "2048,8192",
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each kernel.")] = 20,
    output_json: OutputJson = None,
    disable_tqdm: Hidden = False,
) -> None:
    """Time each kernel of a model's steps beside what the device could do; by default the Llama-3-8B shape."""
    row_counts, lengths = parse_numbers("--rows", rows), parse_numbers("--prompts", prompts)
    points = parse_points(decode)
    from server.models.registry import choose_device, choose_dtype

    device = choose_device(engine.device)
    if device.type != "cuda":
        raise ConfigError("rhumb bench kernels times CUDA kernels, and there is no CUDA device for it here")
    from server.bench.floors import measure_floors
    from server.bench.kernels import KernelBench, measure_kernels
    from server.bench.timer import Timer
    from server.models.config import ModelConfig
    from server.models.hub import resolve_model

    is_default = engine.model == str(EMBEDDED_MODEL)
    facts = (
        ModelConfig.from_dict(LLAMA_3_8B)
        if is_default
        else ModelConfig.from_directory(resolve_model(engine.model, engine.revision, with_weights=False))
    )
    dtype = choose_dtype(engine.dtype, facts, device)
    timer = Timer(device, repeats)
    with progress("kernels", 4 + len(points) + len(lengths), is_hidden=disable_tqdm) as on_done:
        floors = measure_floors(facts, dtype, timer)
        on_done()
        bench = KernelBench(facts, engine, dtype, timer)
        result = measure_kernels(bench, floors, row_counts=row_counts, decode=points, prompts=lengths, on_done=on_done)
    model = "llama-3-8b shape" if is_default else engine.model
    print_kernels(f"{model}, {str(dtype).removeprefix('torch.')}", result)
    if output_json is not None:
        chosen = {"model_id": model, "dtype": str(dtype), "weight_format": engine.weight_format}
        save(output_json, describe_run() | chosen | {"kv_format": engine.kv_format} | result)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def startup(
    context: typer.Context,
    num_starts: Annotated[int, typer.Option(min=1, help="Starts, one after another.")] = 1,
    fresh_kernels: Annotated[
        bool, typer.Option("--fresh-kernels", help="Begin with an empty cache of compiled Triton kernels.")
    ] = False,
    timeout_sec: Annotated[float, typer.Option(min=0.0, help="Give a start up after this long.")] = 600.0,
    output_json: OutputJson = None,
) -> None:
    """Start `rhumb serve` with the model and flags given, and time its way to the first token over HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"TRITON_CACHE_DIR": folder} if fresh_kernels else {}
        starts: list[dict[str, Any]] = []
        for _ in range(num_starts):
            with running_server(context.args, environment) as process:
                starts.append(time_startup(process, timeout_sec))
            print_parts(f"start {len(starts)}", starts[-1]["parts_s"], starts[-1]["first_token_s"])
    if output_json is not None:
        first_tokens_s = [start["first_token_s"] for start in starts]
        result = {"starts": starts, "median_first_token_s": float(np.median(first_tokens_s))}
        save(output_json, describe_run() | {"serve_arguments": context.args, "fresh_kernels": fresh_kernels} | result)


def parse_numbers(flag: str, text: str) -> list[int]:
    """`1,8,32` -> numbers of at least 1, checked."""
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise ConfigError(f"{flag} {text!r}: write whole numbers from 1, separated by commas")
    return numbers


def parse_points(text: str) -> list[tuple[int, int]]:
    """`1x128,32x1024` -> pairs of rows and positions, checked."""
    points = [part.strip().partition("x") for part in text.split(",") if part.strip()]
    if not all(rows.isdecimal() and context.isdecimal() and int(rows) and int(context) for rows, _, context in points):
        raise ConfigError(f"--decode {text!r}: write ROWSxCONTEXT, separated by commas")
    return [(int(rows), int(context)) for rows, _, context in points]


def _folder(profile: Path | None, engine: EngineConfig) -> Path | None:
    """Where a trace goes: --profile, or the engine's own --profile-dir."""
    return profile if profile is not None or engine.profile_dir is None else Path(engine.profile_dir)


def _variant(core: Core, name: str | None) -> str:
    if name is None:
        return core.info.default_variant
    if name not in core.info.variants:
        raise ConfigError(f"--variant {name} is not loaded; name it in --variants (loaded: {core.info.variants})")
    return name


def _save_offline(path: Path | None, core: Core, result: dict[str, object]) -> None:
    if path is None:
        return
    info = core.info
    engine = {
        "model_id": info.model,
        "num_parameters": info.num_parameters,
        "dtype": info.dtype,
        "device": info.device,
        "attention_backend": info.attention_backend,
        "page_size": info.page_size,
        "max_rows": info.max_rows,
    }
    save(path, describe_run() | engine | result)
