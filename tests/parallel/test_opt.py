"""OPT over two ranks: biases, tied embeddings, a vocabulary of odd size, dummy weights, quantised keys and values."""

import subprocess
from pathlib import Path

from tests.engine.conftest import drain, greedy, request
from tests.parallel.conftest import opened


def test_opt_of_dummy_weights_and_quantised_kv_gets_the_tokens_of_one_rank_and_ends_it(tiny_opt: Path):
    runs = []
    processes: list[subprocess.Popen] = []
    for size in (1, 2):
        settings = {"load_format": "dummy", "kv_format": "int8", "seed": 5, "tensor_parallel": size}
        with opened(tiny_opt, **settings) as core:
            for index in range(5):
                core.add(request(f"r{index}", [(3 * index + 7 * i) % 128 for i in range(1 + 9 * index)], greedy(10)))
            processes += [] if core._followers is None else core._followers._processes
            results = drain(core)
            runs.append([results[f"r{index}", 0].token_ids for index in range(5)])
    assert runs[0] == runs[1]
    assert [process.returncode for process in processes] == [0]
