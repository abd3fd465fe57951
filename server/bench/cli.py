"""`rhumb bench`, with the flags and result keys of `vllm bench`. Commands that need no server are in `offline.py`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from server.bench import offline
from server.bench.client import ENDPOINTS, Backend, parse_extra_body, parse_headers
from server.bench.flags import progress, prompt_flags
from server.bench.load import Arrivals, Ramp, RampStrategy
from server.bench.machine import describe_run
from server.bench.offline import Hidden, Temperature
from server.bench.prompts import PromptFlags
from server.bench.report import Slo, common_errors, details, parse_metrics, parse_percentiles, summarise
from server.bench.serve import find_model, load_served_tokenizer, recount, run_serve
from server.bench.shares import Target, num_client_processes
from server.bench.tables import (
    SERVE_ROWS,
    print_latencies,
    print_rows,
    result_path,
    save,
)
from server.errors import ConfigError

app = typer.Typer(add_completion=False)
app.add_typer(offline.app)

# A client that needs most of a core measures itself.
BUSY_CLIENT = 0.7


@app.callback(invoke_without_command=True)
def explain(context: typer.Context) -> None:
    """Measure a server over HTTP, or the engine in this process."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# `--goodput ttft:500 tpot:30` and `--header a=b c=d` take several values: the later ones arrive as extra arguments.
