"""Probabilities that can be trusted: temperature scaling, and the error that is left.

A classifier is calibrated if it is right in 80 % of the cases to which it gives a probability of
0.8. Scores ``s`` become probabilities by ``softmax(s / T)``. The temperature ``T`` minimises the
cross-entropy of rows that the classifier has not learned from. It changes no predicted class.

References
----------
C. Guo, G. Pleiss, Y. Sun, K. Weinberger, On calibration of modern neural networks, ICML 2017.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from visualwords.checks import check_integer

from .losses import Labels, Scores

__all__ = ["expected_calibration_error", "find_temperature"]

# The logarithm of the temperature is searched within these limits.
LIMITS = (-7.0, 7.0)
# How far from 0 to 1 rounding in float32 may take a probability.
ROUNDING = 1e-5


def find_temperature(
    scores: Scores, y: Labels, sample_weight: npt.NDArray[np.floating] | None = None
) -> float:
    """Return the temperature that minimises the mean cross-entropy of ``softmax(scores / T)``.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Of rows that the classifier has not learned from.
    y : ndarray of shape (n,), integers in [0, n_classes)
    sample_weight : ndarray of shape (n,), optional

    Returns
    -------
    float
        From e^-7 to e^7. Scores that are all right have the least.

    Examples
    --------
    >>> scores = np.array([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    >>> round(find_temperature(scores, np.array([0, 0, 1, 1])), 2)  # 3 of 4: odds of e^(2 / T)
    1.82
    """
    scores = scores.astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)  # no exponential is above 1
    own = scores[np.arange(len(y)), y]

    def loss(logarithm: float) -> float:
        inverse = np.exp(-logarithm)
        losses = np.log(np.exp(inverse * scores).sum(axis=1)) - inverse * own
        return float(np.average(losses, weights=sample_weight))

    found = minimize_scalar(loss, bounds=LIMITS, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def expected_calibration_error(
    y: npt.ArrayLike, probabilities: npt.ArrayLike, classes: npt.ArrayLike, n_bins: int = 15
) -> float:
    """Return how far probabilities are from the frequencies of right answers, on average.

    Rows are put into bins of equal width by the probability of their predicted class: bin ``b``
    has those in ``(b / n_bins, (b + 1) / n_bins]``. The error is the mean over the rows of the
    absolute difference of accuracy and mean probability in the row's bin.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    probabilities : array-like of shape (n, n_classes)
    classes : array-like of shape (n_classes,)
        Class of each column, ``classes_`` of an estimator.
    n_bins : int

    Returns
    -------
    float
        0 is calibrated, 1 is always wrong and always sure.

    Raises
    ------
    ValueError
        If the shapes do not fit together, there is no row, or a number is no probability.

    Examples
    --------
    >>> expected_calibration_error([0, 1], [[0.75, 0.25], [0.75, 0.25]], [0, 1])
    0.25
    """
    values, true, names = np.asarray(probabilities, np.float64), np.asarray(y), np.asarray(classes)
    if values.ndim != 2 or values.shape != (len(true), len(names)) or not len(true):
        raise ValueError(
            f"expected probabilities of shape (n, n_classes), at least 1 row, for {len(true)} "
            f"true classes and {len(names)} columns, got shape {values.shape}"
        )
    if not ((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all():
        raise ValueError("probabilities must be from 0 to 1; predict_proba gives them")
    n_bins = check_integer("n_bins", n_bins)
    predicted = names[values.argmax(axis=1)]
    confidence, right = values.max(axis=1), predicted == true
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    of_bins = np.bincount(bins, right - confidence, n_bins)
    return float(np.abs(of_bins).sum() / len(values))
