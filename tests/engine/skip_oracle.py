"""What a request under a `skip` variant must give: the dense oracle, in which positions run their own layers only."""

import math
from fractions import Fraction

import torch

from server.depth.skip import Skip
from server.engine.core import EngineCore
from tests.engine.conftest import Result
from tests.engine.duo_oracle import mask_of
from tests.oracle import Oracle

SKIPS = {
    "linear": "skip(max_layers=6, min_layers=2, horizon=9)",
    "stretched": "skip(max_layers=5, min_layers=2, horizon=max_tokens)",
    "power": "skip(max_layers=6, min_layers=3, horizon=12, decay=power)",
    "absolute": "skip(max_layers=6, min_layers=2, horizon=40, origin=absolute)",
}
LISTED = tuple(f"{name}={spec}" for name, spec in SKIPS.items())


def num_layers_run(schedule: Skip, generated_index: int, prompt_len: int, max_tokens: int) -> int:
    """By the formula of Del Corro et al. (2023), rounded half up."""
    before = prompt_len if schedule.origin == "absolute" else 0
    horizon = schedule.horizon or max_tokens + before
    share = Fraction(min(generated_index + before, horizon), horizon)
    most, least = schedule.max_layers, schedule.min_layers
    if schedule.decay == "power":
        return math.floor(most * (least / most) ** float(share) + 0.5)
    return math.floor((1 - share) * most + share * least + Fraction(1, 2))


def layer_mask(core: EngineCore, variant: str, prompt_len: int, max_tokens: int, length: int) -> torch.Tensor:
    """bool [layers, length]: which positions of a request run which layer."""
    num_layers = core.model.config.num_layers
    mask = torch.ones(num_layers, length, dtype=torch.bool)
    schedule = core.variants[variant].schedule
    if isinstance(schedule, Skip):
        for position in range(prompt_len, length):
            count = num_layers_run(schedule, position - prompt_len, prompt_len, max_tokens)
            mask[schedule.warmup : num_layers - (count - schedule.warmup), position] = False
    return mask


def expected_logprobs(
    oracle: Oracle, core: EngineCore, variant: str, prompt: list[int], token_ids: list[int], max_tokens: int
) -> torch.Tensor:
    """Log probabilities after the prompt and after each generated token but the last, float64 [tokens, vocab].

    What a position that left a layer would have had there as keys and values is hidden from everybody, on top.
    """
    ids = [*prompt, *token_ids[:-1]]
    runs = layer_mask(core, variant, len(prompt), max_tokens, len(ids))
    itself = torch.eye(len(ids), dtype=torch.bool)
    # Whoever leaves a layer out sees itself there, so that there is a softmax to multiply by zero.
    selected = runs[:, None, :] | itself
    masks = {"head_mask": mask_of(core, variant, len(prompt)), "layer_mask": runs, "selected": selected}
    return oracle.logits(ids, **masks)[len(prompt) - 1 :].log_softmax(-1)


def assert_greedy(
    oracle: Oracle,
    core: EngineCore,
    variant: str,
    prompt: list[int],
    result: Result,
    max_tokens: int | None = None,
    tolerance: float = 1e-4,
) -> None:
    """Every token of `result` is the likeliest after those before it, as the variant sees them."""
    token_ids = result.token_ids
    logprobs = expected_logprobs(oracle, core, variant, prompt, token_ids, max_tokens or len(token_ids))
    chosen = logprobs.gather(1, torch.tensor(token_ids)[:, None])[:, 0]
    behind = logprobs.max(1).values - chosen
    assert behind.max() < tolerance, f"{variant}: token {int(behind.argmax())} of {token_ids} is not the likeliest"
