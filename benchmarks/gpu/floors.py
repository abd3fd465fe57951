"""The floors of `server.bench.floors`, measured at the beginning of a script and kept in its record."""

from dataclasses import asdict

import torch

from benchmarks.gpu.record import Record
from server.bench.floors import GRAPH_ROWS, Floors, measure_floors, measure_rates
from server.bench.timer import Timer
from server.models.config import ModelConfig


def floors_of(record: Record, facts: ModelConfig, dtype: torch.dtype, timer: Timer, *, is_small: bool) -> Floors:
    """Measure the floors and keep them among the record's facts.

    Args:
        is_small: measure little, to try a script and not a machine.
    """
    rates = measure_rates(timer, dtype, stream_bytes=1 << 22, matmul_size=128) if is_small else None
    floors = measure_floors(facts, dtype, timer, rows=(1, 8) if is_small else GRAPH_ROWS, rates=rates)
    record.facts["rates"] = asdict(floors.rates)
    record.facts["products_ms"] = {rows: 1e3 * time_s for rows, time_s in floors.products_s.items()}
    print(f"rates: {record.facts['rates']}")
    print(f"products, ms by rows: { {rows: round(ms, 3) for rows, ms in record.facts['products_ms'].items()} }")
    return floors
