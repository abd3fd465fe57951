"""How many pages rows can hold at most, from what their groups keep."""

import numpy as np


def most_pages(
    sinks: np.ndarray, reach: np.ndarray, ends: np.ndarray | int, chunk: np.ndarray | int, page_size: int
) -> np.ndarray:
    """Pages that a group of a row holds at one time, at most, on the way to `ends` positions.

    Its sinks, its window or its stretch, and the chunk that is being computed, each cut at page borders.

    Args:
        sinks: int64, leading positions that are kept.
        reach: int64, trailing positions that are kept: a window, or a stretch in which nothing is let go; UNLIMITED
            for all of them.
        ends: int64, positions that the row will have.
        chunk: int64, most positions that are computed at a time. All are broadcast together.
    """
    cut = -(-sinks // page_size) + -(-(reach + chunk) // page_size) + 1
    return np.minimum(-(-ends // page_size), cut)
