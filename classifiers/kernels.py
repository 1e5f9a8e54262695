"""Products of a tall block with few columns, for which BLAS has no good kernel.

Rows are taken four and classes five at a time, so that all their sums, or all their factors, are
in registers. The loops are over columns, in whole vectors: one by one, the few columns that are
left over would take a third of the time.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["block_gradient", "block_scores"]

# Sums may be split over vector lanes; NaN and infinity keep their meaning.
MATH = {"reassoc", "contract", "nsz"}
ROWS, CLASSES = 4, 5
# Columns of a vector: of 64 bytes in float32.
LANES = 16
# From so many classes on BLAS is faster.
MANY_CLASSES = 24


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
    out = np.empty((-(-n_classes // CLASSES) * CLASSES, -(-len(X) // ROWS) * ROWS), X.dtype)
    _scores(np.ascontiguousarray(X), _padded(coef, CLASSES, LANES), out)
    scores = out[:n_classes, : len(X)]
    scores += intercept[:, None]
    return scores.T


def block_gradient(X: npt.NDArray[Any], slopes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute ``slopes.T @ X``.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    slopes : ndarray of shape (n, n_classes), dtype of X

    Returns
    -------
    ndarray of shape (n_classes, n_features)
    """
    n_classes, d = slopes.shape[1], X.shape[1]
    if X.dtype != np.float32 or n_classes > MANY_CLASSES or d == 0:
        return np.asarray(slopes.T @ X)
    P = _padded(slopes.T, CLASSES, 1)
    out = _aligned_zeros(len(P), -(-d // LANES) * LANES, X.dtype)
    _add_gradient(np.ascontiguousarray(X).ravel(), P, d, out)
    return out[:n_classes, :d]


def _padded(a: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """Copy with zeros appended up to multiples of ``rows`` and ``columns``."""
    n, d = a.shape
    out = np.zeros((-(-n // rows) * rows, -(-d // columns) * columns), a.dtype)
    out[:n, :d] = a
    return out


def _aligned_zeros(n: int, d: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros that start at a cache line: a vector stored across two lines takes twice as long."""
    flat = np.zeros(n * d + LANES, dtype)
    start = -flat.ctypes.data // flat.itemsize % LANES
    return flat[start : start + n * d].reshape(n, d)


@njit(nogil=True, cache=True, fastmath=MATH)
def _scores(X, W, out):  # type: ignore[no-untyped-def]
    """Compute ``W @ X.T``: twenty sums in registers, nine loads a step.

    Four rows are copied first: into whole vectors, and so that memory is read in its order.
    """
    n, d = X.shape
    rows = np.zeros((4, W.shape[1]), X.dtype)
    x0, x1, x2, x3 = rows[0], rows[1], rows[2], rows[3]
    for i in range(0, n, 4):
        for r in range(min(4, n - i)):
            x, y = X[i + r], rows[r]
            for j in range(d):
                y[j] = x[j]
        for k in range(0, len(W), 5):
            w0, w1, w2, w3, w4 = W[k], W[k + 1], W[k + 2], W[k + 3], W[k + 4]
            p0 = p1 = p2 = p3 = p4 = q0 = q1 = q2 = q3 = q4 = X.dtype.type(0)
            r0 = r1 = r2 = r3 = r4 = s0 = s1 = s2 = s3 = s4 = X.dtype.type(0)
            for j in range(W.shape[1]):
                a, b, c, e = x0[j], x1[j], x2[j], x3[j]
                w = w0[j]
                p0, q0, r0, s0 = p0 + a * w, q0 + b * w, r0 + c * w, s0 + e * w
                w = w1[j]
                p1, q1, r1, s1 = p1 + a * w, q1 + b * w, r1 + c * w, s1 + e * w
                w = w2[j]
                p2, q2, r2, s2 = p2 + a * w, q2 + b * w, r2 + c * w, s2 + e * w
                w = w3[j]
                p3, q3, r3, s3 = p3 + a * w, q3 + b * w, r3 + c * w, s3 + e * w
                w = w4[j]
                p4, q4, r4, s4 = p4 + a * w, q4 + b * w, r4 + c * w, s4 + e * w
            out[k, i], out[k, i + 1], out[k, i + 2], out[k, i + 3] = p0, q0, r0, s0
            out[k + 1, i], out[k + 1, i + 1], out[k + 1, i + 2], out[k + 1, i + 3] = p1, q1, r1, s1
            out[k + 2, i], out[k + 2, i + 1], out[k + 2, i + 2], out[k + 2, i + 3] = p2, q2, r2, s2
            out[k + 3, i], out[k + 3, i + 1], out[k + 3, i + 2], out[k + 3, i + 3] = p3, q3, r3, s3
            out[k + 4, i], out[k + 4, i + 1], out[k + 4, i + 2], out[k + 4, i + 3] = p4, q4, r4, s4


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add_gradient(X, P, d, out):  # type: ignore[no-untyped-def]
    """Add ``P @ X`` row after row of X, which is flat with d columns.

    The rows of ``out`` are whole vectors. What the last of them holds beyond column d comes from
    the next row of X and means nothing; rows of X after which too little follows are taken alone.
    """
    n, width = P.shape[1], out.shape[1]
    stop = max(0, n - (width - 1) // d) // 4 * 4
    for i in range(0, stop, 4):
        x0, x1, x2, x3 = X[i * d :], X[(i + 1) * d :], X[(i + 2) * d :], X[(i + 3) * d :]
        for k in range(0, len(P), 5):
            g0, g1, g2, g3, g4 = out[k], out[k + 1], out[k + 2], out[k + 3], out[k + 4]
            p0, p1, p2, p3 = P[k, i], P[k, i + 1], P[k, i + 2], P[k, i + 3]
            q0, q1, q2, q3 = P[k + 1, i], P[k + 1, i + 1], P[k + 1, i + 2], P[k + 1, i + 3]
            r0, r1, r2, r3 = P[k + 2, i], P[k + 2, i + 1], P[k + 2, i + 2], P[k + 2, i + 3]
            s0, s1, s2, s3 = P[k + 3, i], P[k + 3, i + 1], P[k + 3, i + 2], P[k + 3, i + 3]
            t0, t1, t2, t3 = P[k + 4, i], P[k + 4, i + 1], P[k + 4, i + 2], P[k + 4, i + 3]
            for j in range(width):
                a, b, c, e = x0[j], x1[j], x2[j], x3[j]
                g0[j] = g0[j] + p0 * a + p1 * b + p2 * c + p3 * e
                g1[j] = g1[j] + q0 * a + q1 * b + q2 * c + q3 * e
                g2[j] = g2[j] + r0 * a + r1 * b + r2 * c + r3 * e
                g3[j] = g3[j] + s0 * a + s1 * b + s2 * c + s3 * e
                g4[j] = g4[j] + t0 * a + t1 * b + t2 * c + t3 * e
    for i in range(stop, n):
        for k in range(len(P)):
            for j in range(d):
                out[k, j] += P[k, i] * X[i * d + j]
