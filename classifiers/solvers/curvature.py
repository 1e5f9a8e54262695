"""Models of the Hessian, from the products of the columns of ``X`` over a sample of rows."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor
from scipy.linalg.lapack import dpotrs

from visualwords.classifiers.losses import Labels, Loss, Scores
from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.penalties import Penalty
from visualwords.threads import Map, row_blocks

from .lbfgs import Pairs

__all__ = ["Curvature", "Spectrum", "column_gram", "mean_score_hessian", "sample", "sample_size"]

MAX_COLUMNS = 2048
GRAM_BLOCK = 1024
# Columns count as uncorrelated if their squared correlations to the others, minus noise, sum to at
# most this. The noise in a sample's correlations would then make the model worse.
UNCORRELATED = 0.05
# Smallest variance of a standardised column, as a part of the median.
LEAST_VARIANCE = 0.5
# Relative increases of the diagonal that are tried until the model is positive definite. Rounding
# can make it indefinite if there are fewer rows than columns and no penalty.
MORE_DIAGONAL = (1e-12, 1e-9, 1e-6, 1e-3, 1.0)
# Distance of scores between which differences of derivatives are taken, and the smallest curvature
# of a row as a part of the mean.
STEP, LEAST_CURVATURE = 1e-5, 0.01
# Smallest curvature by the scores. A hinge has none where no margin is near a kink.
FLAT = 1e-4


def sample_size(objective: Objective) -> int:
    """Return a number of rows that is enough to estimate the correlations of the columns."""
    return max(4 * objective.X.shape[1], 2048)


def sample(objective: Objective, n_rows: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw row indices without repetition, in ascending order."""
    rng = np.random.default_rng(seed)
    n_rows = min(n_rows, objective.n_samples)
    return np.sort(rng.choice(objective.n_samples, n_rows, replace=False))


class Curvature:
    """Model ``c * [X 1]^T [X 1] / n + alpha`` of the Hessian, the same for every class.

    With more than ``MAX_COLUMNS`` columns the model is the identity.

    Parameters
    ----------
    gram : ndarray of shape (n_features + 1, n_features + 1), or None
        Result of :func:`column_gram`.
    penalty : Penalty
    """

    def __init__(self, gram: npt.NDArray[np.float64] | None, penalty: Penalty) -> None:
        self.gram, self.penalty, self.c = gram, penalty, 0.1
        self._factor()

    def _factor(self) -> None:
        if self.gram is None:
            return
        for more in MORE_DIAGONAL:
            hessian = self.c * self.gram
            diagonal = np.einsum("ii->i", hessian)
            diagonal[:-1] += self.penalty.curvature or 0.0
            diagonal += more * diagonal
            diagonal[diagonal == 0] = 1.0  # a column of zeros, not penalised
            try:
                self._cholesky, _ = cho_factor(
                    hessian, lower=True, overwrite_a=True, check_finite=False
                )
            except LinAlgError:
                if more == MORE_DIAGONAL[-1]:
                    raise
            else:
                return

    def inverse(self, gradient: Weights) -> Weights:
        """Multiply the rows of a gradient by the inverse of the model."""
        if self.gram is None:
            return gradient
        # What cho_solve calls, after checks that take longer than to solve for few columns.
        return np.asarray(dpotrs(self._cholesky, gradient.T, lower=True)[0].T)

    def measure(self, pairs: Pairs) -> None:
        """Set ``c`` to the curvature along the last step."""
        if self.gram is None or not pairs:
            return
        s, t = pairs[-1]
        of_loss = np.vdot(s, t) - 2 * self.penalty.value(s)
        model = np.vdot(s @ self.gram, s)
        if of_loss > 0 and model > 0:
            self.c = float(of_loss / model)
            self._factor()


