"""Mean and covariance of the columns of ``X`` over a sample of rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor
from scipy.linalg.lapack import dpotrs

from visualwords.classifiers.losses import Labels, Loss, Scores
from visualwords.classifiers.objective import Objective, Weights
from visualwords.threads import Map, row_blocks

__all__ = [
    "Inverse",
    "Moments",
    "RowMoments",
    "column_moments",
    "row_moments",
    "sample",
    "sample_size",
]

Inverse = Callable[[Weights], Weights]

# Products are computed of at most MAX_COLUMNS columns, or of as many rows. A copy of the rows in
# float64 has at most MAX_NUMBERS numbers.
MAX_COLUMNS, MAX_NUMBERS = 2048, 2**25
BLOCK_ROWS = 1024
# Columns count as uncorrelated if their squared correlations to the others, minus noise, sum to at
# most this. The noise in a sample's correlations would then make the model worse.
UNCORRELATED = 0.05
# Smallest variance of a standardised column, as a part of the median.
LEAST_VARIANCE = 0.5
# Relative increases of the diagonal that are tried until the model is positive definite. Rounding
# can make it indefinite if there are fewer rows than columns and no penalty.
MORE_DIAGONAL = (1e-12, 1e-9, 1e-6, 1e-3, 1.0)
# Smallest penalty that float64 can tell from 0, as a part of the sum of the variances.
LEAST_PENALTY = 1e-11
# Distance of scores between which differences of derivatives are taken, the most differences, and
# the smallest curvature of a row as a part of the mean.
STEP, MAX_DIFFERENCES, LEAST_CURVATURE = 1e-5, 16, 0.01


def sample_size(objective: Objective) -> int:
    """Return a number of rows that is enough to estimate the correlations of the columns."""
    return max(4 * objective.X.shape[1], 2048)


def sample(objective: Objective, n_rows: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw row indices without repetition, in ascending order."""
    rng = np.random.default_rng(seed)
    n_rows = min(n_rows, objective.n_samples)
    return np.sort(rng.choice(objective.n_samples, n_rows, replace=False))


class Moments(NamedTuple):
    """Mean and covariance of the columns of ``X`` over some rows, shapes (d,) and (d, d)."""

    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]

    def divided(self, divisors: npt.NDArray[np.float64]) -> "Moments":
        """Return the moments of the columns divided by numbers."""
        return Moments(self.mean / divisors, self.covariance / np.outer(divisors, divisors))

    def form(self, columns: Weights) -> float:
        """Compute the sum over the rows ``w`` of ``columns`` of ``w covariance w^T``."""
        return float(np.vdot(columns @ self.covariance, columns))

    def inverse(self, c: float, alpha: float) -> Inverse:
        """Return a function that multiplies rows by the inverse of ``c * covariance + alpha``."""
        for more in MORE_DIAGONAL:
            hessian = c * self.covariance
            diagonal = np.einsum("ii->i", hessian)
            diagonal += alpha
            diagonal += more * diagonal
            diagonal[diagonal == 0] = 1.0  # a column of zeros, not penalised
            try:
                factor, _ = cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
            except LinAlgError:
                if more == MORE_DIAGONAL[-1]:
                    raise
            else:
                break
        # What cho_solve calls, after checks that take longer than to solve for few columns.
        return lambda rows: np.asarray(dpotrs(factor, rows.T, lower=True)[0].T)


class RowMoments(NamedTuple):
    """Mean of the columns, and a factor ``R`` of their covariance ``R^T R``, where rows are few.

    Nothing of the size of the covariance is computed. Its inverse follows from a matrix of the
    products of the rows (Woodbury's formula).
    """

    mean: npt.NDArray[np.float64]
    factor: npt.NDArray[np.float64]  # R, of shape (n, d)

    def form(self, columns: Weights) -> float:
        """Compute the sum over the rows ``w`` of ``columns`` of ``w covariance w^T``."""
        along = columns @ self.factor.T
        return float(np.vdot(along, along))

    def inverse(self, c: float, alpha: float) -> Inverse:
        """Return a function that multiplies rows by the inverse of ``c * covariance + alpha``.

        If float64 cannot tell ``alpha`` from 0 beside the covariance, a larger one is used.
        """
        products = c * (self.factor @ self.factor.T)
        alpha = max(alpha, LEAST_PENALTY * float(np.trace(products)))
        np.einsum("ii->i", products)[:] += alpha
        cholesky, _ = cho_factor(products, lower=True, overwrite_a=True, check_finite=False)

        def multiply(rows: Weights) -> Weights:
            along = np.ascontiguousarray((rows @ self.factor.T).T)
            inside = np.asarray(dpotrs(cholesky, along, lower=True)[0].T)
            return np.asarray((rows - c * inside @ self.factor) / alpha)

        return multiply


