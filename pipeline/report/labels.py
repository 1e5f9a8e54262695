"""Labels that are likely wrong, by classifiers that did not see them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from .material import Material, Rows

__all__ = ["label_doubts", "out_of_fold_probabilities"]

N_FOLDS = 3
Probabilities = npt.NDArray[np.float64]


def out_of_fold_probabilities(model: Any, rows: Rows) -> Probabilities:
    """Return the probabilities of rows by classifiers that were trained on the other folds.

    Parameters
    ----------
    model : estimator
        With ``predict_proba``; it is cloned.
    rows : Rows
        Every class has at least three images.

    Returns
    -------
    ndarray of shape (n, n_classes), float64
    """
    X = rows.X[:]
    probabilities = np.empty((len(rows), int(rows.y.max()) + 1))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    for seen, held_out in folds.split(X, rows.y):
        fitted = clone(model).set_params(standardize=True).fit(X[seen], rows.y[seen])
        probabilities[held_out] = fitted.predict_proba(X[held_out])
    return probabilities


def label_doubts(probabilities: Probabilities, y: npt.NDArray[np.intp]) -> Probabilities:
    """Return how much each label is in doubt: log(greatest probability of another / its own).

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        By classifiers that did not see the label; see :func:`out_of_fold_probabilities`.
    y : ndarray of shape (n,), integers

    Returns
    -------
    ndarray of shape (n,), float64
        Above 0 where another class is more likely.

    Examples
    --------
    >>> label_doubts(np.array([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]]), np.array([0, 1])).round(3)
    array([-0.693,  2.079])
    """
    rows = np.arange(len(y))
    own = probabilities[rows, y]
    others = probabilities.copy()
    others[rows, y] = 0
    tiny = np.finfo(np.float64).tiny
    return np.log(np.maximum(others.max(axis=1), tiny)) - np.log(np.maximum(own, tiny))


def doubtful_labels(material: Material, most: int) -> list[tuple[int, int]]:
    """Return the training images whose labels are the most in doubt, and the likelier class."""
    model, rows = material.model(material.main), material.train
    counts = np.bincount(rows.y, minlength=len(material.classes))
    if not hasattr(model, "predict_proba") or counts.min() < N_FOLDS:
        return []
    probabilities = out_of_fold_probabilities(model, rows)
    doubts = label_doubts(probabilities, rows.y)
    worst = np.argsort(-doubts, kind="stable")[:most]
    worst = worst[doubts[worst] > 0]
    likelier = probabilities[worst].argmax(axis=1)
    return list(zip(rows.images[worst].tolist(), likelier.tolist(), strict=True))
