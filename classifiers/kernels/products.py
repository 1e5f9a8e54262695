"""Products of a tall block of rows with the weights of a few classes, and its moments.

BLAS has no fast product for a matrix of many rows and ten columns, and its last bits of a row's
scores depend on the rows beside it. The scores are therefore computed by plain loops. For the
gradient NumPy's products of small strips of rows are faster than loops.

Vector registers named by hand would save a quarter of one pass (scores and gradient, ten classes,
one thread) on an Intel Xeon: 11 ms instead of 15 ms for the hue and HOG features of CIFAR-10
(50,000 x 334). Fits of these would take about a tenth less. That is not worth the code. On an AMD
EPYC they saved nothing when three rows were scored at a time.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel, read_only

__all__ = ["block_gradient", "block_moments", "block_scores", "row_scores", "scaled_block"]

FloatMatrix = npt.NDArray[np.floating]
DoubleMatrix = npt.NDArray[np.float64]

Float = TypeVar("Float", bound=np.floating)

# With more classes BLAS is as fast as the loops for the scores, and whole blocks of rows are faster
# than strips for the gradient.
MANY_CLASSES = 32
# OpenBLAS multiplies at once what needs at most a million multiplications. Where fewer rows than
# FEWEST_ROWS need more, a whole block is faster.
SMALL_PRODUCT, FEWEST_ROWS = 900_000, 16
# It reads such rows column by column, and processors know the places of 64 pages of memory at once.
# With more of them a row took up to 1.6 times as long (1,334 columns of float32, ten classes).
BYTES_OF_64_PAGES = 64 * 4096
# Sums may be split over vector lanes. NaN and infinity keep their meaning.
MATH = {"reassoc", "contract", "nsz"}


def block_scores(X: FloatMatrix, coef: FloatMatrix, intercept: FloatMatrix) -> FloatMatrix:
    """Return the scores ``X @ coef.T + intercept`` in the fastest way.

    With many classes the last bits of a row's scores may depend on the rows beside it. The
    parameters are those of :func:`row_scores`.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Each class's scores are contiguous, so a reduction over classes sums long rows.
    """
    if len(coef) <= MANY_CLASSES:
        return row_scores(X, coef, intercept)
    products = coef @ X.T
    products += intercept[:, np.newaxis]
    return np.asarray(products.T)


def row_scores(X: FloatMatrix, coef: FloatMatrix, intercept: FloatMatrix) -> FloatMatrix:
    """Return the scores ``X @ coef.T + intercept``; those of a row depend on that row alone.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    coef : ndarray of shape (n_classes, n_features), dtype of X
    intercept : ndarray of shape (n_classes,), dtype of X

    Returns
    -------
    ndarray of shape (n, n_classes)
        Each class's scores are contiguous.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> row_scores(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.zeros(2))
    array([[11., 17.]])
    """
    if coef.shape != (len(intercept), X.shape[1]):
        raise ValueError(
            f"expected weights of shape {(len(intercept), X.shape[1])} for rows of shape "
            f"{X.shape} and {len(intercept)} intercepts, got {coef.shape}"
        )
    scores = np.empty((len(coef), len(X)), X.dtype)
    _fill_scores(read_only(X), read_only(coef), np.ascontiguousarray(intercept), scores)
    return scores.T


def block_gradient(X: npt.NDArray[Float], slopes: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Return the gradient by the weights, ``slopes.T @ X``.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    slopes : ndarray of shape (n, n_classes), dtype of X
        The derivatives of the losses by the scores.

    Returns
    -------
    ndarray of shape (n_classes, n_features)
    """
    (n, n_classes), X = slopes.shape, np.ascontiguousarray(X)
    n_rows = _rows_at_once(n_classes, X.shape[1], X.itemsize) or max(1, n)
    gradient = np.zeros((n_classes, X.shape[1]), X.dtype)
    for start in range(0, n, n_rows):
        stop = start + n_rows
        gradient += slopes[start:stop].T @ X[start:stop]
    return gradient


