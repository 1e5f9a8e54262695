"""Many penalties and all folds at once, so that one pass over ``X`` serves all of them.

The models differ in penalty and in the rows they must not see. Their scores are one matrix
product over the rows of each fold, which leaves out the models that hold the fold out. Each model
makes its own steps of preconditioned L-BFGS; only the passes over ``X`` are shared. A model that
has reached its tolerance takes no part in further passes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks

from .curvature import Curvature
from .kernels import block_gradient, block_scores, packed_weights
from .lbfgs import Pairs, finish_two_loop, start_two_loop
from .objective import Objective, Weights
from .scaling import Scaling

__all__ = ["Model", "Models"]

# Rows of a block, and how many scores a fold of it may have: they are to stay in a core's cache.
MIN_ROWS, MAX_ROWS = 512, 4096
BLOCK_SCORES = 1 << 17
# No fold: the model learns from all rows.
NONE_HELD_OUT = -1
# Losses and gradients of models: (n_models,) and (n_models, n_classes, n_features + 1).
Sums = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
# The rows of a fold (or all), and which models see them.
Groups = dict[int, npt.NDArray[np.intp]]


@dataclass
class Model:
    """One of many models over the same rows, and where its optimization stands.

    Parameters
    ----------
    alpha : float
    held_out : int
        The fold whose rows it does not see.
    scaling : Scaling or None
    curvature : Curvature
    W : ndarray of shape (n_classes, n_features + 1)
    """

    alpha: float
    held_out: int
    scaling: Scaling | None
    curvature: Curvature
    W: Weights
    value: float = np.inf
    gradient: Weights | None = None
    pairs: Pairs = field(default_factory=list)
    direction: Weights | None = None
    length: float = 1.0
    done: bool = False

    def without(self, fold: int, scaling: Scaling | None) -> "Model":
        """Make the model that holds out a fold and begins with what this one learned."""
        W = self.W
        if self.scaling is not None and scaling is not None:
            W = scaling.standardised(self.scaling.raw(W))
        return Model(self.alpha, fold, scaling, self.curvature, W, pairs=self.pairs)

    def again(self) -> "Model":
        """Make the model that begins with what this one learned, on other rows."""
        return self.without(self.held_out, self.scaling)

    def trial(self) -> Weights:
        """Weights to evaluate next."""
        return self.W if self.direction is None else self.W + self.length * self.direction

    def judge(self, value: float, gradient: Weights, tol: float) -> None:
        """Accept the trial when it is low enough, else try half the step."""
        if self.direction is not None and self.gradient is not None:
            slope = float((self.gradient * self.direction).sum())
            if value > self.value + 1e-4 * self.length * slope + 1e-9 * abs(self.value):
                self.length /= 2
                self.done = self.length < 1e-6
                return
            s, t = self.length * self.direction, gradient - self.gradient
            if (s * t).sum() > 0:
                self.pairs = [*self.pairs[-9:], (s, t)]
        self.W, self.value, self.gradient = self.trial(), value, gradient
        self.direction, self.length = None, 1.0
        distance = float((gradient[:, :-1] ** 2).sum()) / (2 * self.alpha)
        self.done = distance <= tol * value


class Models:
    """Models over the rows of one objective.

    Parameters
    ----------
    objective : Objective
        Gives rows, loss and sample weights; its penalty and scaling are not used.
    folds : ndarray of shape (n,), integers from 0 on
        The fold of each row.
    """

    def __init__(self, objective: Objective, folds: npt.NDArray[np.intp]) -> None:
        self.objective, self.folds = objective, folds
        self.weight = np.bincount(folds, objective.sample_weight)

    def minimize(self, models: list[Model], tol: float, max_passes: int) -> int:
        """Minimise all, each until its gap but for smoothing is at most ``tol`` times its value.

        Returns
        -------
        int
            Passes over X.
        """
        for n_passes in range(max_passes):
            active = [model for model in models if not model.done]
            if not active:
                return n_passes
            _choose_directions(active)
            self._judge(active, self._sums_outside(active), tol)
        return max_passes

    def leave_out(
        self, models: list[Model], scalings: list[Scaling | None], tol: float
    ) -> list[Model]:
        """Make the models that hold out each fold from those that learned from all rows.

        At the same weights for X the sums over the rows outside a fold are those over all rows less
        those over the fold's: one pass with the models evaluates all that are made.

        Parameters
        ----------
        models : list of Model
        scalings : list of Scaling or None
            Of the columns, by the rows outside each fold.
        tol : float
            A model whose gap is within it at once is done.

        Returns
        -------
        list of Model
            Those without the first fold, then those without the second, ...
        """
        groups = {fold: np.arange(len(models)) for fold in range(len(scalings))}
        of_folds = self._sums(models, groups)
        losses = np.stack([loss for loss, _ in of_folds])
        gradients = np.stack([gradient for _, gradient in of_folds])
        held_out = []
        for fold, scaling in enumerate(scalings):
            made = [model.without(fold, scaling) for model in models]
            outside = losses.sum(axis=0) - losses[fold], gradients.sum(axis=0) - gradients[fold]
            self._judge(made, outside, tol)
            held_out += made
        return held_out

    def accuracies(self, models: list[Model]) -> list[float]:
        """Share of right predictions among the rows that each model holds out, in one pass."""
        held_out = np.array([model.held_out for model in models])
        groups = {fold: np.flatnonzero(held_out == fold) for fold in np.unique(held_out)}
        stacks = self._stacks(models, groups)

        def count(rows: slice) -> list[npt.NDArray[Any]]:
            counts = []
            for (X, y, weight), stack in zip(self._groups(rows, groups), stacks, strict=True):
                scores = block_scores(X, *stack).T.reshape(self.objective.n_classes, -1, len(X))
                right = scores.argmax(axis=0) == y
                counts.append(right.sum(axis=1) if weight is None else right @ weight)
            return counts

        accuracies = np.empty(len(models))
        rights = self._total(count, stacks)
        for (fold, places), right in zip(groups.items(), rights, strict=True):
            accuracies[places] = right / self.weight[fold]
        return list(accuracies.tolist())

    def _sums_outside(self, models: list[Model]) -> Sums:
        """Sums at the trial weights of all models over the rows that they see, in one pass."""
        held_out = np.array([model.held_out for model in models])
        if (held_out == NONE_HELD_OUT).all():
            return self._sums(models, {NONE_HELD_OUT: np.arange(len(models))})[0]
        groups = {fold: np.flatnonzero(held_out != fold) for fold in range(len(self.weight))}
        losses = np.zeros(len(models))
        gradients = np.zeros((len(models), *self.objective.shape))
        for places, (loss, gradient) in zip(
            groups.values(), self._sums(models, groups), strict=True
        ):
            losses[places] += loss
            gradients[places] += gradient
        return losses, gradients

    def _sums(self, models: list[Model], groups: Groups) -> list[Sums]:
        """Sums of each group at the trial weights of its models over its rows, in one pass."""
        (n_classes, width), stacks = self.objective.shape, self._stacks(models, groups)

        def sums(rows: slice) -> list[npt.NDArray[Any]]:
            arrays = []
            for (X, y, weight), stack in zip(self._groups(rows, groups), stacks, strict=True):
                scores = block_scores(X, *stack).T.reshape(n_classes, -1).T
                y_of_all = np.tile(y, len(scores) // max(1, len(y)))
                values, slopes = self.objective.loss.values_and_grad(scores, y_of_all)
                values, slopes = values.reshape(-1, len(X)), slopes.T.reshape(-1, len(X))
                if weight is not None:
                    values, slopes = values * weight, slopes * weight
                arrays.append(values.sum(axis=1, dtype=np.float64))
                arrays.append(block_gradient(X, slopes.T))
                arrays.append(slopes.sum(axis=1, dtype=np.float64))
            return arrays

        totals = self._total(sums, stacks)
        return [
            (
                loss,
                np.column_stack(gradient).reshape(n_classes, len(loss), width).transpose(1, 0, 2),
            )
            for loss, *gradient in zip(totals[::3], totals[1::3], totals[2::3], strict=True)
        ]

    def _stacks(self, models: list[Model], groups: Groups) -> list[tuple[Any, Any]]:
        """Trial weights of each group's models as one matrix, packed, and their intercepts."""
        weights = np.stack([_raw(model, model.trial()) for model in models], axis=1)
        stacks = []
        for places in groups.values():
            stack = weights[:, places].astype(self.objective.X.dtype)
            stack = stack.reshape(-1, stack.shape[2])
            stacks.append((packed_weights(np.ascontiguousarray(stack[:, :-1])), stack[:, -1]))
        return stacks

    def _groups(self, rows: slice, groups: Groups) -> Iterator[tuple[Any, Any, Any]]:
        """Give each group's rows of a block, with their labels and sample weights."""
        X, y = np.asarray(self.objective.X[rows]), self.objective.y[rows]
        weight = self.objective.sample_weight
        if weight is not None:
            weight = weight[rows].astype(X.dtype, copy=False)
        for fold in groups:
            if fold == NONE_HELD_OUT:
                yield X, y, weight
            else:
                seen = np.flatnonzero(self.folds[rows] == fold)
                yield X[seen], y[seen], None if weight is None else weight[seen]

    def _total(
        self, function: Callable[[slice], list[npt.NDArray[Any]]], stacks: list[tuple[Any, Any]]
    ) -> list[npt.NDArray[np.float64]]:
        """Add what a function gives for blocks of rows, in their order."""
        n_scores = max(len(intercept) for _, intercept in stacks) / len(stacks)
        n_rows = int(np.clip(BLOCK_SCORES / n_scores, MIN_ROWS, MAX_ROWS))
        totals: list[npt.NDArray[np.float64]] = []
        for arrays in self.objective.map(function, row_blocks(len(self.folds), n_rows)):
            totals = totals or [np.zeros(array.shape) for array in arrays]
            for total, array in zip(totals, arrays, strict=True):
                total += array
        return totals

    def _judge(self, models: list[Model], sums: Sums, tol: float) -> None:
        """Let each model judge its trial weights by the sums there."""
        for model, loss, gradient in zip(models, *sums, strict=True):
            seen = self.weight.sum()
            if model.held_out != NONE_HELD_OUT:
                seen -= self.weight[model.held_out]
            W = model.trial()
            penalty = 0.5 * model.alpha * float((W[:, :-1] ** 2).sum())
            model.judge(
                float(loss / seen) + penalty, self._gradient(gradient / seen, model, W), tol
            )

    def _gradient(self, gradient: Weights, model: Model, W: Weights) -> Weights:
        """Gradient of a model's objective from that of its mean loss by weights for X."""
        if model.scaling is not None:
            gradient = model.scaling.gradient(gradient)
        if not self.objective.fit_intercept:
            gradient[:, -1] = 0
        gradient[:, :-1] += model.alpha * W[:, :-1]
        return gradient


def _raw(model: Model, W: Weights) -> Weights:
    return W if model.scaling is None else model.scaling.raw(W)


def _choose_directions(models: list[Model]) -> None:
    """Directions of L-BFGS for models that need one; those of one curvature are solved together."""
    waiting = [(m, m.gradient) for m in models if m.direction is None and m.gradient is not None]
    for curvature in {id(m.curvature): m.curvature for m, _ in waiting}.values():
        group = [m for m, _ in waiting if m.curvature is curvature]
        gradients = [gradient for m, gradient in waiting if m.curvature is curvature]
        starts = [start_two_loop(g, m.pairs) for m, g in zip(group, gradients, strict=True)]
        last = [m.pairs[-1][1] if m.pairs else g for m, g in zip(group, gradients, strict=True)]
        both = np.concatenate([*(direction for direction, _ in starts), *last])
        solved = np.split(curvature.inverse(both), 2 * len(group))
        for m, (_, factors), direction, scaled in zip(
            group, starts, solved[: len(group)], solved[len(group) :], strict=True
        ):
            m.direction = -finish_two_loop(direction, scaled, m.pairs, factors)
