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

import numpy as np

from .distances import DoubleArray
from .image import FloatArray

__all__ = ["FOLD", "SMALL", "Prepared", "factors_and_margins", "prepare"]

UNIT = 2.0**-24
LARGE = 1e30  # Squared lengths over this are left to float64 ...
SMALL = 1e-30  # ... and what underflows under this is covered by an absolute error of the bounds.
UNEXPLAINED = 0.06  # Share of the words' variance that the principal axes may leave.
FOLD = 8  # Bounds are folded twice by this factor before any single one is looked at.


class Prepared(NamedTuple):
    """What the kernels know of the words."""

    words: FloatArray  # (n_words, d)
    mean: FloatArray  # (d,)
    axes: FloatArray  # (d, n_axes + 2), the last two columns zero
    table: FloatArray  # (n_axes + 2, n_words rounded up to FOLD^2)
    slack: float
    radius: float  # max |c - mean|


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
    return Prepared(words, mean, axes, table, slack, radius)


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


def factors_and_margins(rows: FloatArray, prepared: Prepared) -> tuple[FloatArray, DoubleArray]:
    """Factors of the rows' bounds, and by how much their products may exceed squared distances.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    prepared : Prepared

    Returns
    -------
    factors : ndarray of shape (n, n_axes + 2), float32
        Their product with ``prepared.table`` are the bounds, but for ``|x|^2``.
    margins : ndarray of shape (n,), float64
        Infinite where float32 fails.
    """
    with np.errstate(all="ignore"):  # Rows that are too large or not finite get no bounds.
        centred = rows - prepared.mean
        factors: FloatArray = np.matmul(centred, prepared.axes, dtype=np.float32)
        squared = np.einsum("ij,ij->i", centred, centred).astype(np.float64)
        rest = squared * (1 + prepared.slack) - np.einsum("ij,ij->i", factors, factors)
        factors[:, -2] = np.sqrt(np.maximum(rest, 0))
        factors[:, -1] = 1
        reach = (np.sqrt(squared) + prepared.radius) ** 2
        margins = np.where(reach < LARGE, prepared.slack * reach + SMALL - squared, np.inf)
    return factors, margins
