"""What was taught is what is served: an engine decodes, with no flag, what the forward pass of learning computes."""

import numpy as np
import torch

from server.config import EngineConfig
from server.engine.loop import load_core
from server.finetune.checkpoint import load_causal_model
from server.finetune.command import run
from server.finetune.forward import ScheduledForward
from server.finetune.rows import Reach, Row, RowBatch
from server.finetune.schedules import schedule_for
from tests.engine.conftest import drain, greedy, request

SCHEDULE = "skip(max_layers=6, min_layers=3, horizon=5)"


def test_an_engine_decodes_a_taught_checkpoint_as_it_was_taught(thin_llama, sayings, tmp_path):
    taught = ["skip", str(thin_llama), "--data", str(sayings), "--output", str(tmp_path), "--schedule", SCHEDULE]
    assert run([*taught, "--steps", "2", "--lr", "0.01", "--eval-rows", "1", "--disable-tqdm"]) == 0
    forward = ScheduledForward(load_causal_model(tmp_path, torch.float32, torch.device("cpu")), [None] * 8)
    reach = Reach(schedule_for(2, SCHEDULE, 8), 8)
    core = load_core(EngineConfig(model=str(tmp_path), device="cpu", num_pages=64, num_threads=1))
    rng = np.random.default_rng(4)
    prompts = {f"r{length}": rng.integers(3, 384, size=length).tolist() for length in (1, 7, 30)}
    for name, ids in prompts.items():
        core.add(request(name, ids, greedy(12, logprobs=1), variant="skip"))
    results = drain(core)
    for name, ids in prompts.items():
        result = results[name, 0]
        batch = RowBatch.of([Row((*ids, *result.token_ids), len(ids))])
        with torch.no_grad():
            costs, is_likeliest = forward.losses(batch, reach)
        assert is_likeliest.all()
        assert (reach.num_layers_run(batch)[:3] == [8, 6, 5]).all()
        decoded = torch.tensor([-token.logprob for token in result.logprobs])
        torch.testing.assert_close(costs, decoded, rtol=1e-4, atol=1e-4)
