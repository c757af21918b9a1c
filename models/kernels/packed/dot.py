"""Products of four bytes in each lane: one instruction where the processor has it.

VPDPBUSD of AVX-512 VNNI (Intel, "Software Developer's Manual", volume 2) multiplies unsigned with
signed bytes; elsewhere, shifts and multiplications give the same.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from models.compiled import compiled
from models.kernels.packed.lanes import I32, LANES, llvm, shuffled, splat

BYTE = np.int32(255)
VPDPBUSD = "llvm.x86.avx512.vpdpbusd.512"


@compiled()
def portable_dot(total, weights, x):  # type: ignore[no-untyped-def]
    """`dot` from shifts and multiplications."""
    for at in range(4):
        weight = weights >> splat(np.int32(8 * at)) & splat(BYTE)
        total = total + weight * splat(np.int32(np.int8(x >> 8 * at)))
    return total


@intrinsic
def dot(typing_context, total, weights, x):  # type: ignore[no-untyped-def]
    """`total`, and in each lane the four unsigned bytes of `weights` times the signed ones of `x`.

    total, weights  i32 lanes
    x               int32, the same four bytes for every lane
    return          i32 lanes; sums wrap
    """

    def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
        features = context.codegen().magic_tuple()[2].split(",")
        if "+avx512vnni" not in features:
            return context.compile_internal(builder, portable_dot.py_func, signature, args)
        total, weights, x = args
        vector = llvm(I32)
        kind = ir.FunctionType(vector, [vector] * 3)
        multiply = cgutils.get_or_insert_function(builder.module, kind, VPDPBUSD)
        none = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(none, x, ir.Constant(ir.IntType(32), 0))
        return builder.call(multiply, [total, weights, shuffled(builder, first, [0] * LANES)])

    return I32(I32, I32, types.int32), build