class Spectrum:
    """Model ``S (x) [X 1]^T [X 1] / n + alpha`` of the Hessians of many classifiers over one ``X``.

    ``S`` is the mean Hessian of the loss by the scores, of shape (n_classes, n_classes). The model
    is exact if the Hessian by the scores is the same for every row (K-FAC of a single layer). The
    eigenvectors of the two factors make the model diagonal for any ``S`` and ``alpha``.

    With more than ``MAX_COLUMNS`` columns the identity replaces the products of the columns.

    Parameters
    ----------
    gram : ndarray of shape (n_features + 1, n_features + 1), or None
        Result of :func:`column_gram`.

    References
    ----------
    J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate
    curvature, ICML 2015.
    """

    def __init__(self, gram: npt.NDArray[np.float64] | None) -> None:
        self.known = gram is not None
        if gram is not None:
            # For centred columns the intercepts separate from the other weights.
            self.mean = gram[-1, :-1].copy()
            centred = gram[:-1, :-1] - np.outer(self.mean, self.mean)
            values, self.vectors = np.linalg.eigh(centred)
            self.values = np.maximum(values, 0)

    def inverse(
        self,
        gradients: npt.NDArray[np.float64],
        alphas: npt.NDArray[np.float64],
        by_scores: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Multiply gradients by the inverses of the models, each with its own ``alpha`` and ``S``.

        Parameters
        ----------
        gradients : ndarray of shape (m, n_classes, n_features + 1)
        alphas : ndarray of shape (m,)
        by_scores : ndarray of shape (m, n_classes, n_classes)

        Returns
        -------
        ndarray of the shape of the gradients
        """
        curvature, classes = np.linalg.eigh(by_scores)
        curvature = np.maximum(curvature, FLAT)[:, :, None]
        gradients = classes.transpose(0, 2, 1) @ gradients
        columns, intercepts = gradients[:, :, :-1], gradients[:, :, -1:]
        alphas = alphas[:, None, None]
        if self.known:
            columns, shape = columns - intercepts * self.mean, columns.shape
            columns = (columns.reshape(-1, shape[2]) @ self.vectors).reshape(shape)
            columns /= curvature * self.values + alphas
            columns = (columns.reshape(-1, shape[2]) @ self.vectors.T).reshape(shape)
            intercepts = intercepts / curvature - (columns @ self.mean)[:, :, None]
        else:
            columns, intercepts = columns / (curvature + alphas), intercepts / curvature
        return np.asarray(classes @ np.concatenate([columns, intercepts], axis=2))


def mean_score_hessian(
    loss: Loss, scores: Scores, y: Labels, weight: npt.NDArray[np.floating] | None, step: float
) -> npt.NDArray[np.float64]:
    """Compute the mean Hessian of a loss by the scores.

    The loss's own :meth:`.Loss.score_hessian` is used if there is one. Otherwise the Hessian is
    made of differences of gradients, one difference for each class.

    Parameters
    ----------
    loss : Loss
    scores : ndarray of shape (n, n_classes)
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional
    step : float
        Half the distance between the two scores of a difference.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
    """
    n_classes = scores.shape[1]
    share = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    exact = loss.score_hessian(scores, y, share)
    if exact is not None:
        return exact
    hessian = np.empty((n_classes, n_classes))
    for k, shift in enumerate(step * np.eye(n_classes, dtype=scores.dtype)):
        above, below = (loss.values_and_grad(scores + s, y)[1] for s in (shift, -shift))
        hessian[k] = share @ (above - below) / (2 * step)
    return (hessian + hessian.T) / 2


def column_gram(
    objective: Objective, seed: int, n_rows: int | None = None, W: Weights | None = None
) -> npt.NDArray[np.float64] | None:
    """Mean of the outer products of some rows, with the intercept's 1 as their last column.

    With ``W``, rows count as much as a smooth loss is curved there: where a row is known for sure,
    softmax is nearly flat, and the row takes no part in the Hessian.

    The products are of rows less their mean, which is added in float64: columns far from zero would
    leave nothing of float32. What its rounding may have taken is added to the diagonal, so that the
    matrix stays positive. Correlations that are noise are left out, and a standardised column keeps
    a least variance. None with more than ``MAX_COLUMNS`` columns. By default the rows are
    :func:`sample_size`.
    """
    if objective.X.shape[1] > MAX_COLUMNS:
        return None
    index = sample(objective, n_rows or sample_size(objective), seed)
    part = objective.subset(index)
    weight = np.ones(len(index))
    if part.sample_weight is not None:
        weight = part.sample_weight.astype(np.float64)
    if W is not None and W.any() and part.loss.smooth:
        weight *= _row_curvatures(part.loss, part.scores(W), part.y)
    weight /= max(float(weight.sum()), 1e-300)
    rows, blocks = np.asarray(part.X), list(row_blocks(len(index), GRAM_BLOCK))

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

    def products(block: slice) -> npt.NDArray[np.floating]:
        """Centre and weigh the rows of a block in place; return the products of the columns."""
        rows[block] -= mean.astype(rows.dtype)
        rows[block] *= root[block]
        return rows[block].T @ rows[block]

    gram = np.zeros((len(mean) + 1, len(mean) + 1))
    for product in objective.map(products, blocks):
        gram[:-1, :-1] += product
    gram /= len(rows)
    covariance = gram[:-1, :-1]
    if _squared_correlations(covariance, rows, objective.map) <= UNCORRELATED:
        covariance[:] = np.diag(covariance.diagonal())
    diagonal = np.einsum("ii->i", covariance)
    diagonal *= 1 + 8 * float(np.finfo(rows.dtype).eps)
    if objective.scaling is not None:
        np.maximum(diagonal, LEAST_VARIANCE * np.median(diagonal), out=diagonal)
    mean = np.append(mean, 1.0)
    gram += np.outer(mean, mean)
    return gram


def _row_curvatures(loss: Loss, scores: Scores, y: Labels) -> npt.NDArray[np.float64]:
    """Compute the trace of the second derivatives by the scores of each row, above 0."""
    scores = scores.astype(np.float64)
    slopes, total = loss.values_and_grad(scores, y)[1], np.zeros(len(y))
    for k, step in enumerate(STEP * np.eye(scores.shape[1])):
        total += (loss.values_and_grad(scores + step, y)[1][:, k] - slopes[:, k]) / STEP
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

    noise = sum(map_(fourth_powers, row_blocks(len(rows), GRAM_BLOCK))) / len(rows) ** 2
    return float(squares - noise) / max(1, len(variances))
