"""Compiles the product that streams for an H100, which needs no GPU, and prints what it takes of a multiprocessor.

Run by a test in a process without the interpreter.
"""

import json

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from server.models.triton_layers import ACTIVATION_CODES
from server.models.triton_stream import StreamConfig, stream_kernel

CONFIG = StreamConfig(64, 32, 64, 132, 4, 4, overlaps=True)
SHORTEST = CONFIG.block_k + 8
"""Columns of the narrowest matrix that is not refused."""

POINTERS = {"partial_ptr": "*fp32", "arrivals_ptr": "*i32"}


def compiled(num_in: int, activation: int, has_bias: bool) -> CompiledKernel:
    """The kernel for bfloat16 matrices with so many columns."""
    names, config = stream_kernel.arg_names, CONFIG
    constants = {
        "K": num_in,
        "HAS_BIAS": has_bias,
        "ACTIVATION": activation,
        "BLOCK_N": config.block_n,
        "BLOCK_R": config.block_r,
        "BLOCK_K": config.block_k,
        "STAGES": config.num_stages,
        "OVERLAPS": config.overlaps,
    }
    signature = {name: POINTERS.get(name, "*bf16") if name.endswith("_ptr") else "i32" for name in names}
    signature |= dict.fromkeys(constants, "constexpr")
    signature["x_tiles"] = f"tensordesc<bf16[{config.block_r}, {config.block_k}]>"
    signature["w_tiles"] = f"tensordesc<bf16[{config.block_n}, {config.block_k}]>"
    values = {(names.index(name),): value for name, value in constants.items()}
    aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in names if name.endswith("_ptr")}
    return triton.compile(
        ASTSource(stream_kernel, signature, values, aligned),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": config.num_warps, "launch_pdl": True},
    )


def main() -> None:
    for activation in (-1, ACTIVATION_CODES["silu"]):
        compiled(SHORTEST, activation, has_bias=True)
    kernel = compiled(4096, -1, has_bias=False)
    print(
        json.dumps(
            {
                "shared_bytes": kernel.metadata.shared,
                "stage_bytes": 2 * (CONFIG.block_n + CONFIG.block_r) * CONFIG.block_k,
                "num_stages": CONFIG.num_stages,
                "has_matrix_instructions": "wgmma.mma_async" in kernel.asm["ptx"],
            }
        )
    )


if __name__ == "__main__":
    main()
