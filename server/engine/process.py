"""The engine process: `python -m server.engine.process --fd N --parent PID --config JSON`.

Started by `process_link.py` and by nothing else. It lives exactly as long as its parent wants it to.
"""

import argparse
import json
import logging
import socket
from typing import cast

import msgspec

from server.config import EngineConfig
from server.engine.loop import LoadCore, Receive, serve
from server.engine.switchboard import Switchboard
from server.engine.transport import Channel
from server.lifeline import live_and_die_with

_LAST_WORDS_S = 5.0


def main(load: LoadCore | None = None) -> None:
    """Run one core over the inherited socket.

    Args:
        load: makes the core, for programs that measure everything but the core.
    """
    parser = argparse.ArgumentParser(prog="python -m server.engine.process", description="one engine core")
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the parent")
    parser.add_argument("--parent", type=int, required=True, help="process id of the parent")
    parser.add_argument("--config", required=True, help="EngineConfig as JSON")
    parser.add_argument("--newcomers-fd", type=int, help="inherited socket that brings channels of API processes")
    parser.add_argument("--log-level", type=int, default=logging.INFO)
    args = parser.parse_args()
    live_and_die_with(args.parent, "rhumb-engine")
    logging.basicConfig(level=args.log_level, format="%(asctime)s %(levelname)s engine: %(message)s")
    main_channel = Channel(socket.socket(fileno=args.fd))
    channel: Channel | Switchboard = main_channel
    if args.newcomers_fd is not None:
        channel = Switchboard(main_channel, socket.socket(fileno=args.newcomers_fd))
    try:
        # The parent sends nothing but messages to the core.
        serve(config_from_json(args.config), cast("Receive", channel.receive), channel.send, load)
    finally:
        channel.close(_LAST_WORDS_S)


def config_to_json(config: EngineConfig) -> str:
    """ASCII JSON, so that even a path that is not UTF-8 survives the way."""
    return json.dumps(msgspec.to_builtins(config))


def config_from_json(text: str) -> EngineConfig:
    return msgspec.convert(json.loads(text), EngineConfig)


if __name__ == "__main__":
    main()