def column_moments(
    objective: Objective, seed: int, n_rows: int | None = None, W: Weights | None = None
) -> Moments | None:
    """Compute mean and covariance of the columns; None with more than ``MAX_COLUMNS`` columns.

    With ``W``, rows count as much as a smooth loss is curved there: where a row is known for sure,
    softmax is nearly flat, and the row takes no part in the Hessian. By default the rows are
    :func:`sample_size`.

    What rounding of float32 may have taken from the covariance is added to its diagonal, so that
    the matrix stays positive. Correlations that are noise are left out, and a standardised column
    keeps a least variance.
    """
    if objective.X.shape[1] > MAX_COLUMNS:
        return None
    index = sample(objective, n_rows or sample_size(objective), seed)
    rows, mean = _centred_rows(objective, index, W)

    def products(block: slice) -> npt.NDArray[np.floating]:
        return rows[block].T @ rows[block]

    covariance = np.zeros((len(mean), len(mean)))
    for product in objective.map(products, row_blocks(len(rows), BLOCK_ROWS)):
        covariance += product
    covariance /= len(rows)
    if _squared_correlations(covariance, rows, objective.map) <= UNCORRELATED:
        covariance[:] = np.diag(covariance.diagonal())
    diagonal = np.einsum("ii->i", covariance)
    diagonal *= 1 + 8 * float(np.finfo(rows.dtype).eps)
    if objective.scaling is not None:
        np.maximum(diagonal, LEAST_VARIANCE * np.median(diagonal), out=diagonal)
    return Moments(mean, covariance)


def row_moments(objective: Objective, W: Weights) -> RowMoments | None:
    """Return the moments of few rows, weighted as in :func:`column_moments`.

    None if there are more than half as many rows as columns, or more than ``MAX_COLUMNS``, too many
    numbers, or no penalty.
    """
    n, d = objective.X.shape
    if 2 * n > d or n > MAX_COLUMNS or n * d > MAX_NUMBERS or not objective.alpha > 0:
        return None
    rows, mean = _centred_rows(objective, np.arange(n), W)
    scaled = rows.astype(np.float64, copy=False)
    scaled /= np.sqrt(n)
    return RowMoments(mean, scaled)


def _centred_rows(
    objective: Objective, index: npt.NDArray[np.intp], W: Weights | None
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.float64]]:
    """Return some rows less their mean, and the mean.

    Columns far from zero would leave nothing of products in float32. The rows are multiplied by the
    root of their weights, whose mean is 1.
    """
    part = objective.subset(index)
    weight = np.ones(len(index))
    if part.sample_weight is not None:
        weight = part.sample_weight.astype(np.float64)
    if W is not None and W.any() and part.loss.smooth:
        weight *= _row_curvatures(part.loss, part.scores(W), part.y)
    weight /= max(float(weight.sum()), 1e-300)
    rows, blocks = np.asarray(part.X), list(row_blocks(len(index), BLOCK_ROWS))

    def sums(block: slice) -> npt.NDArray[np.float64]:
        """Standardise the columns of a block in place; return their weighted sums."""
        if objective.scaling is not None:
            rows[block] -= objective.scaling.mean.astype(rows.dtype)
            rows[block] /= objective.scaling.scale.astype(rows.dtype)
        return np.asarray(weight[block] @ rows[block])

    mean = sum(objective.map(sums, blocks), np.zeros(rows.shape[1]))
    if not objective.fit_intercept:
        mean[:] = 0
    root = np.sqrt(weight * len(rows))[:, None].astype(rows.dtype)

    def centre(block: slice) -> None:
        rows[block] -= mean.astype(rows.dtype)
        rows[block] *= root[block]

    for _ in objective.map(centre, blocks):
        pass
    return rows, mean


def _row_curvatures(loss: Loss, scores: Scores, y: Labels) -> npt.NDArray[np.float64]:
    """Compute the trace of the second derivatives by the scores of each row, above 0.

    A difference for each class gives the trace. With many classes it is estimated: the expected
    ``z^T H z`` over random signs ``z`` is the trace of ``H`` (Hutchinson 1989).
    """
    scores, n_classes = scores.astype(np.float64), scores.shape[1]
    directions = np.eye(n_classes)
    if n_classes > MAX_DIFFERENCES:
        directions = np.random.default_rng(0).choice([-1.0, 1.0], (MAX_DIFFERENCES, n_classes))
        directions /= np.sqrt(MAX_DIFFERENCES)
    slopes, total = loss.values_and_grad(scores, y)[1], np.zeros(len(y))
    for z in directions:
        total += (loss.values_and_grad(scores + STEP * z, y)[1] - slopes) @ z / STEP
    return np.maximum(total, LEAST_CURVATURE * max(total.mean(), 1e-300))


def _squared_correlations(
    covariance: npt.NDArray[np.float64], rows: npt.NDArray[np.floating], map_: Map
) -> float:
    """Compute the sum of a column's squared correlations to the others, the mean of all columns.

    The expected noise is subtracted. Over ``n`` rows a correlation of 0 has an expected square of
    ``mean of (z_j z_k)^2 / n``, with ``z`` a row in standard units (J. Schaefer and
    K. Strimmer, A shrinkage approach to large-scale covariance matrix
    estimation, Stat. Appl. Genet. Mol. Biol. 4, 2005).
    """
    variances = covariance.diagonal()
    scale = np.divide(1, np.sqrt(variances), out=np.zeros_like(variances), where=variances > 0)
    squares = ((covariance * scale[:, None] * scale) ** 2).sum() - np.count_nonzero(scale)

    def fourth_powers(block: slice) -> float:
        lengths = rows[block] ** 2 @ (scale**2).astype(rows.dtype)
        return float(lengths @ lengths)

    noise = sum(map_(fourth_powers, row_blocks(len(rows), BLOCK_ROWS))) / len(rows) ** 2
    return float(squares - noise) / max(1, len(variances))
