"""Vectors for compiled loops: LANES numbers that are loaded, computed with and stored together.

LLVM turns plain loops into vector instructions, but only long loops over consecutive numbers, and
it cannot keep several running totals of them in registers. Where that is what a loop needs, it is
written with these. In compiled code ``+ - * /``, ``<``, ``>`` and ``==`` work on them lane by lane;
the functions are below.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.cgutils import get_or_insert_function
from numba.core.codegen import get_host_cpu_features
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

__all__ = [
    "LANES",
    "as_floats",
    "bits_of",
    "copy",
    "everywhere",
    "flags_of",
    "floats_of",
    "floor",
    "integers_of",
    "keep",
    "lane_of",
    "least",
    "load",
    "load_integers",
    "magnitude",
    "moved",
    "pointer",
    "smallest",
    "split_colours",
    "square_root",
    "store",
    "store_first",
    "store_short",
    "total",
    "where",
]


def _features_of_processor() -> str:
    """What numba compiles for: the processor's features, if nothing else is asked for."""
    if config.CPU_FEATURES is not None or config.CPU_NAME == "generic":
        return config.CPU_FEATURES or ""
    return get_host_cpu_features()


# As many float32 numbers as the longest registers hold, or two of a length that all have.
LANES = 16 if "+avx512f" in _features_of_processor() else 8

INT, FLOAT, BIT = ir.IntType(32), ir.FloatType(), ir.IntType(1)


class Lanes(types.Type):
    """Type of LANES numbers of one kind, in compiled code."""

    def __init__(self, kind: ir.Type) -> None:
        self.vector = ir.VectorType(kind, LANES)
        super().__init__(name=f"Lanes({kind})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """In memory and in registers, lanes are a vector of LLVM's."""

    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.vector)


floats, integers, mask = Lanes(FLOAT), Lanes(INT), Lanes(BIT)


def _define(name: Callable[..., Any], kind: Lanes, result: Lanes, build: Any) -> None:
    """Let an operator of Python work on two vectors of a kind."""

    @infer_global(name)
    class Template(ConcreteTemplate):
        cases = [signature(result, kind, kind)]  # noqa: RUF012 - as numba has it

    @lower_builtin(name, kind, kind)
    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return build(builder, *values)


for _operator, _name in ((operator.add, "add"), (operator.sub, "sub"), (operator.mul, "mul")):
    _define(_operator, floats, floats, lambda b, x, y, f=f"f{_name}": getattr(b, f)(x, y))
    _define(_operator, integers, integers, lambda b, x, y, f=_name: getattr(b, f)(x, y))
_define(operator.truediv, floats, floats, lambda b, x, y: b.fdiv(x, y))
for _operator, _name in ((operator.lt, "<"), (operator.gt, ">"), (operator.eq, "==")):
    _define(_operator, floats, mask, lambda b, x, y, f=_name: b.fcmp_ordered(f, x, y))
    _define(_operator, integers, mask, lambda b, x, y, f=_name: b.icmp_signed(f, x, y))
_define(operator.xor, mask, mask, lambda b, x, y: b.xor(x, y))
_define(operator.or_, mask, mask, lambda b, x, y: b.or_(x, y))
_define(operator.and_, mask, mask, lambda b, x, y: b.and_(x, y))


