"""What ties the life of a child process to its parent's."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def live_and_die_with(parent_pid: int, name: str) -> None:
    """Leaves signals that a terminal or a service manager sends to all to the parent, which drains first.

    End of file on a socket ends an orphan too, but only between two steps; the kernel's signal ends it always.

    Args:
        name: what the process list calls this process, at most 15 characters.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NAME, name.encode("ascii"))
    if os.getppid() != parent_pid:
        sys.exit("the parent ended before its child began")
