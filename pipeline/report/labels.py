"""Labels that are likely wrong, by classifiers that did not see them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from ...classifiers import Softmax
from .material import IntArray, Material, Rows, plain_classifier

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
    probabilities = np.empty((len(rows), int(rows.y.max()) + 1))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)

    def judge(split: tuple[IntArray, IntArray]) -> None:
        train, test = rows.take(split[0]), rows.take(split[1])
        fitted = clone(model).set_params(n_jobs=1).fit(train.X, train.y)
        probabilities[split[1]] = fitted.predict_proba(test.X)

    # Each of two threads holds the matrix of a fold.
    with ThreadPoolExecutor(min(2, effective_n_jobs(-1))) as pool:
        list(pool.map(judge, folds.split(rows.y, rows.y)))
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
    rows = material.train
    counts = np.bincount(rows.y, minlength=len(material.classes))
    if counts.min() < N_FOLDS:
        return []
    probabilities = out_of_fold_probabilities(_judge(material), rows)
    doubts = label_doubts(probabilities, rows.y)
    worst = np.argsort(-doubts, kind="stable")[:most]
    worst = worst[doubts[worst] > 0]
    likelier = probabilities[worst].argmax(axis=1)
    return list(zip(rows.images[worst].tolist(), likelier.tolist(), strict=True))


def _judge(material: Material) -> Any:
    """Return softmax with the penalty of the run's own softmax, if the run has one."""
    for name in material.classifiers:
        model = plain_classifier(material.model(name))
        if isinstance(model, Softmax):
            return model
    return Softmax(0.03, standardize="parts", n_jobs=-1)
