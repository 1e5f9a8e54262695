"""Lower bounds of the distances of rows to words, for a third of a matrix product's arithmetic.

Let ``x`` and ``c`` be relative to the mean of the words, ``Q`` the words' first principal axes,
``r(x)`` the length of what is left of ``x`` beyond them. By Cauchy-Schwarz

    |x - c|^2 >= |x|^2 + |c|^2 - 2 (Q'x . Q'c) - 2 r(x) r(c)

and all but ``|x|^2`` of the right side is one matrix product of ``[Q'x, r(x), 1]`` with
``[-2 Q'c, -2 r(c), |c|^2]``.

It is computed in float32. Its error is at most ``slack * (|x| + max |c|)^2``: a product of ``n``
terms errs by at most ``gamma_n = n u / (1 - n u)`` of the product of the absolute values,
``u = 2^-24`` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), in
whatever order it is summed, and ``r`` is rounded up. So a BLAS may add as it likes. Rows too large
for float32 have no bounds: they are to be compared with all words.
"""

from typing import NamedTuple

import numba
import numpy as np

from .distances import DoubleArray, IntArray, squared_length
from .image import FloatArray

__all__ = [
    "FOLD",
    "SMALL",
    "Prepared",
    "Work",
    "bound_margin",
    "fill_bounds",
    "new_work",
    "prepare",
]

UNIT = 2.0**-24
LARGE = 1e30  # Squared lengths over this are left to float64 ...
SMALL = 1e-30  # ... and what underflows under this is covered by an absolute error of the bounds.
UNEXPLAINED = 0.06  # Share of the words' variance that the principal axes may leave.
FOLD = 8  # Bounds are folded twice by this factor before any single one is looked at.
SMALL_PRODUCT = 1_000_000  # Multiplications up to which OpenBLAS packs no operand (AVX-512).
MAX_STEP = 64


class Prepared(NamedTuple):
    """What the kernels know of the words."""

    words: FloatArray  # (n_words, d)
    mean: FloatArray  # (d,)
    axes: FloatArray  # (d, n_axes + 2), the last two columns zero
    table: FloatArray  # (n_axes + 2, n_words rounded up to FOLD^2)
    slack: float
    radius: float  # max |c - mean|
    step: int  # Rows whose bounds are computed at once.


class Work(NamedTuple):
    """Arrays that the kernels fill again and again, for a step of rows or for one."""

    centred: FloatArray  # (step, d)
    factors: FloatArray  # (step, n_axes + 2)
    squared: FloatArray  # (step,)
    bounds: FloatArray  # (step, width of the table)
    folded: FloatArray  # (width / FOLD,)
    twice: FloatArray  # (width / FOLD^2,)
    lanes: IntArray  # (width / FOLD + 1,)
    near: IntArray  # (width + 1,)
    estimates: FloatArray  # (width,)


def prepare(words: FloatArray) -> Prepared:
    """Prepare the bounds for words: ndarray of shape (n_words, d), float32, finite."""
    words = np.ascontiguousarray(words, np.float32)
    mean = words.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = words.astype(np.float64) - mean
    squared = np.einsum("ij,ij->i", centred, centred)
    radius = float(np.sqrt(squared.max()))
    if not squared.max() < LARGE:
        centred[:] = 0  # The bounds will not be used.
    axes = _principal_axes(centred)
    d, depth = axes.shape
    projection_error = np.sqrt(depth) * (d + 8) * UNIT
    slack = float(4 * (projection_error + (depth + 8) * UNIT))
    if slack > 1:  # Millions of columns: float32 cannot tell.
        radius = np.inf
    table = _bound_table(centred, axes, slack)
    step = min(SMALL_PRODUCT // table.size // 8 * 8, MAX_STEP) or MAX_STEP
    return Prepared(words, mean, axes, table, slack, radius, step)


def _principal_axes(centred: DoubleArray) -> FloatArray:
    """Principal axes of the words that explain nearly all variance, and two zero columns."""
    n_words, d = centred.shape
    if d <= n_words:
        variances, axes = np.linalg.eigh(centred.T @ centred)
        variances, axes = variances[::-1], axes[:, ::-1]
    else:
        _, lengths, rows = np.linalg.svd(centred, full_matrices=False)
        variances, axes = lengths**2, rows.T
    explained = np.cumsum(variances)
    n_axes = int(np.searchsorted(explained, (1 - UNEXPLAINED) * explained[-1])) + 1
    n_axes = min(n_axes, axes.shape[1])
    padded = np.zeros((d, n_axes + 2), np.float32)
    padded[:, :n_axes] = axes[:, :n_axes]
    return padded


def _bound_table(centred: DoubleArray, axes: FloatArray, slack: float) -> FloatArray:
    """Columns ``[-2 Q'c, -2 r(c), |c|^2]`` of the words; more columns that no row comes near."""
    n_words = len(centred)
    coordinates = centred @ axes
    squared = np.einsum("ij,ij->i", centred, centred)
    rest = squared * (1 + slack) - np.einsum("ij,ij->i", coordinates, coordinates)
    table = np.zeros((axes.shape[1], -(-n_words // FOLD**2) * FOLD**2), np.float32)
    table[:, :n_words] = -2 * coordinates.T
    table[-2, :n_words] = -2 * np.sqrt(np.maximum(rest, 0))
    table[-1] = 1e36
    table[-1, :n_words] = squared
    return table


@numba.njit(nogil=True, cache=True)
def new_work(prepared: Prepared) -> Work:
    """Make room for a step of rows."""
    depth, width = prepared.table.shape
    step = prepared.step
    return Work(
        np.empty((step, len(prepared.mean)), np.float32),
        np.empty((step, depth), np.float32),
        np.empty(step, np.float32),
        np.empty((step, width), np.float32),
        np.empty(width // FOLD, np.float32),
        np.empty(width // FOLD**2, np.float32),
        np.empty(width // FOLD + 1, np.int32),
        np.empty(width + 1, np.int32),
        np.empty(width, np.float32),
    )


@numba.njit(nogil=True, cache=True)
def fill_bounds(rows: FloatArray, prepared: Prepared, work: Work) -> None:
    """Find ``|x|^2`` of a few rows and the rest of the bounds of all words."""
    centred, factors, squared = work.centred, work.factors, work.squared
    n, d = rows.shape
    for r in range(n):
        for i in range(d):
            centred[r, i] = rows[r, i] - prepared.mean[i]
        squared[r] = squared_length(centred[r])
    np.dot(centred[:n], prepared.axes, factors[:n])
    for r in range(n):
        rest = squared[r] * (1 + prepared.slack) - squared_length(factors[r])
        factors[r, -2] = np.sqrt(max(rest, 0.0))
        factors[r, -1] = 1
    np.dot(factors[:n], prepared.table, work.bounds[:n])


@numba.njit(nogil=True, cache=True)
def bound_margin(squared: float, prepared: Prepared) -> float:
    """Most by which a bound may exceed the squared distance; infinite where float32 fails."""
    reach = (np.sqrt(squared) + prepared.radius) ** 2
    return prepared.slack * reach + SMALL - squared if reach < LARGE else np.inf
