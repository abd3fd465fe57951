"""Small host arrays to the device, without making the host wait for it."""

from collections.abc import Sequence

import numpy as np
import torch


def upload(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy a NumPy array to `device`, same shape and dtype; asynchronous on CUDA.

    On the CPU the tensor shares the array's memory, so the array must be the caller's to give away.
    """
    host = torch.from_numpy(array)
    if device.type == "cpu":
        return host
    # A copy from pageable memory would wait until the GPU has drained its queue. Torch keeps the pinned copy until
    # the transfer has run.
    return host.pin_memory().to(device, non_blocking=True)


def upload_together(arrays: Sequence[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """Copy int64 arrays in one transfer; the tensors have the arrays' shapes, and on CPU share their memory."""
    if device.type == "cpu":
        return [torch.from_numpy(array) for array in arrays]
    packed = upload(np.concatenate([array.ravel() for array in arrays]), device)
    sizes = [array.size for array in arrays]
    return [part.view(array.shape) for part, array in zip(packed.split(sizes), arrays, strict=True)]
