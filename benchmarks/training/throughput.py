"""How many tokens a second the embedded model's training takes in, by length of rows and way of running a step.

    python -m benchmarks.training.throughput --device cuda --out FILE

Eager, as CUDA graphs, and compiled within graphs. The first four losses are printed as well: a way that computes what
eager does has the same ones. On a CPU only eager runs, and wants few tokens.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from server.assets.training.batch import Batch
from server.assets.training.network import Network, Shape
from server.assets.training.optimizer import Optimizer, Pace
from server.assets.training.step import Stepper
from server.assets.training.symbols import plain_symbols
from server.assets.training.tasks import Draw, copying


def measure(device: torch.device, tokens: int, length: int, way: str, repeats: int) -> dict[str, Any]:
    """Runs some steps and gives their speed and the loss of each."""
    on_gpu = device.type == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    network = Network(Shape(), seed=0, compute_dtype=dtype).to(device)
    stepper = Stepper(
        network,
        Optimizer(network, Pace()),
        is_compiled=way == "compiled",
        graph_tokens=0 if way == "eager" else tokens,
    )
    symbols = plain_symbols(4096, device)
    rows = max(1, tokens // length)

    def drawn(seed: int) -> Batch:
        return copying(Draw(symbols, rows, length, seed), alphabet=4096)

    def losses(steps: range) -> list[float]:
        figures = torch.stack([stepper.step(drawn(seed), rows * length, 1e-4) for seed in steps])
        return (figures[:, 0] / figures[:, 1]).tolist()

    started = time.monotonic()
    first = losses(range(4))
    ready_s = time.monotonic() - started
    started = time.monotonic()
    losses(range(4, 4 + repeats))
    step_s = (time.monotonic() - started) / repeats
    return {
        "length": length,
        "rows": rows,
        "way": way,
        "ready_s": round(ready_s, 2),
        "step_ms": round(1000 * step_s, 2),
        "tokens_per_s": round(rows * length / step_s),
        "first_losses": [round(loss, 4) for loss in first],
    }


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.throughput", description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--ways", default="eager,graphs,compiled")
    parser.add_argument("--shapes", default="18432x96,18432x256,32768x1024,65536x4096,65536x16384")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.set_float32_matmul_precision("high")
    results = []
    for way in args.ways.split(","):
        for shape in args.shapes.split(","):
            tokens, length = map(int, shape.split("x"))
            if way != "eager" and device.type != "cuda":
                continue
            results.append(measure(device, tokens, length, way, args.repeats))
            print(json.dumps(results[-1]), flush=True)
            name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
            if args.out is not None:
                args.out.write_text(json.dumps({"device": name, "torch": torch.__version__, "runs": results}, indent=1))


if __name__ == "__main__":
    main()
