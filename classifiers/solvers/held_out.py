"""Score rows by models that never saw them, after :class:`.Models` minimised over the others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.kernels.products import block_scores
from visualwords.classifiers.scaling import Scaling

from .path import Models
from .path_model import Model

__all__ = ["accuracies", "held_out_accuracies", "held_out_scores"]

Scalings = list[Scaling | None]


def held_out_accuracies(
    rows: Models, models: list[Model], scalings: Scalings, tol: float, seed: int
) -> npt.NDArray[np.float64]:
    """Minimise models over all rows, then without each fold, and score them on the folds.

    Parameters
    ----------
    rows : Models
    models : list of Model
        For all rows; they are changed.
    scalings : list of Scaling or None
        Of the columns by the rows outside each fold.
    tol : float
    seed : int

    Returns
    -------
    ndarray of shape (n_models, n_folds)
    """
    rows.minimize(models, 0.3 * tol)
    rows.measure(models, seed)
    held_out = _without_folds(rows, models, scalings, tol)
    return np.array(accuracies(rows, held_out)).reshape(-1, len(models)).T.copy()


def held_out_scores(
    rows: Models, model: Model, scalings: Scalings, tol: float
) -> npt.NDArray[np.floating]:
    """Compute the scores of each row by a model that was learned without the row's fold.

    Parameters
    ----------
    rows : Models
    model : Model
        Learned from all rows.
    scalings, tol
        As in :func:`held_out_accuracies`.

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    held_out = _without_folds(rows, [model], scalings, tol)
    scores = np.empty((len(rows.folds), rows.objective.n_classes), rows.objective.X.dtype)
    groups = {fold: np.array([fold]) for fold in range(len(held_out))}
    stacks = rows.stacks(held_out, groups)

    def keep(block: slice) -> list[npt.NDArray[Any]]:
        for fold, of_fold, _, _ in _scores_of_folds(rows, block, groups, stacks):
            scores[block][rows.folds[block] == fold] = of_fold[:, 0].T
        return []

    rows.total(keep, stacks)
    return scores


def accuracies(rows: Models, models: list[Model]) -> list[float]:
    """Compute the accuracy of each model on the rows that it holds out, in one pass."""
    held_out = np.array([model.held_out for model in models])
    groups = {int(fold): np.flatnonzero(held_out == fold) for fold in np.unique(held_out)}
    stacks = rows.stacks(models, groups)

    def count(block: slice) -> list[npt.NDArray[Any]]:
        counts = []
        for _, scores, y, weight in _scores_of_folds(rows, block, groups, stacks):
            right = scores.argmax(axis=0) == y
            counts.append(right.sum(axis=1) if weight is None else right @ weight)
        return counts

    found = np.empty(len(models))
    for (fold, places), right in zip(groups.items(), rows.total(count, stacks), strict=True):
        found[places] = right / rows.weight[fold]
    return list(found.tolist())


def _without_folds(
    rows: Models, models: list[Model], scalings: Scalings, tol: float
) -> list[Model]:
    """Return models that hold out each fold, minimised."""
    held_out = rows.leave_out(models, scalings)
    rows.minimize_alike(held_out, 0.1 * tol)
    return held_out


def _scores_of_folds(
    rows: Models, block: slice, groups: dict[int, npt.NDArray[np.intp]], stacks: list[Any]
) -> Iterator[tuple[int, Any, Any, Any]]:
    """Yield, for each fold and its rows in a block: the fold, scores, labels and weights.

    Scores are of shape (n_classes, models of the group, rows).
    """
    of_groups = zip(groups, rows.groups_of(block, groups), stacks, strict=True)
    for fold, (X, y, weight), stack in of_groups:
        scores = block_scores(X, *stack).T.reshape(rows.objective.n_classes, -1, len(X))
        yield fold, scores, y, weight
