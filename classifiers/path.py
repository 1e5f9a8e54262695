"""Many penalties and all folds at once, so that one pass over ``X`` serves all of them.

The models differ in penalty and in the rows they must not see. Their scores are one matrix
product, and the rows of a held-out fold have weight 0 in the models that hold it out. Each model
makes its own steps of preconditioned L-BFGS; only the passes over ``X`` are shared. A model that
has reached its tolerance takes no part in further passes.
"""

from collections.abc import Callable
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

# Rows of a block, and how many scores it may have besides: they are to stay in a core's cache.
MIN_ROWS, MAX_ROWS = 512, 2048
BLOCK_SCORES = 1 << 17
# No fold: the model learns from all rows.
NONE_HELD_OUT = -1


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
    folds : ndarray of shape (n,), integers
        The fold of each row.
    """

    def __init__(self, objective: Objective, folds: npt.NDArray[np.intp]) -> None:
        self.objective, self.folds = objective, folds
        given = objective.sample_weight
        self.weight = np.ones(len(folds)) if given is None else given

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
        stack = self._stacked([_raw(model, model.W) for model in models])

        def sums(rows: slice) -> list[npt.NDArray[Any]]:
            X, values, slopes = self._losses(stack, len(models), rows)
            of_folds = []
            for fold in range(len(scalings)):
                seen = np.flatnonzero(self.folds[rows] == fold)
                weight = np.tile(self.weight[rows][seen], (len(models), 1))
                of_folds.append(_sums(X[seen], values[:, seen], slopes[..., seen], weight))
            return [np.stack(arrays) for arrays in zip(*of_folds, strict=True)]

        of_folds = self._total(sums, len(stack[1]))
        held_out = []
        for fold, scaling in enumerate(scalings):
            made = [model.without(fold, scaling) for model in models]
            self._judge(made, [array.sum(axis=0) - array[fold] for array in of_folds], tol)
            held_out += made
        return held_out

    def accuracies(self, models: list[Model]) -> list[float]:
        """Share of right predictions among the rows that each model holds out, in one pass."""
        held_out = np.array([model.held_out for model in models])
        of_fold = {fold: np.flatnonzero(held_out == fold) for fold in np.unique(held_out)}
        stacks = {
            fold: self._stacked([_raw(models[place], models[place].W) for place in places])
            for fold, places in of_fold.items()
        }

        def count(rows: slice) -> list[npt.NDArray[Any]]:
            X, counts = np.asarray(self.objective.X[rows]), np.zeros((2, len(models)))
            for fold, places in of_fold.items():
                seen = np.flatnonzero(self.folds[rows] == fold)
                scores = block_scores(X[seen], *stacks[fold]).T
                winners = scores.reshape(-1, len(places), len(seen)).argmax(axis=0)
                weight = self.weight[rows][seen]
                counts[0, places] = (winners == self.objective.y[rows][seen]) @ weight
                counts[1, places] = weight.sum()
            return [counts]

        right, total = self._total(count, 1)[0]
        accuracies: list[float] = (right / total).tolist()
        return accuracies

    def _stacked(self, weights: list[Weights]) -> tuple[Any, Any]:
        """Weights of all models as one matrix, class by class, packed; and their intercepts."""
        stacked = np.stack(weights, axis=1).astype(self.objective.X.dtype)
        stacked = stacked.reshape(-1, stacked.shape[2])
        return packed_weights(np.ascontiguousarray(stacked[:, :-1])), stacked[:, -1]

    def _losses(self, stack: tuple[Any, Any], n_models: int, rows: slice) -> tuple[Any, Any, Any]:
        """Give rows, losses (n_models, n), and derivatives by scores (n_classes, n_models, n)."""
        X, n_classes = np.asarray(self.objective.X[rows]), self.objective.n_classes
        scores = block_scores(X, *stack).T.reshape(n_classes, -1).T
        y = np.tile(self.objective.y[rows], n_models)
        values, slopes = self.objective.loss.values_and_grad(scores, y)
        return X, values.reshape(n_models, -1), slopes.T.reshape(n_classes, n_models, -1)

    def _total(
        self, function: Callable[[slice], list[npt.NDArray[Any]]], n_scores: int
    ) -> list[npt.NDArray[np.float64]]:
        """Add what a function gives for blocks of rows with so many scores, in their order."""
        n_rows = int(np.clip(BLOCK_SCORES // n_scores, MIN_ROWS, MAX_ROWS))
        totals: list[npt.NDArray[np.float64]] = []
        for arrays in self.objective.map(function, row_blocks(len(self.folds), n_rows)):
            totals = totals or [np.zeros(array.shape) for array in arrays]
            for total, array in zip(totals, arrays, strict=True):
                total += array
        return totals

    def _sums_outside(self, models: list[Model]) -> list[npt.NDArray[np.float64]]:
        """Sums at the trial weights of all models over the rows that they see, in one pass."""
        stack = self._stacked([_raw(model, model.trial()) for model in models])
        held_out = np.array([model.held_out for model in models])[:, None]

        def sums(rows: slice) -> list[npt.NDArray[Any]]:
            X, values, slopes = self._losses(stack, len(models), rows)
            return _sums(X, values, slopes, (self.folds[rows] != held_out) * self.weight[rows])

        return self._total(sums, len(stack[1]))

    def _judge(self, models: list[Model], sums: list[npt.NDArray[np.float64]], tol: float) -> None:
        """Let each model judge its trial weights by the sums there."""
        value, total, by_coef, by_intercept = sums
        gradients = np.concatenate([by_coef, by_intercept[..., None]], axis=2)
        means = gradients.transpose(1, 0, 2) / total[:, None, None]
        for model, loss, mean in zip(models, value / total, means, strict=True):
            W = model.trial()
            penalty = 0.5 * model.alpha * float((W[:, :-1] ** 2).sum())
            model.judge(float(loss) + penalty, self._gradient(mean, model, W), tol)

    def _gradient(self, gradient: Weights, model: Model, W: Weights) -> Weights:
        """Gradient of a model's objective from that of its mean loss by weights for X."""
        if model.scaling is not None:
            gradient = model.scaling.gradient(gradient)
        if not self.objective.fit_intercept:
            gradient[:, -1] = 0
        gradient[:, :-1] += model.alpha * W[:, :-1]
        return gradient


def _sums(X: Any, values: Any, slopes: Any, weight: Any) -> list[npt.NDArray[Any]]:
    """Weighted sums over rows, of each model: losses, weights, gradients by W and by b."""
    n_classes, n_models = slopes.shape[:2]
    slopes = slopes * weight.astype(X.dtype)
    return [
        (values * weight).sum(axis=1, dtype=np.float64),
        weight.sum(axis=1),
        block_gradient(X, slopes.reshape(-1, len(X)).T).reshape(n_classes, n_models, -1),
        slopes.sum(axis=2, dtype=np.float64),
    ]


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
