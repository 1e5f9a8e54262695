"""The estimators: ``LinearSVM`` and ``Softmax``."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from visualwords.threads import row_blocks, worker_threads

from .losses import CrossEntropy, Hinge, Loss
from .matrix import Source, is_source
from .objective import Objective, Scaling, Weights
from .solvers import LBFGS, Solver

__all__ = ["LinearSVM", "Softmax"]

BLOCK_ROWS = 512


class LinearClassifier(ClassifierMixin, BaseEstimator):
    """What the linear classifiers have in common; a subclass names its loss."""

    alpha: float
    standardize: bool
    fit_intercept: bool
    class_weight: dict[Any, float] | str | None
    solver: Solver | None
    n_jobs: int | None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Minimise the objective over the training rows.

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
            If X and y do not fit together, values are missing or infinite, there is only one
            class, or a parameter is out of range.
        """
        if not self.alpha >= 0:
            raise ValueError(f"alpha must be at least 0, got {self.alpha!r}")
        X, y = _check_training_data(self, X, y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes in y, got 1 class: "
                f"{self.classes_[0]!r}"
            )
        weight = self._weights(X, y, labels, sample_weight)
        objective = self._objective(X, labels, weight)
        result = (self.solver or LBFGS()).minimize(objective, np.zeros(objective.shape))
        self._keep(result.W, objective.scaling)
        self.n_iter_ = result.n_iter
        self.loss_curve_ = result.values
        return self

    def _objective(
        self, X: Source, labels: npt.NDArray[np.intp], weight: npt.NDArray[np.float64] | None
    ) -> Objective:
        scaling = None
        if self.standardize:
            scaling = _column_scaling(X, weight, self.fit_intercept, self.n_jobs)
        return Objective(
            X,
            labels,
            self._loss(),
            self.alpha,
            len(self.classes_),
            sample_weight=weight,
            fit_intercept=self.fit_intercept,
            scaling=scaling,
            n_jobs=self.n_jobs,
        )

    @abstractmethod
    def _loss(self) -> Loss: ...

    def _weights(
        self, X: Source, y: Any, labels: npt.NDArray[np.intp], sample_weight: Any
    ) -> npt.NDArray[np.float64] | None:
        """Weight of every row: the sample's times its class's; None when all are 1."""
        if sample_weight is None and self.class_weight is None:
            return None
        weight = np.ones(len(labels))
        if sample_weight is not None:
            rows = np.broadcast_to(np.float64(0), (len(labels), 1))
            weight = _check_sample_weight(
                sample_weight, rows, dtype=np.float64, ensure_non_negative=True
            )
        if self.class_weight is not None:
            of_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y, sample_weight=weight
            )
            weight = weight * of_class[labels]
        if not weight.sum() > 0:
            raise ValueError("sample_weight is zero for all rows: there is nothing to learn from")
        return weight

    def _keep(self, W: Weights, scaling: Scaling | None) -> None:
        """Keep weights for X as it came, whatever columns they were learned on."""
        raw = W if scaling is None else scaling.raw(W)
        self.coef_ = np.ascontiguousarray(raw[:, :-1])
        self.intercept_ = raw[:, -1].copy()

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
        X = _check_rows(self, X, reset=False)
        coef, intercept = self.coef_.astype(X.dtype), self.intercept_.astype(X.dtype)
        scores = np.empty((X.shape[0], len(self.classes_)), X.dtype)

        def score_block(rows: slice) -> None:
            np.matmul(X[rows], coef.T, out=scores[rows])
            scores[rows] += intercept

        with worker_threads(self.n_jobs) as map_:
            for _ in map_(score_block, row_blocks(X.shape[0], BLOCK_ROWS)):
                pass
        return scores


