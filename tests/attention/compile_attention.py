"""Takes the attention kernels through Triton's front end for an H100, which needs no GPU.

Run by a test in a process without the interpreter. The later stages take long and refuse little.
"""

from typing import Any

import triton.language as tl
from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler.compiler import make_backend

from server.attention.triton_decode import decode_kernel
from server.attention.triton_dense import gather_kernel, merge_kernel
from server.attention.triton_prefill import prefill_kernel
from server.attention.triton_tiles import FORMAT_CODES
from server.attention.triton_write import write_kernel
from server.kv.formats import KV_FORMATS

HOPPER = GPUTarget("cuda", 90, 32)
BACKEND = make_backend(HOPPER)
HEAD_DIM = 128
POINTERS = {
    "*fp32": ["table_ptr", "partial_ptr", "lse_ptr", "other_lse_ptr"],
    "*i64": ["rows_ptr", "positions_ptr", "token_rows_ptr"],
    "*bf16": ["q_ptr", "out_ptr", "k_out_ptr", "v_out_ptr", "other_ptr"],
}
TYPES = {name: pointer for pointer, names in POINTERS.items() for name in names}
STORED = {"bfloat16": "*bf16", "fp8": "*fp8e4nv", "int8": "*u8", "int4": "*u8"}


def compile_kernel(kernel: Any, types: dict[str, str], **constants: Any) -> None:
    known = {**TYPES, **types, **dict.fromkeys(constants, "constexpr")}
    signature = {name: known.get(name, "*i32" if name.endswith("_ptr") else "i32") for name in kernel.arg_names}
    values = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    options = BACKEND.parse_options({"num_warps": 4})
    context = ir.context()
    ir.load_dialects(context)
    BACKEND.load_dialects(context)
    generators, modules = BACKEND.get_codegen_implementation(options), BACKEND.get_module_map()
    ASTSource(kernel, signature, values).make_ir(HOPPER, options, generators, modules, context)


def compile_format(name: str) -> None:
    fmt = KV_FORMATS[name]
    pages = {"NUM_GROUPS": 32, "MAX_PAGES": 512, "PAGE_SIZE": 16, "SLOTS": 8, "HEAD_DIM": HEAD_DIM}
    pages["FORMAT"] = FORMAT_CODES[name]
    width = HEAD_DIM // fmt.values_per_element
    attend = {
        **pages,
        "LOG2_SCALE": 0.1275,
        "HEADS_PER_KV": 4,
        "WIDTH": width,
        "COMPUTE": tl.float16 if fmt.is_quantized else tl.bfloat16,
        "BLOCK_N": 64,
    }
    stored = dict.fromkeys(("k_ptr", "v_ptr"), STORED[name])
    compile_kernel(decode_kernel, stored, **attend, KV_HEADS=8, BLOCK_M=16, FLAT=4 * HEAD_DIM, MERGED=4, OVERLAPS=True)
    for is_invariant in (False, True):
        compile_kernel(
            prefill_kernel,
            stored,
            **attend,
            NUM_HEADS=32,
            PACKED=4,
            BLOCK_M=64,
            ALWAYS_MASKED=is_invariant,
            MAX_ROWS=256,
        )
    compile_kernel(gather_kernel, stored, **pages, WIDTH=width, BLOCK_N=64)
    written = dict.fromkeys(("k_pages_ptr", "v_pages_ptr"), STORED[name])
    for is_rotated in (False, True):
        compile_kernel(
            write_kernel,
            {
                **written,
                **dict.fromkeys(("k_params_ptr", "v_params_ptr"), "*fp16"),
                **dict.fromkeys(("k_ptr", "v_ptr"), "*bf16"),
            },
            **pages,
            NUM_HEADS=32,
            KV_HEADS=8,
            HALF_WIDTH=HEAD_DIM // 2,
            LEVELS=fmt.levels,
            ROTATED=is_rotated,
            BY_TOKEN=False,
            QUERY_BLOCKS=int(is_rotated),
            QUERY_BLOCK=32,
            KV_BLOCK=8,
            OVERLAPS=is_rotated,
        )


def main() -> None:
    for name in STORED:
        compile_format(name)
    compile_kernel(merge_kernel, {}, HEAD_DIM=HEAD_DIM, HEADS=32, WIDTH=HEAD_DIM)


if __name__ == "__main__":
    main()
