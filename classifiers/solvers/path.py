"""``Models``: minimise over many penalties and folds at once, with shared passes over ``X``.

The models differ in their penalty and in the fold that they hold out. For the rows of each fold,
one matrix product computes the scores of all models that see the fold. Each model makes its own
steps of preconditioned L-BFGS. A model that has reached its tolerance takes no part in further
passes.

Models of all rows are minimised first. Models that hold out a fold begin at 0, so that they know
nothing of it however early they stop, or where rows are many at the weights of all rows, which know
next to nothing of a fold. A model is done when its next step promises little. The promise is half
the slope along the step. It is reliable if the rows where the loss is curved outnumber the weights.
Otherwise the duality gap has to be small too. With few rows, kinks and a small penalty a small gap
can take thousands of steps, so such models are fitted one by one (:meth:`Models.finish`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.kernels.products import block_gradient, block_scores
from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.whitening import ColumnMap, WhitenedRows
from visualwords.threads import row_blocks

from .base import Minimizer
from .curvature import Spectrum, mean_score_hessian
from .intercepts import value_at_zero
from .moments import sample
from .path_model import Columns, Model, choose_directions, objective_outside

__all__ = ["Models"]

# Smoothing of a hinge. It changes the value by less than the tolerance of the models.
WIDTH = 0.1
MAX_PASSES = 200
MAX_PASSES_IF_SLOW = 50  # for models with few rows and a loss with kinks
# With up to so many rows a column, such models take no pass but are each fitted by itself.
ROWS_PER_COLUMN_IF_SMALL = 3
# With so many, models that begin at the weights of all rows have the scores of those that begin at
# 0, to 0.001 with a smooth loss and 0.005 with kinks, on labels without meaning.
ROWS_PER_COLUMN_IF_MANY = 25
# Part of the tolerance that a step may promise, with so many rows a column and with fewer.
PROMISE_IF_MANY, PROMISE = 0.1, 0.03
# How much larger than the promise the duality gap may be, if there are more rows a column.
GAP = 10
# Rows of a block, and scores of a block of one fold, so that they fit in a core's cache.
MIN_ROWS, MAX_ROWS = 512, 4096
BLOCK_SCORES = 1 << 17
# Rows on which the curvature of the loss is measured, and the curvature before that.
MEASURED_ROWS, CURVATURE = 2048, 0.1
# Relative rounding error of the value.
ROUNDING = 1e-8
# Mark of a model that learns from all rows.
NONE_HELD_OUT = -1
# Losses and gradients of models: (n_models,) and (n_models, n_classes, n_features + 1).
Sums = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
# For the rows of each fold (or all rows): the models that see them.
Groups = dict[int, npt.NDArray[np.intp]]


class Models:
    """Models over the rows of one objective.

    Parameters
    ----------
    objective : Objective
        Rows, loss, sample weights and the scaling by all rows. Its penalty is not used.
    folds : ndarray of shape (n,), integers from 0 on
        The fold of each row.
    spectrum : Spectrum
        Model of the Hessian, for columns without factors.
    solver : callable
        Returns the solver for an objective, which :meth:`finish` uses.
    """

    def __init__(
        self,
        objective: Objective,
        folds: npt.NDArray[np.intp],
        spectrum: Spectrum,
        solver: Callable[[Objective], Minimizer],
    ) -> None:
        self.kinks, weight = not objective.loss.smooth, objective.sample_weight
        n_seen = len(folds) if weight is None else np.count_nonzero(weight)
        rows_per_column = n_seen / objective.X.shape[1]
        is_small = rows_per_column <= ROWS_PER_COLUMN_IF_SMALL
        self.passes_if_slow, self.gap = (0, 1) if is_small else (MAX_PASSES_IF_SLOW, GAP)
        whitened = isinstance(objective.X, WhitenedRows)
        self.has_many_rows = rows_per_column >= ROWS_PER_COLUMN_IF_MANY and not whitened
        self.promise = PROMISE_IF_MANY if self.has_many_rows else PROMISE
        self.objective = objective.smoothed(WIDTH)
        self.folds, self.columns, self.solver = folds, Columns(spectrum), solver
        self.weight = np.bincount(folds, weight)
        self.at_zero = value_at_zero(self.objective)

    def of_all_rows(self, alphas: Sequence[float]) -> list[Model]:
        """Return a model for each penalty that learns from all rows, at weights of 0."""
        zeros = np.zeros(self.objective.shape)
        by_scores = CURVATURE * np.eye(self.objective.n_classes)
        scaling, columns = self.objective.scaling, self.columns
        return [Model(alpha, NONE_HELD_OUT, scaling, zeros, by_scores, columns) for alpha in alphas]

    def some(self, rows: npt.NDArray[np.intp]) -> "Models":
        """Return models over a copy of some rows."""
        part = self.objective.subset(rows)
        return Models(part, self.folds[rows], self.columns.spectrum, self.solver)

    def minimize(self, models: list[Model], tol: float) -> int:
        """Minimise each model until the promise of a step is small.

        The promise is then at most ``tol`` times the objective and at most ``tol`` times the
        decrease of the objective since weights of 0 with the best intercepts. The last step is made
        but not evaluated, except for a loss with kinks or few rows. With few rows the duality gap
        of the smoothed loss is at most ``GAP * tol`` times the value too, or ``tol`` times if the
        problem is small. Slow models are left to :meth:`finish`.

        Returns
        -------
        int
            Number of passes over X.
        """
        for n_passes in range(MAX_PASSES):
            self._aim(models, tol)
            too_slow = self.kinks and n_passes >= self.passes_if_slow
            active = [m for m in models if not (m.done or m.stuck or (too_slow and m.few_rows))]
            if not active:
                return n_passes
            for model, value, gradient in self._evaluated(active, self._sums_outside(active)):
                model.judge(value, gradient)
        return MAX_PASSES

    def minimize_alike(self, models: list[Model], tol: float) -> None:
        """Minimise models that hold out a fold each; see :meth:`minimize`.

        If one step is enough for the model that holds out the first fold, the other models with
        the same penalty make one step without evaluation.
        """
        self._aim(models, 0.0)
        first = [m for m in models if m.held_out == 0 and not (self.kinks or m.few_rows)]
        if first:
            for model, value, gradient in self._evaluated(first, self._sums_outside(first)):
                model.judge(value, gradient)
            self._aim(first, tol)
        enough = {(model.alpha, model.columns) for model in first if model.done}
        for model in models:
            model.done |= (model.alpha, model.columns) in enough
        self.minimize(models, tol)

    def finish(self, models: list[Model]) -> list[float]:
        """Fit each model that is not done by itself, from its weights on.

        Quick solvers that fall short for a penalty are not tried for the same and smaller ones.

        Returns
        -------
        list of float
            Penalties of the models whose solver fell short of its tolerance.
        """
        short, fell_back = [], False
        unfinished = [model for model in models if not model.done]
        for model in sorted(unfinished, key=lambda model: -model.alpha):
            objective = objective_outside(model, self.objective, self.folds)
            solver = self.solver(objective)
            if fell_back:
                solver = solver.fallback
            result = solver.minimize(objective, model.W)
            model.W, model.direction, model.done = result.W, None, True
            fell_back |= result.fell_back
            if result.gap > solver.get_params()["tol"] * result.value:
                short.append(model.alpha)
        return short

    def measure(self, models: list[Model], seed: int) -> None:
        """Measure the Hessian of the loss by the scores on some rows, at each model's weights.

        A model has few rows if the rows with a curved loss may be fewer than its weights. Their
        number is estimated from the trace of the Hessian and its largest value for one row.
        """
        rows = sample(self.objective, MEASURED_ROWS, seed)
        part = self.objective.subset(rows).replaced(scaling=None)
        scores = part.scores(np.concatenate([model.raw_trial() for model in models]))
        n_weights = self.objective.n_classes * self.objective.X.shape[1]
        hessians = [
            mean_score_hessian(part.loss, of_model, part.y, part.sample_weight, WIDTH)
            for of_model in (0 * scores[:, : part.n_classes], *np.split(scores, len(models), 1))
        ]
        for model, hessian in zip(models, hessians[1:], strict=True):
            largest = 2 / WIDTH if self.kinks else max(np.trace(hessians[0]), 1e-300)
            bent = len(self.folds) * np.trace(hessian) / largest
            model.few_rows = bent < n_weights or not model.columns.spectrum.known
            model.by_scores = hessian

    def evaluate(self, models: list[Model]) -> None:
        """Compute value and gradient of new models at their weights, in one pass."""
        for model, value, gradient in self._evaluated(models, self._sums_outside(models)):
            model.accept(value, gradient)

    def leave_out(self, models: list[Model], scalings: Sequence[ColumnMap | None]) -> list[Model]:
        """Return models that hold out each fold, evaluated in one pass.

        They begin at weights of 0, unless rows are many: a model that stops within its tolerance
        keeps some of what the weights of all rows know of the fold, and its score is too high.

        Parameters
        ----------
        models : list of Model
            Learned from all rows: they say which penalties, and how the loss is curved.
        scalings : list of Scaling, Rewhitening or None
            Of the columns by the rows outside each fold.

        Returns
        -------
        list of Model
            First the models without the first fold, then those without the second, and so on.
        """
        outside = self._moved(models, len(scalings)) if self.has_many_rows else None
        folds = enumerate(scalings)
        held_out = [m.without(f, scaling, outside is None) for f, scaling in folds for m in models]
        sums = self._sums_outside(held_out) if outside is None else outside
        for model, value, gradient in self._evaluated(held_out, sums):
            model.accept(value, gradient)
        return held_out

    def _moved(self, models: list[Model], n_folds: int) -> Sums:
        """Move models of all rows to their trial weights; return the sums there without each fold.

        These are the sums over all rows minus those over the fold.
        """
        groups = {fold: np.arange(len(models)) for fold in range(n_folds)}
        of_folds = zip(*self._sums(models, groups), strict=True)
        losses, gradients = (np.stack(sums) for sums in of_folds)
        of_all = losses.sum(axis=0), gradients.sum(axis=0)
        for model, value, gradient in self._evaluated(models, of_all):
            model.accept(value, gradient)
        return (of_all[0] - losses).ravel(), np.concatenate(of_all[1] - gradients)

    def _sums_outside(self, models: list[Model]) -> Sums:
        """Compute the sums of all models over the rows that they see, in one pass."""
        held_out = np.array([model.held_out for model in models])
        if (held_out == NONE_HELD_OUT).all():
            return self._sums(models, {NONE_HELD_OUT: np.arange(len(models))})[0]
        groups = {fold: np.flatnonzero(held_out != fold) for fold in range(len(self.weight))}
        losses = np.zeros(len(models))
        gradients = np.zeros((len(models), *self.objective.shape))
        sums = self._sums(models, groups)
        for places, (loss, gradient) in zip(groups.values(), sums, strict=True):
            losses[places] += loss
            gradients[places] += gradient
        return losses, gradients

    def _sums(self, models: list[Model], groups: Groups) -> list[Sums]:
        """Compute the sums over each group's rows at its models' trial weights, in one pass."""
        (n_classes, width), stacks = self.objective.shape, self.stacks(models, groups)

        def sums(rows: slice) -> list[npt.NDArray[Any]]:
            arrays = []
            for (X, y, weight), stack in zip(self.groups_of(rows, groups), stacks, strict=True):
                n_models = len(stack[1]) // n_classes  # a block may have no rows of a fold
                scores = block_scores(X, *stack).T.reshape(n_classes, n_models * len(X)).T
                values, slopes = self.objective.loss.values_and_grad(scores, np.tile(y, n_models))
                values = values.reshape(n_models, len(X))
                slopes = slopes.T.reshape(n_classes * n_models, len(X))
                if weight is not None:
                    values, slopes = values * weight, slopes * weight
                arrays.append(values.sum(axis=1, dtype=np.float64))
                arrays.append(block_gradient(X, slopes.T))
                arrays.append(slopes.sum(axis=1, dtype=np.float64))
            return arrays

        totals = self.total(sums, stacks)
        shape = n_classes, -1, width
        return [
            (loss, np.column_stack(gradient).reshape(shape).swapaxes(0, 1))
            for loss, *gradient in zip(totals[::3], totals[1::3], totals[2::3], strict=True)
        ]

    def stacks(self, models: list[Model], groups: Groups) -> list[tuple[Any, Any]]:
        """Trial weights of each group's models as one matrix, and their intercepts."""
        weights = np.stack([model.raw_trial() for model in models], axis=1)
        stacks = []
        for places in groups.values():
            stack = weights[:, places].astype(self.objective.X.dtype).reshape(-1, weights.shape[2])
            stacks.append((np.ascontiguousarray(stack[:, :-1]), stack[:, -1]))
        return stacks

    def groups_of(self, rows: slice, groups: Groups) -> Iterator[tuple[Any, Any, Any]]:
        """Yield each group's rows of a block, with their labels and sample weights."""
        X, y = np.ascontiguousarray(self.objective.X[rows]), self.objective.y[rows]
        weight = self.objective.sample_weight
        if weight is not None:
            weight = weight[rows].astype(X.dtype, copy=False)
        for fold in groups:
            if fold == NONE_HELD_OUT:
                yield X, y, weight
            else:
                seen = np.flatnonzero(self.folds[rows] == fold)
                yield X[seen], y[seen], None if weight is None else weight[seen]

    def total(
        self, function: Callable[[slice], list[npt.NDArray[Any]]], stacks: list[tuple[Any, Any]]
    ) -> list[npt.NDArray[np.float64]]:
        """Sum the results of a function over blocks of rows, in the order of the blocks."""
        n_scores = max(len(intercept) for _, intercept in stacks) / len(stacks)
        n_rows = int(np.clip(BLOCK_SCORES / n_scores, MIN_ROWS, MAX_ROWS))
        totals: list[npt.NDArray[np.float64]] = []
        for arrays in self.objective.map(function, row_blocks(len(self.folds), n_rows)):
            totals = totals or [np.zeros(array.shape) for array in arrays]
            for total, array in zip(totals, arrays, strict=True):
                total += array
        return totals

    def _evaluated(self, models: list[Model], sums: Sums) -> Iterator[tuple[Model, float, Weights]]:
        """Yield each model with value and gradient at its trial weights, from the sums there."""
        for model, loss, gradient in zip(models, *sums, strict=True):
            seen = self.weight.sum()
            if model.held_out != NONE_HELD_OUT:
                seen -= self.weight[model.held_out]
            W = model.trial()
            value = float(loss / seen) + model.penalty.value(W)
            yield model, value, self._gradient(gradient / seen, model, W)

    def _gradient(self, gradient: Weights, model: Model, W: Weights) -> Weights:
        """Compute the gradient of a model's objective from the gradient of its mean loss."""
        if model.scaling is not None:
            gradient = model.scaling.gradient(gradient)
        if not self.objective.fit_intercept:
            gradient[:, -1] = 0
        return gradient + model.penalty.gradient(W)

    def _aim(self, models: list[Model], tol: float) -> None:
        """Choose directions for the models that need one, and mark those that are done."""
        waiting = [m for m in models if not (m.done or m.stuck) and m.direction is None]
        waiting = [model for model in waiting if model.gradient is not None]
        for columns in dict.fromkeys(model.columns for model in waiting):
            alike = [model for model in waiting if model.columns is columns]
            choose_directions(alike, columns.spectrum)
        for model in waiting:
            model.done = self._is_near(model, tol)
            if model.done and (self.kinks or model.few_rows):
                model.direction = None

    def _is_near(self, model: Model, tol: float) -> bool:
        assert model.gradient is not None
        smaller = min(self.at_zero - model.value, model.value)
        if model.promise > tol * smaller + ROUNDING * model.value:
            return False
        gap = model.penalty.gap(model.W, model.gradient)
        return gap <= self.gap * tol * model.value or not model.few_rows