class LinearSVM(LinearClassifier):
    """Linear support vector machine for many classes.

    Minimises ``mean loss + alpha / 2 * ||W||^2`` with the hinge of Weston and Watkins,
    ``sum over k != y of max(0, 1 + s_k - s_y)``; the intercepts are not penalised.

    Parameters
    ----------
    alpha : float >= 0
        Strength of the L2 penalty.
    standardize : bool
        Learn on columns of zero mean and unit variance. X is not changed nor copied: ``coef_``
        and ``intercept_`` are for X as it came, but the penalty acts on the weights of the
        standardised columns. A constant column is left as it is.
    fit_intercept : bool
        When False, standardised columns are scaled but not centred.
    class_weight : dict, "balanced" or None
    solver : Solver, optional
        How to minimise; by default :class:`LBFGS`.
    n_jobs : int or None
        Threads; the result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
        Also for two classes, one row each.
    intercept_ : ndarray of shape (n_classes,), float64
    n_iter_ : int
    loss_curve_ : list of float
        The objective at the start and after each iteration.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearSVM(standardize=True).fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        standardize: bool = False,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        solver: Solver | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.n_jobs = n_jobs

    def _loss(self) -> Loss:
        return Hinge()


class Softmax(LinearClassifier):
    """Softmax classifier (multinomial logistic regression).

    Minimises ``mean loss + alpha / 2 * ||W||^2`` with the cross-entropy
    ``-log(exp(s_y) / sum over k of exp(s_k))``; the intercepts are not penalised.

    Parameters
    ----------
    alpha : float >= 0
        Strength of the L2 penalty; ``LogisticRegression(C=1 / (n_samples * alpha))`` in
        scikit-learn's terms.
    standardize : bool
        Learn on columns of zero mean and unit variance. X is not changed nor copied: ``coef_``
        and ``intercept_`` are for X as it came, but the penalty acts on the weights of the
        standardised columns. A constant column is left as it is.
    fit_intercept : bool
        When False, standardised columns are scaled but not centred.
    class_weight : dict, "balanced" or None
    solver : Solver, optional
        How to minimise; by default :class:`LBFGS`.
    n_jobs : int or None
        Threads; the result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
        Also for two classes, one row each.
    intercept_ : ndarray of shape (n_classes,), float64
    n_iter_ : int
    loss_curve_ : list of float
        The objective at the start and after each iteration.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> Softmax(standardize=True).fit(X, y).predict_proba(X[:1]).round(1)
    array([[1., 0., 0.]])
    """

    def __init__(
        self,
        alpha: float = 0.03,
        *,
        standardize: bool = False,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        solver: Solver | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.n_jobs = n_jobs

    def _loss(self) -> Loss:
        return CrossEntropy()

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """Probability of each class.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return softmax(self._scores(X), axis=1)


def _check_rows(estimator: LinearClassifier, X: Any, *, reset: bool) -> Any:
    """Check X by scikit-learn's rules; a source that is no array keeps being one."""
    if not is_source(X):
        return validate_data(estimator, X, dtype=[np.float64, np.float32], reset=reset)
    if len(X.shape) != 2 or X.dtype not in (np.float32, np.float64):
        raise ValueError(
            "expected a two-dimensional source of float32 or float64 rows, got shape "
            f"{X.shape} and dtype {X.dtype}"
        )
    if X.shape[0] == 0:
        raise ValueError(f"expected at least 1 row, got a source of shape {X.shape}")
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    for rows in row_blocks(X.shape[0], BLOCK_ROWS):
        if not np.isfinite(X[rows]).all():
            raise ValueError(
                f"X has values that are not finite (NaN or infinity) in rows "
                f"{rows.start} to {rows.stop - 1}"
            )
    return X


def _check_training_data(estimator: LinearClassifier, X: Any, y: Any) -> tuple[Any, Any]:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    X = _check_rows(estimator, X, reset=True)
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    if len(y) != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows but y has {len(y)} labels")
    return X, y


def _column_scaling(
    X: Source, weight: npt.NDArray[np.float64] | None, centre: bool, n_jobs: int | None
) -> Scaling:
    """Mean and standard deviation of the columns, in one pass.

    Sums are taken of the differences to the first row, so a large mean costs no digits.
    """
    origin = np.asarray(X[0:1])[0]

    def moments(rows: slice) -> tuple[Any, Any, float]:
        block = X[rows] - origin
        c = np.ones(len(block), block.dtype) if weight is None else weight[rows].astype(block.dtype)
        sums = (c @ block).astype(np.float64)
        np.square(block, out=block)
        return sums, (c @ block).astype(np.float64), float(c.sum(dtype=np.float64))

    with worker_threads(n_jobs) as map_:
        parts = list(map_(moments, row_blocks(X.shape[0], BLOCK_ROWS)))
    first, second, total = (sum(column) for column in zip(*parts, strict=True))
    shift = first / total
    variance = np.maximum(second / total - shift**2, 0)
    scale = np.where(variance > 1e-12 * second / total, np.sqrt(variance), 1.0)
    return Scaling((shift + origin) * centre, np.where(scale > 0, scale, 1.0))
