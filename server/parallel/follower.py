"""A follower: `python -m server.parallel.follower --rank R --fd N --port P --parent PID --config JSON`.

Started by `followers.py` and by nothing else. It builds the same engine as the leader around its own part of the
model, and then executes whatever steps the leader tells it.
"""

import argparse
import json
import logging
import os
import socket
import sys
from typing import Any

import torch
from torch._C._distributed_c10d import Store, TCPStore

from server.config import EngineConfig
from server.engine.assembly import assemble
from server.engine.executor import Executor
from server.engine.step import StepInputs
from server.errors import RhumbError
from server.lifeline import live_and_die_with
from server.parallel.ranks import Ranks
from server.parallel.wire import Order, OrderReader

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m server.parallel.follower", description="one rank of an engine")
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the leader")
    parser.add_argument("--port", type=int, required=True, help="where the ranks find each other")
    parser.add_argument("--parent", type=int, required=True, help="process id of the leader")
    parser.add_argument("--config", required=True, help="EngineConfig as JSON")
    parser.add_argument("--log-level", type=int, default=logging.INFO)
    args = parser.parse_args()
    live_and_die_with(args.parent, f"rhumb-rank-{args.rank}")
    logging.basicConfig(level=args.log_level, format=f"%(asctime)s %(levelname)s rank {args.rank}: %(message)s")
    channel = socket.socket(fileno=args.fd)
    code = 0
    try:
        follow(config_from_json(args.config), args.rank, args.port, channel)
    except Exception as error:
        logger.exception("the rank failed")
        _answer(channel, error=_one_line(error))
        code = 1
    # Not by way of destructors: those of NCCL wait for ranks that may have ended.
    sys.stderr.flush()
    os._exit(code)


def config_from_json(text: str) -> EngineConfig:
    values: dict[str, Any] = json.loads(text)
    return EngineConfig(**values | {"variants": tuple(values["variants"])})


def follow(config: EngineConfig, rank: int, port: int, channel: socket.socket) -> None:
    """Build this rank's part of the engine and execute orders until the leader hangs up."""
    device = torch.device(config.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    reader = OrderReader(channel)

    def meet() -> None:
        _answer(channel, is_ready=True)
        if not reader.read_go():
            raise RhumbError("the leader ended before all ranks were ready")

    def store() -> Store:
        return TCPStore("127.0.0.1", port, config.tensor_parallel, is_master=False)

    team = Ranks(rank, config.tensor_parallel, store, meet, lambda: None, config.batch_invariant)
    executor = assemble(config, team).runner.executor
    while (order := reader.read()) is not None:
        obey(executor, order)
    executor.close()
    team.close()


def obey(executor: Executor, order: Order) -> None:
    """Do the leader's part of a step that is not the leader's alone."""
    if isinstance(order, StepInputs):
        executor.execute(order)
    else:
        executor.set_next_ids(order.rows, torch.empty(order.rows.shape[0], dtype=torch.int64, device=executor.device))


def _answer(channel: socket.socket, **answer: object) -> None:
    try:
        channel.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        logger.warning("the leader has hung up")


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:500]}" if lines else type(error).__name__


if __name__ == "__main__":
    main()
