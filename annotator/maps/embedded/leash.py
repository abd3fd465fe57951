"""Starts a program that the kernel ends when whoever asked for it ends, even by kill -9.

    python leash.py PARENT_PID PROGRAM [ARGUMENT ...]

A script of its own: the request must be made in the new process, and running Python between fork and exec of a process
with threads can hang.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ties this process to its parent and becomes the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the kernel knew of the wish.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
