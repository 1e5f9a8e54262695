"""A model of the Hessian: how the columns of ``X`` are correlated, seen on some rows."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from visualwords.threads import row_blocks

from .lbfgs import Pairs
from .matrix import take_rows
from .objective import Objective, Weights

__all__ = ["Curvature", "column_gram", "sample", "sample_size"]

MAX_COLUMNS = 2048
GRAM_BLOCK = 1024
# By what parts of itself the diagonal is raised, in turn, until the model is positive: with fewer
# rows than columns and no penalty it is only when the rounding of the products is covered.
MORE_DIAGONAL = (1e-12, 1e-9, 1e-6, 1e-3, 1.0)


def sample_size(objective: Objective) -> int:
    """Rows enough to see how the columns are correlated."""
    return max(4 * objective.X.shape[1], 2048)


def sample(objective: Objective, n_rows: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw numbers of rows, in rising order."""
    rng = np.random.default_rng(seed)
    n_rows = min(n_rows, objective.n_samples)
    return np.sort(rng.choice(objective.n_samples, n_rows, replace=False))


class Curvature:
    """The Hessian's model ``c * [X 1]^T [X 1] / n + alpha``, the same for every class.

    With more than ``MAX_COLUMNS`` columns it is the identity.

    Parameters
    ----------
    gram : ndarray of shape (n_features + 1, n_features + 1), or None
        What :func:`column_gram` gives.
    alpha : float >= 0
    """

    def __init__(self, gram: npt.NDArray[np.float64] | None, alpha: float) -> None:
        self.gram, self.alpha, self.c = gram, alpha, 0.1
        self._factor()

    def _factor(self) -> None:
        if self.gram is None:
            return
        for more in MORE_DIAGONAL:
            hessian = self.c * self.gram
            diagonal = np.einsum("ii->i", hessian)
            diagonal[:-1] += self.alpha
            diagonal += more * diagonal
            diagonal[diagonal == 0] = 1.0  # a column of zeros, not penalised
            try:
                self._cholesky = cho_factor(
                    hessian, lower=True, overwrite_a=True, check_finite=False
                )
            except LinAlgError:
                if more == MORE_DIAGONAL[-1]:
                    raise
            else:
                return

    def inverse(self, gradient: Weights) -> Weights:
        """Multiply gradients, one a row, by the inverse."""
        if self.gram is None:
            return gradient
        return np.asarray(cho_solve(self._cholesky, gradient.T, check_finite=False).T)

    def measure(self, pairs: Pairs) -> None:
        """Set ``c`` to what the last step showed."""
        if self.gram is None or not pairs:
            return
        s, t = pairs[-1]
        of_loss = (s * t).sum() - self.alpha * (s[:, :-1] ** 2).sum()
        model = ((s @ self.gram) * s).sum()
        if of_loss > 0 and model > 0:
            self.c = float(of_loss / model)
            self._factor()


def column_gram(objective: Objective, seed: int) -> npt.NDArray[np.float64] | None:
    """Mean of the outer products of some rows, with the intercept's 1 as their last column.

    The products are of rows less their mean, which is added in float64: columns far from zero would
    leave nothing of float32. What its rounding may have taken is added to the diagonal, so that the
    matrix stays positive. None with more than ``MAX_COLUMNS`` columns.
    """
    if objective.X.shape[1] > MAX_COLUMNS:
        return None
    index = sample(objective, sample_size(objective), seed)
    rows = take_rows(objective.X, index)
    if objective.scaling is not None:
        rows -= objective.scaling.mean.astype(rows.dtype)
        rows /= objective.scaling.scale.astype(rows.dtype)
    weight = np.ones(len(index))
    if objective.sample_weight is not None:
        weight = objective.sample_weight[index].astype(np.float64)
    weight /= max(float(weight.sum()), 1e-300)
    mean = np.zeros(rows.shape[1])
    if objective.fit_intercept:
        mean = weight @ rows
        rows -= mean.astype(rows.dtype)
    rows *= np.sqrt(weight * len(rows))[:, None].astype(rows.dtype)
    gram = np.zeros((rows.shape[1] + 1, rows.shape[1] + 1))
    blocks = [rows[block] for block in row_blocks(len(rows), GRAM_BLOCK)]
    for product in objective.map(lambda block: block.T @ block, blocks):
        gram[:-1, :-1] += product
    gram /= len(rows)
    rounding = 8 * float(np.finfo(rows.dtype).eps)
    gram[np.diag_indices_from(gram)] *= 1 + rounding
    mean = np.append(mean, 1.0)
    gram += np.outer(mean, mean)
    return gram
