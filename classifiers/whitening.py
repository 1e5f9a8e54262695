"""Whitened columns: uncorrelated columns of equal variance, for strongly correlated features.

Let ``z`` be the standardised columns of a row, ``G`` the mean of ``z z^T`` and ``L`` the Cholesky
factor of ``G + FLOOR * I``. The whitened columns are ``L^-1 z``. The penalty ``||V||^2`` of the
weights ``V`` for whitened columns is ``tr(W (G + FLOOR * I) W^T)`` for the weights ``W`` of
standardised ones: it limits the variance of the scores, in whatever direction of the columns that
variance comes about. ``||W||^2`` limits the weights of directions with little variance the most.

Solvers need few steps too, because the Hessian is near a multiple of the identity.

With at most as many rows as columns, the best weights for an L2 penalty are sums of rows (the
representer theorem). So ``z`` is replaced by its coordinates ``B z`` in a basis of the rows, ``G``
by ``B G B^T``, and no matrix has a number for each pair of columns. The basis is orthonormal but
for vectors near 0, where rows depend on each other.
"""

from collections import deque
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cholesky, get_lapack_funcs, qr, solve_triangular

from visualwords.threads import row_blocks, worker_threads

from .row_products import are_few, factor_of_products
from .scaling import Scaling, StandardisedRows, Weights
from .sources import Source

__all__ = [
    "ColumnMap",
    "Rewhitening",
    "WhitenedRows",
    "Whitening",
    "mapped",
    "rewhitening",
    "whitened",
    "whitening_of",
]

# Part of a column's variance that counts as noise: directions of less variance are damped.
FLOOR = 3e-4
# Rows that are read at a time, how many times as many have their products summed in the dtype of X,
# and columns that are computed at a time: half of a triangular matrix is not.
BLOCK_ROWS, BLOCKS, COLUMNS = 1024, 4, 1024

Rows = npt.NDArray[np.floating]


class Whitening(NamedTuple):
    """The map from the columns of ``X`` to whitened columns.

    Attributes
    ----------
    scaling : Scaling
        To standardised columns.
    factor : ndarray of shape (m, m), float64
        The lower triangular matrix ``L``.
    basis : ndarray of shape (m, n_features), float64, or None
        The matrix ``B`` where rows are few; without it ``m`` is ``n_features``.
    """

    scaling: Scaling
    factor: Weights
    basis: Weights | None = None

    def raw(self, W: Weights) -> Weights:
        """Return the weights for ``X`` that give the same scores as ``W`` for whitened columns."""
        coef = solve_triangular(
            self.factor, W[:, :-1].T, trans="T", lower=True, check_finite=False
        ).T
        if self.basis is not None:
            coef = coef @ self.basis
        return self.scaling.raw(np.column_stack([coef, W[:, -1]]))

    def whitened(self, W: Weights) -> Weights:
        """Return the weights for whitened columns that give the same scores as ``W`` for ``X``.

        With a basis that is so for the rows that it is made of.
        """
        W = self.scaling.standardised(W)
        coef = W[:, :-1] if self.basis is None else W[:, :-1] @ self.basis.T
        return np.column_stack([coef @ self.factor, W[:, -1]])


class WhitenedRows:
    """A source that holds whitened rows of ``X`` in memory.

    Parameters
    ----------
    X : source of shape (n, n_features)
    rows : ndarray of shape (n, m), dtype of X
        The whitened rows.
    whitening : Whitening
    """

    def __init__(self, X: Source, rows: Rows, whitening: Whitening) -> None:
        self.X, self.rows, self.whitening = X, rows, whitening
        self.shape, self.dtype = rows.shape, rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> Rows:
        return self.rows[rows]

    def take_rows(self, index: npt.NDArray[np.intp]) -> Rows:
        """Copy single rows; see :func:`.take_rows`."""
        return np.take(self.rows, index, axis=0)


