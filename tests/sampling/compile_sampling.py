"""Takes the sampling kernels through Triton's front end for an H100, which needs no GPU.

Run by a test in a process without the interpreter. The later stages take long and refuse little.
"""

from typing import Any

from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler.compiler import make_backend

from server.engine import triton_sampling_kernels as kernels
from server.engine.row_parameters import NUM_FIELDS
from server.engine.triton_sampling import BLOCK_GROUPS, CAPACITY, NUM_WARPS, Sizes

HOPPER = GPUTarget("cuda", 90, 32)
BACKEND = make_backend(HOPPER)
POINTERS = {
    "*fp32": ["best", "found_values", "lists_z", "maxima"],
    "*i1": ["is_bad"],
    "*i32": ["counters", "found_groups", "group_lists", "lists_ids"],
    "*i64": ["chosen", "generated", "index", "masses", "table", "token_ids"],
}
TYPES = {name: pointer for pointer, names in POINTERS.items() for name in names}


def compile_kernel(kernel: Any, dtype: str, num_warps: int, **constants: int) -> None:
    types = {**TYPES, **dict.fromkeys(constants, "constexpr"), "logits": f"*{dtype}"}
    signature = {name: types.get(name, "i32") for name in kernel.arg_names}
    values = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    options = BACKEND.parse_options({"num_warps": num_warps})
    context = ir.context()
    ir.load_dialects(context)
    BACKEND.load_dialects(context)
    generators, modules = BACKEND.get_codegen_implementation(options), BACKEND.get_module_map()
    ASTSource(kernel, signature, values).make_ir(HOPPER, options, generators, modules, context)


def main() -> None:
    sizes = Sizes.of(128_256)
    for dtype in ("bf16", "fp32"):
        compile_kernel(kernels.best_kernel, dtype, 4, NUM_BLOCKS=sizes.num_blocks_padded, BLOCK_GROUPS=BLOCK_GROUPS)
        compile_kernel(kernels.mass_kernel, dtype, 4, NUM_FIELDS=NUM_FIELDS)
    compile_kernel(
        kernels.draw_kernel,
        "bf16",
        NUM_WARPS,
        NUM_TILES=sizes.num_tiles_padded,
        NUM_GROUPS=sizes.num_groups_padded,
        CAPACITY=CAPACITY,
        NUM_FIELDS=NUM_FIELDS,
    )


if __name__ == "__main__":
    main()
