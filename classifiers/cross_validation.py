"""``LinearSVMCV`` and ``SoftmaxCV``: the penalty chosen by cross-validation."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from .base import LinearClassifier
from .linear import LinearSVM, Softmax
from .objective import Objective
from .scaling import Scaling, scalings_outside
from .solvers.base import Solver
from .solvers.curvature import Spectrum, column_gram, sample, sample_size
from .solvers.path import Models
from .solvers.path_model import Model
from .validation import check_training_data, seed_of

__all__ = ["LinearSVMCV", "SoftmaxCV"]

ALPHAS = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)
# Rows to see how the columns are correlated: for steps that are not evaluated.
ROWS_PER_COLUMN = 16


class CrossValidated(LinearClassifier):
    """What both have in common: the search over penalties."""

    alphas: Sequence[float]
    cv: int
    tol: float
    alpha_: float
    solver: Solver | None = None
    warm_start: bool = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Score every penalty on every fold, and fit the best penalty to all rows.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            Of the rows in training and in scoring.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As :meth:`LinearClassifier.fit`; and if a penalty is not above 0, ``cv`` is no whole
            number, or a class has fewer rows than there are folds.
        """
        self._check_parameters()
        X, y = check_training_data(self, X, y, finite=not self.standardize)
        objective = self._objective(X, y, sample_weight, max(self.alphas))
        with objective:
            models = self._search(objective)
        best = int(self.scores_.mean(axis=1).argmax())
        self.alpha_ = float(self.alphas[best])
        return self._minimize(objective.replaced(alpha=self.alpha_), models[best].W)

    def _check_strength(self) -> None:
        _check_penalties(self.alphas)

    def _penalty(self) -> float:
        return self.alpha_

    def _search(self, objective: Objective) -> list[Model]:
        """Score all penalties on all folds; give the models that learned from all rows."""
        seed = seed_of(self.random_state) or 0
        folds = self._folds(objective.y, objective.sample_weight, seed)
        spectrum = Spectrum(column_gram(objective, seed, ROWS_PER_COLUMN * objective.X.shape[1]))
        everything = Models(objective, folds, spectrum)
        models = everything.of_all_rows(self.alphas)
        rows = sample(objective, max(objective.n_samples // 8, sample_size(objective)), seed)
        if 2 * len(rows) <= objective.n_samples:
            part = Models(objective.subset(rows), folds[rows], spectrum)
            part.minimize(models, self.tol)
            everything.measure(models, seed)
            models = [model.again() for model in models]
        everything.minimize(models, 0.3 * self.tol)
        everything.measure(models, seed)
        held_out = everything.leave_out(models, self._scalings(objective, folds))
        everything.minimize_alike(held_out, 0.1 * self.tol)
        scores = np.array(everything.accuracies(held_out))
        self.scores_ = np.ascontiguousarray(scores.reshape(self.cv, -1).T)
        return models

    def _scalings(self, objective: Objective, folds: npt.NDArray[np.intp]) -> list[Scaling | None]:
        """Scalings of the columns by the rows that each fold's models see."""
        if objective.scaling is None:
            return [None] * self.cv
        weight = 1.0 if objective.sample_weight is None else objective.sample_weight
        of_folds = weight * (folds == np.arange(self.cv)[:, None])
        scalings = scalings_outside(objective.X, of_folds, self.n_jobs)
        return [scaling if self.fit_intercept else scaling.uncentred() for scaling in scalings]

    def _folds(
        self, labels: npt.NDArray[np.intp], weight: npt.NDArray[Any] | None, seed: int
    ) -> npt.NDArray[np.intp]:
        fewest = int(np.bincount(labels).min())
        if not (isinstance(self.cv, Integral) and 2 <= self.cv <= fewest):
            raise ValueError(
                "cv must be a whole number from 2 to the number of rows of the smallest class, "
                f"{fewest}; got {self.cv!r}"
            )
        splitter = StratifiedKFold(self.cv, shuffle=True, random_state=seed)
        folds = np.empty(len(labels), np.intp)
        for fold, (_, rows) in enumerate(splitter.split(labels, labels)):
            folds[rows] = fold
        if not np.bincount(folds, weight).all():
            raise ValueError(
                f"cv={self.cv}: there are folds whose rows all have weight 0; take fewer folds"
            )
        return folds


def _check_penalties(alphas: Sequence[float]) -> None:
    numbers = isinstance(alphas, Sequence | np.ndarray) and np.ndim(alphas) == 1 and len(alphas)
    if not (numbers and all(isinstance(alpha, Real) and 0 < alpha < np.inf for alpha in alphas)):
        raise ValueError(f"alphas must be numbers above 0, got {alphas!r}")


class LinearSVMCV(CrossValidated, LinearSVM):
    """:class:`LinearSVM` with the penalty that scores best in cross-validation.

    All penalties and folds share the passes over X (:mod:`.path`).

    Parameters
    ----------
    alphas : sequence of float > 0
    loss : {"hinge", "squared_hinge", "crammer_singer", "one_vs_rest"}
    cv : int
        Folds; every class is spread evenly over them (``StratifiedKFold``, shuffled).
    tol : float
        Tolerance of the models that are scored, as in :class:`SoftmaxCV`. The model that is kept
        is fitted like one of :class:`LinearSVM`.
    standardize, fit_intercept, class_weight, random_state, verbose, n_jobs
        As in :class:`LinearSVM`. Columns are standardised by the rows that a model sees.

    Attributes
    ----------
    alpha_ : float
        The penalty with the best mean score.
    scores_ : ndarray of shape (n_alphas, cv)
        Accuracy of each penalty on each fold, where rows count by their weights: with
        ``class_weight="balanced"`` all classes count alike.
    classes_, coef_, intercept_, gap_, n_iter_, loss_curve_
        As in :class:`LinearSVM`, for ``alpha_`` and all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearSVMCV([0.01, 10.0], standardize=True).fit(X, y).alpha_
    0.01
    """

    def __init__(
        self,
        alphas: Sequence[float] = ALPHAS,
        *,
        loss: str = "hinge",
        cv: int = 5,
        tol: float = 1e-2,
        standardize: bool = False,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        random_state: int | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.loss = loss
        self.cv = cv
        self.tol = tol
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs


class SoftmaxCV(CrossValidated, Softmax):
    """:class:`Softmax` with the penalty that scores best in cross-validation.

    All penalties and folds share the passes over X (:mod:`.path`).

    Parameters
    ----------
    alphas : sequence of float > 0
    cv : int
        Folds; every class is spread evenly over them (``StratifiedKFold``, shuffled).
    tol : float
        Tolerance of the models that are scored: they are done when a further step promises to
        lower the objective by less than a tenth of it, times the objective or what is gained since
        weights of 0. Where rows are few for the weights, promises are not trusted, and the duality
        gap over the value is within it too. The model that is kept is fitted like one of
        :class:`Softmax`.
    standardize, fit_intercept, class_weight, random_state, verbose, n_jobs
        As in :class:`Softmax`. Columns are standardised by the rows that a model sees.

    Attributes
    ----------
    alpha_ : float
        The penalty with the best mean score.
    scores_ : ndarray of shape (n_alphas, cv)
        Accuracy of each penalty on each fold, where rows count by their weights: with
        ``class_weight="balanced"`` all classes count alike.
    classes_, coef_, intercept_, gap_, n_iter_, loss_curve_
        As in :class:`Softmax`, for ``alpha_`` and all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> SoftmaxCV([0.01, 10.0], standardize=True).fit(X, y).alpha_
    0.01
    """

    def __init__(
        self,
        alphas: Sequence[float] = ALPHAS,
        *,
        cv: int = 5,
        tol: float = 1e-2,
        standardize: bool = False,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        random_state: int | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.tol = tol
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
