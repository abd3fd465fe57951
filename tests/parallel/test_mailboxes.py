"""Ranks that exchange by mailboxes get the same sums, to the bit, and each other's columns."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="runs under Triton's interpreter; on GPUs the next test does")
@pytest.mark.parametrize("size", [2])
def test_interpreted_ranks_agree(tmp_path: Path, size: int):
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.parallel.mailbox_rank", str(rank), str(size), str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    answers = [rank.communicate(timeout=200)[0] for rank in ranks]
    assert [answer.strip() for answer in answers] == ["alike"] * size
