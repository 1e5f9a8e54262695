"""Scores of penalties where rows are many: models of all penalties and folds share passes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from .folds import Indices
from .objective import Objective
from .parts import ColumnPenalty, divided
from .scaling import Scaling, Weights
from .scored import Scored
from .solvers.base import Minimizer
from .solvers.curvature import Spectrum
from .solvers.held_out import accuracies, held_out_scores
from .solvers.moments import Moments, column_moments, sample, sample_size
from .solvers.path import Models
from .solvers.path_model import Columns, Model
from .validation import as_ratios
from .whitening import ColumnMap

__all__ = ["SharedPasses", "score_split"]

# The columns' correlations are measured on so many rows a column: some steps are not evaluated.
ROWS_PER_COLUMN = 16


class OfPenalty(NamedTuple):
    """A model of all rows, and one with the same penalty without each fold."""

    model: Model
    without: list[Model]


class SharedPasses:
    """Scores penalties; see :class:`.Scorer`.

    Parameters
    ----------
    objective : Objective
        Over all rows. Its penalty is not used.
    folds : ndarray of shape (n,)
        The fold of each row.
    scalings : list of Scaling, Rewhitening or None
        Of the columns by the rows outside each fold.
    solver : callable
        Returns the solver for an objective.
    tol : float
        Tolerance of the models; see :meth:`.Models.minimize`.
    seed : int
        Of the samples of rows.
    """

    def __init__(
        self,
        objective: Objective,
        folds: Indices,
        scalings: list[ColumnMap | None],
        solver: Callable[[Objective], Minimizer],
        tol: float,
        seed: int,
    ) -> None:
        self.scalings, self.tol, self.seed = scalings, tol, seed
        self.short: list[float] = []
        self.moments = _moments(objective, seed)
        self.models = Models(objective, folds, Spectrum(self.moments), solver)

    def score(
        self, penalties: Sequence[ColumnPenalty], start: Scored[OfPenalty] | None = None
    ) -> list[Scored[OfPenalty]]:
        """Score penalties by models that share their passes; see :meth:`.Scorer.score`.

        Models of all rows are minimised first, then those without each fold. A model without a fold
        begins at one without it, so that it knows nothing of the fold.
        """
        models = self._first_models(penalties) if start is None else self._moved(penalties, start)
        self.models.minimize(models, 0.3 * self.tol)
        self.models.measure(models, self.seed)
        if start is None:
            held_out = self.models.leave_out(models, self.scalings)
        else:
            held_out = self._moved_without(penalties, start, models)
        self.models.minimize_alike(held_out, self.models.promise * self.tol)
        self.short += self.models.finish(held_out)
        found, n = np.array(accuracies(self.models, held_out)), len(models)
        return [
            Scored(penalty, found[i::n], OfPenalty(models[i], held_out[i::n]))
            for i, penalty in enumerate(penalties)
        ]

    def held_out_scores(self, scored: Scored[OfPenalty]) -> npt.NDArray[np.floating]:
        """Compute the scores of each row by the model without its fold; see :class:`.Scorer`."""
        return held_out_scores(self.models, scored.models.without)

    def weights(self, scored: Scored[OfPenalty]) -> Weights:
        """Return the weights of the model of all rows; see :meth:`.Scorer.weights`."""
        model = scored.models.model
        return model.W if model.scaling is None else model.scaling.raw(model.W)

    def _first_models(self, penalties: Sequence[ColumnPenalty]) -> list[Model]:
        """Return a model of all rows for each penalty, learned from an eighth of them first."""
        everything, objective = self.models, self.models.objective
        models = everything.of_all_rows([penalty.alpha for penalty in penalties])
        n_rows = max(objective.n_samples // 8, sample_size(objective))
        if 2 * n_rows <= objective.n_samples:
            everything.some(sample(objective, n_rows, self.seed)).minimize(models, self.tol)
            everything.measure(models, self.seed)
            models = [model.again() for model in models]
        return models

    def _moved(self, penalties: Sequence[ColumnPenalty], start: Scored[OfPenalty]) -> list[Model]:
        """Return models of all rows for other penalties."""
        everything, before = self.models.objective.scaling, start.models.model
        return [_moved(before, p, everything, self._columns(p)) for p in penalties]

    def _moved_without(
        self, penalties: Sequence[ColumnPenalty], start: Scored[OfPenalty], models: list[Model]
    ) -> list[Model]:
        """Return models without each fold for other penalties, evaluated in one pass."""
        held_out = []
        for before, scaling in zip(start.models.without, self.scalings, strict=True):
            for penalty, model in zip(penalties, models, strict=True):
                made = _moved(before, penalty, cast(Scaling | None, scaling), model.columns)
                made.by_scores, made.few_rows = model.by_scores, model.few_rows
                held_out.append(made)
        self.models.evaluate(held_out)
        return held_out

    def _columns(self, penalty: ColumnPenalty) -> Columns:
        """Return the factors of the columns and the model of the Hessian for them."""
        moments = self.moments
        if moments is not None and penalty.factors is not None:
            moments = moments.divided(penalty.factors)
        return Columns(Spectrum(moments), penalty.factors)


def score_split(
    objective: Objective,
    weight_of_test: Weights,
    alphas: Sequence[float],
    solver: Callable[[Objective], Minimizer],
    tol: float,
    seed: int,
) -> tuple[list[float], list[float]]:
    """Score penalties on one split of any kind, by models that share their passes.

    Parameters
    ----------
    objective : Objective
        Over all rows; those outside the training rows have weight 0.
    weight_of_test : ndarray of shape (n,)
        Weights of the test rows; the others have weight 0.
    alphas, solver, tol, seed
        As in :class:`SharedPasses`.

    Returns
    -------
    accuracies : list of float
    short : list of float
        Penalties whose models stopped before their tolerance was met.
    """
    n, spectrum = objective.n_samples, Spectrum(_moments(objective, seed))
    with objective:
        training = Models(objective, np.zeros(n, np.intp), spectrum, solver)
        models = training.of_all_rows(alphas)
        training.minimize(models, 0.3 * tol)
        training.measure(models, seed)
        models = [model.again() for model in models]
        training.minimize(models, training.promise * tol)
        short = training.finish(models)
        is_test = (weight_of_test > 0).astype(np.intp)
        of_rows = objective.replaced(sample_weight=as_ratios(weight_of_test)[0])
        testing = Models(of_rows, is_test, spectrum, solver)
        return accuracies(testing, [replace(model, held_out=1) for model in models]), short


def _moved(
    start: Model, penalty: ColumnPenalty, scaling: Scaling | None, columns: Columns
) -> Model:
    """Make a model of another penalty that begins at the weights of one that sees the same rows."""
    scaling = divided(scaling, penalty.factors)
    raw = start.W if start.scaling is None else start.scaling.raw(start.W)
    W = raw if scaling is None else scaling.standardised(raw)
    return Model(
        penalty.alpha, start.held_out, scaling, W, start.by_scores, columns, start.few_rows
    )


def _moments(objective: Objective, seed: int) -> Moments | None:
    return column_moments(objective, seed, ROWS_PER_COLUMN * objective.X.shape[1])
