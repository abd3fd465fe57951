"""`rhumb` in all but its engine process, which is `held_core.py`."""

from functools import partial

from server import cli
from server.api import fleet, serve

CORE_MODULE = "tests.faults.held_core"

if __name__ == "__main__":
    serve.run = partial(serve.run, core_module=CORE_MODULE)
    fleet.run = partial(fleet.run, core_module=CORE_MODULE)
    cli.main()
