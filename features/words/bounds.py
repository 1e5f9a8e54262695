"""Lower bounds of the distances of rows to words, for an eighth of a matrix product's time.

Let ``x`` and ``c`` be relative to the mean of the words, ``p`` and ``q`` their coordinates along
the words' first principal axes, ``r(x)`` the length of what is left of ``x`` beyond them. By
Cauchy-Schwarz

    |x - c|^2 >= |x|^2 + |c|^2 - 2 p . q - 2 r(x) r(c)

and all but ``|x|^2`` of the right side is one matrix product of ``[p, r(x), 1]`` with
``[-2 q, -2 r(c), |c|^2]``.

It is computed in whole numbers of 16 bits. ``p`` and ``r(x)`` are in units of
``max(|x|, R) / UNITS``, ``q`` and ``r(c)`` in units of ``R / UNITS``, ``R = max |c|``: then no sum
exceeds 32 bits. Lengths beyond the axes are rounded up and ``|c|^2`` down, which keeps the bound;
the other roundings together change ``2 p . q`` by at most ``slack max(|x|, R) R``, which
:func:`_slack` sums up. Rows too large for float32 have no bounds: they are to be compared with all
words.

Most words are never looked at: they are dealt to lanes, of which each has FOLD words, word ``i`` to
lane ``i % n_lanes``, and of a lane only the two least products are kept. So that these say which
words they are of, the table is in multiples of FOLD, and ``i // n_lanes`` is added.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import multiply_add, part
from visualwords.features.image import FloatArray
from visualwords.lanes import (
    LANES,
    everywhere,
    floats_of,
    integers_of,
    load,
    load_integers,
    moved,
    pointer,
    store,
    store_short,
    total,
)

from .distances import DoubleArray
from .int16 import FOLD, MOST, WORDS, ShortArray, as_blocks, fold, multiply
from .memory import aligned, aligned_copy

__all__ = [
    "CEILINGS",
    "FARTHEST",
    "FLAGS",
    "FOLD",
    "MARGINS",
    "MOST",
    "SMALL",
    "STEP",
    "UNITS_OF_ROWS",
    "Prepared",
    "Scratch",
    "bound",
    "prepare",
    "scratch",
]

STEP = 32  # Rows that get their bounds at a time: for these the table is read once.
WIDTH = WORDS * FOLD  # so that lanes make up whole blocks
UNIT = 2.0**-24
# Where in ``Scratch.sizes`` there is what, after the squares.
LENGTHS, MARGINS, UNITS_OF_ROWS = np.uintp(STEP), np.uintp(2 * STEP), np.uintp(3 * STEP)
FARTHEST, CEILINGS = np.uintp(4 * STEP), np.uintp(5 * STEP)
NONE, ONE, TWO, VECTOR = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(LANES)
FOLDED, BLOCK = np.uintp(FOLD), np.uintp(WORDS)
FLAGS = 64  # lanes that are looked through at a time, a bit each
LARGE = 1e30  # Squared lengths over this are left to float64 ...
SMALL = 1e-30  # ... and what underflows under this is covered by an absolute error of the bounds.
# A sum is at most 1.5 UNITS^2 (1 + ROUGHEST)^2, which is to be less than 2^31.
UNITS = 30000.0
ROUGHEST = 0.1
AXIS_UNITS = 32767.0
# Share of the words' variance that the principal axes may leave. More axes make the product
# longer, fewer leave more words to compare; for HOG descriptors the times of both are alike here.
UNEXPLAINED = 0.04


class Prepared(NamedTuple):
    """What the kernels know of the words."""

    words: FloatArray  # (n_words, d)
    mean: FloatArray  # (d,)
    axes: ShortArray  # (d, n_axes) in blocks; n_axes is a multiple of 16
    table: ShortArray  # (n_axes + 2, n_words rounded up to WIDTH) in blocks
    # (width of the table,): what products begin with, the place of the word in its lane; MOST
    # where there is no word.
    starts: npt.NDArray[np.int32]
    radius: float  # R; infinite if there are to be no bounds
    slack: float  # What rounding adds to 2 p . q, in units of max(|x|, R) R.
    lengthening: float  # |x|^2 times this, less what is computed of |p|^2, is r(x)^2 or more.
    rounding: float  # Relative error of a sum of d squares in float32.


class Scratch(NamedTuple):
    """What the kernels write of up to STEP rows."""

    centred: FloatArray  # (d,)
    coordinates: ShortArray  # (STEP, d), d even
    projected: npt.NDArray[np.int32]  # (STEP, n_axes)
    factors: ShortArray  # (STEP, n_axes + 2)
    # (STEP, n_lanes rounded up to FLAGS): the least product of every lane, MOST beyond the lanes
    least: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]  # and the least but one, not set beyond the lanes
    # (6 * STEP,): |x|^2 of every row; |x|, rounded up; the margin, infinite where there are no
    # bounds; the unit; room for the search. The bounds are squares - margins + units * products.
    sizes: DoubleArray


def prepare(words: FloatArray) -> Prepared:
    """Prepare the bounds for words: ndarray of shape (n_words, d), float32, finite."""
    words = np.ascontiguousarray(words, np.float32)
    mean = words.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = words.astype(np.float64) - mean
    squared = np.einsum("ij,ij->i", centred, centred)
    radius = max(float(np.sqrt(squared.max())), SMALL**0.5)
    if not squared.max() < LARGE:
        centred[:], radius = 0, np.inf
    axes = _principal_axes(centred)
    slack, excess = _slack(*axes.shape)
    if excess > ROUGHEST:  # Hundreds of thousands of columns: 16 bits cannot tell.
        radius = np.inf
    table = _bound_table(centred, axes, radius)
    starts = aligned((len(table) * WORDS,), np.int32)
    starts[:] = np.repeat(np.arange(FOLD), len(starts) // FOLD)
    starts[len(words) :] = MOST
    return Prepared(
        aligned_copy(words),
        mean,
        as_blocks(np.rint(axes * AXIS_UNITS)),
        table,
        starts,
        radius,
        slack,
        1 + excess,
        (words.shape[1] + 8) * UNIT,
    )


def _principal_axes(centred: DoubleArray) -> DoubleArray:
    """Principal axes of the words that explain nearly all variance; zero columns fill up."""
    n_words, d = centred.shape
    if d <= n_words:
        variances, axes = np.linalg.eigh(centred.T @ centred)
        variances, axes = variances[::-1], axes[:, ::-1]
    else:
        _, lengths, rows = np.linalg.svd(centred, full_matrices=False)
        variances, axes = lengths**2, rows.T
    explained = np.cumsum(variances)
    n_axes = int(np.searchsorted(explained, (1 - UNEXPLAINED) * explained[-1])) + 1
    n_axes = -(-n_axes // WORDS) * WORDS
    padded = np.zeros((d, n_axes))
    padded[:, : axes.shape[1]] = axes[:, :n_axes]
    return padded


def _slack(d: int, n_axes: int) -> tuple[float, float]:
    """Give what rounding adds to ``2 p . q``, and to ``|p|^2``.

    In units of ``max(|x|, R) R`` and of ``|x|^2``. A number cut off or rounded to ``1 / n`` errs by
    ``1 / n`` or half of it, ``m`` such numbers by ``sqrt(m)`` times that; and the rounding of ``Q``
    errs by its Frobenius norm times ``|x|``.
    """
    of_x = d**0.5 / UNITS + (d * n_axes) ** 0.5 / (2 * AXIS_UNITS) + (d + 8) * UNIT
    of_p = of_x + n_axes**0.5 / UNITS
    of_q = n_axes**0.5 * FOLD / (2 * UNITS) + 1e-9
    return 2 * (of_p + of_q + of_p * of_q), 2 * of_x + of_x**2 + (n_axes + 8) * UNIT


def _bound_table(centred: DoubleArray, axes: DoubleArray, radius: float) -> ShortArray:
    """Columns ``[-q, -r(c), |c|^2 / R]`` of the words in units of ``R / UNITS``."""
    n_words = len(centred)
    coordinates = centred @ axes
    squared = np.einsum("ij,ij->i", centred, centred)
    rest = squared * (1 + 1e-9) - np.einsum("ij,ij->i", coordinates, coordinates)
    width = -(-n_words // WIDTH) * WIDTH
    table = np.zeros((axes.shape[1] + 2, width))
    table[:-2, :n_words] = -np.rint(coordinates.T / radius * (UNITS / FOLD))
    table[-2, :n_words] = -np.ceil(np.sqrt(np.maximum(rest, 0)) / radius * (UNITS / FOLD))
    table[-1, :n_words] = np.floor(squared / radius / radius * (UNITS / FOLD))
    return aligned_copy(as_blocks(table * FOLD))


def scratch(prepared: Prepared) -> Scratch:
    """Make the arrays that the bounds of rows are computed in."""
    _, n_pairs, _, _ = prepared.axes.shape
    _, depth, _, _ = prepared.table.shape
    n_lanes = len(prepared.starts) // FOLD
    least, second = aligned((2, STEP, -(-n_lanes // FLAGS) * FLAGS), np.int32)
    least[:, n_lanes:] = MOST
    return Scratch(
        np.empty(prepared.words.shape[1], np.float32),
        np.zeros((STEP, 2 * n_pairs), np.int16),
        np.empty((STEP, 2 * depth - 2), np.int32),
        np.zeros((STEP, 2 * depth), np.int16),
        least,
        second,
        np.empty(6 * STEP),
    )


@part
def bound(rows: Any, n: Any, d: Any, known: Any, made: Any) -> None:
    """Compute the bounds of ``n`` rows of ``d`` numbers, up to STEP.

    ``known`` is :class:`Prepared` but for the words, ``made`` is :class:`Scratch`.
    """
    mean, axes, table, starts, radius, slack, lengthening, rounding = known
    centred, coordinates, projected, factors, least, second, sizes = made
    n_axes, width = np.uintp(projected.shape[1]), np.uintp(coordinates.shape[1])
    for r in range(n):
        row = moved(rows, r * d)
        squared = np.float64(_centre(row, mean, d, centred))
        length = np.sqrt(squared * (1 + 2 * rounding) + SMALL)
        margin = np.inf
        if squared < LARGE and radius < np.inf:
            margin = rounding * length**2 + SMALL
            _scale(centred, np.float32(UNITS / length), d, moved(pointer(coordinates), r * width))
        sizes[r], sizes[LENGTHS + r], sizes[MARGINS + r] = squared, length, margin
    for axis in range(NONE, n_axes, BLOCK):
        block, to = moved(pointer(axes), axis * width), moved(pointer(projected), axis)
        multiply(pointer(coordinates), n, width // TWO, block, to, n_axes)
    for r in range(n):
        if sizes[MARGINS + r] < np.inf:
            length = sizes[LENGTHS + r]
            longest = length if length > radius else radius
            scale = everywhere(np.float32(length / longest / AXIS_UNITS))
            sums, to = everywhere(np.float32(0)), r * (n_axes + TWO)
            for i in range(NONE, n_axes, VECTOR):
                explained = load_integers(pointer(projected), r * n_axes + i)
                along = floats_of(explained) * scale
                store_short(pointer(factors), to + i, integers_of(along))
                sums = multiply_add(along, along, sums)
            rest = (length * UNITS / longest) ** 2 * lengthening - np.float64(total(sums))
            to += n_axes
            coefficients = pointer(factors)
            coefficients[to] = np.int16(np.sqrt(rest if rest > 0 else 0.0) + 1)
            coefficients[to + ONE] = np.int16(UNITS * radius / (2 * longest))
            sizes[UNITS_OF_ROWS + r] = 2 * longest * radius / UNITS**2
            sizes[MARGINS + r] += slack * longest * radius
    n_lanes, room, depth = np.uintp(len(starts)) // FOLDED, np.uintp(least.shape[1]), n_axes + TWO
    for lane in range(NONE, n_lanes, BLOCK):
        block, from_ = moved(pointer(table), lane * depth), moved(pointer(starts), lane)
        to, next_to = moved(pointer(least), lane), moved(pointer(second), lane)
        fold(pointer(factors), n, depth // TWO, block, from_, n_lanes, to, next_to, room)


@part
def _centre(row: Any, mean: Any, d: Any, centred: Any) -> Any:
    """Subtract the mean; gives the sum of the squares."""
    sums, rest, whole = everywhere(np.float32(0)), np.float32(0), d // VECTOR * VECTOR
    for i in range(NONE, whole, VECTOR):
        values = load(row, i) - load(mean, i)
        store(centred, i, values)
        sums = multiply_add(values, values, sums)
    for i in range(whole, d):
        value = row[i] - mean[i]
        centred[i] = value
        rest += value * value
    return total(sums) + rest


@part
def _scale(numbers: Any, scale: Any, d: Any, scaled: Any) -> None:
    """Multiply float32 numbers, and cut them off to int16."""
    whole = d // VECTOR * VECTOR
    for i in range(NONE, whole, VECTOR):
        store_short(scaled, i, integers_of(load(numbers, i) * everywhere(scale)))
    for i in range(whole, d):
        scaled[i] = np.int16(numbers[i] * scale)
