"""What a run leaves beside its checkpoint: how it went, in JSON and in a few lines."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.errors import ConfigError

RUN_FOLDER = "finetune"
"""In the folder of the checkpoint, for everything that is not part of it."""
RECORD_FILE = "record.json"
HISTORY_FILE = "history.json"


def write_record(folder: Path, record: Mapping[str, Any], history: Mapping[str, Any]) -> None:
    """Write both files into the run's folder."""
    (folder / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (folder / HISTORY_FILE).write_text(json.dumps(history) + "\n", encoding="utf-8")


def read_record(output: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Record and history of the run that wrote the checkpoint in `output`.

    Raises:
        ConfigError: it holds none, or they are damaged.
    """
    folder = output / RUN_FOLDER
    try:
        record, history = (json.loads((folder / name).read_text()) for name in (RECORD_FILE, HISTORY_FILE))
        if not {"schedule", "num_steps", "model", "examples_too_long"} <= record.keys() or not history["evaluations"]:
            raise ValueError("something is missing")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{output} holds no record of a run ({error}); name a folder that fine-tuning wrote"
        ) from None
    return record, history


def summary(record: Mapping[str, Any], history: Mapping[str, Any]) -> list[str]:
    """What a run did, in lines."""
    evaluations = history["evaluations"]
    too_long = record["examples_too_long"]
    return [
        f"{record['model']}, taught {record['schedule']}: {len(history['steps']):,} of {record['num_steps']:,} steps"
        + (f"; {too_long:,} examples were longer than {record['max_length']:,} tokens" if too_long else ""),
        *(_line(evaluation) for evaluation in evaluations),
        *(
            f"  {depth} layers: loss {one['loss']:.4f}, {one['accuracy']:.1%} of {one['tokens']:,} tokens right"
            for depth, one in sorted(evaluations[-1]["scheduled"]["by_depth"].items(), key=lambda item: -int(item[0]))
        ),
    ]


def _line(evaluation: Mapping[str, Any]) -> str:
    scheduled, full = evaluation["scheduled"], evaluation["full"]
    return (
        f"after {evaluation['step']:,} steps: loss {scheduled['loss']:.4f} by the schedule, {full['loss']:.4f} at full "
        f"depth; responses right {scheduled['exact']:.1%} and {full['exact']:.1%}"
    )
