"""The engine process of a server under test: the real one, which holds still while a file exists."""

import os
from pathlib import Path

from server.engine.process import main
from tests.hold import HoldByFile

CORE_MODULE = "tests.held_core"
HOLD_FILE = "HOLD_FILE"
"""Environment variable with the file's path."""

if __name__ == "__main__":
    main(HoldByFile(Path(os.environ[HOLD_FILE])).load_core)
