"""Models of the Hessian, from the moments of the columns of ``X``."""

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.losses import Labels, Loss, Scores
from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.penalties import Penalty

from .lbfgs import Pairs
from .moments import Inverse, Moments, RowMoments, column_moments, row_moments

__all__ = ["Curvature", "Spectrum", "mean_score_hessian"]

# Smallest curvature by the scores. A hinge has none where no margin is near a kink.
FLAT = 1e-4


class Curvature:
    """Model ``c * [X 1]^T [X 1] / n + alpha`` of the Hessian, the same for every class.

    Without moments of the columns the model is the identity.

    Parameters
    ----------
    moments : Moments, RowMoments or None
        Result of :func:`column_moments` or :func:`row_moments`.
    penalty : Penalty
    """

    def __init__(self, moments: Moments | RowMoments | None, penalty: Penalty) -> None:
        self.moments, self.penalty, self.c = moments, penalty, 0.1
        self._inverse: Inverse | None = None  # computed where it is needed, for c as it is then

    @classmethod
    def of(cls, objective: Objective, seed: int, W: Weights) -> "Curvature":
        """Model the Hessian of an objective at weights, by a sample of its rows, or few rows."""
        moments = row_moments(objective, W) or column_moments(objective, seed, W=W)
        return cls(moments, objective.penalty)

    def inverse(self, gradient: Weights) -> Weights:
        """Multiply the rows of a gradient by the inverse of the model."""
        if self.moments is None:
            return gradient
        if self._inverse is None:
            self._inverse = self.moments.inverse(self.c, self.penalty.curvature or 0.0)
        # For centred columns the intercepts separate from the other weights.
        columns, intercepts = gradient[:, :-1], gradient[:, -1]
        columns = self._inverse(columns - intercepts[:, None] * self.moments.mean)
        return np.column_stack([columns, intercepts / self.c - columns @ self.moments.mean])

    def measure(self, pairs: Pairs) -> None:
        """Set ``c`` to the curvature along the last step."""
        if self.moments is None or not pairs:
            return
        s, t = pairs[-1]
        of_loss = np.vdot(s, t) - 2 * self.penalty.value(s)
        of_intercepts = s[:, :-1] @ self.moments.mean + s[:, -1]
        model = self.moments.form(s[:, :-1]) + np.vdot(of_intercepts, of_intercepts)
        if of_loss > 0 and model > 0:
            self.c, self._inverse = float(of_loss / model), None


class Spectrum:
    """Model ``S (x) [X 1]^T [X 1] / n + alpha`` of the Hessians of many classifiers over one ``X``.

    ``S`` is the mean Hessian of the loss by the scores, of shape (n_classes, n_classes). The model
    is exact if the Hessian by the scores is the same for every row (K-FAC of a single layer). The
    eigenvectors of the two factors make the model diagonal for any ``S`` and ``alpha``.

    Without moments the identity replaces the products of the columns.

    Parameters
    ----------
    moments : Moments or None
        Result of :func:`column_moments`.

    References
    ----------
    J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate
    curvature, ICML 2015.
    """

    def __init__(self, moments: Moments | None) -> None:
        self.known = moments is not None
        if moments is not None:
            # For centred columns the intercepts separate from the other weights.
            self.mean = moments.mean
            values, self.vectors = np.linalg.eigh(moments.covariance)
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
