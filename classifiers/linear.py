"""The estimators: ``LinearSVM`` and ``Softmax``."""

from typing import Any, ClassVar

import numpy.typing as npt
from scipy.special import log_softmax, softmax

from .base import LinearClassifier
from .hinges import CrammerSinger, Hinge, OneVsRestHinge, SquaredHinge
from .losses import CrossEntropy, Loss
from .objective import Objective
from .solvers.base import Fallback, Solver
from .solvers.dual import DualAscent
from .solvers.interior_point import InteriorPoint
from .solvers.primal_dual import PrimalDual

__all__ = ["LinearSVM", "Softmax"]

# Up to how many rows dual ascent is the quicker, for a loss with kinks and for the smooth one.
ROWS_PER_COLUMN, ROWS_PER_COLUMN_IF_SMOOTH = 16, 2
# Up to how many numbers in X: dual ascent keeps a copy, and so does an interior point of few rows.
MAX_SIZE = 2**26
# Steps after which it is not going to be quick.
DUAL_STEPS = 100
# Up to how many weights the interior point method has a Hessian of at most 128 MB.
MAX_WEIGHTS = 4096


class LinearSVM(LinearClassifier):
    """Linear support vector machine for many classes.

    Minimises ``mean loss + alpha / 2 * ||W||^2``; the intercepts are not penalised.

    Parameters
    ----------
    alpha : float >= 0
        Strength of the L2 penalty.
    loss : {"hinge", "squared_hinge", "crammer_singer", "one_vs_rest"} or Loss
        By default the multiclass hinge of Weston and Watkins, ``sum over k != y of
        max(0, 1 + s_k - s_y)``. The others are :class:`SquaredHinge`, :class:`CrammerSinger` and
        :class:`OneVsRestHinge`. Any other loss is given as an instance of a subclass of
        :class:`Loss`.
    standardize : bool or "parts"
        Learn on columns of zero mean and unit variance. X is not changed nor copied: ``coef_``
        and ``intercept_`` are for X as it came, but the penalty acts on the weights of the
        standardised columns. A constant column is left as it is. With "parts", the parts of a
        :class:`ColumnStack` are scaled further so that each has the same total variance: then a
        penalty does not favour 1,000 visual words over 10 hues just for their number.
    fit_intercept : bool
        When False, standardised columns are scaled but not centred.
    class_weight : dict, "balanced" or None
        Factor of each class's rows.
    solver : Solver, optional
        How to minimise. By default, to a gap of 1e-3 of the value, ``DualAscent`` where there are
        at most 16 rows a column (for the squared hinge 2), and at most 2^26 numbers in X or, with
        fewer rows than columns, in the products of the rows; else ``PrimalDual``. Where it does not
        get there (columns of very different scale, a small penalty on classes that are nearly
        separable), ``InteriorPoint`` follows; with more than 4096 classes times columns, or rows if
        these are fewer, the other of the two. The parameters of a solver that is given are those of
        a nested estimator: ``set_params(solver__tol=1e-6)``.
    warm_start : bool
        Begin at the weights of the last ``fit``.
    random_state : int, optional
        Overrides the solver's.
    verbose : int
        Above 0, print the objective after each iteration.
    n_jobs : int or None
        Threads; the result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
        Also for two classes, one row each.
    intercept_ : ndarray of shape (n_classes,), float64
    gap_ : float
        How far the objective can be above its minimum at most (:meth:`Objective.certify`).
    n_iter_ : int
    loss_curve_ : list of float
        The objective at the start and after each iteration (of the smoothed loss until the last).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearSVM(standardize=True).fit(X, y).score(X, y) > 0.95
    True
    """

    losses: ClassVar[dict[str, type[Loss]]] = {
        "hinge": Hinge,
        "squared_hinge": SquaredHinge,
        "crammer_singer": CrammerSinger,
        "one_vs_rest": OneVsRestHinge,
    }

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        loss: str | Loss = "hinge",
        standardize: bool | str = False,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        solver: Solver | None = None,
        warm_start: bool = False,
        random_state: int | None = None,
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

    def _default_solver(self, objective: Objective) -> Solver:
        n, d = objective.X.shape
        if not objective.alpha > 0 or objective.loss.dual_box is None:
            return PrimalDual(tol=1e-3)
        ratio = ROWS_PER_COLUMN_IF_SMOOTH if objective.loss.smooth else ROWS_PER_COLUMN
        solvers: list[Solver] = [PrimalDual()]
        if n * min(n, d) <= MAX_SIZE:
            solvers.insert(0 if n <= ratio * d else 1, DualAscent(max_iter=DUAL_STEPS))
        if objective.n_classes * (min(n, d) + 1) <= MAX_WEIGHTS and (d <= n or n * d <= MAX_SIZE):
            solvers[1:] = [InteriorPoint()]
        return Fallback(solvers, tol=1e-3)


class Softmax(LinearClassifier):
    """Softmax classifier (multinomial logistic regression).

    Minimises ``mean loss + alpha / 2 * ||W||^2`` with the cross-entropy
    ``-log(exp(s_y) / sum over k of exp(s_k))``; the intercepts are not penalised.

    Parameters
    ----------
    alpha : float >= 0
        Strength of the L2 penalty; ``LogisticRegression(C=1 / (n_samples * alpha))`` in
        scikit-learn's terms.
    loss : "cross_entropy" or Loss
        An instance of a subclass of :class:`Loss` replaces the cross-entropy. Probabilities are
        the softmax of the scores for any loss.
    standardize : bool or "parts"
        Learn on columns of zero mean and unit variance. X is not changed nor copied: ``coef_``
        and ``intercept_`` are for X as it came, but the penalty acts on the weights of the
        standardised columns. A constant column is left as it is. With "parts", the parts of a
        :class:`ColumnStack` are scaled further so that each has the same total variance: then a
        penalty does not favour 1,000 visual words over 10 hues just for their number.
    fit_intercept : bool
        When False, standardised columns are scaled but not centred.
    class_weight : dict, "balanced" or None
        Factor of each class's rows.
    solver : Solver, optional
        How to minimise; by default ``PrimalDual(tol=1e-4)``. Its parameters are those of a nested
        estimator: ``set_params(solver__tol=1e-6)``.
    warm_start : bool
        Begin at the weights of the last ``fit``.
    random_state : int, optional
        Overrides the solver's.
    verbose : int
        Above 0, print the objective after each iteration.
    n_jobs : int or None
        Threads; the result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
        Also for two classes, one row each.
    intercept_ : ndarray of shape (n_classes,), float64
    gap_ : float
        How far the objective can be above its minimum at most (:meth:`Objective.certify`).
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

    losses: ClassVar[dict[str, type[Loss]]] = {"cross_entropy": CrossEntropy}

    def __init__(
        self,
        alpha: float = 0.03,
        *,
        loss: str | Loss = "cross_entropy",
        standardize: bool | str = False,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        solver: Solver | None = None,
        warm_start: bool = False,
        random_state: int | None = None,
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

    def _default_solver(self, objective: Objective) -> Solver:
        return PrimalDual()

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

    def predict_log_proba(self, X: Any) -> npt.NDArray[Any]:
        """Logarithm of the probability of each class, also where that is too small for a number.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return log_softmax(self._scores(X), axis=1)
