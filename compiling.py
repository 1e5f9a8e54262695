"""What the compiled loops of both packages share: decorators of inner functions, and a prefetch."""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["contracted", "inlined", "inner", "prefetch", "reassociated"]

# What only kernels call needs no way in from Python; compiling one would take as long again.
INNER: dict[str, Any] = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
inner = njit(**INNER)
inlined = njit(**INNER, forceinline=True)  # called in one place, or small
contracted = njit(**INNER, fastmath={"contract"})  # products and sums may be rounded once
reassociated = njit(**INNER, fastmath={"contract", "reassoc"})  # sums in an order of LLVM's, fixed


@intrinsic
def prefetch(context: Any, array: Any, place: Any) -> Any:
    """Ask for the cache line of a number of an array, which need not exist, and do not wait.

    ``place`` counts numbers from the beginning of the array, which is C-contiguous.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        address = builder.bitcast(builder.gep(data, [values[1]]), byte)
        for_reading, keep, data_not_code = (ir.Constant(number, k) for k in (0, 3, 1))
        builder.call(ask, [address, for_reading, keep, data_not_code])
        return context.get_dummy_value()

    return types.void(array, types.uintp), generate
