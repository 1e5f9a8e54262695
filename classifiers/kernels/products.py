"""Products of a tall block of rows with the weights of a few classes, and its moments.

BLAS has no fast product for a matrix of many rows and ten columns, and its last bits of a row's
scores depend on the rows beside it. The scores are therefore computed by plain loops. For the
gradient NumPy's own product is as fast.

One pass (scores and gradient) over the hue and HOG features of CIFAR-10 (50,000 x 334, ten classes,
one thread with AVX-512) takes 14 ms like this, 12 ms with vector registers named by hand, and 20 ms
with NumPy alone; over 16,000 x 1,334 numbers it takes 20, 16 and 22 ms. So registers by hand are
not worth their code.
"""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel
from visualwords.threads import row_blocks

__all__ = ["block_gradient", "block_moments", "block_scores"]

FloatMatrix = npt.NDArray[np.floating]

# From so many classes on BLAS is as fast as the loops.
MANY_CLASSES = 32
# NumPy multiplies about so many numbers of X, but not fewer rows, faster than a whole block.
STRIP, FEWEST_ROWS = 32768, 64
# Sums may be split over vector lanes. NaN and infinity keep their meaning.
MATH = {"reassoc", "contract", "nsz"}


def block_scores(X: FloatMatrix, coef: FloatMatrix, intercept: FloatMatrix) -> FloatMatrix:
    """Return the scores ``X @ coef.T + intercept``.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    coef : ndarray of shape (n_classes, n_features), dtype of X
    intercept : ndarray of shape (n_classes,), dtype of X

    Returns
    -------
    ndarray of shape (n, n_classes)
        Each class's scores are contiguous, so a reduction over classes sums long rows.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> block_scores(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.zeros(2))
    array([[11., 17.]])
    """
    if coef.shape != (len(intercept), X.shape[1]):
        raise ValueError(
            f"expected weights of shape {(len(intercept), X.shape[1])} for rows of shape "
            f"{X.shape} and {len(intercept)} intercepts, got {coef.shape}"
        )
    if len(coef) > MANY_CLASSES:
        products = coef @ X.T
        products += intercept[:, np.newaxis]
        return np.asarray(products.T)
    scores = np.empty((len(coef), len(X)), X.dtype)
    _fill_scores(_read_only(X), _read_only(coef), np.ascontiguousarray(intercept), scores)
    return scores.T


def block_gradient(X: FloatMatrix, slopes: FloatMatrix) -> FloatMatrix:
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
    gradient = np.zeros((slopes.shape[1], X.shape[1]), X.dtype)
    for rows in row_blocks(len(X), max(FEWEST_ROWS, STRIP // max(1, X.shape[1]))):
        gradient += slopes[rows].T @ np.ascontiguousarray(X[rows])
    return gradient


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
    _add_moments(_read_only(X), _read_only(origin), _read_only(weights), first, second)
    return first, second


def _read_only(array: FloatMatrix) -> FloatMatrix:
    """Return a contiguous read-only view: one compiled version serves arrays and memory maps."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


@kernel(fastmath=MATH)
def _fill_scores(
    X: FloatMatrix, coef: FloatMatrix, intercept: FloatMatrix, scores: FloatMatrix
) -> None:
    """Write the scores, of shape (n_classes, n), for two rows and five classes at a time.

    Ten sums stay in registers while the columns pass by. Where the last rows or classes are fewer,
    the last one is computed again.
    """
    last_row, last = len(X) - 1, len(coef) - 1
    for i in range(0, len(X), 2):
        j = min(i + 1, last_row)
        x, y = X[i], X[j]
        for a in range(0, len(coef), 5):
            b, c, d, e = min(a + 1, last), min(a + 2, last), min(a + 3, last), min(a + 4, last)
            wa, wb, wc, wd, we = coef[a], coef[b], coef[c], coef[d], coef[e]
            xa = xb = xc = xd = xe = ya = yb = yc = yd = ye = coef.dtype.type(0)
            for column in range(len(x)):
                p, q = x[column], y[column]
                xa, ya = xa + p * wa[column], ya + q * wa[column]
                xb, yb = xb + p * wb[column], yb + q * wb[column]
                xc, yc = xc + p * wc[column], yc + q * wc[column]
                xd, yd = xd + p * wd[column], yd + q * wd[column]
                xe, ye = xe + p * we[column], ye + q * we[column]
            scores[a, i], scores[a, j] = xa + intercept[a], ya + intercept[a]
            scores[b, i], scores[b, j] = xb + intercept[b], yb + intercept[b]
            scores[c, i], scores[c, j] = xc + intercept[c], yc + intercept[c]
            scores[d, i], scores[d, j] = xd + intercept[d], yd + intercept[d]
            scores[e, i], scores[e, j] = xe + intercept[e], ye + intercept[e]


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
