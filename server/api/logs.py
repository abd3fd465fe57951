"""What a server says on stderr. Light to import."""

import logging
import socket
import sys
from pathlib import Path

from server.settings import ServerSettings

logger = logging.getLogger("rhumb.server")


def configure_logging(level: str) -> None:
    """One line per event on stderr. uvicorn's chatter only when debugging."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("uvicorn.error", "asyncio", "httpx"):
        logging.getLogger(noisy).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


def announce(listener: socket.socket, settings: ServerSettings, model: str) -> None:
    """Log where the server will answer."""
    host, port = listener.getsockname()[:2]
    scheme = "http" if settings.tls_cert is None else "https"
    shown = f"[{host}]" if ":" in host else host
    logger.info("listening on %s://%s:%d, loading %s", scheme, shown, port, Path(model).name)
