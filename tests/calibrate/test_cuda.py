"""Calibration on a GPU: the kernels that torch chooses there, and weights as our GPU kernels lay them out."""

import pytest
import torch

from server.calibrate.head_scores import score_heads
from server.calibrate.two_way import TwoWayForward
from server.config import EngineConfig
from server.models.base import Model
from server.models.registry import load_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def load(directory, device: str, dtype: str) -> Model:
    return load_model(EngineConfig(str(directory), device=device, dtype=dtype))[0]


def gradients(model: Model) -> torch.Tensor:
    """Of the distance by half-open gates: float32 [layers, kv_heads] on the CPU."""
    forward = TwoWayForward(model, 4, 16)
    device = forward.device
    gates = torch.full(forward.shape, 0.5, device=device, requires_grad=True)
    states = forward(torch.arange(300, device=device) % 64, gates, torch.arange(200, 300, device=device))
    (states.student.float() - states.reference.float()).square().mean().backward()
    assert gates.grad is not None
    return gates.grad.cpu()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.01), ("bfloat16", 0.1)])
@pytest.mark.parametrize("checkpoint", ["tiny_llama", "tiny_qwen3"])
def test_gradients_of_gates_on_a_gpu_equal_those_on_a_cpu(checkpoint, dtype, tolerance, request):
    directory = request.getfixturevalue(checkpoint)
    expected = gradients(load(directory, "cpu", "float32"))
    error = (gradients(load(directory, "cuda", dtype)) - expected).norm() / expected.norm()
    assert error < tolerance


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_open_gates_give_the_reference_itself(tiny_llama, dtype):
    forward = TwoWayForward(load(tiny_llama, "cuda", dtype), 4, 16)
    ids = torch.arange(300, device="cuda") % 64
    states = forward(ids, torch.ones(forward.shape, device="cuda"), torch.arange(300, device="cuda"))
    torch.testing.assert_close(states.student, states.reference, atol=0, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 2e-2)])
def test_scores_on_a_gpu_equal_those_on_a_cpu(tiny_llama, dtype, tolerance):
    ids = torch.arange(300) % 64
    found = score_heads(load(tiny_llama, "cuda", dtype), ids, chunk=128)
    expected = score_heads(load(tiny_llama, "cpu", "float32"), ids)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)
