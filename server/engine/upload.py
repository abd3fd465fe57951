"""Small host arrays to the device, without making the host wait for it."""

import numpy as np
import torch


def upload(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy a NumPy array to `device`, same shape and dtype; asynchronous on CUDA.

    On the CPU the tensor shares the array's memory, so the array must be the caller's to give away.
    """
    host = torch.from_numpy(array)
    if device.type == "cpu":
        return host
    # A copy from pageable memory would wait until the GPU has drained its queue.
    return host.pin_memory().to(device, non_blocking=True)
