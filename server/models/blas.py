"""Which of CUDA's libraries torch multiplies with. It asks the same one for all products of a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Library = Literal["cublas", "cublaslt"]


@contextmanager
def multiplied_by(library: Library) -> Iterator[None]:
    """Products launched or captured inside are this library's; without CUDA it changes nothing.

    Not for several threads at a time.
    """
    before = torch.backends.cuda.preferred_blas_library()
    torch.backends.cuda.preferred_blas_library(library)
    try:
        yield
    finally:
        torch.backends.cuda.preferred_blas_library(before)
