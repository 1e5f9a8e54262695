"""Products of int16 matrices, summed in int32: twice as many multiplications a cycle as float32.

Processors multiply int16 by twos and add either pair in one instruction (AVX2, AVX-512:
``vpmaddwd``, which LLVM joins with the sum where there is ``vpdpwssd``). The matrices are laid out
for it: the numbers of two rows of the right one stand side by side, 16 columns a block
(:func:`as_blocks`). LLVM does not find the instruction by itself, so there it is named; elsewhere
LLVM gets plain vectors, whose sums are the same.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from visualwords.compiling import inner
from visualwords.lanes import LANES, moved

__all__ = ["FOLD", "MOST", "ROWS", "WORDS", "ShortArray", "as_blocks", "fold", "multiply"]

ShortArray = npt.NDArray[np.int16]

WORDS = 16  # columns of one matrix and
ROWS = LANES // 2  # of the other make as many sums as keep the processor busy.
FOLD = 8  # sums of a lane
MOST = np.int32(2**31 - 1)
NONE, TWO, ROWS_ = np.uintp(0), np.uintp(2), np.uintp(ROWS)


def as_blocks(matrix: npt.NDArray[Any]) -> ShortArray:
    """Lay out a matrix for :func:`multiply`, filled up with zeros.

    Parameters
    ----------
    matrix : ndarray of shape (depth, n), of whole numbers

    Returns
    -------
    ndarray of shape (n / 16, depth / 2, 16, 2), both rounded up, int16
    """
    depth, n = matrix.shape
    padded = np.zeros((-(-depth // 2) * 2, -(-n // WORDS) * WORDS), np.int16)
    padded[:depth, :n] = matrix
    blocks = padded.reshape(len(padded) // 2, 2, -1, WORDS)
    return np.ascontiguousarray(blocks.transpose(2, 0, 3, 1))


@inner
def multiply(rows: Any, n: Any, n_pairs: Any, block: Any, products: Any, width: Any) -> None:
    """Fill 16 columns with the products of ``n`` rows and a matrix; no sum may exceed int32.

    Parameters
    ----------
    rows : pointer to int16
        m rows of ``2 * n_pairs`` numbers.
    n : int
        Rounded up to a multiple of ROWS, which m must allow.
    block : pointer to int16
        A block of :func:`as_blocks`, of shape (n_pairs, 16, 2).
    products : pointer to int32
        Where the first row's products begin, the next ``width`` numbers on.
    """
    for row in range(NONE, n, ROWS_):
        first = moved(rows, row * n_pairs * TWO)
        _multiply(first, n_pairs, block, moved(products, row * width), width)


@inner
def fold(
    rows: Any, n: Any, n_pairs: Any, blocks: Any, starts: Any, n_lanes: Any, least: Any,
    second: Any, room: Any,
) -> None:  # fmt: skip
    """Multiply ``n`` rows and FOLD blocks; keep the two least of the FOLD sums of every lane.

    Lane i has the columns i of these blocks. What ``starts`` says of a column is added to its sums.

    Parameters
    ----------
    rows, n, n_pairs
        As in :func:`multiply`.
    blocks : pointer to int16
        Blocks of :func:`as_blocks`; of them every ``n_lanes / 16``-th, from the first on.
    starts : pointer to int32
        Numbers of the first block's columns; ``n_lanes`` numbers on those of the next.
    least, second : pointer to int32
        Where the first row's 16 sums are written, the next ``room`` numbers on.
    """
    for row in range(NONE, n, ROWS_):
        first, to = moved(rows, row * n_pairs * TWO), row * room
        _fold(first, n_pairs, blocks, starts, n_lanes, moved(least, to), moved(second, to), room)


@intrinsic
def _multiply(context: Any, rows: Any, n_pairs: Any, block: Any, products: Any, width: Any) -> Any:
    """Multiply ROWS rows and a block of 16 columns."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows, n_pairs, block, products, width = values
        multiplied = _multiplied(context, builder, rows, n_pairs)
        zero = ir.Constant(n_pairs.type, 0)
        totals = multiplied(block, zero, [INTS(None) for _ in range(WORDS // LANES)])
        _store(builder, totals, products, width)
        return context.get_dummy_value()

    return types.void(rows, n_pairs, block, products, width), generate


@intrinsic
def _fold(
    context: Any, rows: Any, n_pairs: Any, blocks: Any, starts: Any, n_lanes: Any, least: Any,
    second: Any, room: Any,
) -> Any:  # fmt: skip
    """Multiply ROWS rows and FOLD blocks, and fold the sums."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows, n_pairs, blocks, starts, n_lanes, least, second, room = values
        size, memory = n_lanes.type, _Memory(builder, starts)
        multiplied = _multiplied(context, builder, rows, n_pairs)

        def smaller(a: Any, b: Any) -> Any:
            return builder.select(builder.icmp_signed("<", a, b), a, b)

        def folded(number: Any, kept: list[Any]) -> list[Any]:
            column = builder.mul(number, n_lanes)
            begin = builder.mul(column, builder.shl(n_pairs, ir.Constant(size, 1)))
            places = [builder.add(column, ir.Constant(size, k)) for k in range(0, WORDS, LANES)]
            totals = multiplied(blocks, begin, [memory.load(place, INTS) for place in places])
            before, behind = kept[: len(totals)], kept[len(totals) :]
            larger = [
                builder.select(builder.icmp_signed("<", a, b), b, a)
                for a, b in zip(totals, before, strict=True)
            ]
            return [*map(smaller, totals, before), *map(smaller, larger, behind)]

        n = ROWS * WORDS // LANES
        most = [INTS([MOST] * LANES)] * (2 * n)
        kept = _grown(builder, ir.Constant(size, FOLD), most, folded)
        _store(builder, kept[:n], least, room)
        _store(builder, kept[n:], second, room)
        return context.get_dummy_value()

    arguments = (rows, n_pairs, blocks, starts, n_lanes, least, second, room)
    return types.void(*arguments), generate


def _multiplied(context: Any, builder: Any, rows: Any, n_pairs: Any) -> Callable[..., list[Any]]:
    """Give the function that multiplies ROWS rows and the block that begins at a number.

    It gives the sums of one row after the other, which begin with those of ``starts``.
    """
    pairs = _Memory(builder, builder.bitcast(rows, INT.as_pointer()))
    size = n_pairs.type
    firsts = [builder.mul(ir.Constant(size, row), n_pairs) for row in range(ROWS)]
    pairwise = _pairwise(context, builder)

    def multiplied(blocks: Any, begin: Any, starts: list[Any]) -> list[Any]:
        table = _Memory(builder, blocks)

        def grown(pair: Any, totals: list[Any]) -> list[Any]:
            place = builder.add(begin, builder.mul(pair, ir.Constant(size, 2 * WORDS)))
            factors = [
                table.load(builder.add(place, ir.Constant(size, 2 * k)), SHORTS)
                for k in range(0, WORDS, LANES)
            ]
            numbers = (pairs.load(builder.add(first, pair), INT) for first in firsts)
            shorts = [builder.bitcast(_repeated(builder, both), SHORTS) for both in numbers]
            products = [pairwise(*both) for both in product(shorts, factors)]
            return [builder.add(*both) for both in zip(totals, products, strict=True)]

        return _grown(builder, n_pairs, starts * ROWS, grown)

    return multiplied


def _store(builder: Any, totals: list[Any], to: Any, width: Any) -> None:
    """Store the sums of ROWS rows."""
    memory, size = _Memory(builder, to), width.type
    for total, (row, k) in zip(totals, product(range(ROWS), range(0, WORDS, LANES)), strict=True):
        first = builder.mul(ir.Constant(size, row), width)
        memory.store(total, builder.add(first, ir.Constant(size, k)))


INT = ir.IntType(32)
INTS = ir.VectorType(ir.IntType(32), LANES)
SHORTS = ir.VectorType(ir.IntType(16), 2 * LANES)
INSTRUCTIONS = {  # by what the processor has
    8: ("+avx2", "llvm.x86.avx2.pmadd.wd"),
    16: ("+avx512bw", "llvm.x86.avx512.pmaddw.d.512"),
}


class _Memory:
    """The numbers of an array, from which vectors are loaded wherever they begin."""

    def __init__(self, builder: Any, data: Any) -> None:
        self.builder = builder
        self.data = data

    def _address(self, place: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.data, [place]), kind.as_pointer())

    def load(self, place: Any, kind: Any) -> Any:
        return self.builder.load(self._address(place, kind), align=2)

    def store(self, value: Any, place: Any) -> None:
        self.builder.store(value, self._address(place, value.type), align=4)


def _grown(
    builder: Any, n: Any, starts: list[Any], grown: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """Give what numbers become that grow for each of 0, 1, ... n - 1, and at least for 0."""
    before = builder.block
    loop = builder.append_basic_block("loop")
    builder.branch(loop)
    builder.position_at_end(loop)
    counter = builder.phi(n.type)
    numbers = [builder.phi(INTS) for _ in starts]
    results = grown(counter, numbers)
    following = builder.add(counter, ir.Constant(n.type, 1))
    counter.add_incoming(ir.Constant(n.type, 0), before)
    counter.add_incoming(following, builder.block)
    for number, start, result in zip(numbers, starts, results, strict=True):
        number.add_incoming(start, before)
        number.add_incoming(result, builder.block)
    after = builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed("<", following, n), loop, after)
    builder.position_at_end(after)
    return results


def _repeated(builder: Any, number: Any) -> Any:
    """Give a vector of one number, again and again."""
    vector = builder.insert_element(INTS(ir.Undefined), number, INT(0))
    return builder.shuffle_vector(vector, vector, INTS(None))


def _pairwise(context: Any, builder: Any) -> Any:
    """Give the function that multiplies two vectors and adds the two products of every pair."""
    feature, name = INSTRUCTIONS[LANES]
    if feature in context.codegen().magic_tuple()[2].split(","):
        kind = ir.FunctionType(INTS, [SHORTS, SHORTS])
        instruction = builder.module.declare_intrinsic(name, (), kind)
        return lambda a, b: builder.call(instruction, [a, b])
    return partial(_pairwise_of_any, builder)


def _pairwise_of_any(builder: Any, a: Any, b: Any) -> Any:
    products = []
    for first in (0, 1):
        order = INTS([2 * lane + first for lane in range(LANES)])
        x, y = (builder.sext(builder.shuffle_vector(v, v, order), INTS) for v in (a, b))
        products.append(builder.mul(x, y))
    return builder.add(*products)
