"""A log of the evaluation framework Inspect: one JSON file of its log's version 2, which its viewer opens.

Verdicts become its `C` and `I`, abstentions and unreadable replies `N` for no answer; a score of our own stands beside.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from annotator import __version__
from annotator.datasets.exports.text import dumped, opened
from annotator.evaluate.interchange.model import ResultFormat, Sample
from annotator.evaluate.model import RunFacts

LOG_VERSION = 2
_SCORER = "mapqator"
_VALUES = {"right": "C", "wrong": "I", "abstained": "N", "invalid": "N", "limit": "N", "error": "N"}
_EPOCH = "1970-01-01T00:00:00+00:00"


def write(run: RunFacts, samples: Iterable[Sample], path: Path) -> int:
    """Writes the log. Summary figures stand before the samples, so all of them are in memory at once."""
    kept = list(samples)
    log = {
        "version": LOG_VERSION,
        "status": "success" if run.finished_at is not None else "cancelled",
        "eval": _spec(run, kept),
        "plan": {"name": "plan", "steps": [{"solver": f"mapqator/{run.mode}", "params": {}}], "config": _config(run)},
        "results": _results(kept),
        "stats": {
            "started_at": run.started_at or "",
            "completed_at": run.finished_at or "",
            "model_usage": {run.model: _usage(kept)},
        },
        "samples": [_sample(run, sample) for sample in kept],
    }
    with opened(path) as file:
        file.write(f"{dumped(log)}\n")
    return len(kept)


def _spec(run: RunFacts, samples: Sequence[Sample]) -> dict[str, Any]:
    ids = list(dict.fromkeys(sample.item.id for sample in samples))
    return {
        "eval_id": run.run_id,
        "run_id": run.run_id,
        "created": run.started_at or _EPOCH,
        "task": run.snapshot,
        "task_id": run.manifest_sha,
        "task_version": run.snapshot.rpartition("@")[2],
        "dataset": {
            "name": run.snapshot,
            "samples": len(ids),
            "sample_ids": ids,
            "shuffled": False,
        },
        "model": run.model,
        "model_generate_config": _config(run),
        "config": {"epochs": run.epochs},
        "packages": {"mapqator": __version__},
        "metadata": run.model_dump(mode="json"),
    }


def _config(run: RunFacts) -> dict[str, Any]:
    return {name: run.decoding[name] for name in ("temperature", "max_tokens", "seed", "top_p") if name in run.decoding}


def _results(samples: Sequence[Sample]) -> dict[str, Any]:
    scores = [sample.result.judgement.score for sample in samples]
    num = len(scores)
    accuracy = sum(scores) / num if num else 0.0
    error = math.sqrt(accuracy * (1 - accuracy) / (num - 1)) if num > 1 else 0.0
    return {
        "total_samples": num,
        "completed_samples": sum(sample.result.judgement.verdict != "error" for sample in samples),
        "scores": [
            {
                "name": _SCORER,
                "scorer": _SCORER,
                "params": {},
                "metrics": {
                    "accuracy": {"name": "accuracy", "value": accuracy, "params": {}},
                    "stderr": {"name": "stderr", "value": error, "params": {}},
                },
            }
        ],
    }


def _usage(samples: Iterable[Sample]) -> dict[str, int]:
    results = [sample.result for sample in samples]
    prompt = sum(result.prompt_tokens or 0 for result in results)
    completion = sum(result.completion_tokens or 0 for result in results)
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def _sample(run: RunFacts, sample: Sample) -> dict[str, Any]:
    result, judgement = sample.result, sample.result.judgement
    target = sample.target()
    messages = [_message(message) for message in sample.conversation()]
    prompt = [message for message in messages if message["role"] in ("system", "user")]
    made: dict[str, Any] = {
        "id": sample.item.id,
        "epoch": result.epoch + 1,
        "input": prompt or sample.item.question,
        "choices": sample.choices() or None,
        "target": target[0] if len(target) == 1 else target,
        "messages": messages,
        "output": {
            "model": run.model,
            "choices": [
                {
                    "message": {"role": "assistant", "content": sample.words(), "source": "generate"},
                    "stop_reason": "stop" if judgement.verdict not in ("limit", "error") else "unknown",
                }
            ],
            "usage": _usage([sample]),
            "time": result.latency_ms / 1000,
        },
        "scores": {
            _SCORER: {
                "value": _VALUES[judgement.verdict],
                "answer": sample.answer(),
                "explanation": judgement.detail,
                "metadata": {
                    "verdict": judgement.verdict,
                    "score": judgement.score,
                    "partial": judgement.partial,
                    "how": None if judgement.given is None else judgement.given.how,
                    "citing": None if judgement.citing is None else judgement.citing.model_dump(mode="json"),
                },
            }
        },
        "metadata": result.facts.model_dump(mode="json")
        | result.model_dump(mode="json", exclude={"facts", "judgement", "epoch"}),
        "model_usage": {run.model: _usage([sample])},
        "total_time": result.latency_ms / 1000,
    }
    if judgement.verdict == "error":
        made["error"] = {"message": judgement.detail, "traceback": "", "traceback_ansi": ""}
    if judgement.verdict == "limit":
        made["limit"] = {"type": "custom", "limit": result.num_turns, "reason": judgement.detail}
    return made


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of chat completions as Inspect has it."""
    role = message.get("role")
    made: dict[str, Any] = {
        "role": role if role in ("system", "user", "assistant", "tool") else "user",
        "content": message.get("content") or "",
    }
    if not isinstance(made["content"], str):
        made["content"] = dumped(made["content"])
    if made["role"] == "tool" and isinstance(message.get("tool_call_id"), str):
        made["tool_call_id"] = message["tool_call_id"]
    calls = message.get("tool_calls")
    if made["role"] == "assistant" and isinstance(calls, list) and calls:
        made["tool_calls"] = [_call(call) for call in calls if isinstance(call, dict)]
    return made


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    made = {"id": str(call.get("id", "")), "function": str(function.get("name", "")), "type": "function"}
    text = function.get("arguments")
    try:
        arguments = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        return made | {"arguments": arguments}
    return made | {"arguments": {}, "parse_error": f"the arguments are no JSON object: {text}"[:500]}


FORMAT = ResultFormat(
    key="inspect",
    title="Inspect log",
    sentence="A log that the viewer and the analysis of the evaluation framework Inspect open.",
    write=write,
    suffix=".json",
)
