"""What lm-evaluation-harness writes: a folder with `results_*.json` and a line for each item in `samples_*.jsonl`.

The task has two metrics, `acc` and `partial`, both without a filter of that program's own.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annotator.datasets.exports.text import dumped, opened
from annotator.errors import StorageError
from annotator.evaluate.interchange.model import ResultFormat, Sample
from annotator.evaluate.model import RunFacts


def write(run: RunFacts, samples: Iterable[Sample], path: Path) -> int:
    """Writes the folder. Items are written as they come."""
    task = task_name(run)
    at = (run.finished_at or run.started_at or "1970-01-01T00:00:00").replace(":", "-")
    scores, partials = [], []
    hashes = hashlib.sha256()
    try:
        path.mkdir()
    except OSError as error:
        raise StorageError(f"cannot make the folder {path.name}: {error.strerror}") from None
    with opened(path / f"samples_{task}_{at}.jsonl") as file:
        for number, sample in enumerate(samples):
            line = _line(run, number, sample)
            hashes.update((line["doc_hash"] + line["prompt_hash"] + line["target_hash"]).encode())
            scores.append(sample.result.judgement.score)
            partials.append(sample.result.judgement.partial)
            file.write(f"{dumped(line)}\n")
    with opened(path / f"results_{at}.json") as file:
        file.write(f"{dumped(_results(run, task, scores, partials, hashes.hexdigest()))}\n")
    return len(scores)


def task_name(run: RunFacts) -> str:
    """The snapshot and the mode as a name of letters, digits and `_`."""
    words = "".join(character if character.isascii() and character.isalnum() else "_" for character in run.snapshot)
    return f"mapqator_{words}_{run.mode}"


def _results(
    run: RunFacts, task: str, scores: Sequence[float], partials: Sequence[float], samples_sha: str
) -> dict[str, Any]:
    version = run.snapshot.rpartition("@")[2]
    started = 0.0
    with suppress(ValueError):
        started = datetime.fromisoformat(run.started_at or "").replace(tzinfo=UTC).timestamp()
    return {
        "results": {
            task: {
                "alias": task,
                "acc,none": _mean(scores),
                "acc_stderr,none": _error(scores),
                "partial,none": _mean(partials),
                "partial_stderr,none": _error(partials),
            }
        },
        "group_subtasks": {task: []},
        "configs": {
            task: {
                "task": task,
                "dataset_name": run.snapshot,
                "output_type": "generate_until",
                "generation_kwargs": run.decoding,
                "repeats": 1,
                "num_fewshot": 0,
                "metric_list": [
                    {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "partial")
                ],
                "metadata": {
                    "version": version,
                    "mode": run.mode,
                    "template": run.template,
                    "manifest_sha": run.manifest_sha,
                    "abstain": "always" if run.offers_abstaining else "never",
                },
            }
        },
        "versions": {task: version},
        "n-shot": {task: 0},
        "higher_is_better": {task: {"acc": True, "partial": True}},
        "n-samples": {task: {"original": len(scores), "effective": len(scores)}},
        "config": {
            "model": "local-chat-completions",
            "model_args": f"model={run.model}",
            "batch_size": 1,
            "limit": None,
            "bootstrap_iters": 0,
            "gen_kwargs": run.decoding,
        },
        "git_hash": None,
        "date": started,
        "task_hashes": {task: samples_sha},
        "model_source": "local-chat-completions",
        "model_name": run.model,
        "model_name_sanitized": run.model.replace("/", "__").replace(":", "__"),
    }


def _line(run: RunFacts, number: int, sample: Sample) -> dict[str, Any]:
    doc = {
        "id": sample.item.id,
        "number": sample.item.number,
        "category": sample.item.category,
        "question": sample.item.question,
        "choices": sample.choices(),
        "epoch": sample.result.epoch,
    }
    target = ", ".join(sample.target()) if sample.item.type == "multiple_choice" else (sample.target() or [""])[0]
    prompt = dumped([one for one in sample.conversation() if one.get("role") in ("system", "user")])
    return {
        "doc_id": number,
        "doc": doc,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": run.decoding}},
        "resps": [[sample.words()]],
        "filtered_resps": [sample.answer()],
        "filter": "none",
        "metrics": ["acc", "partial"],
        "doc_hash": _sha(dumped(doc)),
        "prompt_hash": _sha(prompt),
        "target_hash": _sha(target),
        "acc": sample.result.judgement.score,
        "partial": sample.result.judgement.partial,
    }


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _error(values: Sequence[float]) -> float | str:
    """The standard error of the mean; `N/A`, as that program has it, where there is none."""
    if len(values) < 2:
        return "N/A"
    mean = _mean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


FORMAT = ResultFormat(
    key="lm-eval",
    title="lm-evaluation-harness results",
    sentence="A folder with the results and the samples as lm-evaluation-harness writes them.",
    write=write,
    suffix="",
)
