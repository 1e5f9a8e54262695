"""``LinearClassifier``: how ``LinearSVM`` and ``Softmax`` learn."""

from abc import abstractmethod
from inspect import isclass
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from visualwords.checks import check_seed

from .callbacks import CallbackSupportMixin, steps_as_tasks, with_callbacks
from .certificate import certify
from .columns import adjusted, learned_attributes, prepared, raw_rows, weights_for
from .losses import Loss
from .objective import Objective
from .parts import Alpha, check_penalty, column_penalty, with_factors
from .prediction import LinearPredictor
from .reporting import step_report, warn_of_result
from .scaling import Scaling, Weights, column_scaling
from .solvers.base import Minimizer, Result, Solver, State, within_range
from .solvers.descent import MinibatchSolver
from .solvers.intercepts import settle_intercepts
from .sources import Source
from .validation import (
    LARGEST,
    ClassWeight,
    LabelArray,
    MatrixLike,
    RandomState,
    as_ratios,
    check_known,
    check_options,
    check_positive_weights,
    check_training_data,
    check_values,
    known_classes,
    row_weights,
    same_classes,
)

__all__ = ["LinearClassifier"]

# The gap of a solver that computes none is measured with this smoothing.
GAP_WIDTH = 0.1


def _learns_by_minibatches(estimator: "LinearClassifier") -> bool:
    if getattr(estimator.solver, "minibatches", False):
        return True
    raise AttributeError(
        "partial_fit needs a solver that learns from a few rows at a time, such as solver=SGD(), "
        f"got solver={estimator.solver!r}"
    )


