"""Runs a compiled function on the OpenMP threads that torch already has.

Numba's own threading layers were measured and left: `workqueue` aborts the process when two threads enter it,
and `omp` loads a second libgomp whose idle workers spin against torch's. `GOMP_parallel` is the function that
compilers emit for `#pragma omp parallel`; torch's libraries export it together with the threads behind it.
libgomp gives every calling thread a team of its own, so several engines may run in one process.
"""

import ctypes

import torch

_torch_libraries = ctypes.CDLL(torch._C.__file__)


def address_of(symbol: str) -> int | None:
    """Where torch or a library that it needs has `symbol`; None if nowhere."""
    try:
        function = getattr(_torch_libraries, symbol)
    except AttributeError:
        return None
    return ctypes.cast(function, ctypes.c_void_p).value


_Run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
_parallel_address = address_of("GOMP_parallel")
_parallel = None if _parallel_address is None else _Run(_parallel_address)

has_team = _parallel is not None and address_of("omp_get_thread_num") is not None
"""Whether this torch was built with an OpenMP that can be called so (GNU's; LLVM's exports the same names)."""


def run_on_team(function: int, arguments: int, num_threads: int) -> None:
    """Call `function(arguments)`, both addresses, once on each of at most `num_threads` threads, and wait.

    Releases the interpreter's lock. Needs `has_team`.
    """
    assert _parallel is not None
    _parallel(function, arguments, num_threads, 0)