def _place(builder: Any, values: Any, vector: ir.Type) -> Any:
    """Point at the vector that begins at number ``values[1]`` from the pointer ``values[0]``."""
    return builder.bitcast(builder.gep(values[0], [values[1]]), vector.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    """Make a vector of one number."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(INT, 0))
    return builder.shuffle_vector(first, empty, _order([0] * LANES))


def _order(places: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(INT, len(places)), places)


def _by_llvm(name: str) -> tuple[Any, Any]:
    """Give type and code of a function of one vector that LLVM knows."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(floats.vector, [floats.vector])
        name_of_kind = f"llvm.{name}.v{LANES}f32"
        return builder.call(get_or_insert_function(builder.module, kind, name_of_kind), values)

    return floats(floats), generate


@intrinsic
def pointer(context: Any, array: Any) -> Any:
    """Point at the first number of a C-contiguous array.

    Pointers are what the functions below take: of an array numba counts the references, in every
    function that it is given to, and does so for all processors, which costs more than the work on
    a row of pixels. The array must live as long: see :func:`keep`.
    """
    if array.layout != "C":
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def as_floats(context: Any, place: Any) -> Any:
    """Point at the same memory as float32."""
    kind = types.CPointer(types.float32)
    return kind(place), lambda context, builder, signature, values: builder.bitcast(
        values[0], context.get_value_type(kind)
    )


@intrinsic
def moved(context: Any, place: Any, count: Any) -> Any:
    """Point ``count`` numbers on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.gep(values[0], [values[1]])

    return place(place, types.intp), generate


@intrinsic
def keep(context: Any, array: Any) -> Any:
    """Use an array, which numba lets go of after the last use of its name."""
    return types.void(array), lambda context, *_: context.get_dummy_value()


@intrinsic
def everywhere(context: Any, value: Any) -> Any:
    """Give one float32 or int32 number to every lane."""
    kind = integers if value == types.int32 else floats
    return kind(value), lambda context, builder, signature, values: _spread(builder, values[0])


@intrinsic
def load(context: Any, array: Any, place: Any) -> Any:
    """Load float32 lanes that begin at a number of float32 or uint8 memory."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.IntType(8) if signature.args[0].dtype == types.uint8 else FLOAT
        vector = ir.VectorType(kind, LANES)
        at = _place(builder, values, vector)
        lanes = builder.load(at, align=1)  # Pixels of a user's array may lie anywhere.
        return lanes if kind == FLOAT else builder.uitofp(lanes, floats.vector)

    return floats(array, types.uintp), generate


@intrinsic
def load_integers(context: Any, array: Any, place: Any) -> Any:
    """Load int32 lanes that :func:`store` stored in float32 memory."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        at = _place(builder, values, integers.vector)
        return builder.load(at, align=4)

    return integers(array, types.uintp), generate


@intrinsic
def store(context: Any, array: Any, place: Any, lanes: Any) -> Any:
    """Store float32 or int32 lanes, bit for bit, from a number of float32 memory on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        at = _place(builder, values, signature.args[2].vector)
        builder.store(values[2], at, align=4)
        return context.get_dummy_value()

    return types.void(array, types.uintp, lanes), generate


@intrinsic
def store_first(context: Any, array: Any, place: Any, lanes: Any, count: Any) -> Any:
    """Store the first ``count`` of float32 lanes from a number of float32 memory on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number = builder.trunc(values[3], INT)
        chosen = builder.icmp_signed("<", _order(list(range(LANES))), _spread(builder, number))
        at = _place(builder, values, floats.vector)
        kinds = [floats.vector, at.type, INT, mask.vector]
        kind = ir.FunctionType(ir.VoidType(), kinds)
        name = f"llvm.masked.store.v{LANES}f32.p0"
        masked_store = get_or_insert_function(builder.module, kind, name)
        builder.call(masked_store, [values[2], at, ir.Constant(INT, 4), chosen])
        return context.get_dummy_value()

    return types.void(array, types.uintp, floats, types.intp), generate


@intrinsic(prefer_literal=True)
def copy(context: Any, source: Any, start: Any, target: Any, to: Any, count: Any) -> Any:
    """Copy ``count`` (a constant) numbers from one place in float32 memory to another."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(FLOAT, count.literal_value)
        read, write = (_place(builder, ends, vector) for ends in (values[:2], values[2:4]))
        builder.store(builder.load(read, align=4), write, align=4)
        return context.get_dummy_value()

    return types.void(source, types.uintp, target, types.uintp, count), generate


@intrinsic
def where(context: Any, chosen: Any, x: Any, y: Any) -> Any:
    """Give the lanes of ``x`` that are chosen, and those of ``y`` elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(*values)

    return x(mask, x, x), generate


@intrinsic
def magnitude(context: Any, x: Any) -> Any:
    """Give absolute values."""
    return _by_llvm("fabs")


@intrinsic
def square_root(context: Any, x: Any) -> Any:
    """Give square roots."""
    return _by_llvm("sqrt")


@intrinsic
def floor(context: Any, x: Any) -> Any:
    """Round down."""
    return _by_llvm("floor")


@intrinsic
def least(context: Any, x: Any, y: Any) -> Any:
    """Give the smaller of two numbers, and the second where one is not a number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *values), *values)

    return floats(floats, floats), generate


