"""What the compiled loops of both packages share: decorators, and what numba has no word for."""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "KERNEL",
    "LINE",
    "inlined",
    "inner",
    "kernel",
    "local",
    "lowest_bit",
    "multiply_add",
    "part",
]

LINE = 64  # bytes of a line of the cache

# What Python calls. Nobody asks for its address: without a wrapper in C it compiles sooner.
KERNEL: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}
kernel = njit(**KERNEL)

# A part of a kernel that is put into it before it is compiled: what one place calls is compiled
# once. It follows the kernel's rules of arithmetic; ``multiply_add`` relaxes them.
part = njit(inline="always")

# What several places call, by rules of its own: compiled by itself, then optimised again in each.
# It needs no way in from Python; compiling one would take as long again.
INNER: dict[str, Any] = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
inner = njit(**INNER)
inlined = njit(**INNER, forceinline=True)  # called in one place, or small


@intrinsic(prefer_literal=True)
def local(context: Any, count: Any, dtype: Any) -> Any:
    """Point at ``count`` numbers, a constant, on the stack: for this call of the kernel.

    They begin at a line of the cache: lanes that lie across two take twice as long.
    ``np.empty`` takes ten times as long to compile, and a single small image longer to describe.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number = context.get_data_type(dtype.dtype)
        place = cgutils.alloca_once(builder, number, count.literal_value)
        place.align = LINE
        return place

    return types.CPointer(dtype.dtype)(count, dtype), generate


@intrinsic
def lowest_bit(context: Any, bits: Any) -> Any:
    """Give the place of the lowest bit that is set, of which there must be one."""
    return types.uint64(types.uint64), lambda c, b, s, v: b.cttz(v[0], ir.IntType(1)(1))


@intrinsic
def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
    """Give ``a * b + c`` of numbers or vectors, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, b, c = values
        return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    return a(a, a, a), generate