class LinearClassifier(LinearPredictor, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Base of the linear classifiers; a subclass names its loss and its default solver."""

    losses: ClassVar[dict[str, type[Loss]]]  # by their names
    alpha: Alpha
    loss: str | Loss
    standardize: bool | str
    fit_intercept: bool
    class_weight: ClassWeight
    solver: Solver | None
    warm_start: bool
    random_state: RandomState
    verbose: int
    n_jobs: int | None
    solver_memory_: list[Any]

    def _loss(self) -> Loss:
        """Return the loss that the parameter ``loss`` names or is."""
        if hasattr(self.loss, "values_and_grad") and not isclass(self.loss):
            return cast(Loss, self.loss)
        if self.loss not in list(self.losses):
            raise ValueError(
                f"loss must be one of {sorted(self.losses)} or an instance of Loss, got "
                f"{self.loss!r}"
            )
        return self.losses[cast(str, self.loss)]()

    @abstractmethod
    def _default_solver(self, objective: Objective) -> Minimizer:
        """Make the solver that ``solver=None`` stands for."""

    def fit(
        self, X: MatrixLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Minimise the objective over the training rows.

        Callbacks of scikit-learn 1.9 (``set_callbacks``) see each step and can stop the fit.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
            Array, memory map, :class:`ColumnStack`, or any object with ``shape``, ``dtype``,
            ``len`` and slices of rows. float32 and float64 are used as they are.
        y : array-like of shape (n_samples,)
            Class of each row, of any kind that can be sorted.
        sample_weight : array-like of shape (n_samples,), optional
            Only the ratios of the weights matter.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X and y do not fit together, values are missing, infinite or too large (beyond
            1e15 in float32, 1e50 in float64), there is only one class, a parameter is out of range,
            or the solver cannot minimise the loss.
        """
        self._check_parameters()
        rows, labels = check_training_data(self, X, y, finite=not self.standardize)
        objective = self._objective(rows, labels, sample_weight, self.alpha)
        return self._minimize(objective, self._first_weights(objective))

    @with_callbacks
    def _minimize(self, objective: Objective, W: Weights) -> Self:
        solver = self._seeded_solver(objective).checked()
        tell = steps_as_tasks(
            self, objective, solver.max_iter, lambda state: learned_attributes(state.W, objective)
        )
        report = step_report(type(self).__name__, self.verbose, tell)
        result = solver.minimize(objective, W, callback=report)
        warn_of_result(solver, result, stacklevel=4, has_penalty=objective.alpha > 0)
        self._keep(result.W, objective)
        self.n_iter_ = result.n_iter
        self.loss_curve_ = result.values
        self.gap_ = _gap(objective, result)
        return self

    @available_if(_learns_by_minibatches)
    def partial_fit(
        self,
        X: MatrixLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from some rows: one epoch of minibatches over them.

        A minibatch's gradient is the sum of weight times gradient over its rows, divided by the
        number of its rows. So a row's weight means the same in any call, and rows with weights of
        mean 1 are learned as :meth:`fit` learns them. ``standardize`` and
        ``class_weight="balanced"`` need all rows and are refused. The schedule "cosine" has no end
        to aim at, so its learning rate is constant. Learning always goes on from the last weights,
        with any ``warm_start``.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,)
            All classes; needed in the first call.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the first call names no classes, or fewer than two; if y has a label that is not
            among the classes, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If the solver diverges. The weights stay those before the call.
        """
        self._check_parameters()
        if self.standardize:
            raise ValueError("partial_fit cannot standardize: scale the columns of X beforehand")
        if self.class_weight == "balanced":
            raise ValueError(
                "partial_fit cannot balance the classes: give class_weight a dict of weights"
            )
        first = not hasattr(self, "coef_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs the argument classes")
        rows, labels = check_training_data(self, X, y, reset=first)
        if classes is not None:
            self.classes_ = same_classes(classes, None if first else self.classes_)
        check_known(labels, self.classes_)
        weight = row_weights(labels, self.classes_, self.class_weight, sample_weight)
        objective = self._objective_over(rows, labels, weight, self.alpha, per_row=True)
        return self._learn_epoch(objective, first)

    def _learn_epoch(self, objective: Objective, first: bool) -> Self:
        solver = cast(MinibatchSolver, self._seeded_solver(objective).checked())
        solver.check(objective)
        if solver.schedule == "cosine":
            solver.set_params(schedule="constant")
        W = self._first_weights(objective)
        memory, kept = solver.memory(W), getattr(self, "solver_memory_", [])
        if first:
            self.loss_curve_, self.n_iter_ = [], 0
        elif len(kept) == len(memory):
            memory = kept
        with objective, np.errstate(over="ignore", invalid="ignore"):
            state = solver.step(objective, State(W, 0.0, memory=memory))
        step_report(type(self).__name__, self.verbose)(state)
        if not within_range(objective, state):
            result = Result(W, np.inf, [], [], "the value is not finite")
            warn_of_result(solver, result, stacklevel=3)
            state.W, state.memory = W, memory
        self._keep(state.W, objective)
        self.solver_memory_ = state.memory
        self.__dict__.pop("gap_", None)
        self.loss_curve_ = [*self.loss_curve_, state.value]
        self.n_iter_ += 1
        return self

    def objective(
        self, X: MatrixLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> tuple[Objective, Weights]:
        """Return the function that ``fit`` minimises over some rows, and the learned weights.

        To look at the loss around a model: :func:`landscape`, :func:`check_gradient`.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Classes that the model knows.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        objective : Objective
        W : ndarray of shape ``objective.shape``
            Those learned, for the columns that ``fit`` would make of these rows: standardised, or
            whitened (of few rows as many as rows); those of a part are divided by its factor.
        """
        check_is_fitted(self)
        self._check_parameters()
        rows, labels = check_training_data(self, X, y, reset=False, finite=not self.standardize)
        check_known(labels, self.classes_)
        weight = row_weights(labels, self.classes_, self.class_weight, sample_weight)
        objective = self._objective_over(rows, labels, weight, self._penalty())
        return objective, self._first_weights(objective)

    def _check_parameters(self) -> None:
        """Refuse values of the shared parameters that mean nothing, on every path."""
        self._check_strength()
        check_options(self.standardize, self.solver, self.random_state, self.class_weight)

    def _check_strength(self) -> None:
        check_penalty(self.alpha, one_for_all=self.standardize == "whiten")

    def _objective(
        self, X: Source, y: LabelArray, sample_weight: npt.ArrayLike | None, alpha: Alpha
    ) -> Objective:
        """Learn the classes and make the objective of the rows."""
        classes = known_classes(y, type(self).__name__)
        if not (self.warm_start and np.array_equal(classes, getattr(self, "classes_", []))):
            self.__dict__.pop("coef_", None)
        self.__dict__.pop("solver_memory_", None)
        self.classes_ = classes
        weight = row_weights(y, classes, self.class_weight, sample_weight)
        if weight is not None:
            check_positive_weights(weight, y, type(self).__name__)
        return self._objective_over(X, y, weight, alpha)

    def _objective_over(
        self,
        X: Source,
        y: LabelArray,
        weight: Weights | None,
        alpha: Alpha,
        *,
        per_row: bool = False,
    ) -> Objective:
        """Make the objective: the weighted mean of the loss, or its weighted sum ``per_row``."""
        total = float(len(y)) if per_row else None
        if weight is not None:
            weight, exponent = as_ratios(weight)
            total = None if total is None else float(np.ldexp(total, -exponent))
        strength, factors = column_penalty(alpha, X)
        X, scaling = prepared(X, self._scaling(X, weight), self.standardize, weight, self.n_jobs)
        objective = Objective(
            X,
            np.searchsorted(self.classes_, y),
            self._loss(),
            strength,
            len(self.classes_),
            sample_weight=weight,
            total_weight=total,
            fit_intercept=self.fit_intercept,
            scaling=scaling,
            n_jobs=self.n_jobs,
        )
        return with_factors(objective, factors)

    def _scaling(self, X: Source, weight: Weights | None) -> Scaling | None:
        if not self.standardize:
            return None
        scaling = column_scaling(X, weight, self.n_jobs)
        least = 1 / len(X) if weight is None else weight.min() / weight.sum()
        if not (scaling.bounds(least) <= LARGEST[X.dtype]).all():
            check_values(self, X)
        return adjusted(scaling, X, self.standardize, self.fit_intercept)

    def _penalty(self) -> Alpha:
        """Return the strength of the penalty that the model was learned with."""
        return self.alpha

    def _seeded_solver(self, objective: Objective) -> Minimizer:
        """Copy the solver; the estimator's random state replaces the solver's unless it is None."""
        solver = clone(self.solver) if self.solver else self._default_solver(objective)
        if self.random_state is not None and "random_state" in solver.get_params():
            solver.set_params(random_state=check_seed("random_state", self.random_state))
        return solver

    def _first_weights(self, objective: Objective) -> Weights:
        """Return the weights learned before, for the objective's columns; zeros without any."""
        if not hasattr(self, "coef_") or self.coef_.shape[1] != raw_rows(objective).shape[1]:
            return np.zeros(objective.shape)
        return weights_for(objective, self.coef_, self.intercept_ * self.fit_intercept)

    def _keep(self, W: Weights, objective: Objective) -> None:
        """Keep weights for X as it came, whatever columns they were learned on."""
        for name in ("center_", "unit_"):
            self.__dict__.pop(name, None)
        for name, value in learned_attributes(W, objective).items():
            setattr(self, name, value)


def _gap(objective: Objective, result: Result) -> float:
    """Return the solver's own bound, or one of a few passes over X; at most the objective.

    The dual point is taken where the intercepts are the best for the weights: there it does not
    matter how far off those of the minimum are.
    """
    if np.isfinite(result.gap) or not np.isfinite(result.value):
        return min(result.gap, result.value) if np.isfinite(result.value) else np.inf
    smoothed, W = objective.smoothed(GAP_WIDTH), result.W
    if objective.fit_intercept:
        W = settle_intercepts(smoothed, W, 0.1, 0.0)
    bound = certify(objective, W, smoothed.loss)
    value = objective.in_double().value(result.W)
    return min(value, value - bound.value + bound.gap)
