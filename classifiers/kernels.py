"""Products of a tall block with few columns, for which BLAS has no good kernel."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["block_scores"]

# Sums may be split over vector lanes; NaN and infinity keep their meaning.
MATH = {"reassoc", "contract", "nsz"}
CLASSES = 5
# From so many classes on BLAS is faster.
MANY_CLASSES = 32


def block_scores(
    X: npt.NDArray[Any], coef: npt.NDArray[Any], intercept: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Compute ``X @ coef.T + intercept``.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    coef : ndarray of shape (n_classes, n_features), dtype of X
    intercept : ndarray of shape (n_classes,), dtype of X

    Returns
    -------
    ndarray of shape (n, n_classes)
        Contiguous along the rows of X: reductions over classes are sums of long rows.
    """
    n_classes = len(coef)
    if n_classes > MANY_CLASSES:
        return np.asarray((coef @ X.T + intercept[:, None]).T)
    # Classes are taken five at a time, the last ones once more to fill up.
    groups = np.minimum(np.arange(-(-n_classes // CLASSES) * CLASSES), n_classes - 1)
    out = np.empty((len(groups), len(X)), X.dtype)
    _scores_by_fives(np.ascontiguousarray(X), coef[groups], intercept[groups], out)
    return out[:n_classes].T


@njit(nogil=True, cache=True, fastmath=MATH)
def _scores_by_fives(X, W, b, out):  # type: ignore[no-untyped-def]
    """Take two rows and five classes at a time: ten sums in registers, seven loads a step."""
    n, d = X.shape
    for i in range(0, n, 2):
        i2 = min(i + 1, n - 1)
        x, z = X[i], X[i2]
        for k in range(0, len(W), 5):
            w0, w1, w2, w3, w4 = W[k], W[k + 1], W[k + 2], W[k + 3], W[k + 4]
            p0, p1, p2, p3, p4 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4]
            q0, q1, q2, q3, q4 = p0, p1, p2, p3, p4
            for j in range(d):
                u, v = x[j], z[j]
                p0 += u * w0[j]
                p1 += u * w1[j]
                p2 += u * w2[j]
                p3 += u * w3[j]
                p4 += u * w4[j]
                q0 += v * w0[j]
                q1 += v * w1[j]
                q2 += v * w2[j]
                q3 += v * w3[j]
                q4 += v * w4[j]
            out[k, i], out[k, i2] = p0, q0
            out[k + 1, i], out[k + 1, i2] = p1, q1
            out[k + 2, i], out[k + 2, i2] = p2, q2
            out[k + 3, i], out[k + 3, i2] = p3, q3
            out[k + 4, i], out[k + 4, i2] = p4, q4
