"""Products of int16 matrices, summed in int32: twice as many multiplications a cycle as float32.

Processors multiply int16 by twos and add the two products in one instruction. The matrix on the
right is laid out for it by :func:`as_blocks`: the numbers of two of its rows stand side by side,
LANES columns a block. The instruction is in :mod:`visualwords.simd`.
"""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inner
from visualwords.simd import (
    LANES,
    TALL,
    add_pair_products,
    larger,
    load,
    load_pairs,
    smaller,
    spread,
    store_tile,
    tile_of,
)

__all__ = ["COLUMNS", "FOLD", "MOST", "IntArray", "ShortArray", "as_blocks", "fold", "multiply"]

IntArray = npt.NDArray[np.int32]
ShortArray = npt.NDArray[np.int16]

COLUMNS = 16  # A matrix is filled up to a multiple of so many columns, which LANES divides.
FOLD = 8  # Sums of which the two least are kept
MOST = np.int32(2**31 - 1)


def as_blocks(matrix: npt.NDArray[np.floating]) -> ShortArray:
    """Return a matrix laid out for :func:`multiply`, filled up with zeros.

    Parameters
    ----------
    matrix : ndarray of shape (depth, n), of whole numbers in the range of int16

    Returns
    -------
    ndarray of shape (n / LANES, depth / 2, LANES, 2), int16
        ``n`` is rounded up to a multiple of COLUMNS, ``depth`` to an even number.
    """
    depth, n = matrix.shape
    padded = np.zeros((-(-depth // 2) * 2, -(-n // COLUMNS) * COLUMNS), np.int16)
    padded[:depth, :n] = matrix
    blocks = padded.reshape(len(padded) // 2, 2, -1, LANES)
    return np.ascontiguousarray(blocks.transpose(2, 0, 3, 1))


@inner
def multiply(rows: ShortArray, n: int, blocks: ShortArray, products: IntArray) -> None:
    """Fill ``products`` with those of the first ``n`` rows and a matrix.

    Parameters
    ----------
    rows : ndarray of shape (m, depth), int16
        ``depth`` is even, ``m`` at least ``n`` rounded up to a multiple of TALL.
    n : int
    blocks : ndarray of shape (n_columns / LANES, depth / 2, LANES, 2), int16
        From :func:`as_blocks`. No sum may exceed int32.
    products : ndarray of shape (m, n_columns), int32
    """
    depth, width = rows.shape[1], products.shape[1]
    for column in range(0, width, LANES):
        for row in range(0, n, TALL):
            sums = tile_of(spread(0))
            for i in range(0, depth, 2):
                factors = load_pairs(blocks, column * depth + i * LANES)
                sums = add_pair_products(sums, rows, row * depth + i, depth, factors)
            store_tile(sums, products, row * width + column, width)


@inner
def fold(
    rows: ShortArray,
    n: int,
    blocks: ShortArray,
    starts: IntArray,
    least: IntArray,
    second: IntArray,
) -> None:
    """Multiply rows and a matrix; keep only the two least of every FOLD sums.

    The matrix has ``FOLD * n_folded`` columns. Of the columns ``j``, ``j + n_folded``,
    ``j + 2 n_folded`` ... the two least sums are written to column ``j``.

    Parameters
    ----------
    rows, n, blocks
        As in :func:`multiply`.
    starts : ndarray of shape (FOLD * n_folded,), int32
        Added to the sums of every column.
    least, second : ndarray of shape (m, n_folded), int32
    """
    depth, width = rows.shape[1], least.shape[1]
    for lane in range(0, width, LANES):
        for row in range(0, n, TALL):
            lowest = tile_of(spread(MOST))
            following = lowest
            for number in range(FOLD):
                column = number * width + lane
                sums = tile_of(load(starts, column))
                for i in range(0, depth, 2):
                    factors = load_pairs(blocks, column * depth + i * LANES)
                    sums = add_pair_products(sums, rows, row * depth + i, depth, factors)
                following = smaller(following, larger(lowest, sums))
                lowest = smaller(lowest, sums)
            store_tile(lowest, least, row * width + lane, width)
            store_tile(following, second, row * width + lane, width)
