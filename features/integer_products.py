"""Products of int16 matrices, summed in int32: twice as many multiplications a cycle as float32.

Processors multiply int16 by twos and add either pair in one instruction (AVX2: ``vpmaddwd``). The
matrices are laid out for it: the numbers of two rows of the right one stand side by side, 16
columns a block (:func:`as_blocks`). LLVM does not find the instruction by itself, so on AVX2 it is
named; elsewhere LLVM gets plain vectors, whose sums are the same.
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

__all__ = ["ROWS", "WORDS", "ShortArray", "as_blocks", "multiply"]

ShortArray = npt.NDArray[np.int16]

ROWS = 4  # of one matrix and
WORDS = 16  # columns of the other make as many sums as fit in the registers.
LANES = 8  # Sums in a register of AVX2.


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
def multiply(rows: Any, n: int, blocks: Any, products: Any) -> None:
    """Fill ``products`` with the products of ``n`` rows and a matrix; no sum may exceed int32.

    Parameters
    ----------
    rows : ndarray of shape (m, depth), int16
        Of even depth.
    n : int
        Rounded up to a multiple of 4, which m must allow.
    blocks : ndarray of shape (n_columns / 16, depth / 2, 16, 2), int16
    products : ndarray of shape (m, n_columns), int32
    """
    for block in range(blocks.shape[0]):
        for row in range(0, n, ROWS):
            _multiply(rows, np.intp(row), blocks, np.intp(block), products)


@intrinsic
def _multiply(context: Any, rows: Any, row: Any, blocks: Any, block: Any, products: Any) -> Any:
    """Multiply 4 rows, from ``row`` on, and a block of 16 columns."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = [
            context.make_array(signature.args[i])(context, builder, values[i]) for i in (0, 2, 4)
        ]
        table, sums = (_Memory(builder, array.data) for array in arrays[1:])
        pairs = _Memory(builder, builder.bitcast(arrays[0].data, INT.as_pointer()))
        n_pairs = builder.extract_value(arrays[1].shape, 1)
        width = builder.extract_value(arrays[2].shape, 1)
        size = n_pairs.type
        rows = [builder.add(values[1], ir.Constant(size, k)) for k in range(ROWS)]
        starts = [builder.mul(row, n_pairs) for row in rows]
        begin = builder.mul(values[3], builder.mul(n_pairs, ir.Constant(size, 2 * WORDS)))
        pairwise = _pairwise(context, builder)

        def grown(pair: Any, totals: list[Any]) -> list[Any]:
            place = builder.add(begin, builder.mul(pair, ir.Constant(size, 2 * WORDS)))
            factors = [
                table.load(builder.add(place, ir.Constant(size, 2 * k)), SHORTS)
                for k in range(0, WORDS, LANES)
            ]
            shorts = [
                _repeated(builder, pairs.load(builder.add(start, pair), INT)) for start in starts
            ]
            products = [pairwise(*both) for both in product(shorts, factors)]
            return [builder.add(*both) for both in zip(totals, products, strict=True)]

        totals = _sums_over(builder, n_pairs, ROWS * WORDS // LANES, grown)
        first = builder.mul(values[3], ir.Constant(size, WORDS))
        places = [
            builder.add(builder.add(builder.mul(row, width), first), ir.Constant(size, k))
            for row, k in product(rows, range(0, WORDS, LANES))
        ]
        for total, place in zip(totals, places, strict=True):
            sums.store(total, place)
        return context.get_dummy_value()

    return types.void(rows, row, blocks, block, products), generate


INT = ir.IntType(32)
INTS = ir.VectorType(ir.IntType(32), LANES)
SHORTS = ir.VectorType(ir.IntType(16), 2 * LANES)


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


def _sums_over(
    builder: Any, n: Any, n_sums: int, grown: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """Give the sums, from zeros on, that grow for each of 0, 1, ... n - 1, and at least for 0."""
    before = builder.block
    loop = builder.append_basic_block("loop")
    after = builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    counter = builder.phi(n.type)
    totals = [builder.phi(INTS) for _ in range(n_sums)]
    sums = grown(counter, totals)
    following = builder.add(counter, ir.Constant(n.type, 1))
    counter.add_incoming(ir.Constant(n.type, 0), before)
    counter.add_incoming(following, loop)
    for total, sum_ in zip(totals, sums, strict=True):
        total.add_incoming(INTS(None), before)
        total.add_incoming(sum_, loop)
    builder.cbranch(builder.icmp_signed("<", following, n), loop, after)
    builder.position_at_end(after)
    return sums


def _repeated(builder: Any, pair: Any) -> Any:
    """Give a vector of one pair, again and again."""
    vector = builder.insert_element(INTS(ir.Undefined), pair, INT(0))
    return builder.bitcast(builder.shuffle_vector(vector, vector, INTS(None)), SHORTS)


def _pairwise(context: Any, builder: Any) -> Any:
    """Give the function that multiplies two vectors and adds the two products of every pair."""
    if "+avx2" in context.codegen().magic_tuple()[2].split(","):
        kind = ir.FunctionType(INTS, [SHORTS, SHORTS])
        instruction = builder.module.declare_intrinsic("llvm.x86.avx2.pmadd.wd", (), kind)
        return lambda a, b: builder.call(instruction, [a, b])
    return partial(_pairwise_of_any, builder)


def _pairwise_of_any(builder: Any, a: Any, b: Any) -> Any:
    products = []
    for first in (0, 1):
        order = INTS([2 * lane + first for lane in range(LANES)])
        x, y = (builder.sext(builder.shuffle_vector(v, v, order), INTS) for v in (a, b))
        products.append(builder.mul(x, y))
    return builder.add(*products)
