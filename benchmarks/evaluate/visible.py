"""What a number of questions can show: intervals of one run, and the smallest difference between two.

    python -m benchmarks.evaluate.visible benchmarks/evaluate/2026-11-25-visible.json

Nothing is drawn at random and nothing depends on the machine.
"""

import json
import sys
from pathlib import Path
from typing import Any

from annotator.evaluate.statistics import smallest_difference, wilson

NUMS = (50, 100, 200, 300, 500, 1000, 2000)
SHARES = (0.5, 0.6, 0.8, 0.9)
DISAGREEMENTS = (0.05, 0.1, 0.2, 0.3, 0.4)


def measure() -> dict[str, Any]:
    """All rows."""
    return {
        "command": "python -m benchmarks.evaluate.visible",
        "half_width": [{"num": num, **{str(share): _half_width(share, num) for share in SHARES}} for num in NUMS],
        "smallest_difference": [
            {"num": num, **{str(share): smallest_difference(num, share).smallest for share in DISAGREEMENTS}}
            for num in NUMS
        ],
    }


def _half_width(share: float, num: int) -> float:
    interval = wilson(share * num, num)
    return (interval.high - interval.low) / 2


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(measure(), indent=1) + "\n")
