"""The innermost steps of tall products, on a tile of sums that stays in registers.

A tile is ``TALL x WIDE`` vectors. A processor with 16 vector registers (AVX2) holds the tile's ten
sums besides their factors; a step loads seven vectors for ten multiplications, so that arithmetic
is what limits it. LLVM makes no such code of loops over numbers: it is told the vectors here, as
wide as the processor's registers.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

__all__ = [
    "TALL",
    "VECTOR_BYTES",
    "WIDE",
    "add_inner",
    "add_outer",
    "add_tile",
    "add_totals",
    "empty_tile",
]

TALL, WIDE = 2, 5
VECTOR_BYTES = 64 if "+avx512f" in get_host_cpu_features() else 32
INDEX = ir.IntType(32)


class Tile(types.Type):
    """Numba's type of ``TALL x WIDE`` vectors of a dtype."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Tile({dtype})")


def _vector(dtype: Any) -> Any:
    number = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
    return ir.VectorType(number, 8 * VECTOR_BYTES // dtype.bitwidth)


@register_model(Tile)
class TileModel(models.PrimitiveModel):
    """A tile is an array of vectors, which LLVM takes apart."""

    def __init__(self, manager: Any, tile: Any) -> None:
        super().__init__(manager, tile, ir.ArrayType(_vector(tile.dtype), TALL * WIDE))


class _Steps:
    """What the intrinsics have in common: vectors of an array, by the place of their first number.

    Arrays are C-contiguous; places count numbers from an array's beginning, whatever its shape.
    """

    def __init__(self, context: Any, builder: Any, array: Any) -> None:
        self.context, self.builder, self.dtype = context, builder, array.dtype
        self.vector = _vector(array.dtype)

    def pointer(self, array_type: Any, array: Any, place: Any) -> Any:
        data = self.context.make_array(array_type)(self.context, self.builder, array).data
        return self.builder.gep(data, [place])

    def load(self, pointer: Any) -> Any:
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        return self.builder.load(pointer, align=self.dtype.bitwidth // 8)

    def store(self, value: Any, pointer: Any) -> None:
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        self.builder.store(value, pointer, align=self.dtype.bitwidth // 8)

    def load_part(self, pointer: Any, first: int, count: Any) -> Any:
        """Numbers whose place in a row of vectors, from ``first`` on, is below count; else 0."""
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        lanes = ir.VectorType(INDEX, self.vector.count)
        places = ir.Constant(lanes, list(range(first, first + self.vector.count)))
        count = self.spread(self.builder.trunc(count, INDEX), lanes)
        mask = self.builder.icmp_unsigned("<", places, count)
        name = f"llvm.masked.load.v{self.vector.count}f{self.dtype.bitwidth}.p0"
        arguments = [pointer.type, INDEX, mask.type, self.vector]
        load = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.vector, arguments), name
        )
        zeros = ir.Constant(self.vector, [0.0] * self.vector.count)
        align = ir.Constant(INDEX, self.dtype.bitwidth // 8)
        return self.builder.call(load, [pointer, align, mask, zeros])

    def spread(self, number: Any, vector: Any) -> Any:
        empty = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(empty, number, ir.Constant(INDEX, 0))
        zeros = ir.Constant(ir.VectorType(INDEX, vector.count), [0] * vector.count)
        return self.builder.shuffle_vector(first, empty, zeros)

    def add_products(self, tile: Any, tall: list[Any], wide: list[Any]) -> Any:
        """``tile[t, w] += tall[t] * wide[w]``, rounded once where the processor can."""
        for t in range(TALL):
            for w in range(WIDE):
                place = t * WIDE + w
                product = self.builder.fmul(tall[t], wide[w], flags=("contract",))
                total = self.builder.extract_value(tile, place)
                total = self.builder.fadd(total, product, flags=("contract",))
                tile = self.builder.insert_value(tile, total, place)
        return tile

    def total(self, vector: Any) -> Any:
        """Sum of a vector's numbers: of its halves first."""
        count = vector.type.count
        while count > 1:
            count //= 2
            halves = [
                self.builder.shuffle_vector(
                    vector,
                    vector,
                    ir.Constant(ir.VectorType(INDEX, count), list(range(start, start + count))),
                )
                for start in (0, count)
            ]
            vector = self.builder.fadd(*halves)
        return self.builder.extract_element(vector, ir.Constant(INDEX, 0))


@intrinsic
def empty_tile(context: Any, array: Any) -> Any:
    """Make a tile of zeros, of the dtype of an array."""
    tile = Tile(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return ir.Constant(context.get_value_type(tile), None)

    return tile(array), generate


@intrinsic
def add_inner(
    context: Any, tile: Any, X: Any, first: Any, second: Any, W: Any, place: Any, count: Any
) -> Any:
    """Add the products of TALL vectors of X with WIDE consecutive vectors of W.

    Of the vectors of X the first ``count`` numbers count; give None if these are all.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        steps = _Steps(context, builder, X)
        rows = [steps.pointer(X, values[1], values[k]) for k in (2, 3)]
        if isinstance(count, types.NoneType):
            tall = [steps.load(row) for row in rows]
        else:
            tall = [steps.load_part(row, 0, values[6]) for row in rows]
        lanes = steps.vector.count
        start = steps.pointer(W, values[4], values[5])
        wide = [
            steps.load(builder.gep(start, [ir.Constant(INDEX, w * lanes)])) for w in range(WIDE)
        ]
        return steps.add_products(values[0], tall, wide)

    return tile(tile, X, types.uintp, types.uintp, W, types.uintp, count), generate


@intrinsic
def add_outer(
    context: Any, tile: Any, X: Any, place: Any, count: Any, S: Any, factor: Any, stride: Any
) -> Any:
    """Add the products of TALL consecutive vectors of X with WIDE numbers of S.

    Of the vectors of X the first ``count`` numbers count; give None if these are all. Those of S
    are ``stride`` apart.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        steps = _Steps(context, builder, X)
        start = steps.pointer(X, values[1], values[2])
        lanes = [t * steps.vector.count for t in range(TALL)]
        vectors = [builder.gep(start, [ir.Constant(INDEX, lane)]) for lane in lanes]
        if isinstance(count, types.NoneType):
            tall = [steps.load(vector) for vector in vectors]
        else:
            tall = [steps.load_part(*of, values[3]) for of in zip(vectors, lanes, strict=True)]
        wide = []
        pointer = steps.pointer(S, values[4], values[5])
        for _ in range(WIDE):
            wide.append(steps.spread(builder.load(pointer), steps.vector))
            pointer = builder.gep(pointer, [values[6]])
        return steps.add_products(values[0], tall, wide)

    u = types.uintp
    return tile(tile, X, u, count, S, u, u), generate


@intrinsic
def add_totals(context: Any, tile: Any, out: Any, place: Any, stride: Any) -> Any:
    """Add the total of each vector to ``out[place + t + w * stride]``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        steps = _Steps(context, builder, out)
        start = steps.pointer(out, values[1], values[2])
        for w in range(WIDE):
            for t in range(TALL):
                pointer = builder.gep(start, [ir.Constant(INDEX, t)])
                total = steps.total(builder.extract_value(values[0], t * WIDE + w))
                builder.store(builder.fadd(builder.load(pointer), total), pointer)
            start = builder.gep(start, [values[3]])
        return context.get_dummy_value()

    return types.void(tile, out, types.uintp, types.uintp), generate


@intrinsic
def add_tile(context: Any, tile: Any, out: Any, place: Any, stride: Any) -> Any:
    """Add the tile to ``out``: TALL consecutive vectors, at WIDE places ``stride`` apart."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        steps = _Steps(context, builder, out)
        start = steps.pointer(out, values[1], values[2])
        for w in range(WIDE):
            for t in range(TALL):
                pointer = builder.gep(start, [ir.Constant(INDEX, t * steps.vector.count)])
                total = builder.extract_value(values[0], t * WIDE + w)
                steps.store(builder.fadd(steps.load(pointer), total), pointer)
            start = builder.gep(start, [values[3]])
        return context.get_dummy_value()

    return types.void(tile, out, types.uintp, types.uintp), generate
