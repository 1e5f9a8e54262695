"""Labels that are likely wrong, by classifiers that did not see them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ...classifiers import ColumnStack, PrimalDual, Softmax
from .components import principal_axes
from .material import IntArray, Material, Rows, plain_classifier

__all__ = ["label_doubts", "out_of_fold_probabilities", "refined"]

N_FOLDS = 3
TOLERANCE = 1e-2  # of the classifiers' solver
ROWS_A_COLUMN = 50
N_COMPONENTS, PCA_ROWS = 20, 2000
LEAST = float(np.finfo(np.float64).tiny)
Probabilities = npt.NDArray[np.float64]


def out_of_fold_probabilities(model: Any, rows: Rows) -> Probabilities:
    """Return the probabilities of rows by classifiers that were trained on the other folds.

    Parameters
    ----------
    model : estimator
        With ``predict_proba``; it is cloned.
    rows : Rows
        Every class has at least three images, or three groups, which are then in one fold each.

    Returns
    -------
    ndarray of shape (n, n_classes), float64
    """
    probabilities = np.zeros((len(rows), int(rows.y.max()) + 1))
    kind = StratifiedKFold if rows.groups is None else StratifiedGroupKFold
    folds = kind(N_FOLDS, shuffle=True, random_state=0)

    def judge(split: tuple[IntArray, IntArray]) -> None:
        train, test = rows.take(split[0]), rows.take(split[1])
        fitted = clone(model).set_params(n_jobs=1).fit(train.X, train.y)
        probabilities[np.ix_(split[1], fitted.classes_)] = fitted.predict_proba(test.X)

    # Each of two threads holds the matrix of a fold.
    with ThreadPoolExecutor(min(2, effective_n_jobs(-1))) as pool:
        list(pool.map(judge, folds.split(rows.y, rows.y, rows.groups)))
    return probabilities


def refined(probabilities: Probabilities, rows: Rows) -> Probabilities:
    """Return better probabilities, by a second classifier on those of the first one.

    It is a softmax on the logarithms of the probabilities, the first principal components of the
    rows, and the products of any two of these numbers. The products tell what a linear classifier
    cannot. Of few rows, or many classes, the probabilities are returned as they are. Source: D. H.
    Wolpert, "Stacked generalization", Neural Networks 5, 1992.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        By classifiers that did not see the label; see :func:`out_of_fold_probabilities`.
    rows : Rows

    Returns
    -------
    ndarray of shape (n, n_classes), float64
        By classifiers that did not see the label either.
    """
    n_numbers = probabilities.shape[1] + min(N_COMPONENTS, rows.X.shape[1])
    i, j = np.triu_indices(n_numbers)
    if len(rows) < ROWS_A_COLUMN * (n_numbers + len(i)):
        return probabilities
    logs = np.log(np.maximum(probabilities, LEAST))
    logs -= logs.mean(axis=1, keepdims=True)
    logs /= max(logs.std(), LEAST)
    numbers = np.hstack([logs, _principal_components(rows)]).astype(np.float32)
    X = ColumnStack([np.hstack([numbers, numbers[:, i] * numbers[:, j]])])
    judge = Softmax(0.01, standardize=True, solver=PrimalDual(TOLERANCE))
    return out_of_fold_probabilities(judge, Rows(rows.images, rows.y, X, rows.groups))


def _principal_components(rows: Rows) -> npt.NDArray[np.float64]:
    """Return the first components of rows in which each feature weighs the same, of variance 1."""
    few = rows.take(np.linspace(0, len(rows) - 1, PCA_ROWS).astype(np.intp)).X[:]
    middle, widths = few.mean(axis=0, dtype=np.float64), rows.X.widths
    unit = np.maximum(few.std(axis=0, dtype=np.float64), 1e-6)
    unit *= np.sqrt(np.repeat(widths, widths))
    axes = principal_axes((few - middle) / unit, N_COMPONENTS) / unit
    components = np.zeros((len(rows), len(axes)))
    ends = np.cumsum(widths)
    for part, end, width in zip(rows.X.parts, ends, widths, strict=True):
        columns = slice(end - width, end)
        components += np.asarray(part) @ axes[:, columns].T.astype(np.float32)
    components -= components.mean(axis=0)
    return components / np.maximum(components.std(axis=0), LEAST)


def label_doubts(probabilities: Probabilities, y: npt.NDArray[np.intp]) -> Probabilities:
    """Return how much each label is in doubt: log((1 - p) / p) of its own probability p.

    Where labels were replaced at random, the least probable ones are the likeliest to be wrong.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        By classifiers that did not see the label; see :func:`out_of_fold_probabilities`.
    y : ndarray of shape (n,), integers

    Returns
    -------
    ndarray of shape (n,), float64
        Above 0 where the other classes together are more likely.

    Examples
    --------
    >>> label_doubts(np.array([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]]), np.array([0, 1])).round(3)
    array([0.   , 2.197])
    """
    rows = np.arange(len(y))
    others = probabilities.copy()
    others[rows, y] = 0
    own = np.maximum(probabilities[rows, y], LEAST)
    return np.log(np.maximum(others.sum(axis=1), LEAST)) - np.log(own)


def doubtful_labels(material: Material, most: int) -> list[tuple[int, int]]:
    """Return the training images whose labels are the most in doubt, and the likelier class."""
    rows = material.train
    if rows.fewest(len(material.classes)) < N_FOLDS:
        return []
    probabilities = refined(out_of_fold_probabilities(_judge(material), rows), rows)
    likelier = probabilities.argmax(axis=1)
    worst = np.argsort(-label_doubts(probabilities, rows.y), kind="stable")[:most]
    worst = worst[likelier[worst] != rows.y[worst]]
    return list(zip(rows.images[worst].tolist(), likelier[worst].tolist(), strict=True))


def _judge(material: Material) -> Any:
    """Return softmax with the penalty of the run's own softmax, if the run has one.

    It stops early, as a ranking needs no exact minimum.
    """
    found = (plain_classifier(material.model(name)) for name in material.classifiers)
    model = next((m for m in found if isinstance(m, Softmax)), None)
    if model is None:
        model = Softmax(0.03, standardize="parts")
    return model if model.solver else model.set_params(solver=PrimalDual(TOLERANCE))
