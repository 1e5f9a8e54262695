"""``LinearSVMCV`` and ``SoftmaxCV``: the penalty chosen by cross-validation."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.utils.metaestimators import available_if

from visualwords.hints import with_hints

from .cross_validation import CrossValidated
from .folds import Splits
from .hints import SEARCH_HINTS
from .linear import LinearSVM, Softmax
from .losses import Loss
from .shared_docs import with_shared_docs
from .validation import ClassWeight, MatrixLike, RandomState

__all__ = ["LinearSVMCV", "SoftmaxCV"]

ALPHAS = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)


def _is_calibrated(estimator: CrossValidated) -> bool:
    if estimator.calibrate:
        return True
    raise AttributeError(f"{type(estimator).__name__} gives probabilities only if calibrate=True")


@with_hints(SEARCH_HINTS)
@with_shared_docs
class LinearSVMCV(CrossValidated, LinearSVM):
    """:class:`LinearSVM` with the penalty that scores best in cross-validation.

    Columns are standardised by the rows that a model sees. All penalties and folds share the
    passes over X.

    Parameters
    ----------
    alphas : sequence of float > 0
        Strengths of the penalty to choose from; see :class:`LinearSVM`.
    loss : {losses} or Loss
        As in :class:`LinearSVM`.
    {search}
    {calibrate}
    {standardize}
    {fit_intercept}
    {class_weight}
    {random_state}
    {verbose}
    {n_jobs}

    Attributes
    ----------
    {found}
    {learned}

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
        loss: str | Loss = "hinge",
        per_part: bool = False,
        cv: Splits = 5,
        tol: float = 1e-2,
        calibrate: bool = False,
        standardize: bool | str = False,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        random_state: RandomState = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.loss = loss
        self.per_part = per_part
        self.cv = cv
        self.tol = tol
        self.calibrate = calibrate
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @available_if(_is_calibrated)
    def predict_proba(self, X: MatrixLike) -> npt.NDArray[np.floating]:
        """Compute the probability of each class; only with ``calibrate``.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return softmax(self._scores(X) / self._temperature(), axis=1)


@with_hints(SEARCH_HINTS)
@with_shared_docs
class SoftmaxCV(CrossValidated, Softmax):
    """:class:`Softmax` with the penalty that scores best in cross-validation.

    Columns are standardised by the rows that a model sees. All penalties and folds share the
    passes over X.

    Parameters
    ----------
    alphas : sequence of float > 0
        Strengths of the penalty to choose from; see :class:`Softmax`.
    loss : {losses} or Loss
        As in :class:`Softmax`.
    {search}
    {calibrate}
    {standardize}
    {fit_intercept}
    {class_weight}
    {random_state}
    {verbose}
    {n_jobs}

    Attributes
    ----------
    {found}
    {learned}

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
        loss: str | Loss = "cross_entropy",
        per_part: bool = False,
        cv: Splits = 5,
        tol: float = 1e-2,
        calibrate: bool = False,
        standardize: bool | str = False,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        random_state: RandomState = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.loss = loss
        self.per_part = per_part
        self.cv = cv
        self.tol = tol
        self.calibrate = calibrate
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
