"""Whitened columns: uncorrelated columns of equal variance, for strongly correlated features.

Let ``z`` be the standardised columns of a row, ``G`` the mean of ``z z^T`` and ``L`` the Cholesky
factor of ``G + FLOOR * I``. The whitened columns are ``L^-1 z``. The penalty ``||V||^2`` of the
weights ``V`` for whitened columns is ``tr(W (G + FLOOR * I) W^T)`` for the weights ``W`` of
standardised ones: it limits the variance of the scores, in whatever direction of the columns that
variance comes about. ``||W||^2`` limits the weights of directions with little variance the most.

Solvers need few steps too, because the Hessian is near a multiple of the identity.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, get_blas_funcs, solve_triangular

from visualwords.threads import row_blocks, worker_threads

from .scaling import Scaling, StandardisedRows, Weights
from .sources import Source

__all__ = [
    "ColumnMap",
    "Rewhitening",
    "WhitenedRows",
    "Whitening",
    "mapped",
    "whitened",
    "whitening_of",
]

# Part of a column's variance that counts as noise: directions of less variance are damped.
FLOOR = 3e-4
# Rows whose products are summed in the dtype of X, and rows that are whitened at a time.
PRODUCT_ROWS, BLOCK_ROWS = 4096, 1024

Rows = npt.NDArray[np.floating]


class Whitening(NamedTuple):
    """The map from the columns of ``X`` to whitened columns.

    Attributes
    ----------
    scaling : Scaling
        To standardised columns.
    factor : ndarray of shape (n_features, n_features), float64
        The lower triangular matrix ``L``.
    """

    scaling: Scaling
    factor: Weights

    def raw(self, W: Weights) -> Weights:
        """Return the weights for ``X`` that give the same scores as ``W`` for whitened columns."""
        coef = self.solve(W[:, :-1], trans="T")
        return self.scaling.raw(np.column_stack([coef, W[:, -1]]))

    def whitened(self, W: Weights) -> Weights:
        """Return the weights for whitened columns that give the same scores as ``W`` for ``X``."""
        W = self.scaling.standardised(W)
        return np.column_stack([W[:, :-1] @ self.factor, W[:, -1]])

    def solve(self, rows: Weights, trans: str = "N") -> Weights:
        """Multiply rows by the inverse of the factor, or of its transpose."""
        solved = solve_triangular(self.factor, rows.T, trans=trans, lower=True, check_finite=False)
        return np.asarray(solved.T)


class WhitenedRows:
    """A source that holds whitened rows of ``X`` in memory.

    Parameters
    ----------
    X : source of shape (n, n_features)
    rows : ndarray of the shape and dtype of X
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

    It serves solvers as a :class:`.Scaling` does: rows stay as they are, weights are changed.

    Attributes
    ----------
    before : Whitening
        Of the columns as they are.
    after : Whitening
        By the rows that a model sees.
    """

    before: Whitening
    after: Whitening

    def raw(self, W: Weights) -> Weights:
        """Return the weights for the columns before that give the same scores as ``W`` after."""
        return self.before.whitened(self.after.raw(W))

    def standardised(self, W: Weights) -> Weights:
        """Return the weights for the columns after that give the same scores as ``W`` before."""
        return self.after.whitened(self.before.raw(W))

    def gradient(self, G: Weights) -> Weights:
        """Return the gradient by the weights after, from that by the weights before."""
        columns = np.column_stack([G[:, :-1] @ self.before.factor.T, G[:, -1]])
        columns = self.after.scaling.within(self.before.scaling).gradient(columns)
        return np.column_stack([self.after.solve(columns[:, :-1]), columns[:, -1]])


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
    columns = StandardisedRows(X, scaling, X.dtype)
    roots = None if weight is None else np.sqrt(weight / weight.mean()).astype(X.dtype)
    products = np.zeros((d, d), order="F")  # its lower triangle
    multiply = get_blas_funcs("syrk", dtype=X.dtype)

    def product(block: slice) -> Rows:
        of_block = columns[block]
        if roots is not None:
            of_block *= roots[block, np.newaxis]
        return np.asarray(multiply(1.0, of_block.T, lower=True))

    with worker_threads(n_jobs) as map_:
        for of_block in map_(product, row_blocks(n, PRODUCT_ROWS)):
            products += of_block
    products /= n
    products[np.diag_indices(d)] += FLOOR
    factor = cholesky(products, lower=True, overwrite_a=True, check_finite=False)
    return Whitening(scaling, factor)


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
    columns = StandardisedRows(X, whitening.scaling, X.dtype)
    factor, rows = whitening.factor.astype(X.dtype), np.empty(X.shape, X.dtype)

    def whiten(block: slice) -> None:
        solved = solve_triangular(
            factor, columns[block].T, lower=True, overwrite_b=True, check_finite=False
        )
        rows[block] = solved.T

    with worker_threads(n_jobs) as map_:
        for _ in map_(whiten, row_blocks(len(rows), BLOCK_ROWS)):
            pass
    return WhitenedRows(X, rows, whitening)


def mapped(
    X: Source, columns: ColumnMap | None, n_jobs: int | None
) -> tuple[Source, Scaling | None]:
    """Return the rows and the scaling that make the columns of a model, for any solver."""
    if isinstance(columns, Rewhitening) and isinstance(X, WhitenedRows):
        return whitened(X.X, columns.after, n_jobs), None
    assert not isinstance(columns, Rewhitening)
    return X, columns
