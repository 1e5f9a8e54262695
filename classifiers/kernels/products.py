"""Products of a tall block with few columns, for which BLAS has no good kernel.

Two rows and five classes at a time, so that their sums are in registers (:mod:`.tiles`). What is
used again in between is small enough for a core's caches: a chunk of the weights for the first
level, a panel of rows for the second.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from visualwords.compiling import kernel, prefetch
from visualwords.tiles import (
    TALL,
    VECTOR_BYTES,
    WIDE,
    add_inner,
    add_outer,
    add_tile,
    add_totals,
    empty_tile,
)

__all__ = ["block_gradient", "block_moments", "block_scores", "packed_weights"]

# From so many classes on BLAS is faster; with AVX-512 only where their weights fill a core's second
# cache.
MANY_CLASSES = 24 if VECTOR_BYTES == 32 else 512
# Bytes of a class's weights that stay in a core's first cache while rows pass by, and how many pass
# before the next such chunk: the rows' other columns are at the second level then.
CHUNK = 1536
ROWS = 16
# Rows of X over which a tile of the gradient is summed.
PANEL = 64
# How many rows before they are needed to ask for rows of X: memory is read during the arithmetic.
AHEAD = 8


def packed_weights(coef: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Order weights as :func:`block_scores` reads them.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)

    Returns
    -------
    ndarray of shape (groups, vectors, WIDE, lanes)
        Zeros are appended; with many classes, or without columns, ``coef`` as it is.
    """
    if len(coef) > MANY_CLASSES or coef.size == 0:
        return coef
    lanes = VECTOR_BYTES // coef.itemsize
    padded = _padded(coef, WIDE, lanes)
    groups = padded.reshape(len(padded) // WIDE, WIDE, -1, lanes)
    return np.ascontiguousarray(groups.transpose(0, 2, 1, 3))


def block_scores(
    X: npt.NDArray[Any], weights: npt.NDArray[Any], intercept: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Compute ``X @ coef.T + intercept``.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    weights : ndarray
        What :func:`packed_weights` makes of ``coef``, of the dtype of X.
    intercept : ndarray of shape (n_classes,), dtype of X

    Returns
    -------
    ndarray of shape (n, n_classes)
        Contiguous along the rows of X: reductions over classes are sums of long rows.
    """
    if weights.ndim == 2:
        scores = weights @ X.T
        scores += intercept[:, None]
        return np.asarray(scores.T)
    out = np.empty((len(weights) * WIDE, -(-len(X) // TALL) * TALL), X.dtype)
    n_classes = len(intercept)
    out[:n_classes] = intercept[:, None]
    out[n_classes:] = 0
    _add_scores(_numbers(X), len(X), X.shape[1], weights, out)
    return out[:n_classes, : len(X)].T


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
    if n_classes > MANY_CLASSES or d == 0:
        return np.asarray(slopes.T @ X)
    factors = np.ascontiguousarray(slopes.T)
    if n_classes % WIDE:
        factors = _padded(factors, WIDE, 1)
    strip = TALL * VECTOR_BYTES // X.itemsize
    out = np.zeros((len(factors), -(-d // strip) * strip), X.dtype)
    _add_gradient(_numbers(X), len(X), d, factors, out)
    return out[:n_classes, :d]


def block_moments(
    X: npt.NDArray[Any], origin: npt.NDArray[Any], weights: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Compute ``weights @ (X - origin)`` and ``weights @ (X - origin)**2``.

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
    _add_moments(_numbers(X), _numbers(origin), _numbers(weights), first, second)
    return first, second


def _padded(a: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """Copy with zeros appended up to multiples of ``rows`` and ``columns``."""
    n, d = a.shape
    out = np.zeros((-(-n // rows) * rows, -(-d // columns) * columns), a.dtype)
    out[:n, :d] = a
    return out


def _numbers(X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give X as one row that is read only: one type for arrays and memory maps."""
    flat = np.ascontiguousarray(X).reshape(-1).view(np.ndarray)
    flat.flags.writeable = False
    return flat


@njit(nogil=True, cache=True)
def _add_scores(X, n, d, W, out):  # type: ignore[no-untyped-def]
    """Add ``coef @ X.T``; X is flat."""
    lanes, n_vectors, stride = np.uintp(W.shape[3]), W.shape[1], np.uintp(out.shape[1])
    n_chunks = -(-n_vectors * VECTOR_BYTES // CHUNK)
    for top in range(0, n, ROWS):
        for chunk in range(n_chunks):
            begin, end = chunk * n_vectors // n_chunks, (chunk + 1) * n_vectors // n_chunks
            left = np.uintp(d) - np.uintp(end - 1) * lanes
            for i in range(top, min(top + ROWS, n), TALL):
                for group in range(len(W)):
                    x = np.uintp(i * d) + np.uintp(begin) * lanes
                    y = np.uintp(min(i + 1, n - 1) * d) + np.uintp(begin) * lanes
                    w = np.uintp((group * n_vectors + begin) * WIDE) * lanes
                    sums = empty_tile(X)
                    ahead = x + np.uintp((AHEAD + group % TALL) * d)
                    for _ in range(begin, end - 1):
                        prefetch(X, ahead)
                        ahead += lanes
                        sums = add_inner(sums, X, x, y, W, w, None)
                        x, y, w = x + lanes, y + lanes, w + np.uintp(WIDE) * lanes
                    sums = add_inner(sums, X, x, y, W, w, min(left, lanes))
                    place = np.uintp(group * WIDE) * stride + np.uintp(i)
                    add_totals(sums, out, place, stride)


@njit(nogil=True, cache=True)
def _add_gradient(X, n, d, S, out):  # type: ignore[no-untyped-def]
    """Add ``S @ X``; X is flat."""
    width, stride = np.uintp(out.shape[1]), np.uintp(n)
    strip = TALL * VECTOR_BYTES // X.itemsize
    for top in range(0, n, PANEL):
        for j in range(0, d, strip):
            for k in range(0, len(S), WIDE):
                x, s = np.uintp(top * d + j), np.uintp(k * n + top)
                sums = empty_tile(X)
                if j + strip <= d:
                    for _ in range(top, min(top + PANEL, n)):
                        prefetch(X, x + np.uintp(2 * strip))
                        sums = add_outer(sums, X, x, None, S, s, stride)
                        x, s = x + np.uintp(d), s + np.uintp(1)
                else:
                    for _ in range(top, min(top + PANEL, n)):
                        sums = add_outer(sums, X, x, np.uintp(d - j), S, s, stride)
                        x, s = x + np.uintp(d), s + np.uintp(1)
                add_tile(sums, out, np.uintp(k) * width + np.uintp(j), width)


@kernel
def _add_moments(X, origin, weights, first, second):  # type: ignore[no-untyped-def]
    """Add weighted sums of differences and of their squares; X and the weights are flat."""
    d = np.uintp(len(origin))
    n = np.uintp(len(weights)) // np.uintp(len(first))
    for i in range(n):
        x = X[i * d : (i + np.uintp(1)) * d]
        for group in range(np.uintp(len(first))):
            c = weights[group * n + i]
            if c != 0 or len(first) == 1:  # what is not finite shows, whatever its weight
                for j in range(d):
                    difference = x[j] - origin[j]
                    first[group, j] += c * difference
                    second[group, j] += c * difference * difference
