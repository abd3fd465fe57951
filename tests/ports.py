"""Ports for programs that are told theirs."""

import random
import socket

GIVEN_OUT = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections, of which other tests may have thousands."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody else is likely to take meanwhile."""
    while True:
        port = random.choice(GIVEN_OUT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
