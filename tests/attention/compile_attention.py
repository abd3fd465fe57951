"""Takes the attention kernels through Triton's front end for an H100, which needs no GPU, and decode to the end.

Run by a test in a process without the interpreter. The later stages take long and refuse little, so only decode goes
through them. Prints for each how much of a multiprocessor's memory it takes, which tells how far loads run ahead.
"""

import json
from typing import Any

import triton
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
KV_HEADS, HEADS_PER_KV, PAGE_SIZE = 8, 4, 16
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


def page_facts(name: str) -> dict[str, Any]:
    pages = {"NUM_GROUPS": 32, "MAX_PAGES": 512, "PAGE_SIZE": PAGE_SIZE, "SLOTS": KV_HEADS, "HEAD_DIM": HEAD_DIM}
    return {**pages, "FORMAT": FORMAT_CODES[name]}


def attend_facts(name: str, block_n: int) -> dict[str, Any]:
    fmt = KV_FORMATS[name]
    return {
        **page_facts(name),
        "LOG2_SCALE": 0.1275,
        "HEADS_PER_KV": HEADS_PER_KV,
        "WIDTH": HEAD_DIM // fmt.values_per_element,
        "COMPUTE": tl.float16 if fmt.is_quantized else tl.bfloat16,
        "BLOCK_N": block_n,
    }


def finish_decode(name: str, is_even: bool, overlaps: bool) -> int:
    """Compile the decode kernel as for few rows; bytes of shared memory that it takes."""
    constants = {
        **attend_facts(name, 128),
        "KV_HEADS": KV_HEADS,
        "PADDED_HEADS": KV_HEADS,
        "BLOCK_M": 16,
        "FLAT": HEADS_PER_KV * HEAD_DIM,
        "MERGED": 4,
        "EVEN": is_even,
        "OVERLAPS": overlaps,
    }
    names = decode_kernel.arg_names
    known = {**TYPES, **dict.fromkeys(("k_ptr", "v_ptr"), STORED[name]), **dict.fromkeys(constants, "constexpr")}
    signature = {name: known.get(name, "*i32" if name.endswith("_ptr") else "i32") for name in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    unaligned = {f"{name}_ptr" for name in ("rows", "kv_lens", "query_starts", "counts")}
    aligned = {name for name in names if name.endswith(("_ptr", "_stride"))} - unaligned
    kernel = triton.compile(
        ASTSource(decode_kernel, signature, values, {(names.index(n),): [["tt.divisibility", 16]] for n in aligned}),
        target=HOPPER,
        options={"num_warps": 4, "num_stages": 5, "launch_pdl": overlaps},
    )
    return int(kernel.metadata.shared)


def compile_format(name: str) -> None:
    fmt = KV_FORMATS[name]
    pages, attend = page_facts(name), attend_facts(name, 64)
    width = attend["WIDTH"]
    stored = dict.fromkeys(("k_ptr", "v_ptr"), STORED[name])
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
    # As on Hopper and before it; heads that share their programs evenly are what they always were.
    unequal = {f"{name}, unequal": finish_decode(name, False, True) for name in STORED}
    equal = {f"{name}, equal": finish_decode(name, True, overlaps=name != "bfloat16") for name in ("bfloat16", "int4")}
    print(json.dumps(unequal | equal | {"bfloat16, unequal, waiting": finish_decode("bfloat16", False, False)}))


if __name__ == "__main__":
    main()
