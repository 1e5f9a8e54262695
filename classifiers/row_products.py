"""Coordinates for few rows: as many as there are rows, from the products of the rows."""

import numpy as np
from scipy.linalg import cholesky

from .scaling import Weights

__all__ = ["are_few", "factor_of_products"]

# More rows take more time in coordinates of their own than as they are.
MAX_ROWS = 2048
# Part of the sum of the diagonal that is added to it, where rows depend on each other.
ROUNDING = 1e-12


def are_few(n_rows: int, n_columns: int) -> bool:
    """Whether there are at most as many rows as columns, and few enough for coordinates."""
    return n_rows <= min(n_columns, MAX_ROWS)


def factor_of_products(products: Weights) -> Weights:
    """Return the lower Cholesky factor of ``products``, the ``Z Z^T`` of rows.

    They are overwritten. A small number is added to the diagonal, because rows may depend on each
    other.

    Examples
    --------
    >>> factor_of_products(np.array([[4.0, 4.0], [4.0, 4.0]])).round(2)
    array([[2., 0.],
           [2., 0.]])
    """
    products[np.diag_indices_from(products)] += ROUNDING * np.trace(products) or 1.0
    return np.asarray(cholesky(products, lower=True, overwrite_a=True, check_finite=False))
