"""Lower bounds of the squared distances of rows to words, for an eighth of a matrix product's time.

The bound. Let ``x`` be a row and ``c`` a word, both relative to the mean of the words. Let ``p``
and ``q`` be their coordinates along the first principal axes of the words, and ``r(x)``, ``r(c)``
the lengths of what is left of them beyond those axes. Then ``|x - c|^2 = |x|^2 + |c|^2 - 2 x . c``,
and by Cauchy-Schwarz ``x . c <= p . q + r(x) r(c)``. So

    |x - c|^2 >= |x|^2 + |c|^2 - 2 p . q - 2 r(x) r(c).

All but ``|x|^2`` of the right side is a product of two vectors: of ``[p, r(x), 1]``, the row's
factors, with ``[-2 q, -2 r(c), |c|^2]``, the word's column in a table. The bounds of all words are
one matrix product.

Whole numbers. The product is computed in whole numbers of 16 bits, which is twice as fast as in
float32. With ``R = max |c|`` over the words, ``p`` and ``r(x)`` are stored in units of
``max(|x|, R) / UNITS``, and ``q`` and ``r(c)`` in units of ``R / UNITS``. Then no sum exceeds 32
bits. Rounding must not raise a bound: ``r(x)`` and ``r(c)`` are rounded up, ``|c|^2`` is rounded
down, and the other roundings change ``2 p . q`` by at most ``slack max(|x|, R) R`` (see
:func:`_slack`), which is subtracted from the bound. In all

    |x - c|^2 >= squares - margins + units * product

with a number of each row for the first three. A row too large for float32 has an infinite margin:
it has no bound and is compared with all words.

Folding. Most words are never looked at. Word ``i`` belongs to lane ``i % n_lanes``, so a lane has
FOLD words, and only the two least products of a lane are kept. So that a product says which of the
lane's words it is of, the table holds multiples of FOLD and ``i // n_lanes`` is added: it is the
product modulo FOLD.
"""

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, inner
from visualwords.features.image import FloatArray

from .distances import MATH, DoubleArray, IntArray
from .int16 import COLUMNS, FOLD, MOST, ShortArray, as_blocks, fold, multiply

__all__ = ["SMALL", "STEP", "Prepared", "Scratch", "fill_bounds", "prepare", "scratch"]

Number = TypeVar("Number", bound=np.generic)

LINE = 64  # Bytes of a line of the cache
STEP = 32  # Rows whose bounds are computed at a time: the table is read once for all of them.
WIDTH = COLUMNS * FOLD  # The table has a multiple of so many columns.
UNIT = 2.0**-24  # Relative error of an operation in float32.
LARGE = 1e30  # Above it a squared length has no bound: float32 could overflow.
SMALL = 1e-30  # Below it float32 underflows: the bounds have it as an absolute error.
UNITS = 30000.0  # A sum is at most 1.5 UNITS^2 (1 + ROUGHEST)^2, which is less than 2^31.
ROUGHEST = 0.1
AXIS_UNITS = 32767.0
# Share of the words' variance that the principal axes may leave. With more axes the product takes
# longer, with fewer more words remain to compare. At 0.04 both take the same for HOG descriptors.
UNEXPLAINED = 0.04


class Prepared(NamedTuple):
    """What is computed once from the words."""

    words: FloatArray  # (n_words, d)
    mean: FloatArray  # (d,)
    axes: ShortArray  # (d, n_axes) by as_blocks, in units of 1 / AXIS_UNITS
    table: ShortArray  # (n_axes + 2, FOLD * n_lanes) by as_blocks
    # (FOLD * n_lanes,): i // n_lanes for word i; MOST for columns that are no word.
    starts: IntArray
    radius: float  # R; infinite if no row can have bounds
    slack: float  # Error of 2 p . q in units of max(|x|, R) R
    lengthening: float  # r(x)^2 <= lengthening |x|^2 - |p|^2, with |p|^2 as computed
    rounding: float  # Relative error of a sum of d squares in float32


class Scratch(NamedTuple):
    """What the kernels write about up to STEP rows."""

    centred: FloatArray  # (d,): one row less the mean
    coordinates: ShortArray  # (STEP, d rounded up to an even number): the rows less the mean
    projected: IntArray  # (STEP, n_axes)
    factors: ShortArray  # (STEP, n_axes + 2)
    least: IntArray  # (STEP, n_lanes): the least product of every lane
    second: IntArray  # (STEP, n_lanes): the least but one
    lengths: DoubleArray  # (STEP,): |x|, rounded up
    squares: DoubleArray  # (STEP,): |x|^2
    margins: DoubleArray  # (STEP,): infinite if the row has no bounds
    units: DoubleArray  # (STEP,)


