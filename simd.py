"""Vectors of whole numbers for compiled loops: the only hand-made machine code of the package.

What they are. A processor computes with LANES numbers at once. LLVM finds that by itself in most
plain loops, so a plain loop is the first thing to try. It does not find the instruction that
multiplies whole numbers of 16 bits by twos, and it does not keep a tile of sums in registers. The
search for the nearest word needs both, and gains 2 to 3 times. Nothing else uses this module.

How they are used. The functions below work inside compiled functions only. An ``array`` is a
C-contiguous array, a ``place`` counts its numbers from the first one on, whatever its shape:
``load(array, 32)`` gives the numbers 32 to 32 + LANES - 1. A ``tile`` is TALL vectors, one for each
row of a product. The caller answers for the places, which are only checked where numba checks
those of arrays, under ``NUMBA_BOUNDSCHECK=1``.

How they are tested. ``tests/test_simd.py`` compares every function with NumPy, on this processor
and, by numba's variables ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES``, as on processors with fewer
instructions. All of them give the same numbers.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import binding, ir
from numba import config, types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "LANES",
    "TALL",
    "add_pair_products",
    "flags_below",
    "larger",
    "load",
    "load_pairs",
    "lowest_bit",
    "smaller",
    "spread",
    "store_tile",
    "tile_of",
]

# Numba gives these to an intrinsic: its target, its types of the arguments, LLVM's builder and
# values. It has no public names for the first two.
Context: TypeAlias = Any
Type: TypeAlias = Any
Builder: TypeAlias = ir.IRBuilder
Value: TypeAlias = ir.Value
Generator = Callable[[Context, Builder, Type, list[Value]], Value]
Intrinsic = tuple[Any, Generator]


def _instructions() -> set[str]:
    """Return the names of the instruction sets that numba compiles for."""
    if config.CPU_FEATURES is not None:
        return {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    if config.CPU_NAME == "generic" or not config.ENABLE_AVX:
        return set()
    return {name for name, there in binding.get_host_cpu_features().items() if there}


_AVAILABLE = _instructions()
# The one test of the processor: numbers of a vector, and the instruction that multiplies pairs.
if "avx512bw" in _AVAILABLE:
    LANES, PAIRWISE = 16, "llvm.x86.avx512.pmaddw.d.512"
else:
    LANES, PAIRWISE = 8, "llvm.x86.avx2.pmadd.wd" if "avx2" in _AVAILABLE else ""
TALL = 8  # Vectors of a tile: as many sums as keep the processor busy and fit in its registers.

INT, SHORT, BIT = ir.IntType(32), ir.IntType(16), ir.IntType(1)
INTS, SHORTS = ir.VectorType(INT, LANES), ir.VectorType(SHORT, 2 * LANES)


class Lanes(types.Type):
    """Numba's type of a vector or tile; ``llvm`` is LLVM's."""

    def __init__(self, name: str, llvm: ir.Type) -> None:
        self.llvm = llvm
        super().__init__(name=name)


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """Numba hands vectors on as LLVM's values."""

    def __init__(self, manager: Context, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.llvm)


integers = Lanes("integers", INTS)  # LANES int32
pairs = Lanes("pairs", SHORTS)  # LANES pairs of int16
tile = Lanes("tile", ir.ArrayType(INTS, TALL))


def _is_array(array: Type, dtype: Type) -> bool:
    return isinstance(array, types.Array) and array.layout == "C" and array.dtype == dtype


def _address(
    context: Context, builder: Builder, kind: Type, array: Value, place: Value, vector: ir.Type
) -> Value:
    """Point at the vector that begins at a place of an array of ``kind``."""
    made = context.make_array(kind)(context, builder, array)
    if config.BOUNDSCHECK:
        n = vector.count if isinstance(vector, ir.VectorType) else 1
        n = n if vector != INT or kind.dtype != types.int16 else 2
        before = builder.icmp_signed("<", place, place.type(0))
        beyond = builder.icmp_signed(">", builder.add(place, place.type(n)), made.nitems)
        with builder.if_then(builder.or_(before, beyond), likely=False):
            context.call_conv.return_user_exc(builder, IndexError, ("vector out of bounds",))
    return builder.bitcast(builder.gep(made.data, [place]), vector.as_pointer())


def _spread(builder: Builder, number: Value) -> Value:
    first = builder.insert_element(INTS(ir.Undefined), number, INT(0))
    return builder.shuffle_vector(first, first, INTS(None))


def _by_row(builder: Builder, function: Callable[..., Value], *tiles: Value) -> Value:
    """Apply a function to the vectors of tiles, row by row."""
    result = tile.llvm(ir.Undefined)
    for row in range(TALL):
        vectors = [builder.extract_value(one, row) for one in tiles]
        result = builder.insert_value(result, function(row, *vectors), row)
    return result


