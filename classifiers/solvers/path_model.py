"""``Model``: the L-BFGS steps of one of many models that :mod:`.path` minimises together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.parts import divided
from visualwords.classifiers.penalties import L2
from visualwords.classifiers.scaling import Scaling
from visualwords.classifiers.sources import take_rows
from visualwords.classifiers.whitening import ColumnMap, Rewhitening, mapped

from .curvature import Spectrum
from .lbfgs import Pairs, finish_two_loop, start_two_loop

__all__ = ["Columns", "Model", "choose_directions", "objective_outside"]

MAX_COPY = 2**26  # numbers of the rows that a model sees


@dataclass(frozen=True, eq=False)
class Columns:
    """Factors that divide the columns after their scaling, and the model of the Hessian for them.

    Parameters
    ----------
    spectrum : Spectrum
    factors : ndarray of shape (n_features,) or None
        One penalty for columns with factors stands for a penalty for each part (:mod:`.parts`).
    """

    spectrum: Spectrum
    factors: Weights | None = None


@dataclass
class Model:
    """One of many models over the same rows, with the state of its optimization.

    Parameters
    ----------
    alpha : float
    held_out : int
        The fold whose rows the model does not see.
    scaling : Scaling, Rewhitening or None
    W : ndarray of shape (n_classes, n_features + 1)
    by_scores : ndarray of shape (n_classes, n_classes)
        Approximate mean Hessian of the loss by the scores.
    columns : Columns
    few_rows : bool
        Whether there are too few rows to trust the promise of a step. True until
        :meth:`Models.measure` decides.
    """

    alpha: float
    held_out: int
    scaling: ColumnMap | None
    W: Weights
    by_scores: npt.NDArray[np.float64]
    columns: Columns
    few_rows: bool = True
    value: float = np.inf
    gradient: Weights | None = None
    pairs: Pairs = field(default_factory=list)
    moved: bool = False
    direction: Weights | None = None
    length: float = 1.0
    promise: float = np.inf
    done: bool = False
    stuck: bool = False

    @property
    def penalty(self) -> L2:
        """Penalty of the model's weights."""
        return L2(self.alpha)

    def without(self, fold: int, scaling: ColumnMap | None, begins_at_zero: bool) -> "Model":
        """Return a model of the same penalty that holds out a fold.

        Parameters
        ----------
        fold : int
        scaling : Scaling, Rewhitening or None
            Of the columns by the rows outside the fold, without the factors of the columns.
        begins_at_zero : bool
            Whether it begins at weights of 0 or at those of this model.
        """
        if not isinstance(scaling, Rewhitening):
            scaling = divided(scaling, self.columns.factors)
        model, raw = self.again(), self.raw_trial()
        model.held_out, model.scaling = fold, scaling
        if begins_at_zero:
            model.W, model.pairs = np.zeros_like(raw), []
        else:
            model.W = scaling.standardised(raw) if isinstance(scaling, Scaling) else raw
        return model

    def again(self) -> "Model":
        """Return a model that begins at the weights of this one, for other rows."""
        return Model(
            self.alpha,
            self.held_out,
            self.scaling,
            self.trial(),
            self.by_scores,
            self.columns,
            self.few_rows,
            pairs=self.pairs,
        )

    def trial(self) -> Weights:
        """Return the weights to evaluate next. For a model that is done, they are its weights."""
        return self.W if self.direction is None else self.W + self.length * self.direction

    def raw_trial(self) -> Weights:
        """Return the weights to evaluate next, for columns that are not standardised."""
        return self.trial() if self.scaling is None else self.scaling.raw(self.trial())

    def judge(self, value: float, gradient: Weights) -> None:
        """Accept the trial if its value is low enough, otherwise halve the step."""
        if self.direction is not None and self.gradient is not None:
            slope = float(np.vdot(self.gradient, self.direction))
            if value > self.value + 1e-4 * self.length * slope + 1e-9 * abs(self.value):
                self.length /= 2
                self.stuck = self.length < 1e-6
                return
        self.accept(value, gradient)

    def accept(self, value: float, gradient: Weights) -> None:
        """Move to the trial weights."""
        if self.direction is not None and self.gradient is not None:
            s, t = self.length * self.direction, gradient - self.gradient
            if np.vdot(s, t) > 0:
                self.pairs = [*self.pairs[-9:], (s, t)]
                self.moved = True
        self.W, self.value, self.gradient = self.trial(), value, gradient
        self.direction, self.length = None, 1.0


def choose_directions(models: Sequence[Model], spectrum: Spectrum) -> None:
    """Set each model's L-BFGS direction and its promise, half the slope along the direction.

    The last difference of gradients sets the scale of the Hessian's model. It is not used for a
    model that has not moved, because its pairs come from another objective.
    """
    gradients = [model.gradient for model in models if model.gradient is not None]
    starts = [start_two_loop(g, m.pairs) for m, g in zip(models, gradients, strict=True)]
    moved = [model for model in models if model.moved]
    solved = spectrum.inverse(
        np.stack([*(start for start, _ in starts), *(model.pairs[-1][1] for model in moved)]),
        np.array([model.alpha for model in (*models, *moved)]),
        np.stack([model.by_scores for model in (*models, *moved)]),
    )
    scaled = {id(model): last for model, last in zip(moved, solved[len(models) :], strict=True)}
    for model, gradient, (_, factors), start in zip(
        models, gradients, starts, solved, strict=False
    ):
        model.direction = -finish_two_loop(start, scaled.get(id(model)), model.pairs, factors)
        model.promise = -0.5 * float(np.vdot(gradient, model.direction))


def objective_outside(model: Model, of_all: Objective, folds: npt.NDArray[np.intp]) -> Objective:
    """Return the objective of a model: the loss itself over the rows that the model sees.

    It has a copy of these rows, or all rows, some of weight 0, where a copy would be large.
    """
    X, y = of_all.X, of_all.y
    weight = np.ones(len(folds)) if of_all.sample_weight is None else of_all.sample_weight
    weight = np.where(folds == model.held_out, 0.0, weight)
    seen = np.flatnonzero(weight)
    if 0 < len(seen) < len(y) and len(seen) * X.shape[1] <= MAX_COPY:
        X, y, weight = take_rows(X, seen), y[seen], weight[seen]
    X, scaling = mapped(X, model.scaling)
    return Objective(
        X,
        y,
        of_all.loss.smoothed(0.0),
        model.alpha,
        of_all.n_classes,
        sample_weight=weight,
        fit_intercept=of_all.fit_intercept,
        scaling=scaling,
        n_jobs=of_all.n_jobs,
    )
