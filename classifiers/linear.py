"""The estimators: ``LinearSVM`` and ``Softmax``."""

from math import prod
from types import ModuleType
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from visualwords.hints import with_hints

from . import hinges, losses
from .base import LinearClassifier
from .hints import CLASSIFIER_HINTS
from .losses import Loss
from .objective import Objective
from .parts import Alpha
from .shared_docs import with_shared_docs
from .solvers.base import Minimizer, Solver
from .solvers.dual import DualAscent
from .solvers.fallback import Fallback
from .solvers.interior_point import InteriorPoint
from .solvers.newton import Newton
from .solvers.primal_dual import PrimalDual
from .validation import ClassWeight, MatrixLike, RandomState

__all__ = ["LinearSVM", "Softmax"]

FloatArray = npt.NDArray[np.floating]

# Dual ascent is the quicker one up to so many rows a column, for a loss with kinks or without.
ROWS_PER_COLUMN, ROWS_PER_COLUMN_IF_SMOOTH = 16, 2
# Dual ascent keeps a copy of X, and so does the interior point method where rows are few. X may
# have so many numbers.
MAX_SIZE = 2**26
# Least and most steps of dual ascent before another solver takes over. In between, it makes a step
# for so many weights: with few weights the interior point method, which comes last, is quick.
DUAL_STEPS = 50, 250
WEIGHTS_PER_DUAL_STEP = 10
# Least and most steps of a quasi-Newton method before Newton's method or the interior point method
# takes over. In between, it makes a step for each weight: so many take about as long as the method
# that takes over, which makes some 20 steps.
QUASI_NEWTON_STEPS = 100, 1000
# With so many weights, the Hessian of Newton's method or the interior point method takes 128 MB.
MAX_WEIGHTS = 4096

# If each class is a problem of its own with fewer weights, the interior point method is the
# quickest. It keeps about 20 numbers for each slope: an example and a class.
MAX_WEIGHTS_OF_A_CLASS, MAX_SLOPES = 32, 2**22


def _named_losses(module: ModuleType) -> dict[str, type[Loss]]:
    """Return the losses with names that a module exports, by their names."""
    exported = (getattr(module, name) for name in module.__all__)
    return {loss.name: loss for loss in exported if getattr(loss, "name", "")}


