"""Runs, comparisons and traces in the terminal."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from annotator.commands.show import console, line
from annotator.evaluate.model import VERDICTS

if TYPE_CHECKING:
    from annotator.evaluate.baselines import Reference
    from annotator.evaluate.compare import Comparison
    from annotator.evaluate.numbers import RunState
    from annotator.evaluate.statistics import Interval
    from annotator.evaluate.summary import Group, Spread, Summary
    from annotator.evaluate.trace import Trace

_SHOWN_DIFFERING = 20
_HOW = {"tools": "by function calling", "react": "in text (ReAct)"}
_GROUPS = {"context_length": "tokens"}


def show_rows(rows: Sequence["RunState"]) -> None:
    """Runs, two lines each."""
    for row in rows:
        ended = ", ".join(f"{count} {verdict}" for verdict in VERDICTS if (count := row.verdicts.get(verdict)))
        right = ""
        if row.accuracy is not None and row.wilson is not None:
            low, high = row.wilson
            right = f", {100 * row.accuracy:.1f} % right (95 %: {100 * low:.1f} to {100 * high:.1f})"
        speed = "" if row.tokens_per_s is None else f", {row.tokens_per_s:.1f} tokens/s"
        if row.kv_bytes is not None:
            speed += f", {row.kv_bytes / 2**20:.2f} MiB KV"
        line(f"{row.id}  {row.model}, {row.mode}: {row.num_done} of {row.num_items} asked{right}{speed}")
        line(f"    {row.state}, {row.snapshot}" + (f"; {ended}" if ended else ""))


def show_run(row: "RunState", summary: "Summary") -> None:
    """A run in numbers."""
    line(f"{row.name}: {row.snapshot}, endpoint {row.endpoint}, prompt {row.template}")
    line(f"{row.state}: {row.message}")
    if row.mode == "tools":
        why = row.server.get("tools", {}).get("why", "")
        line(f"tools {_HOW[row.config.protocol or 'tools']}" + (f": {why}" if why else ""))
    if not summary.overall.num:
        line("nothing has been asked yet")
        return
    overall = summary.overall
    if overall.clustered is not None and overall.partial is not None:
        line(
            f"right, with contexts drawn again as wholes: {_between(overall.clustered)}; "
            f"partly right counted as such: {100 * overall.partial:.1f} %"
        )
    table = Table("", "num", "right", "95 %")
    table.add_column("how it ended", overflow="fold")
    _add_group(table, "all", overall)
    for key, groups in summary.groups.items():
        for group in groups:
            _add_group(table, group.name if key == "answerable" else f"{_GROUPS.get(key, key)} {group.name}", group)
    console.print(table)
    for reference in summary.overall.references:
        _show_reference(reference)
    if summary.visible.smallest is not None:
        line(
            f"between two runs of that many questions, one of {100 * summary.visible.smallest:.1f} points or more "
            "would most likely have shown; a smaller one not"
        )
    told = summary.abstention
    if told.precision.of or told.recall.of:
        line(
            f"abstaining: right {told.precision.num} of {told.precision.of} times, and {told.recall.num} of "
            f"{told.recall.of} questions without an answer were seen as such"
        )
    for name, spread, unit in (
        ("latency", summary.latency_ms, "ms"),
        ("first token", summary.first_token_ms, "ms"),
        ("prompt", summary.prompt_tokens, "tokens"),
        ("reply", summary.completion_tokens, "tokens"),
        ("KV cache of a request", summary.kv_bytes, "bytes"),
    ):
        _show_spread(name, spread, unit)
    if summary.tools.num_calls:
        by_name = ", ".join(f"{name} {count}" for name, count in summary.tools.by_name.items())
        line(
            f"tools: {summary.tools.num_calls} calls ({by_name}), {summary.tools.num_errors} errors, "
            f"{summary.tools.num_offline_misses} without a recording; evidence found: {summary.tools.evidence.num} of "
            f"{summary.tools.evidence.of}"
        )
    told_tools = summary.tools
    if told_tools.num_answers:
        line(
            f"evidence cited: {told_tools.num_citing} of {told_tools.num_answers} answers cite results; "
            f"{told_tools.cited_precision.num} of {told_tools.cited_precision.of} cited results show supporting "
            f"values, {told_tools.cited_recall.num} of {told_tools.cited_recall.of} values are shown by them"
        )


def show_comparison(found: "Comparison") -> None:
    """Runs against each other."""
    line(f"{found.snapshot}: {found.num} questions that all runs answered")
    for row in found.rows:
        speed = "" if row.tokens_per_s is None else f", {row.tokens_per_s.p50:.1f} tokens/s"
        if row.kv_bytes is not None:
            speed += f", {row.kv_bytes.mean / 2**20:.2f} MiB KV"
        line(
            f"{row.rank}. {row.run.model}, {row.run.mode}: {100 * row.accuracy:.1f} % right "
            f"(95 %: {_between(row.wilson)}){speed}  {row.run.run_id}"
        )
    names = {row.run.run_id: f"{row.run.model}, {row.run.mode}" for row in found.rows}
    for reference in found.references:
        _show_reference(reference)
    for run_id, reference in found.floors.items():
        _show_reference(reference, f" under {names[run_id]}")
    for pair in found.pairs:
        between = ""
        if pair.interval is not None:
            between = f" (95 %: {100 * pair.interval.low:+.1f} to {100 * pair.interval.high:+.1f})"
        line(
            f"{names[pair.a]} against {names[pair.b]}: {100 * pair.difference:+.1f} points{between}; only the first is "
            f"right {pair.only_a} times, only the second {pair.only_b}; McNemar p {pair.p:.3f}, {pair.p_holm:.3f} "
            "with all pairs counted"
        )
        for note in pair.notes:
            line(f"  note: {note}")
    for one in found.differing[:_SHOWN_DIFFERING]:
        said = ", ".join(f"{names[run]} {verdict}" for run, verdict in one.verdicts.items())
        line(f"question {one.number} ({one.category}): {said}")
    if len(found.differing) > _SHOWN_DIFFERING:
        line(f"and {len(found.differing) - _SHOWN_DIFFERING} more; --json has them all")


def show_trace(trace: "Trace", *, as_json: bool) -> None:
    """A question of a run with everything that was said and called."""
    result = trace.row.result
    if as_json:
        values = {
            "result": result.model_dump(mode="json"),
            "shown": trace.row.shown,
            "prompt_sha": trace.row.prompt_sha,
            "prompt": dict(trace.prompt),
            "events": [
                {
                    "kind": event.kind,
                    "at_ms": event.at_ms,
                    "tool_call_id": event.tool_call_id,
                    "result_sha": event.result_sha,
                    **event.payload,
                }
                for event in trace.events
            ],
        }
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    line(f"question {result.facts.number}, {result.facts.type}, {result.facts.category}: {trace.item.question}")
    line(f"{result.judgement.verdict}: {result.judgement.detail}")
    if (citing := result.judgement.citing) is not None:
        cited = ", ".join(citing.refs) or "nothing"
        line(
            f"cites {cited}: {citing.num_supporting} of {len(citing.refs)} show supporting values, "
            f"{citing.num_values} of {result.evidence_wanted} values are shown"
        )
    if result.kv_bytes is not None:
        line(f"KV cache of its largest request: {result.kv_bytes} bytes")
    line(f"prompt sha256 {trace.row.prompt_sha}")
    for message in trace.prompt.get("messages", ()):
        line(f"--- {message['role']}")
        line(str(message["content"]))
    for event in trace.events:
        payload = event.payload
        match event.kind:
            case "reply":
                line(f"--- model, after {event.at_ms:.0f} ms")
                line(str(payload.get("content", "")))
                for call in payload.get("tool_calls", ()):
                    line(f"calls {call['name']} {call['arguments']}")
            case "call":
                line(f"--- {payload['ref']}: {payload['tool']} {json.dumps(payload['params'], ensure_ascii=False)}")
                line(f"{payload['outcome']}, result sha256 {event.result_sha or 'none'}")
                line(str(payload.get("content", payload.get("withheld", ""))))
            case "retry":
                line(f"--- again after {payload['pause_s']:.1f} s: {payload['reason']}")
            case _:
                line(f"--- {event.kind}: {payload.get('why', '')}")


def _show_reference(reference: "Reference", under: str = "") -> None:
    share = "unknown" if reference.share is None else f"{100 * reference.share:.1f} %"
    line(f"{reference.name.replace('_', ' ')}{under}: {share} ({reference.detail})")


def _add_group(table: Table, name: str, group: "Group") -> None:
    ended = ", ".join(f"{count} {verdict}" for verdict, count in group.verdicts.items() if count)
    right = "" if group.accuracy is None else f"{100 * group.accuracy:.1f} %"
    table.add_row(_plain(name), str(group.num), right, _between(group.wilson), ended)


def _between(interval: "Interval") -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _show_spread(name: str, spread: "Spread | None", unit: str) -> None:
    if spread is not None:
        line(f"{name}: {spread.p50:.0f} {unit} in the middle, {spread.p90:.0f} for one in ten or more")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