def prepare(words: FloatArray) -> Prepared:
    """Compute from words, an ndarray of shape (n_words, d), what their bounds need."""
    mean = words.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = words.astype(np.float64) - mean
    squared = np.einsum("ij,ij->i", centred, centred)
    radius = max(float(np.sqrt(squared.max())), SMALL**0.5)
    if not squared.max() < LARGE:
        centred[:], radius = 0, np.inf
    axes = _principal_axes(centred)
    slack, excess = _slack(*axes.shape)
    if excess > ROUGHEST:  # 16 bits are too few for hundreds of thousands of columns.
        radius = np.inf
    n_lanes = -(-len(words) // WIDTH) * COLUMNS
    starts = np.repeat(np.arange(FOLD, dtype=np.int32), n_lanes)
    starts[len(words) :] = MOST
    return Prepared(
        _aligned(words),
        mean,
        _aligned(as_blocks(np.rint(axes * AXIS_UNITS))),
        _aligned(as_blocks(_bound_table(centred, axes, radius, FOLD * n_lanes))),
        starts,
        radius,
        slack,
        1 + excess,
        (words.shape[1] + 8) * UNIT,
    )


def _aligned(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Copy an array to where a line of the cache begins: fewer loads touch two lines."""
    memory = np.empty(array.nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    copied = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copied[:] = array
    return copied


def _principal_axes(centred: DoubleArray) -> DoubleArray:
    """Return the principal axes that explain nearly all variance, as columns.

    Columns of zeros fill them up to a multiple of COLUMNS.
    """
    n_words, d = centred.shape
    if d <= n_words:
        variances, axes = np.linalg.eigh(centred.T @ centred)
        variances, axes = variances[::-1], axes[:, ::-1]
    else:
        _, lengths, rows = np.linalg.svd(centred, full_matrices=False)
        variances, axes = lengths**2, rows.T
    explained = np.cumsum(variances)
    n_axes = int(np.searchsorted(explained, (1 - UNEXPLAINED) * explained[-1])) + 1
    n_axes = -(-n_axes // COLUMNS) * COLUMNS
    padded = np.zeros((d, n_axes))
    padded[:, : axes.shape[1]] = axes[:, :n_axes]
    return padded


def _slack(d: int, n_axes: int) -> tuple[float, float]:
    """Return the errors of ``2 p . q`` and of ``|p|^2`` that rounding causes, at most.

    They are in units of ``max(|x|, R) R`` and of ``|x|^2``. A number that is cut off to a multiple
    of ``1 / n`` errs by up to ``1 / n``, a rounded one by half of that, and a vector of ``m`` such
    numbers by up to ``sqrt(m)`` times as much. The rounding of the axes errs by the Frobenius norm
    of their errors times ``|x|``.
    """
    of_x = d**0.5 / UNITS + (d * n_axes) ** 0.5 / (2 * AXIS_UNITS) + (d + 8) * UNIT
    of_p = of_x + n_axes**0.5 / UNITS
    of_q = n_axes**0.5 * FOLD / (2 * UNITS) + 1e-9
    return 2 * (of_p + of_q + of_p * of_q), 2 * of_x + of_x**2 + (n_axes + 8) * UNIT


def _bound_table(centred: DoubleArray, axes: DoubleArray, radius: float, width: int) -> DoubleArray:
    """Return the columns ``[-q, -r(c), |c|^2 / R]`` of the words in units of ``R / UNITS``.

    They are rounded to multiples of FOLD. Columns of zeros fill them up to ``width``.
    """
    n_words = len(centred)
    coordinates = centred @ axes
    squared = np.einsum("ij,ij->i", centred, centred)
    rest = squared * (1 + 1e-9) - np.einsum("ij,ij->i", coordinates, coordinates)
    table = np.zeros((axes.shape[1] + 2, width))
    table[:-2, :n_words] = -np.rint(coordinates.T / radius * (UNITS / FOLD))
    table[-2, :n_words] = -np.ceil(np.sqrt(np.maximum(rest, 0)) / radius * (UNITS / FOLD))
    table[-1, :n_words] = np.floor(squared / radius / radius * (UNITS / FOLD))
    return table * FOLD


def scratch(prepared: Prepared) -> Scratch:
    """Return arrays in which the bounds of STEP rows are computed."""
    d = prepared.words.shape[1]
    depth, n_lanes = 2 * prepared.table.shape[1], len(prepared.starts) // FOLD
    lengths, squares, margins, units = np.empty((4, STEP))
    return Scratch(
        np.empty(d, np.float32),
        np.zeros((STEP, d + d % 2), np.int16),
        np.empty((STEP, depth - 2), np.int32),
        np.zeros((STEP, depth), np.int16),
        np.empty((STEP, n_lanes), np.int32),
        np.empty((STEP, n_lanes), np.int32),
        lengths,
        squares,
        margins,
        units,
    )


@inner
def fill_bounds(rows: FloatArray, start: int, n: int, known: Prepared, made: Scratch) -> None:
    """Compute the bounds of the ``n`` rows from row ``start`` on, at most STEP."""
    _measure(rows, start, n, known, made)
    multiply(made.coordinates, n, known.axes, made.projected)
    for r in range(n):
        if made.margins[r] < np.inf:
            _fill_factors(known, made, r)
    fold(made.factors, n, known.table, known.starts, made.least, made.second)


@inlined
def _measure(rows: FloatArray, start: int, n: int, known: Prepared, made: Scratch) -> None:
    """Write ``|x|^2``, ``|x|``, the coordinates and the margin of each row.

    The length is rounded up. The coordinates are those of ``x``, in units of ``|x| / UNITS``. The
    margin begins with the error of ``|x|^2``, and is infinite if the row has no bounds.

    The loop is in here because numba counts references to all arrays of a tuple at a call.
    """
    for r in range(n):
        squared = np.float64(_centre(rows, start + r, known.mean, made.centred))
        length = np.sqrt(squared * (1 + 2 * known.rounding) + SMALL)
        made.squares[r], made.lengths[r], made.margins[r] = squared, length, np.inf
        if squared < LARGE and known.radius < np.inf:
            made.margins[r] = known.rounding * length**2 + SMALL
            _cut_off(made.centred, np.float32(UNITS / length), made.coordinates, r)


@inlined
def _fill_factors(known: Prepared, made: Scratch, r: int) -> None:
    """Write the factors ``[p, r(x), R / 2]`` of row ``r`` in units of ``longest / UNITS``.

    ``longest`` is ``max(|x|, R)``, so a product of factors and the table, which has units of
    ``R / UNITS``, is half of the bound in units of ``longest R / UNITS^2``. The margin grows by the
    error of ``2 p . q``.
    """
    length, radius = made.lengths[r], known.radius
    longest = max(length, radius)
    made.units[r] = 2 * longest * radius / UNITS**2
    made.margins[r] += known.slack * longest * radius
    scale = np.float32(length / longest / AXIS_UNITS)
    explained = np.float64(_scale(made.projected, scale, made.factors, r))
    rest = (length * UNITS / longest) ** 2 * known.lengthening - explained
    made.factors[r, -2] = np.int16(np.sqrt(max(rest, 0.0)) + 1)
    made.factors[r, -1] = np.int16(UNITS * radius / (2 * longest))


@inlined(fastmath=MATH)
def _centre(rows: FloatArray, row: int, mean: FloatArray, centred: FloatArray) -> np.float32:
    """Write a row less the mean to ``centred``. Return its squared length."""
    squared = np.float32(0)
    for i in range(len(centred)):
        value = rows[row, i] - mean[i]
        centred[i] = value
        squared += value * value
    return squared


@inlined
def _cut_off(numbers: FloatArray, scale: np.float32, scaled: ShortArray, r: int) -> None:
    """Write numbers times a scale to row ``r`` of ``scaled``, cut off to int16."""
    for i in range(len(numbers)):
        scaled[r, i] = np.int16(numbers[i] * scale)


@inlined(fastmath=MATH)
def _scale(projected: IntArray, scale: np.float32, factors: ShortArray, r: int) -> np.float32:
    """Write ``p`` to the first factors of row ``r``, cut off. Return ``|p|^2`` before that."""
    squared = np.float32(0)
    for i in range(projected.shape[1]):
        value = np.float32(projected[r, i]) * scale
        factors[r, i] = np.int16(value)
        squared += value * value
    return squared
