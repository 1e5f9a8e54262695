"""``Rows``: the rows as the steps of :class:`.InteriorPoint` read them."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import qr

from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.scaling import Scaling, StandardisedRows, column_scaling
from visualwords.classifiers.sources import Source
from visualwords.threads import row_blocks

from .dual_problem import centring

__all__ = ["BLOCK_ROWS", "Rows"]

# Rows that are multiplied at a time.
BLOCK_ROWS = 1024
# Standardised rows of so many numbers, 8 MB, are kept.
KEPT = 1 << 20

Array = npt.NDArray[np.float64]


class Rows:
    """Standardised rows, or their coordinates in a basis, as all groups of classes read them.

    Each row ends with a number for the intercept: 1, or 0 without intercepts.

    Parameters
    ----------
    objective : Objective

    Attributes
    ----------
    scaling : Scaling
    basis : ndarray of shape (n_features, n_coordinates), or None where rows keep their columns
    width : int
        Numbers of a row.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.scaling = objective.scaling or centring(objective, objective.shares)
        self.basis: Array | None = None
        self._X: Source = StandardisedRows(objective.X, self.scaling)
        if objective.n_samples < self._X.shape[1]:
            self.basis, self._X = _short(self._X)
        elif not objective.fit_intercept:
            self._X = _Turned(objective, self.scaling)
            self.basis = self._X.basis
        self._blocks = row_blocks(objective.n_samples, BLOCK_ROWS)
        self.width = self._X.shape[1] + 1
        self._kept: Array | None = None
        if objective.n_samples * self.width <= KEPT:
            self._kept = self.block(slice(0, objective.n_samples))

    def block(self, rows: slice) -> Array:
        """Return a block of rows."""
        if self._kept is not None:
            return self._kept[rows]
        X = np.asarray(self._X[rows])
        return np.column_stack([X, np.full(len(X), float(self.objective.fit_intercept))])

    def scores(self, V: Weights) -> Array:
        """Compute the scores, shape (n, n_classes), with the threads of the objective."""
        scores = np.empty((len(V), self.objective.n_samples))

        def product(rows: slice) -> None:
            scores[:, rows] = V @ self.block(rows).T

        for _ in self.objective.map(product, self._blocks):
            pass
        return scores.T

    def gradient(self, derivatives: Array) -> Weights:
        """Compute the products of derivatives by the scores with the rows, summed over the rows."""
        gradient = np.zeros((derivatives.shape[1], self.width))

        def product(rows: slice) -> Weights:
            return derivatives[rows].T @ self.block(rows)

        for part in self.objective.map(product, self._blocks):
            gradient += part
        return gradient


def _short(X: Source) -> tuple[Array, Source]:
    """Return a basis of the rows, which are fewer than the columns, and their coordinates."""
    basis, triangle = qr(X[0 : len(X)].T, mode="economic", overwrite_a=True, check_finite=False)
    return basis, np.ascontiguousarray(triangle.T)


class _Turned:
    """Coordinates of rows in a basis whose first vector points to the mean of the rows.

    Without intercepts the columns cannot be centred. A mean far from 0 makes all columns alike, so
    that scores are small differences of large numbers. In this basis the first coordinate alone
    is large, and the others are computed from centred rows.

    Attributes
    ----------
    basis : ndarray of shape (n_features, n_features)
        A Householder reflection.
    """

    def __init__(self, objective: Objective, scaling: Scaling) -> None:
        mean = column_scaling(objective.X, objective.shares, objective.n_jobs).mean
        self._centred = StandardisedRows(objective.X, Scaling(mean, scaling.scale))
        self.shape, self.dtype = self._centred.shape, self._centred.dtype
        away = (mean - scaling.mean) / scaling.scale
        normal = away.copy()
        normal[0] += np.copysign(np.linalg.norm(away), away[0])
        square = float(normal @ normal)
        self.basis = np.eye(len(away)) - np.outer(normal, normal) * (2 / square if square else 0)
        self._mean = away @ self.basis
        self._mean[1:] = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Array:
        return np.asarray(self._centred[rows] @ self.basis + self._mean)