@app.command(context_settings={"allow_extra_args": True})
@prompt_flags
def serve(
    context: typer.Context,
    prompts: PromptFlags,
    backend: Annotated[Backend, typer.Option(help="Which API to call.")] = "openai",
    base_url: Annotated[str | None, typer.Option(help="The server, instead of --host and --port.")] = None,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    endpoint: Annotated[str | None, typer.Option(help="Path; by default the backend's.")] = None,
    model: Annotated[str | None, typer.Option(help="By default the first that the server lists.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Directory or hub name; by default the model's.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE to send along (repeatable).")] = None,
    extra_body: Annotated[str | None, typer.Option(help="JSON object merged over every request.")] = None,
    temperature: Temperature = 0.0,
    ignore_eos: Annotated[bool, typer.Option("--ignore-eos", help="Always generate the full length.")] = False,
    request_rate: Annotated[float, typer.Option(help="Requests per second; inf sends all at once.")] = float("inf"),
    burstiness: Annotated[float, typer.Option(help="1 is Poisson, less is burstier, more is more even.")] = 1.0,
    max_concurrency: Annotated[int | None, typer.Option(min=1, help="Requests in flight at most.")] = None,
    ramp_up_strategy: Annotated[RampStrategy | None, typer.Option(help="Let the request rate change.")] = None,
    ramp_up_start_rps: Annotated[float | None, typer.Option(help="Requests per second at the start.")] = None,
    ramp_up_end_rps: Annotated[float | None, typer.Option(help="Requests per second at the end.")] = None,
    client_processes: Annotated[int | None, typer.Option(min=1, help="By default one for every four cores.")] = None,
    num_warmups: Annotated[int, typer.Option(min=0, help="Requests before the measurement.")] = 0,
    ready_check_timeout_sec: Annotated[float, typer.Option(help="Wait this long for the server; 0 does not.")] = 60.0,
    goodput: Annotated[list[str] | None, typer.Option(help="Limits of a good request in ms: ttft:500.")] = None,
    percentile_metrics: Annotated[str, typer.Option(help="Latencies to report.")] = "ttft,tpot,itl,e2el",
    metric_percentiles: Annotated[str, typer.Option(help="Percentiles to report.")] = "99",
    save_result: Annotated[bool, typer.Option("--save-result", help="Save the result as JSON.")] = False,
    save_detailed: Annotated[bool, typer.Option("--save-detailed", help="Save every request too.")] = False,
    result_dir: Annotated[Path | None, typer.Option(help="Where to save; by default here.")] = None,
    result_filename: Annotated[str | None, typer.Option(help="By default made of model, rate and date.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Switch the server's profiler on meanwhile.")] = False,
    disable_tqdm: Hidden = False,
) -> None:
    """Send prompts to a running OpenAI-compatible server and report throughput, latencies and goodput."""
    metrics, percentiles = parse_metrics(percentile_metrics), parse_percentiles(metric_percentiles)
    slo = Slo.parse([*(goodput or ()), *(extra for extra in context.args if "=" not in extra)])
    headers = parse_headers([*(header or ()), *(extra for extra in context.args if "=" in extra)])
    arrivals = Arrivals(request_rate, burstiness, _ramp(ramp_up_strategy, ramp_up_start_rps, ramp_up_end_rps))
    target = Target(
        base_url=(base_url or f"http://{host}:{port}").rstrip("/"),
        backend=backend,
        endpoint=endpoint or ENDPOINTS[backend],
        model=model,
        headers=headers,
        extra_body=parse_extra_body(extra_body),
        ignore_eos=ignore_eos,
        temperature=temperature,
    )
    served = find_model(target, ready_check_timeout_sec)
    own_tokenizer = load_served_tokenizer(tokenizer, served)
    made = prompts.texts(own_tokenizer)
    # Prompts of another seed: what warms the server up must not fill its prefix cache with the measured ones.
    warmups = replace(prompts, num_prompts=num_warmups + 1, seed=prompts.seed + 1).texts(own_tokenizer)
    num_processes = client_processes or num_client_processes()
    with progress(served.name, len(made), is_hidden=disable_tqdm) as on_done:
        run = uvloop.run(
            run_serve(
                target,
                served.name,
                made,
                arrivals,
                warmups=warmups,
                seed=prompts.seed,
                max_concurrency=max_concurrency,
                ready_timeout_s=ready_check_timeout_sec,
                profile=profile,
                num_processes=num_processes,
                on_done=on_done,
            )
        )
    retokenized = recount(run.results, own_tokenizer)
    summary = summarise(run.results, run.duration_s, metrics=metrics, percentiles=percentiles, slo=slo)
    print_rows(f"{served.name} at {target.base_url}", SERVE_ROWS, summary)
    print_latencies(summary, metrics, percentiles)
    for message, count in common_errors(run.results):
        typer.echo(f"{count} requests: {message}", err=True)
    if run.client_cpu_share > BUSY_CLIENT:
        typer.echo(f"warning: this client used {run.client_cpu_share:.0%} of a core and may be the limit", err=True)
    if save_result or save_detailed:
        record = describe_run() | {
            "backend": backend,
            "endpoint": target.endpoint,
            "model_id": served.name,
            "dataset_name": prompts.dataset_name,
            "num_prompts": len(made),
            "seed": prompts.seed,
            "request_rate": "inf" if request_rate == float("inf") else request_rate,
            "burstiness": burstiness,
            "max_concurrency": max_concurrency,
            "goodput_limits_ms": slo.limits_ms,
            "total_input_tokens_by_client": sum(prompt.num_tokens for prompt in made),
            "total_output_tokens_retokenized": retokenized,
            "client_cpu_share": run.client_cpu_share,
            "client_processes": num_processes,
        }
        record |= summary
        if save_detailed:
            record |= details(run.results)
        name = (f"{request_rate:g}qps", f"concurrency{max_concurrency}" if max_concurrency else "", served.name)
        save(result_path(result_dir, result_filename, backend, *name), record)
    if summary["completed"] == 0:
        raise ConfigError("no request succeeded")


def _ramp(strategy: RampStrategy | None, start_rps: float | None, end_rps: float | None) -> Ramp | None:
    if strategy is None:
        if start_rps is not None or end_rps is not None:
            raise ConfigError("--ramp-up-start-rps and --ramp-up-end-rps need --ramp-up-strategy")
        return None
    if start_rps is None or end_rps is None:
        raise ConfigError("--ramp-up-strategy needs --ramp-up-start-rps and --ramp-up-end-rps")
    return Ramp(strategy, start_rps, end_rps)
