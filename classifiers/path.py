"""Many penalties and all folds at once, so that one pass over ``X`` serves all of them.

The models differ in penalty and in the rows they must not see. Their scores are one matrix
product, and the rows of a held-out fold have weight 0 in the models that hold it out. Each model
makes its own steps of preconditioned L-BFGS; only the passes over ``X`` are shared. A model that
has reached its tolerance takes no part in further passes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks

from .curvature import Curvature
from .lbfgs import Pairs, finish_two_loop, start_two_loop
from .objective import Objective, Weights
from .scaling import Scaling

__all__ = ["Model", "Models"]

BLOCK_ROWS = 512
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
            values, gradients = self._evaluate(active)
            for model, value, gradient in zip(active, values, gradients, strict=True):
                model.judge(value, gradient, tol)
        return max_passes

    def accuracies(self, models: list[Model]) -> list[float]:
        """Share of right predictions among the rows that each model holds out, in one pass."""
        coef, intercept = self._stacked([_raw(model, model.W) for model in models])
        held_out = np.array([model.held_out for model in models])[:, None]

        def count(rows: slice) -> npt.NDArray[np.float64]:
            scores = coef @ np.asarray(self.objective.X[rows]).T + intercept
            winners = scores.reshape(self.objective.n_classes, len(models), -1).argmax(axis=0)
            seen = (self.folds[rows] == held_out) * self.weight[rows]
            return np.stack([(seen * (winners == self.objective.y[rows])).sum(1), seen.sum(1)])

        blocks = row_blocks(len(self.folds), BLOCK_ROWS)
        right, total = np.sum(list(self.objective.map(count, blocks)), axis=0)
        accuracies: list[float] = (right / total).tolist()
        return accuracies

    def _stacked(self, weights: list[Weights]) -> tuple[Any, Any]:
        """Weights of all models as one matrix, class by class, and their intercepts."""
        stacked = np.stack(weights, axis=1).astype(self.objective.X.dtype)
        stacked = stacked.reshape(-1, stacked.shape[2])
        return np.ascontiguousarray(stacked[:, :-1]), stacked[:, -1:]

    def _evaluate(self, models: list[Model]) -> tuple[list[float], list[Weights]]:
        """Values and gradients at the trial weights of all models, in one pass."""
        objective, n_models = self.objective, len(models)
        trials = [model.trial() for model in models]
        coef, intercept = self._stacked([_raw(*of) for of in zip(models, trials, strict=True)])
        held_out = np.array([model.held_out for model in models])[:, None]
        dtype = objective.X.dtype

        def sums(rows: slice) -> tuple[Any, Any, Any, Any]:
            X = np.asarray(objective.X[rows])
            scores = (coef @ X.T + intercept).reshape(objective.n_classes, -1).T
            values, gradients = objective.loss.values_and_grad(
                scores, np.tile(objective.y[rows], n_models)
            )
            weight = ((self.folds[rows] != held_out) * self.weight[rows]).astype(dtype)
            gradients *= weight.reshape(-1, 1)
            stacked = gradients.T.reshape(-1, len(X))
            value = (values.reshape(n_models, -1) * weight).sum(axis=1, dtype=np.float64)
            total = weight.sum(axis=1, dtype=np.float64)
            return value, total, stacked @ X, stacked.sum(axis=1, dtype=np.float64)

        value, total = np.zeros(n_models), np.zeros(n_models)
        gradient = np.zeros((len(coef), coef.shape[1] + 1))
        for of_block in objective.map(sums, row_blocks(len(self.folds), BLOCK_ROWS)):
            value += of_block[0]
            total += of_block[1]
            gradient[:, :-1] += of_block[2]
            gradient[:, -1] += of_block[3]
        gradients = gradient.reshape(objective.n_classes, n_models, -1).transpose(1, 0, 2)
        of_models = list(zip(models, trials, strict=True))
        values = value / total + [_penalty(*of) for of in of_models]
        means = gradients / total[:, None, None]
        return values.tolist(), [
            self._gradient(mean, *of) for mean, of in zip(means, of_models, strict=True)
        ]

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


def _penalty(model: Model, W: Weights) -> float:
    return 0.5 * model.alpha * float((W[:, :-1] ** 2).sum())


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
