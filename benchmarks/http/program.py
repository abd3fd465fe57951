"""The server as `rhumb serve` runs it, around the stepping core: `python -m benchmarks.http.program PORT PROCESSES`."""

import sys

from server.api import fleet
from server.api.listener import bind
from server.api.serve import run
from server.assets import EMBEDDED_MODEL, EMBEDDED_MODEL_ID
from server.config import EngineConfig
from server.settings import ServerSettings

CORE_MODULE = "benchmarks.http.core"
MAX_ROWS = 256


def main() -> None:
    port, num_processes = int(sys.argv[1]), int(sys.argv[2])
    settings = ServerSettings(port=port, log_level="warning")
    config = EngineConfig(str(EMBEDDED_MODEL), served_name=EMBEDDED_MODEL_ID, max_rows=MAX_ROWS)
    with bind(settings) as listener:
        if num_processes > 1:
            fleet.run(config, settings, listener, num_processes, CORE_MODULE)
        else:
            run(config, settings, listener, CORE_MODULE)


if __name__ == "__main__":
    main()
