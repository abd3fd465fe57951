"""Parquet with a typed column for everything that one counts by; facts of the run stand in every row."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotator.datasets.exports.text import dumped
from annotator.errors import StorageError
from annotator.evaluate.interchange.model import ResultFormat, Sample
from annotator.evaluate.model import RunFacts

ROWS_AT_ONCE = 500
"""Rows of a row group: what is in memory at once."""

_TEXT, _COUNT, _MS = pa.string(), pa.int32(), pa.float64()
SCHEMA = pa.schema(
    [
        ("run_id", _TEXT),
        ("run", _TEXT),
        ("snapshot", _TEXT),
        ("model", _TEXT),
        ("variant", _TEXT),
        ("mode", _TEXT),
        ("item_id", _TEXT),
        ("number", pa.int64()),
        ("rev", _COUNT),
        ("content_sha", _TEXT),
        ("context_id", _TEXT),
        ("category", _TEXT),
        ("type", _TEXT),
        ("tags", pa.list_(_TEXT)),
        ("difficulty", _TEXT),
        ("is_answerable", pa.bool_()),
        ("num_options", _COUNT),
        ("context_tokens", _COUNT),
        ("epoch", _COUNT),
        ("verdict", _TEXT),
        ("score", pa.float64()),
        ("partial", pa.float64()),
        ("detail", _TEXT),
        ("how", _TEXT),
        ("abstains", pa.bool_()),
        ("question", _TEXT),
        ("target", pa.list_(_TEXT)),
        ("answer", _TEXT),
        ("reply", _TEXT),
        ("latency_ms", _MS),
        ("first_token_ms", _MS),
        ("prompt_tokens", _COUNT),
        ("completion_tokens", _COUNT),
        ("num_turns", _COUNT),
        ("num_tool_calls", _COUNT),
        ("num_tool_errors", _COUNT),
        ("num_offline_misses", _COUNT),
        ("evidence_found", _COUNT),
        ("evidence_wanted", _COUNT),
        ("num_cited", _COUNT),
        ("num_cited_supporting", _COUNT),
        ("evidence_cited", _COUNT),
        ("kv_bytes", pa.int64()),
        ("depth_layers", pa.float64()),
        ("tools_json", _TEXT),
    ]
)


def write(run: RunFacts, samples: Iterable[Sample], path: Path) -> int:
    """Writes the file. Its metadata hold the run's facts as JSON, under `mapqator.run`."""
    schema = SCHEMA.with_metadata({"mapqator.run": dumped(run.model_dump(mode="json"))})
    num = 0
    rows: list[dict[str, Any]] = []
    try:
        writer = pq.ParquetWriter(path, schema, compression="zstd")
        try:
            for sample in samples:
                num += 1
                rows.append(_row(run, sample))
                if len(rows) >= ROWS_AT_ONCE:
                    writer.write_table(pa.Table.from_pylist(rows, schema))
                    rows = []
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema))
        except BaseException:
            with suppress(OSError, pa.ArrowException):
                writer.close()
            raise
        writer.close()
    except OSError as error:
        raise StorageError(f"cannot write {path.name}: {error}") from None
    return num


def _row(run: RunFacts, sample: Sample) -> dict[str, Any]:
    result, judgement = sample.result, sample.result.judgement
    given, citing = judgement.given, judgement.citing
    return (
        result.model_dump(mode="json", exclude={"facts", "judgement", "tools"})
        | result.facts.model_dump(mode="json")
        | judgement.model_dump(mode="json", exclude={"given", "citing"})
        | {
            "run_id": run.run_id,
            "run": run.name,
            "snapshot": run.snapshot,
            "model": run.model,
            "variant": run.variant,
            "mode": run.mode,
            "how": None if given is None else given.how,
            "abstains": given is not None and given.abstains,
            "question": sample.item.question,
            "target": sample.target(),
            "answer": sample.answer(),
            "reply": sample.words(),
            "num_cited": None if citing is None else len(citing.refs),
            "num_cited_supporting": None if citing is None else citing.num_supporting,
            "evidence_cited": None if citing is None else citing.num_values,
            "tools_json": dumped(result.tools),
        }
    )


FORMAT = ResultFormat(
    key="parquet",
    title="Parquet",
    sentence="One file with typed columns, for pandas, DuckDB and the like.",
    write=write,
    suffix=".parquet",
)