class Rewhitening(NamedTuple):
    """The map from whitened columns to those that are whitened by other rows.

    It serves solvers as a :class:`.Scaling` does: rows stay as they are, weights are changed. A row
    ``z`` becomes ``matrix @ z + shift``.

    Attributes
    ----------
    matrix : ndarray of shape (n_features, n_features), dtype of the rows
        Lower triangular.
    shift : ndarray of shape (n_features,), float64
    """

    matrix: Rows
    shift: Weights

    def raw(self, W: Weights) -> Weights:
        """Return the weights for the columns before that give the same scores as ``W`` after."""
        coef = W[:, :-1].astype(self.matrix.dtype) @ self.matrix
        return np.column_stack([coef, W[:, -1] + W[:, :-1] @ self.shift])

    def gradient(self, G: Weights) -> Weights:
        """Return the gradient by the weights after, from that by the weights before."""
        columns = G[:, :-1].astype(self.matrix.dtype) @ self.matrix.T
        return np.column_stack([columns + np.outer(G[:, -1], self.shift), G[:, -1]])

    def rows(self, rows: Rows) -> Rows:
        """Return rows whose columns are whitened anew."""
        return np.asarray(rows @ self.matrix.T + self.shift.astype(rows.dtype))


def rewhitening(
    before: Whitening, after: Whitening, dtype: np.dtype[np.floating], n_jobs: int | None
) -> Rewhitening:
    """Return the map from the columns of one whitening to those of another, which is used up.

    With ``x = mean_b + scale_b * (L_b z)`` before and ``L_a^-1 ((x - mean_a) / scale_a)`` after, it
    is ``L_a^-1 ((scale_b / scale_a) * (L_b z) + (mean_b - mean_a) / scale_a)``. Both are whitenings
    of more rows than columns.
    """
    assert before.basis is None
    assert after.basis is None
    (mean_b, scale_b), (mean_a, scale_a) = (
        (w.scaling.mean, w.scaling.scale) for w in (before, after)
    )
    ratio, inverse = scale_b / scale_a, _inverse(after.factor, overwrite=True)
    matrix, stripes = np.zeros(inverse.shape, dtype), row_blocks(len(inverse), COLUMNS)

    def fill(columns: slice) -> None:
        right = ratio[:, np.newaxis] * before.factor[:, columns]
        for rows in stripes[columns.start // COLUMNS :]:
            inner = slice(columns.start, rows.stop)  # both matrices are 0 elsewhere
            matrix[rows, columns] = inverse[rows, inner] @ right[inner]

    with worker_threads(n_jobs) as map_:
        deque(map_(fill, stripes), maxlen=0)
    return Rewhitening(matrix, inverse @ ((mean_b - mean_a) / scale_a))


# How the columns that a model learns on are made of those of the rows.
ColumnMap = Scaling | Rewhitening


def whitening_of(
    X: Source, scaling: Scaling, weight: Weights | None, n_jobs: int | None
) -> Whitening:
    """Learn what whitens the columns of ``X``, in one pass.

    Parameters
    ----------
    X : source of shape (n, n_features)
    scaling : Scaling
        That standardises the columns.
    weight : ndarray of shape (n,), optional
        Of the rows in the mean of ``z z^T``.
    n_jobs : int or None
    """
    n, d = X.shape
    if are_few(n, d):
        with worker_threads(n_jobs):  # for BLAS: one thread gives the same bits at any n_jobs
            return _whitening_of_few(X, scaling, weight)
    columns = StandardisedRows(X, scaling, _dtype_of_products(X, scaling))
    roots = None if weight is None else np.sqrt(weight / weight.mean()).astype(columns.dtype)
    products, blocks = np.zeros((d, d)), row_blocks(n, BLOCK_ROWS)  # only the upper triangle

    def read(block: slice) -> Rows:
        rows = columns[block]
        if roots is not None:
            seen = roots[block] > 0
            rows = rows[seen] * roots[block][seen, np.newaxis]
        return rows

    def add(rows: Rows, stripe: slice) -> None:
        products[stripe, stripe.start :] += rows[:, stripe].T @ rows[:, stripe.start :]

    with worker_threads(n_jobs) as map_:
        for start in range(0, len(blocks), BLOCKS):
            rows = np.concatenate(list(map_(read, blocks[start : start + BLOCKS])))
            deque(map_(partial(add, rows), row_blocks(d, COLUMNS)), maxlen=0)
    products /= n
    return Whitening(scaling, _factor(products.T))


def _whitening_of_few(X: Source, scaling: Scaling, weight: Weights | None) -> Whitening:
    """Learn what whitens the coordinates of few rows.

    Let ``Z`` be the rows of weight above 0, each times the root of its share of the total weight,
    and ``K`` the Cholesky factor of ``Z Z^T``. Then ``B = K^-1 Z``, and ``B G B^T = K^T K``. Rows
    that may be far from 0 are factored themselves, ``Z = K B``: their products lose digits.
    """
    rows = StandardisedRows(X, scaling)[:]
    share = np.full(len(rows), 1 / len(rows)) if weight is None else weight / weight.sum()
    rows = rows[share > 0] * np.sqrt(share[share > 0])[:, np.newaxis]
    if _centres(scaling):
        K = factor_of_products(rows @ rows.T)
        basis = solve_triangular(K, rows, lower=True, check_finite=False)
    else:
        basis, K = (matrix.T for matrix in qr(rows.T, mode="economic", check_finite=False))
    return Whitening(scaling, _factor(K.T @ K), basis)


def _centres(scaling: Scaling) -> bool:
    return bool(scaling.mean.any())


def _dtype_of_products(X: Source, scaling: Scaling) -> np.dtype[np.floating]:
    """Return the dtype of products of rows: float64 if columns may be far from 0.

    A mean of 1,000 standard deviations adds 10^6 to ``G``, so float32 cannot tell the floor.
    """
    return X.dtype if _centres(scaling) else np.dtype(np.float64)


def _factor(G: Weights) -> Weights:
    """Return the lower Cholesky factor of ``G + FLOOR * I``, from the lower triangle of ``G``."""
    G[np.diag_indices_from(G)] += FLOOR
    try:
        return np.asarray(cholesky(G, lower=True, overwrite_a=True, check_finite=False))
    except LinAlgError:
        raise ValueError(
            "standardize='whiten' cannot tell the columns of X apart; without intercepts, their "
            "means may be too many standard deviations from 0: subtract them from X, or give "
            "fit_intercept=True"
        ) from None


def whitened(X: Source, whitening: Whitening, n_jobs: int | None) -> WhitenedRows:
    """Whiten the rows of ``X``, in one pass.

    Examples
    --------
    >>> from .scaling import column_scaling
    >>> X = np.random.default_rng(0).normal(size=(500, 2)) @ [[1, 2], [0, 0.1]]
    >>> whitening = whitening_of(X, column_scaling(X, None, 1), None, 1)
    >>> np.cov(whitened(X, whitening, 1).rows.T).round(1).tolist()
    [[1.0, 0.0], [0.0, 0.8]]
    """
    columns = StandardisedRows(X, whitening.scaling, _dtype_of_products(X, whitening.scaling))
    factor, basis = whitening.factor, whitening.basis
    rows = np.empty((len(X), len(factor)), X.dtype)
    if basis is not None:
        with worker_threads(n_jobs):
            coordinates = basis @ columns[:].T
            rows[:] = solve_triangular(factor, coordinates, lower=True, check_finite=False).T
        return WhitenedRows(X, rows, whitening)
    inverse = _inverse(factor).astype(columns.dtype)

    def whiten(block: slice) -> None:
        of_block = columns[block]
        for stripe in row_blocks(X.shape[1], COLUMNS):
            rows[block, stripe] = of_block[:, : stripe.stop] @ inverse[stripe, : stripe.stop].T

    with worker_threads(n_jobs) as map_:
        deque(map_(whiten, row_blocks(len(rows), BLOCK_ROWS)), maxlen=0)
    return WhitenedRows(X, rows, whitening)


def _inverse(factor: Weights, *, overwrite: bool = False) -> Weights:
    """Return the inverse of a lower triangular matrix."""
    (invert,) = get_lapack_funcs(("trtri",), (factor,))
    inverse, _ = invert(factor, lower=True, overwrite_c=overwrite)
    return np.asarray(inverse)


def mapped(X: Source, columns: ColumnMap | None) -> tuple[Source, Scaling | None]:
    """Return the rows and the scaling that make the columns of a model, for any solver."""
    if isinstance(columns, Rewhitening):
        return columns.rows(X[:]), None
    return X, columns