@with_hints(CLASSIFIER_HINTS)
@with_shared_docs
class LinearSVM(LinearClassifier):
    """Linear support vector machine for many classes.

    Minimises ``mean loss + alpha / 2 * ||W||^2``; the intercepts are not penalised.

    Parameters
    ----------
    alpha : float >= 0, sequence or mapping
        Strength of the L2 penalty. A mapping from the names of the parts of a :class:`ColumnStack`,
        or a sequence in the order of the parts, gives each part its own, above 0: the penalty is
        ``sum over parts p of alpha_p / 2 * ||W_p||^2``. A mapping may name further parts. For one
        number, with ``n`` the number of rows, or the sum of their weights, and
        ``fit_intercept=False`` (liblinear penalises intercepts),
        ``LinearSVC(C=1 / (n * alpha), loss="hinge")`` is the same model as "one_vs_rest", and with
        ``multi_class="crammer_singer"`` the same as "crammer_singer". For two classes,
        ``LinearSVC(C=2 / (n * alpha))`` is the same model as "squared_hinge", and with
        ``loss="hinge"`` the same as "hinge" and "crammer_singer". The decision function of
        "one_vs_rest" for two classes is twice that of ``LinearSVC``.
    loss : {losses} or Loss
        By default the multiclass hinge of Weston and Watkins, ``sum over k != y of
        max(0, 1 + s_k - s_y)``. :mod:`visualwords.classifiers.hinges` defines the losses with
        names. Any other loss is given as an instance of a subclass of :class:`Loss`.
    {standardize}
    {fit_intercept}
    {class_weight}
    solver : Solver, optional
        How to minimise. Its parameters are those of a nested estimator:
        ``set_params(solver__tol=1e-6)``. By default, several solvers try in turn to reach a gap of
        1e-3 of the value. ``DualAscent`` is the first one where there are at most 16 rows a column
        (2 for a smooth loss) and X, or with fewer rows than columns the products of the rows,
        has at most 2^26 numbers. ``PrimalDual`` follows, or is the first one elsewhere.
        ``InteriorPoint`` is the last: columns of very different scale, or a small penalty on
        classes that are nearly separable. With more than 4096 classes times columns (or rows, if
        these are fewer) it is left out, and ``DualAscent`` follows ``PrimalDual`` if it is not the
        first. For a smooth loss of your own, ``Newton`` follows ``PrimalDual``. For "one_vs_rest"
        with fewer than 32 columns ``InteriorPoint`` is the first one.
    {warm_start}
    {random_state}
    {verbose}
    {n_jobs}

    Attributes
    ----------
    {learned}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearSVM(standardize=True).fit(X, y).score(X, y) > 0.95
    True
    """

    losses: ClassVar[dict[str, type[Loss]]] = _named_losses(hinges)

    def __init__(
        self,
        alpha: Alpha = 0.1,
        *,
        loss: str | Loss = "hinge",
        standardize: bool | str = False,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        solver: Solver | None = None,
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.loss = loss
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _default_solver(self, objective: Objective) -> Minimizer:
        n, d = objective.X.shape
        if not objective.alpha > 0 or objective.loss.dual_box is None:
            return _primal_solver(objective, tol=1e-3)
        if _has_small_classes(objective):
            return Fallback([InteriorPoint(), PrimalDual()], tol=1e-3)
        ratio = ROWS_PER_COLUMN_IF_SMOOTH if objective.loss.smooth else ROWS_PER_COLUMN
        solvers: list[Solver] = [PrimalDual()]
        if objective.n_classes * (min(n, d) + 1) <= MAX_WEIGHTS and (d <= n or n * d <= MAX_SIZE):
            solvers = [PrimalDual(max_iter=_quasi_newton_steps(objective)), InteriorPoint()]
        if n * min(n, d) <= MAX_SIZE and (n <= ratio * d or len(solvers) == 1):
            solvers.insert(0 if n <= ratio * d else 1, DualAscent(max_iter=_dual_steps(objective)))
        return Fallback(solvers, tol=1e-3)


@with_hints(CLASSIFIER_HINTS)
@with_shared_docs
class Softmax(LinearClassifier):
    """Softmax classifier (multinomial logistic regression).

    Minimises ``mean loss + alpha / 2 * ||W||^2`` with the cross-entropy
    ``-log(exp(s_y) / sum over k of exp(s_k))``; the intercepts are not penalised.

    Parameters
    ----------
    alpha : float >= 0, sequence or mapping
        Strength of the L2 penalty. A mapping from the names of the parts of a :class:`ColumnStack`,
        or a sequence in the order of the parts, gives each part its own, above 0: the penalty is
        ``sum over parts p of alpha_p / 2 * ||W_p||^2``. A mapping may name further parts. For one
        number, with ``n`` the number of rows, or the sum of their weights,
        ``LogisticRegression(C=1 / (n * alpha))`` is the same model for three or more classes. For
        two classes ``C=2 / (n * alpha)`` is: its one row of weights is the difference of the two
        rows here, whose squares sum to half of its square.
    loss : {losses} or Loss
        An instance of a subclass of :class:`Loss` replaces the cross-entropy. Probabilities are
        the softmax of the scores for any loss.
    {standardize}
    {fit_intercept}
    {class_weight}
    solver : Solver, optional
        How to minimise. Its parameters are those of a nested estimator:
        ``set_params(solver__tol=1e-6)``. The default solver stops at a gap of 1e-4 of the value.
        ``PrimalDual`` comes first. ``Newton`` goes on where ``PrimalDual`` falls short: columns
        that repeat or have very different scale, with a small penalty. With more than 4096 weights
        ``PrimalDual`` is alone.
    {warm_start}
    {random_state}
    {verbose}
    {n_jobs}

    Attributes
    ----------
    {learned}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> Softmax(standardize=True).fit(X, y).predict_proba(X[:1]).round(1)
    array([[1., 0., 0.]])
    """

    losses: ClassVar[dict[str, type[Loss]]] = _named_losses(losses)

    def __init__(
        self,
        alpha: Alpha = 0.03,
        *,
        loss: str | Loss = "cross_entropy",
        standardize: bool | str = False,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        solver: Solver | None = None,
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.loss = loss
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _default_solver(self, objective: Objective) -> Minimizer:
        return _primal_solver(objective, tol=1e-4)

    def predict_proba(self, X: MatrixLike) -> FloatArray:
        """Compute the probability of each class.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return softmax(self._scores(X) / self._temperature(), axis=1)

    def predict_log_proba(self, X: MatrixLike) -> FloatArray:
        """Compute the logarithm of each probability, also where the probability rounds to 0.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return log_softmax(self._scores(X) / self._temperature(), axis=1)


def _primal_solver(objective: Objective, tol: float) -> Minimizer:
    """Return ``PrimalDual``, with ``Newton`` as its fallback where that can help."""
    has_hessian = objective.loss.smooth and prod(objective.shape) <= MAX_WEIGHTS
    if not (objective.alpha > 0 and has_hessian):
        return PrimalDual(tol=tol)
    return Fallback([PrimalDual(max_iter=_quasi_newton_steps(objective)), Newton()], tol=tol)


def _quasi_newton_steps(objective: Objective) -> int:
    """Return after how many steps a method that takes steps of Newton takes over."""
    return int(np.clip(prod(objective.shape), *QUASI_NEWTON_STEPS))


def _dual_steps(objective: Objective) -> int:
    """Return after how many steps dual ascent gives way to another solver."""
    return int(np.clip(prod(objective.shape) // WEIGHTS_PER_DUAL_STEP, *DUAL_STEPS))


def _has_small_classes(objective: Objective) -> bool:
    """Whether each class is a problem of its own with few weights, not too large in all."""
    n, d = objective.X.shape
    few = d < MAX_WEIGHTS_OF_A_CLASS and n * objective.n_classes <= MAX_SLOPES
    return not objective.loss.coupled and few
