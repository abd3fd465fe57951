"""`rhumb` in all but its engine process, which is `tests/held_core.py`."""

from functools import partial

from server import cli
from server.api import fleet, serve
from tests.held_core import CORE_MODULE

if __name__ == "__main__":
    serve.run = partial(serve.run, core_module=CORE_MODULE)
    fleet.run = partial(fleet.run, core_module=CORE_MODULE)
    cli.main()
