"""Sums of votes for several bins, kept in registers: for compiled loops, with ``lanes``."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.extending import intrinsic

from visualwords.lanes import LANES, floats, integers

__all__ = [
    "BINS_AT_ONCE",
    "add_rows",
    "add_votes",
    "no_votes",
    "share_votes",
    "store_sums",
    "totals",
]

# As many as registers hold the sums of, for two windows, beside what else a loop needs: AVX-512 has
# 32 registers, others 16.
BINS_AT_ONCE = 9 if LANES == 16 else 3

Sums = types.UniTuple(floats, BINS_AT_ONCE)
NOTHING = ir.Constant(floats.vector, [0.0] * LANES)


def _is_bin(builder: Any, place: Any, k: int) -> Any:
    return builder.icmp_signed("==", place, ir.Constant(integers.vector, [k] * LANES))


def _weighted(builder: Any, vote: Any, weight: Any, sums: Any) -> Any:
    product = builder.fmul(vote, weight, flags=("contract",))
    return builder.fadd(product, sums, flags=("contract",))


@intrinsic
def no_votes(context: Any) -> Any:
    """Give sums of nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_tuple(builder, Sums, [NOTHING] * BINS_AT_ONCE)

    return Sums(), generate


@intrinsic
def add_votes(context: Any, sums: Any, place: Any, vote: Any, weight: Any) -> Any:
    """Add weighted votes to the bins in whose ``place`` they are; others are not counted."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, vote, weight = values[1:]
        sums = []
        for k, total in enumerate(unpack_tuple(builder, values[0])):
            more = _weighted(builder, vote, weight, total)
            sums.append(builder.select(_is_bin(builder, place, k), more, total))
        return context.make_tuple(builder, Sums, sums)

    return Sums(Sums, integers, floats, floats), generate


@intrinsic
def share_votes(
    context: Any, a: Any, b: Any, place: Any, below: Any, lower: Any, upper: Any, of_a: Any,
    of_b: Any,
) -> Any:  # fmt: skip
    """Add shared votes for two windows, each with its weight.

    ``lower`` goes to the bins in whose ``place`` it is and ``upper`` to those above, to the first
    of the bins where the place is ``below`` it.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, from_below, lower, upper, of_a, of_b = values[2:]
        sums: list[list[Any]] = [[], []]
        pairs = zip(*(unpack_tuple(builder, v) for v in values[:2]), strict=True)
        for k, pair in enumerate(pairs):
            chosen = _is_bin(builder, place, k)
            vote = builder.select(chosen, lower, NOTHING)
            more = builder.select(from_below, upper, NOTHING)
            vote = builder.fadd(vote, more, flags=("nsz",))
            for window, (total, weight) in enumerate(zip(pair, (of_a, of_b), strict=True)):
                sums[window].append(_weighted(builder, vote, weight, total))
            from_below = chosen
        both = [context.make_tuple(builder, Sums, s) for s in sums]
        return context.make_tuple(builder, signature.return_type, both)

    kinds = (Sums, Sums, integers, below, floats, floats, floats, floats)
    return types.UniTuple(Sums, 2)(*kinds), generate


@intrinsic
def store_sums(context: Any, array: Any, place: Any, stride: Any, sums: Any) -> Any:
    """Store sums from a number of float32 memory on, one bin ``stride`` numbers after another."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, place, stride, sums = values
        for lanes, at in zip(
            unpack_tuple(builder, sums), _rows(builder, memory, place, stride), strict=True
        ):
            builder.store(lanes, at, align=4)
        return context.get_dummy_value()

    return types.void(array, types.uintp, types.uintp, Sums), generate


@intrinsic
def add_rows(context: Any, sums: Any, array: Any, place: Any, stride: Any, weight: Any) -> Any:
    """Add, for each bin, weighted lanes of float32 memory: see :func:`store_sums`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, memory, place, stride, weight = values
        more = [
            _weighted(builder, builder.load(at, align=4), weight, total)
            for total, at in zip(
                unpack_tuple(builder, sums), _rows(builder, memory, place, stride), strict=True
            )
        ]
        return context.make_tuple(builder, Sums, more)

    return Sums(Sums, array, types.uintp, types.uintp, floats), generate


def _rows(builder: Any, memory: Any, place: Any, stride: Any) -> list[Any]:
    """Point at lanes for each bin."""
    rows = []
    for _ in range(BINS_AT_ONCE):
        rows.append(builder.bitcast(builder.gep(memory, [place]), floats.vector.as_pointer()))
        place = builder.add(place, stride)
    return rows


@intrinsic
def totals(context: Any, sums: Any) -> Any:
    """Sum the lanes of each bin: the totals lie side by side, and zeros behind.

    Four bins are brought together in each four lanes first, which x86 does in one instruction a
    step; then bins that are further apart, half of the lanes of one beside half of another's.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        parts = [*unpack_tuple(builder, values[0]), *[NOTHING] * (LANES - BINS_AT_ONCE)]
        for low, high in (((0, 4, 1, 5), (2, 6, 3, 7)), ((0, 1, 4, 5), (2, 3, 6, 7))):
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [_added(builder, x, y, 4, low, high) for x, y in pairs]
        width = LANES
        while len(parts) > 1:
            half, apart = width // 2, len(parts) // 2
            lower = (*range(half), *range(width, width + half))
            pairs = zip(parts[:apart], parts[apart:], strict=True)
            upper = tuple(k + half for k in lower)
            parts = [_added(builder, x, y, width, lower, upper) for x, y in pairs]
            width = half
        return parts[0]

    return floats(Sums), generate


def _added(
    builder: Any, x: Any, y: Any, width: int, lower: tuple[int, ...], upper: tuple[int, ...]
) -> Any:
    """Add ``upper`` numbers to ``lower``, of those in the same ``width`` lanes of two vectors."""
    parts = []
    for chosen in (lower, upper):
        places = [k if k < width else k - width + LANES for k in chosen]
        order = [at + place for at in range(0, LANES, width) for place in places]
        vector = ir.Constant(ir.VectorType(ir.IntType(32), LANES), order)
        parts.append(builder.shuffle_vector(x, y, vector))
    return builder.fadd(*parts)
