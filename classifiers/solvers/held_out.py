"""Score rows by models that never saw them, after :class:`.Models` minimised over the others."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.kernels.products import block_scores

from .path import Models
from .path_model import Model

__all__ = ["Scored", "accuracies", "held_out_scores", "score_held_out"]


class Scored(NamedTuple):
    """A model of all rows, and how the same penalty scores on rows that were held out.

    Attributes
    ----------
    model : Model
        Learned from all rows.
    without : list of Model
        Learned without each fold.
    accuracies : ndarray of shape (n_folds,)
        Of each of them, on the fold that it did not see.
    """

    model: Model
    without: list[Model]
    accuracies: npt.NDArray[np.float64]


def score_held_out(
    rows: Models,
    models: list[Model],
    leave_out: Callable[[], list[Model]],
    tol: float,
    seed: int,
) -> list[Scored]:
    """Minimise models over all rows, then without each fold, and score them on the folds.

    Parameters
    ----------
    rows : Models
    models : list of Model
        For all rows; they are changed.
    leave_out : callable
        Returns the models without each fold, once those of all rows are known, in the order of
        :meth:`.Models.leave_out`.
    tol : float
    seed : int

    Returns
    -------
    list of Scored
        One for each model.
    """
    rows.minimize(models, 0.3 * tol)
    rows.measure(models, seed)
    held_out = leave_out()
    rows.minimize_alike(held_out, rows.promise * tol)
    rows.finish(held_out)
    found, n = np.array(accuracies(rows, held_out)), len(models)
    return [Scored(model, held_out[i::n], found[i::n]) for i, model in enumerate(models)]


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
