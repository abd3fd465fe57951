"""What a model makes of held-out responses: at the depths of its schedule and, for comparison, at full depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from server.finetune.forward import ScheduledForward
from server.finetune.rows import Reach, Row, RowBatch, parts_of


@dataclass(frozen=True, slots=True)
class Judgement:
    """Figures over all tokens of all held-out responses.

    Args:
        loss: mean nats a token.
        accuracy: share of tokens that are the likeliest.
        exact: share of responses whose every token is. Greedy decoding gives exactly these: as long as it agrees
            with the response, it goes on from the response's own tokens.
        by_depth: layers run -> (loss, accuracy, tokens) of what so deep a pass predicts.
    """

    loss: float
    accuracy: float
    exact: float
    by_depth: dict[int, tuple[float, float, int]]

    def as_json(self) -> dict[str, Any]:
        """The same for a file; depths become texts, as JSON wants it."""
        by_depth = {
            str(depth): {"loss": loss, "accuracy": accuracy, "tokens": tokens}
            for depth, (loss, accuracy, tokens) in self.by_depth.items()
        }
        return {"loss": self.loss, "accuracy": self.accuracy, "exact": self.exact, "by_depth": by_depth}


@torch.no_grad()
def judge(forward: ScheduledForward, rows: Sequence[Row], reach: Reach, max_tokens: int) -> Judgement:
    """Run the rows in parts of `max_tokens` positions; at least one row."""
    costs, is_right, depths, is_exact = [], [], [], []
    for part in parts_of(rows, max_tokens):
        batch = RowBatch.of(part, forward.device)
        cost, right = forward.losses(batch, reach)
        costs.append(cost.cpu().numpy())
        is_right.append(right.cpu().numpy())
        depths.append(reach.num_layers_run(batch))
        ends = np.cumsum([row.num_targets for row in part])
        is_exact += [bool(tokens.all()) for tokens in np.split(is_right[-1], ends[:-1])]
    cost, right, depth = (np.concatenate(parts) for parts in (costs, is_right, depths))
    by_depth = {
        int(one): (float(cost[depth == one].mean()), float(right[depth == one].mean()), int((depth == one).sum()))
        for one in sorted(set(depth.tolist()))
    }
    return Judgement(float(cost.mean()), float(right.mean()), float(np.mean(is_exact)), by_depth)
