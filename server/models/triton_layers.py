"""Triton kernels between a layer's products: RMSNorm with the residual, norms of heads, gates.

One program computes a row (of a head's norm, a few heads of a token), in float32, so that no row's numbers depend on
its neighbours. The torch twins are in `kernels.TorchKernels`. Importing this needs Triton; under `TRITON_INTERPRET=1`
the kernels run on CPU.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

MAX_HIDDEN = 16384
"""Widest row that one program of the norm takes."""

HEADS_PER_PROGRAM = 8

ACTIVATION_CODES = {"silu": 0, "relu": 1, "gelu": 2, "gelu_new": 3, "gelu_fast": 3, "gelu_pytorch_tanh": 3}
"""Numbers that `activate` knows the activations of `kernels.ACTIVATIONS` by."""


@triton.jit
def wait_for_input(OVERLAPS: tl.constexpr):
    """Let the next kernel start, and wait until the one before has written what this one reads.

    With OVERLAPS, kernels are launched before their predecessor ends (CUDA's programmatic dependent launch), so every
    such kernel must call this before it touches anything but weights, which were there long before.
    """
    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()


@triton.jit
def activate(x, ACTIVATION: tl.constexpr):
    """The activation of `ACTIVATION_CODES`, elementwise, in float32."""
    if ACTIVATION == 0:
        result = x * tl.sigmoid(x)
    elif ACTIVATION == 1:
        result = tl.where(x < 0, 0.0, x)
    elif ACTIVATION == 2:
        result = 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    else:
        inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        result = x * tl.sigmoid(2.0 * inner)
    return result


@triton.jit
def add_rms_norm_kernel(
    x_ptr,
    residual_ptr,
    weight_ptr,
    out_ptr,
    HIDDEN: tl.constexpr,
    EPS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [n]; x, residual (written in place) and out [n, HIDDEN], contiguous."""
    offsets = tl.arange(0, BLOCK)
    mask = offsets < HIDDEN
    start = tl.program_id(0).to(tl.int64) * HIDDEN
    weight = tl.load(weight_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
    wait_for_input(OVERLAPS)
    total = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        residual = tl.load(residual_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        # What later layers add to is the rounded sum, so the norm is of that too.
        rounded = (total + residual).to(residual_ptr.dtype.element_ty)
        tl.store(residual_ptr + start + offsets, rounded, mask=mask)
        total = rounded.to(tl.float32)
    scale = tl.rsqrt(tl.sum(total * total, axis=0) / HIDDEN + EPS)
    tl.store(out_ptr + start + offsets, (total * scale * weight).to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def norm_heads_kernel(
    qkv_ptr,
    weight_ptr,
    HEADS: tl.constexpr,
    NUM_NORMED: tl.constexpr,
    DIM: tl.constexpr,
    EPS: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_D: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [n, blocks of heads]; qkv [n, HEADS, DIM], contiguous; weight [NUM_NORMED, DIM]."""
    heads = tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)[:, None]
    dims = tl.arange(0, BLOCK_D)[None, :]
    mask = (heads < NUM_NORMED) & (dims < DIM)
    places = heads * DIM + dims
    start = tl.program_id(0).to(tl.int64) * (HEADS * DIM)
    weight = tl.load(weight_ptr + places, mask=mask, other=0.0).to(tl.float32)
    wait_for_input(OVERLAPS)
    x = tl.load(qkv_ptr + start + places, mask=mask, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x, axis=1) / DIM + EPS)
    tl.store(qkv_ptr + start + places, (x * scale[:, None] * weight).to(qkv_ptr.dtype.element_ty), mask=mask)


@triton.jit
def gated_kernel(
    gate_up_ptr,
    out_ptr,
    WIDTH: tl.constexpr,
    ACTIVATION: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [n, blocks of WIDTH]; gate_up [n, 2 * WIDTH], out [n, WIDTH], contiguous."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < WIDTH
    start = row * (2 * WIDTH)
    wait_for_input(OVERLAPS)
    gate = tl.load(gate_up_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(gate_up_ptr + start + WIDTH + offsets, mask=mask, other=0.0).to(tl.float32)
    result = activate(gate, ACTIVATION) * up
    tl.store(out_ptr + row * WIDTH + offsets, result.to(out_ptr.dtype.element_ty), mask=mask)


def add_rms_norm(
    x: torch.Tensor, residual: torch.Tensor | None, weight: torch.Tensor, eps: float, overlaps: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """`Kernels.add_rms_norm` for contiguous x and residual, [n, hidden], hidden at most `MAX_HIDDEN`."""
    num_rows, hidden = x.shape
    out = torch.empty_like(x)
    if num_rows:
        block = triton.next_power_of_2(hidden)
        add_rms_norm_kernel[(num_rows,)](
            x,
            x if residual is None else residual,
            weight,
            out,
            HIDDEN=hidden,
            EPS=eps,
            HAS_RESIDUAL=residual is not None,
            BLOCK=block,
            OVERLAPS=overlaps,
            num_warps=norm_warps(block),
            **launch_options(overlaps),
        )
    return out, x if residual is None else residual


def can_overlap(device: torch.device) -> bool:
    """Whether kernels may be launched with OVERLAPS: compute capability 9.0 and later."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return False
    return torch.cuda.get_device_capability(device) >= (9, 0)


def launch_options(overlaps: bool) -> dict[str, bool]:
    """Options of a launch that go with OVERLAPS."""
    return {"launch_pdl": True} if overlaps else {}


def norm_warps(block: int) -> int:
    """Warps for a row; whatever the number of rows, because the order of a sum follows from it."""
    return max(1, min(16, block // 512))


def norm_heads(qkv: torch.Tensor, weight: torch.Tensor, eps: float, overlaps: bool = False) -> None:
    """`Kernels.norm_heads` for a contiguous qkv."""
    num_tokens, num_heads, dim = qkv.shape
    num_normed = weight.shape[0]
    block_h = min(HEADS_PER_PROGRAM, triton.next_power_of_2(num_normed))
    if num_tokens:
        norm_heads_kernel[(num_tokens, -(-num_normed // block_h))](
            qkv,
            weight,
            HEADS=num_heads,
            NUM_NORMED=num_normed,
            DIM=dim,
            EPS=eps,
            BLOCK_H=block_h,
            BLOCK_D=triton.next_power_of_2(dim),
            OVERLAPS=overlaps,
            num_warps=4,
            **launch_options(overlaps),
        )


def gated(gate_up: torch.Tensor, activation: str, overlaps: bool = False) -> torch.Tensor:
    """`Kernels.gated` for a contiguous gate_up."""
    num_rows, width = gate_up.shape[0], gate_up.shape[1] // 2
    out = gate_up.new_empty(num_rows, width)
    if num_rows:
        block = min(2048, triton.next_power_of_2(width))
        gated_kernel[(num_rows, -(-width // block))](
            gate_up,
            out,
            WIDTH=width,
            ACTIVATION=ACTIVATION_CODES[activation],
            BLOCK=block,
            OVERLAPS=overlaps,
            num_warps=4,
            **launch_options(overlaps),
        )
    return out
