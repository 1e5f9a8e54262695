"""Score rows by models that never saw them, after :class:`.Models` minimised over the others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.kernels.products import block_scores

from .path import Models
from .path_model import Model

__all__ = ["accuracies", "held_out_scores"]


def held_out_scores(rows: Models, without: list[Model]) -> npt.NDArray[np.floating]:
    """Compute the scores of each row by the model that was learned without the row's fold.

    Parameters
    ----------
    rows : Models
    without : list of Model
        Learned without each fold.

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    scores = np.empty((len(rows.folds), rows.objective.n_classes), rows.objective.X.dtype)
    groups = {fold: np.array([fold]) for fold in range(len(without))}
    stacks = rows.stacks(without, groups)

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


def _scores_of_folds(
    rows: Models, block: slice, groups: dict[int, npt.NDArray[np.intp]], stacks: list[Any]
) -> Iterator[tuple[int, Any, Any, Any]]:
    """Yield, for each fold and its rows in a block: the fold, scores, labels and weights.

    Scores are of shape (n_classes, models of the group, rows).
    """
    of_groups = zip(groups, rows.groups_of(block, groups), stacks, strict=True)
    for fold, (X, y, weight), stack in of_groups:
        n_classes = rows.objective.n_classes
        scores = block_scores(X, *stack).T.reshape(n_classes, len(stack[1]) // n_classes, len(X))
        yield fold, scores, y, weight