def _rows_at_once(n_classes: int, n_columns: int, itemsize: int) -> int:
    """Return how many rows are multiplied fastest at once; 0 for all."""
    n_rows = SMALL_PRODUCT // max(1, n_classes * n_columns)
    if n_classes > MANY_CLASSES or n_rows < FEWEST_ROWS:
        return 0
    return min(n_rows, max(FEWEST_ROWS, BYTES_OF_64_PAGES // max(1, n_columns * itemsize)))


def block_moments(
    X: FloatMatrix, origin: FloatMatrix, weights: FloatMatrix
) -> tuple[FloatMatrix, FloatMatrix]:
    """Return ``weights @ (X - origin)`` and ``weights @ (X - origin)**2``.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    origin : ndarray of shape (n_features,), dtype of X
    weights : ndarray of shape (n_groups, n), dtype of X
        Most are 0 where there are several groups.

    Returns
    -------
    first, second : ndarray of shape (n_groups, n_features)
    """
    first = np.zeros((len(weights), X.shape[1]), X.dtype)
    second = np.zeros_like(first)
    _add_moments(read_only(X), read_only(origin), read_only(weights), first, second)
    return first, second


def scaled_block(
    X: FloatMatrix,
    mean: DoubleMatrix,
    scale: DoubleMatrix,
    weights: DoubleMatrix,
    coef: DoubleMatrix,
) -> tuple[DoubleMatrix, DoubleMatrix, DoubleMatrix, DoubleMatrix]:
    """Scale rows in float64 and measure their sizes in one pass.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    mean, scale : ndarray of shape (n_features,), float64
    weights : ndarray of shape (n,), float64
    coef : ndarray of shape (n_features,), float64

    Returns
    -------
    rows : ndarray of shape (n, n_features)
        ``(X - mean) / scale``, by a product with the inverse of the scale.
    sizes : ndarray of shape (n_features,)
        ``weights @ abs(rows)``.
    squares : ndarray of shape (n,)
        The squared norm of each row.
    terms : ndarray of shape (n,)
        ``abs(rows) @ coef``.

    Examples
    --------
    >>> X, weights, coef = np.array([[3.0, -2.0]]), np.array([0.5]), np.array([1.0, 4.0])
    >>> rows, sizes, squares, terms = scaled_block(
    ...     X, np.ones(2), np.array([1.0, 2.0]), weights, coef
    ... )
    >>> rows.tolist(), sizes.tolist(), squares.tolist(), terms.tolist()
    ([[2.0, -1.5]], [1.0, 0.75], [6.25], [8.0])
    """
    rows, sizes = np.empty(X.shape), np.zeros(X.shape[1])
    squares, terms = np.empty(len(X)), np.empty(len(X))
    _scale_rows(read_only(X), mean, 1 / scale, weights, coef, rows, sizes, squares, terms)
    return rows, sizes, squares, terms


@kernel(fastmath=MATH)
def _fill_scores(
    X: FloatMatrix, coef: FloatMatrix, intercept: FloatMatrix, scores: FloatMatrix
) -> None:
    """Write the scores, of shape (n_classes, n), for four rows and five classes at a time.

    Twenty sums stay in the registers of a processor with AVX-512 while the columns pass by. The
    rows come from four quarters of the block: the processor foresees what is needed of memory if
    each row follows the one before. Where the last rows or classes are fewer, the last one is
    computed again.
    """
    quarter = (len(X) + 3) // 4
    last_row, last = len(X) - 1, len(coef) - 1
    for g in range(quarter):
        h, i, j = g + quarter, g + 2 * quarter, g + 3 * quarter
        h, i, j = min(h, last_row), min(i, last_row), min(j, last_row)
        p, q, r, s = X[g], X[h], X[i], X[j]
        for a in range(0, len(coef), 5):
            b, c, d, e = min(a + 1, last), min(a + 2, last), min(a + 3, last), min(a + 4, last)
            va, vb, vc, vd, ve = coef[a], coef[b], coef[c], coef[d], coef[e]
            pa = pb = pc = pd = pe = coef.dtype.type(0)
            qa = qb = qc = qd = qe = ra = rb = rc = rd = re = sa = sb = sc = sd = se = pa
            for column in range(len(p)):
                w, x, y, z = p[column], q[column], r[column], s[column]
                v = va[column]
                pa, qa, ra, sa = pa + v * w, qa + v * x, ra + v * y, sa + v * z
                v = vb[column]
                pb, qb, rb, sb = pb + v * w, qb + v * x, rb + v * y, sb + v * z
                v = vc[column]
                pc, qc, rc, sc = pc + v * w, qc + v * x, rc + v * y, sc + v * z
                v = vd[column]
                pd, qd, rd, sd = pd + v * w, qd + v * x, rd + v * y, sd + v * z
                v = ve[column]
                pe, qe, re, se = pe + v * w, qe + v * x, re + v * y, se + v * z
            u, out = intercept[a], scores[a]
            out[g], out[h], out[i], out[j] = pa + u, qa + u, ra + u, sa + u
            u, out = intercept[b], scores[b]
            out[g], out[h], out[i], out[j] = pb + u, qb + u, rb + u, sb + u
            u, out = intercept[c], scores[c]
            out[g], out[h], out[i], out[j] = pc + u, qc + u, rc + u, sc + u
            u, out = intercept[d], scores[d]
            out[g], out[h], out[i], out[j] = pd + u, qd + u, rd + u, sd + u
            u, out = intercept[e], scores[e]
            out[g], out[h], out[i], out[j] = pe + u, qe + u, re + u, se + u


@kernel
def _add_moments(
    X: FloatMatrix,
    origin: FloatMatrix,
    weights: FloatMatrix,
    first: FloatMatrix,
    second: FloatMatrix,
) -> None:
    """Add the weighted sums of differences, and of their squares, over the rows."""
    n_groups = len(first)
    for i in range(len(X)):
        x = X[i]
        for group in range(n_groups):
            weight = weights[group, i]
            # With one group a row of weight 0 counts too: what is not finite in it must show.
            if weight != 0 or n_groups == 1:
                for j in range(len(origin)):
                    difference = x[j] - origin[j]
                    first[group, j] += weight * difference
                    second[group, j] += weight * difference * difference


@kernel(fastmath=MATH)
def _scale_rows(
    X: FloatMatrix,
    mean: FloatMatrix,
    inverse: FloatMatrix,
    weights: FloatMatrix,
    coef: FloatMatrix,
    rows: FloatMatrix,
    sizes: FloatMatrix,
    squares: FloatMatrix,
    terms: FloatMatrix,
) -> None:
    """Write the scaled rows, their squared norms and terms, and add to the sizes."""
    for i in range(len(X)):
        x, row, weight, square, term = X[i], rows[i], weights[i], 0.0, 0.0
        for j in range(len(x)):
            value = (x[j] - mean[j]) * inverse[j]
            row[j] = value
            sizes[j] += weight * abs(value)
            square += value * value
            term += abs(value) * coef[j]
        squares[i], terms[i] = square, term
