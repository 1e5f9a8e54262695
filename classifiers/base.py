"""``LinearClassifier``: what ``LinearSVM`` and ``Softmax`` have in common."""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from visualwords.threads import row_blocks, worker_threads

from .callbacks import CallbackSupportMixin, steps_as_tasks, with_callbacks
from .losses import Loss
from .objective import Objective
from .scaling import Scaling, Weights, column_scaling
from .solvers.base import InTurn, Result, Solver, State
from .solvers.descent import MinibatchSolver
from .solvers.primal_dual import settle_intercepts
from .sources import ColumnStack, Source
from .validation import (
    LARGEST,
    check_penalty,
    check_rows,
    check_training_data,
    check_values,
    row_weights,
)

__all__ = ["LinearClassifier"]

BLOCK_ROWS = 512
# The smoothing with which the gap of a solver that has none of its own is measured.
GAP_WIDTH = 0.1
# A relative gap that can be no more than the errors of sums.
ROUNDING = 1e-9


def _learns_by_minibatches(estimator: "LinearClassifier") -> bool:
    if isinstance(estimator.solver, MinibatchSolver):
        return True
    raise AttributeError(
        "partial_fit needs a solver that learns from a few rows at a time, such as solver=SGD(), "
        f"got solver={estimator.solver!r}"
    )


class LinearClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """What the linear classifiers have in common; a subclass names its loss and solver."""

    alpha: float
    standardize: bool | str
    fit_intercept: bool
    class_weight: dict[Any, float] | str | None
    solver: Solver | None
    warm_start: bool
    random_state: int | None
    verbose: int
    n_jobs: int | None
    classes_: npt.NDArray[Any]
    solver_memory_: list[Any]

    @abstractmethod
    def _loss(self) -> Loss:
        """Make the loss to minimise."""

    @abstractmethod
    def _default_solver(self, objective: Objective) -> Solver:
        """Make what ``solver=None`` stands for."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Minimise the objective over the training rows.

        Callbacks of scikit-learn (``set_callbacks``, from its version 1.9 on) are told of each
        step, and can stop it.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
            Array, memory map, :class:`ColumnStack`, or any object with ``shape``, ``dtype``,
            ``len`` and slices of rows. float32 and float64 are used as they are.
        y : array-like of shape (n_samples,)
            Class of each row, of any kind that can be sorted.
        sample_weight : array-like of shape (n_samples,), optional

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
        X, y = check_training_data(self, X, y, finite=not self.standardize)
        objective = self._objective(X, y, sample_weight, self.alpha)
        return self._minimize(objective, self._first_weights(objective))

    @with_callbacks
    def _minimize(self, objective: Objective, W: Weights) -> Self:
        solver = self._seeded_solver(objective)
        result = solver.minimize(objective, W, callback=self._report(objective, solver))
        _warn_of_a_result(solver, result)
        self._keep(result.W, objective.scaling)
        self.n_iter_ = result.n_iter
        self.loss_curve_ = result.values
        self.gap_ = _gap(objective, result)
        return self

    @available_if(_learns_by_minibatches)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some rows: one epoch of minibatches over them.

        Only with a solver that learns by minibatches, and without ``standardize`` and
        ``class_weight="balanced"``, which need all rows. As no end is known, the learning rate of
        the schedule "cosine" is constant.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,)
            All classes; needed at the first call.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the first call names no classes, or less than two; if y has a label that is not
            among them, or a parameter is out of range.
        """
        if self.standardize:
            raise ValueError("partial_fit cannot standardize: scale the columns of X beforehand")
        if self.class_weight == "balanced":
            raise ValueError(
                "partial_fit cannot balance the classes: give class_weight a dict of weights"
            )
        check_penalty(self.alpha)
        first = not hasattr(self, "coef_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs the argument classes")
        X, y = check_training_data(self, X, y, reset=first)
        if classes is not None:
            self.classes_ = np.unique(classes) if first else self.classes_
            if len(self.classes_) < 2:
                raise ValueError(f"partial_fit needs at least 2 classes, got classes={classes!r}")
            if not np.array_equal(self.classes_, np.unique(classes)):
                raise ValueError(f"classes changed between calls: they were {self.classes_!r}")
        self._check_known(y)
        return self._learn_epoch(X, y, sample_weight, first)

    def _learn_epoch(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Self:
        weight = row_weights(y, self.classes_, self.class_weight, sample_weight)
        objective = self._objective_over(X, y, weight, self.alpha)
        solver = self._seeded_solver(objective)
        assert isinstance(solver, MinibatchSolver)
        solver.check_parameters()
        solver.check(objective)
        if solver.schedule == "cosine":
            solver.set_params(schedule="constant")
        W = self._first_weights(objective)
        memory, kept = solver.memory(W), getattr(self, "solver_memory_", [])
        if first:
            self.loss_curve_, self.n_iter_ = [], 0
        elif len(kept) == len(memory):
            memory = kept
        with objective:
            state = solver.step(objective, State(W, 0.0, memory=memory))
        self._keep(state.W, None)
        self.solver_memory_ = state.memory
        self.__dict__.pop("gap_", None)
        self.loss_curve_ = [*self.loss_curve_, state.value]
        self.n_iter_ += 1
        return self

    def _check_known(self, y: Any) -> None:
        unseen = np.setdiff1d(y, self.classes_)
        if len(unseen):
            raise ValueError(f"y has labels that are not among the classes: {unseen!r}")

    def _objective(self, X: Source, y: Any, sample_weight: Any, alpha: float) -> Objective:
        """Learn the classes and make the objective of the rows."""
        check_penalty(alpha)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes in y, got 1 class: "
                f"{classes.tolist()[0]!r}"
            )
        if not (self.warm_start and np.array_equal(classes, getattr(self, "classes_", []))):
            self.__dict__.pop("coef_", None)
        self.__dict__.pop("solver_memory_", None)
        self.classes_ = classes
        weight = row_weights(y, classes, self.class_weight, sample_weight)
        if weight is not None and len(np.unique(y[weight > 0])) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of positive weight of at least 2 classes"
            )
        return self._objective_over(X, y, weight, alpha)

    def _objective_over(
        self, X: Source, y: Any, weight: npt.NDArray[np.float64] | None, alpha: float
    ) -> Objective:
        return Objective(
            X,
            np.searchsorted(self.classes_, y),
            self._loss(),
            alpha,
            len(self.classes_),
            sample_weight=weight,
            fit_intercept=self.fit_intercept,
            scaling=self._scaling(X, weight),
            n_jobs=self.n_jobs,
        )

    def _scaling(self, X: Source, weight: npt.NDArray[np.float64] | None) -> Scaling | None:
        if self.standardize not in (False, True, "parts"):
            raise ValueError(
                f"standardize must be False, True or 'parts', got {self.standardize!r}"
            )
        if not self.standardize:
            return None
        scaling = column_scaling(X, weight, self.n_jobs)
        least = 1 / len(X) if weight is None else weight.min() / weight.sum()
        if not (scaling.bounds(least) <= LARGEST[X.dtype]).all():
            check_values(self, X)
        if self.standardize == "parts" and isinstance(X, ColumnStack):
            scaling = scaling.balanced(X.widths)
        return scaling if self.fit_intercept else scaling.uncentred()

    def objective(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Objective, Weights]:
        """Give what ``fit`` minimises over some rows, and the learned weights as its argument.

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
        W : ndarray of shape (n_classes, n_features + 1)
            ``coef_`` and ``intercept_``, for standardised columns with ``standardize``.
        """
        check_is_fitted(self)
        X, y = check_training_data(self, X, y, reset=False, finite=not self.standardize)
        self._check_known(y)
        weight = row_weights(y, self.classes_, self.class_weight, sample_weight)
        objective = self._objective_over(X, y, weight, self._penalty())
        return objective, self._first_weights(objective)

    def _penalty(self) -> float:
        """Strength of the penalty that the model was learned with."""
        return self.alpha

    def _seeded_solver(self, objective: Objective) -> Solver:
        """Copy the solver, with the estimator's random state where that is given."""
        if self.solver is not None and not isinstance(self.solver, Solver):
            raise TypeError(
                "solver must be a solver of visualwords.classifiers, such as LBFGS(), or None, "
                f"got {self.solver!r}"
            )
        solver = clone(self.solver) if self.solver else self._default_solver(objective)
        if self.random_state is not None and "random_state" in solver.get_params():
            solver.set_params(random_state=self.random_state)
        return solver

    def _first_weights(self, objective: Objective) -> Weights:
        """Zeros, or with ``warm_start`` what was learned before."""
        if not hasattr(self, "coef_") or self.coef_.shape[1] != objective.X.shape[1]:
            return np.zeros(objective.shape)
        W = np.column_stack([self.coef_, self.intercept_ * self.fit_intercept])
        return W if objective.scaling is None else objective.scaling.standardised(W)

    def _report(self, objective: Objective, solver: Solver) -> Callable[[State], bool]:
        """Tell scikit-learn's callbacks of every step; print the objective with ``verbose``."""
        name = type(self).__name__
        tell = steps_as_tasks(
            self,
            solver.max_iter,
            lambda state: _learned(state.W, objective.scaling),
            X=objective.X,
            y=lambda: self.classes_[objective.y],
        )

        def report(state: State) -> bool:
            if self.verbose:
                print(f"{name}: objective {state.value:.6g} {state.stop}", flush=True)
            return tell(state)

        return report

    def _keep(self, W: Weights, scaling: Scaling | None) -> None:
        """Keep weights for X as it came, whatever columns they were learned on."""
        for name, value in _learned(W, scaling).items():
            setattr(self, name, value)

    def decision_function(self, X: Any) -> npt.NDArray[Any]:
        """Scores of the classes.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes: the second
        class's score minus the first's
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Class with the highest score, for each row.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]

    def _scores(self, X: Any) -> npt.NDArray[Any]:
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        coef, intercept = self.coef_.astype(X.dtype), self.intercept_.astype(X.dtype)
        scores = np.empty((X.shape[0], len(self.classes_)), X.dtype)

        def score_block(rows: slice) -> None:
            np.matmul(X[rows], coef.T, out=scores[rows])
            scores[rows] += intercept

        with worker_threads(self.n_jobs) as map_:
            for _ in map_(score_block, row_blocks(X.shape[0], BLOCK_ROWS)):
                pass
        return scores


def _warn_of_a_result(solver: Solver, result: Result) -> None:
    """Warn when a solver diverged, or stops by itself and has not met its tolerance."""
    name = "the default solver" if isinstance(solver, InTurn) else type(solver).__name__
    if not np.isfinite(result.value):
        message = f"{name} diverged: {result.reason}; lower its learning_rate, or standardize"
    elif result.reason == "max_iter" and solver.converges:
        message = (
            f"{name} stopped after max_iter={solver.max_iter} iterations before its tolerance was "
            "met; raise max_iter or tol, standardize, or raise alpha"
        )
    elif np.inf > result.gap > max(solver.get_params()["tol"], ROUNDING) * result.value:
        message = (
            f"{name} stopped at a duality gap of {result.gap / result.value:.1e} times the value, "
            f"above its tol: {result.reason}; standardize, or raise alpha or tol"
        )
    else:
        return
    warnings.warn(message, ConvergenceWarning, stacklevel=5)


def _learned(W: Weights, scaling: Scaling | None) -> dict[str, npt.NDArray[np.float64]]:
    raw = W if scaling is None else scaling.raw(W)
    return {"coef_": np.ascontiguousarray(raw[:, :-1]), "intercept_": raw[:, -1].copy()}


def _gap(objective: Objective, result: Result) -> float:
    """Give the solver's own bound, or one of a few passes over X; the objective is not below 0.

    It is taken where the intercepts are the best for the weights: there it does not matter how far
    off those of the minimum are.
    """
    if np.isfinite(result.gap):
        return min(result.gap, result.value)
    smoothed, value, W = objective.smoothed(GAP_WIDTH), objective.value(result.W), result.W
    if not np.isfinite(value):
        return np.inf
    if objective.fit_intercept:
        W = settle_intercepts(smoothed, W, 0.1, 0.0)
    certificate = smoothed.certify(W)
    return float(np.fmin(value, value - certificate.value + certificate.gap))