@intrinsic
def integers_of(context: Any, x: Any) -> Any:
    """Give numbers as int32, rounded towards zero."""
    return integers(floats), lambda c, b, s, v: b.fptosi(v[0], integers.vector)


@intrinsic
def floats_of(context: Any, x: Any) -> Any:
    """Give int32 numbers as float32."""
    return floats(integers), lambda c, b, s, v: b.sitofp(v[0], floats.vector)


@intrinsic
def store_short(context: Any, array: Any, place: Any, x: Any) -> Any:
    """Store int32 lanes as int16, which they must fit, from a number of int16 memory on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        short = builder.trunc(values[2], ir.VectorType(ir.IntType(16), LANES))
        builder.store(short, _place(builder, values, short.type), align=2)
        return context.get_dummy_value()

    return types.void(array, types.uintp, integers), generate


@intrinsic
def smallest(context: Any, x: Any) -> Any:
    """Give the smallest of int32 lanes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name = f"llvm.vector.reduce.smin.v{LANES}i32"
        kind = ir.FunctionType(INT, [integers.vector])
        return builder.call(get_or_insert_function(builder.module, kind, name), values)

    return types.int32(integers), generate


@intrinsic
def lane_of(context: Any, x: Any, place: Any) -> Any:
    """Give the number in one of int32 lanes."""
    return types.int32(integers, place), lambda c, b, s, v: b.extract_element(*v)


@intrinsic
def flags_of(context: Any, chosen: Any) -> Any:
    """Give a number whose bit i says whether lane i is chosen."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.zext(builder.bitcast(values[0], ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(mask), generate


@intrinsic
def bits_of(context: Any, x: Any) -> Any:
    """Give the bits of float32 numbers as int32; those of numbers not negative compare alike."""
    return integers(floats), lambda c, b, s, v: b.bitcast(v[0], integers.vector)


@intrinsic
def total(context: Any, x: Any) -> Any:
    """Sum the lanes: the upper half is added to the lower, until one is left."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector, half = values[0], LANES // 2
        while half:
            lower, upper = (_order(list(range(start, start + half))) for start in (0, half))
            parts = [builder.shuffle_vector(vector, vector, order) for order in (lower, upper)]
            vector, half = builder.fadd(*parts), half // 2
        return builder.extract_element(vector, ir.Constant(INT, 0))

    return types.float32(floats), generate


@intrinsic
def split_colours(context: Any, array: Any, place: Any) -> Any:
    """Load LANES pixels of three channels side by side as float32: red, green and blue lanes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.IntType(8) if signature.args[0].dtype == types.uint8 else FLOAT
        at = _place(builder, values, ir.VectorType(kind, 3 * LANES))
        pixels = builder.load(at, align=1)
        colours = []
        for channel in range(3):
            order = _order(list(range(channel, 3 * LANES, 3)))
            lanes = builder.shuffle_vector(pixels, pixels, order)
            colours.append(lanes if kind == FLOAT else builder.uitofp(lanes, floats.vector))
        return context.make_tuple(builder, signature.return_type, colours)

    return types.UniTuple(floats, 3)(array, types.uintp), generate