@intrinsic
def spread(context: Context, number: Type) -> Intrinsic:
    """Return a vector of one int32 number, LANES times."""
    return integers(types.int32), lambda c, builder, s, values: _spread(builder, values[0])


@intrinsic
def load(context: Context, array: Type, place: Type) -> Intrinsic | None:
    """Return the vector of the LANES numbers of an int32 array that begin at ``place``."""
    if not _is_array(array, types.int32):
        return None

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        return builder.load(_address(context, builder, array, values[0], values[1], INTS), align=4)

    return integers(array, types.intp), generate


@intrinsic
def load_pairs(context: Context, array: Type, place: Type) -> Intrinsic | None:
    """Return LANES pairs of numbers of an int16 array that begin at ``place``."""
    if not _is_array(array, types.int16):
        return None

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        return builder.load(
            _address(context, builder, array, values[0], values[1], SHORTS), align=2
        )

    return pairs(array, types.intp), generate


@intrinsic
def flags_below(context: Context, array: Type, place: Type, limit: Type) -> Intrinsic | None:
    """Return a number of which bit i says whether ``array[place + i] < limit``, for LANES bits."""
    if not _is_array(array, types.int32):
        return None

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        vector = builder.load(
            _address(context, builder, array, values[0], values[1], INTS), align=4
        )
        below = builder.icmp_signed("<", vector, _spread(builder, values[2]))
        return builder.zext(builder.bitcast(below, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(array, types.intp, types.int32), generate


@intrinsic
def lowest_bit(context: Context, bits: Type) -> Intrinsic:
    """Return the place of the lowest bit that is set; there must be one."""
    return types.int64(types.uint64), lambda c, builder, s, values: builder.cttz(values[0], BIT(1))


@intrinsic
def tile_of(context: Context, vector: Type) -> Intrinsic:
    """Return the tile whose rows are all one vector."""

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        return _by_row(builder, lambda row: values[0])

    return tile(integers), generate


def _chosen(sign: str) -> Intrinsic:
    """Return type and code of ``a if a < b else b``, or the like, for every number of tiles."""

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        def choose(row: int, a: Value, b: Value) -> Value:
            return builder.select(builder.icmp_signed(sign, a, b), a, b)

        return _by_row(builder, choose, *values)

    return tile(tile, tile), generate


@intrinsic
def smaller(context: Context, a: Type, b: Type) -> Intrinsic:
    """Return the smaller number of two tiles at every place."""
    return _chosen("<")


@intrinsic
def larger(context: Context, a: Type, b: Type) -> Intrinsic:
    """Return the larger number of two tiles at every place."""
    return _chosen(">")


@intrinsic
def store_tile(
    context: Context, sums: Type, array: Type, place: Type, stride: Type
) -> Intrinsic | None:
    """Store row r of a tile from ``place + r * stride`` on into an int32 array."""
    if not _is_array(array, types.int32):
        return None

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        sums, to, place, stride = values
        for row in range(TALL):
            at = _address(context, builder, array, to, place, INTS)
            builder.store(builder.extract_value(sums, row), at, align=4)
            place = builder.add(place, stride)
        return context.get_dummy_value()

    return types.void(tile, array, types.intp, types.intp), generate


@intrinsic
def add_pair_products(
    context: Context, sums: Type, rows: Type, place: Type, stride: Type, columns: Type
) -> Intrinsic | None:
    """Return the tile ``sums`` plus the products of a pair of numbers of each row and of columns.

    To lane i of row r ``rows[p] * columns[2 i] + rows[p + 1] * columns[2 i + 1]`` is added, where
    ``p = place + r * stride``. ``rows`` is an int16 array.
    """
    if not _is_array(rows, types.int16):
        return None

    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        sums, numbers, place, stride, columns = values

        def grown(row: int, vector: Value) -> Value:
            nonlocal place
            pair = builder.load(_address(context, builder, rows, numbers, place, INT), align=2)
            place = builder.add(place, stride)
            both = builder.bitcast(_spread(builder, pair), SHORTS)
            return builder.add(vector, _pair_products(builder, both, columns))

        return _by_row(builder, grown, sums)

    return tile(tile, rows, types.intp, types.intp, pairs), generate


def _pair_products(builder: Builder, a: Value, b: Value) -> Value:
    """Multiply two vectors of int16 and add the two products of every pair."""
    if PAIRWISE:
        kind = ir.FunctionType(INTS, [SHORTS, SHORTS])
        return builder.call(builder.module.declare_intrinsic(PAIRWISE, (), kind), [a, b])
    products = []
    for first in (0, 1):
        order = INTS([2 * lane + first for lane in range(LANES)])
        x, y = (builder.sext(builder.shuffle_vector(v, v, order), INTS) for v in (a, b))
        products.append(builder.mul(x, y))
    return builder.add(*products)
