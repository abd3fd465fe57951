"""Rehearsals: work is gone through without launching Triton kernels, so that all it needs is compiled at once.

Compiling takes one to several seconds a kernel, one after another if each waits for its first launch. The compiler
gives up the interpreter's lock, so threads compile side by side.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

MAX_THREADS = 16


@contextmanager
def rehearsal() -> Iterator[None]:
    """Inside, Triton kernels are handed to compilers instead of launched; on leaving, all of them are compiled.

    What the work writes is therefore any numbers. A kernel that does not compile says so at its first real launch.
    Without a Triton that compiles ahead, the work simply runs.
    """
    try:
        from triton import AsyncCompileMode, JITFunction
    except ImportError:
        yield
        return
    run = JITFunction.run

    def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
        return run(self, *args, grid=grid, warmup=True, **options)

    JITFunction.run = compile_only
    try:
        num_threads = min(os.cpu_count() or 1, MAX_THREADS)
        with ThreadPoolExecutor(num_threads) as compilers, AsyncCompileMode(compilers, ignore_errors=True):
            yield
    finally:
        JITFunction.run = run
