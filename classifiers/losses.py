"""Losses: ``Loss``, the base class, and ``CrossEntropy``. The hinges are in :mod:`.hinges`.

A loss is a convex function of the ``K`` scores ``s`` of an example and of the example's class
``y``. A loss does not know the data, the weights or the penalty; :mod:`.objective` joins them.

A new loss is a subclass of :class:`Loss` with one method, ``values_and_grad``. Its traits (class
attributes) say what solvers can do with it. The defaults describe a smooth loss:

- Solvers that use the gradient alone, such as ``LBFGS`` and ``SGD``, take any loss.
- ``PrimalDual`` takes a smooth loss, or a loss with kinks that defines ``smoothed``.
- ``Newton`` takes a smooth loss.
- ``DualAscent`` and ``InteriorPoint`` take a loss with a dual form, which three numbers describe:
  ``dual_box``, ``dual_sum`` and ``dual_curvature``; see :class:`Loss`.

A loss with a ``name`` that :mod:`.hinges` exports is a loss of ``LinearSVM`` by that name. One that
this module exports is a loss of ``Softmax``.

A score of -inf rules a class out. The class then adds nothing to the loss of an example of another
class, and the loss of an example of the class itself is infinite. Values and gradients are the
limits as the score falls. A score of NaN gives a loss of NaN. A score of +inf is not allowed.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import xlog1py, xlogy
from sklearn.base import BaseEstimator

from .kernels.softmax import cross_entropy

__all__ = ["CrossEntropy", "Labels", "Loss", "Scores"]

Scores = npt.NDArray[np.floating]
Labels = npt.NDArray[np.intp]


class Loss(BaseEstimator, ABC):
    """Base class of the losses.

    Attributes
    ----------
    name : str
        Name of the loss as a parameter of an estimator; empty if it has none.
    smooth : bool
        Whether the gradient exists everywhere. Otherwise ``values_and_grad`` returns a subgradient.
    piecewise_linear : bool
        Whether the loss is a maximum of linear functions of the scores.
    coupled : bool
        Whether the loss depends on differences of scores only, so that its derivatives by the
        scores of an example sum to 0. Otherwise it is a sum of functions of one score each.
    dual_box : float or None
        Largest slope of the loss in a margin, infinity if there is no largest one. None if the loss
        has no dual form that ``DualAscent`` and ``InteriorPoint`` know.
    dual_sum : float
        Largest sum of an example's slopes, infinity if there is no largest one. A finite one needs
        a coupled loss, and a ``dual_box`` that is not smaller.
    dual_curvature : float >= 0
        How round the loss is: a slope rises from 0 to 1 while its margin rises by so much. It is
        above 0 if the slopes are unlimited.

    Notes
    -----
    The dual form of a loss is

        ``loss = max over a of (sum over k of a_k m_k - dual_curvature / 2 * a_k^2)``

    over ``0 <= a_k <= dual_box`` with ``sum over k of a_k <= dual_sum``. The margins ``m_k`` are
    ``1 + s_k - s_y`` for ``k != y`` if the loss is coupled. Otherwise they are ``1 - t_k s_k`` for
    all ``k``, with ``t_k = 1`` for ``k = y`` and -1 for other classes. The best ``a_k`` are the
    slopes of the loss in the margins. Examples of (``dual_box``, ``dual_sum``, ``dual_curvature``):

    - ``sum of max(0, m_k)``, :class:`.Hinge`: (1, inf, 0);
    - ``max(0, max of m_k)``, :class:`.CrammerSinger`: (1, 1, 0);
    - ``sum of max(0, m_k)^2``, :class:`.SquaredHinge`: (inf, inf, 0.5);
    - ``sum of h(m_k)`` with ``h(m) = m^2 / (2 c)`` for ``0 <= m <= c`` and ``m - c / 2`` above, a
      Huberised hinge: (1, inf, c).
    """

    name: ClassVar[str] = ""
    smooth: bool = True
    piecewise_linear: bool = False
    coupled: ClassVar[bool] = True
    dual_box: float | None = None
    dual_sum: ClassVar[float] = np.inf
    dual_curvature: ClassVar[float] = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def values(self, scores: Scores, y: Labels) -> Scores:
        """Compute the loss of every example.

        Parameters
        ----------
        scores : ndarray of shape (n, n_classes)
        y : ndarray of shape (n,), integers in [0, n_classes)

        Returns
        -------
        ndarray of shape (n,), dtype of the scores
        """
        return self.values_and_grad(scores, y)[0]

    @abstractmethod
    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute the loss of every example and its derivatives by the example's scores.

        Parameters
        ----------
        scores : ndarray of shape (n, n_classes)
        y : ndarray of shape (n,), integers in [0, n_classes)

        Returns
        -------
        values : ndarray of shape (n,)
        gradients : ndarray of shape (n, n_classes)
        """

    def score_hessian(
        self, scores: Scores, y: Labels, share: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64] | None:
        """Compute the weighted mean of the second derivatives by the scores.

        Parameters
        ----------
        scores : ndarray of shape (n, n_classes)
        y : ndarray of shape (n,), integers in [0, n_classes)
        share : ndarray of shape (n,)
            Weights of the examples. They sum to 1.

        Returns
        -------
        ndarray of shape (n_classes, n_classes), or None if the loss has no formula for it
            Solvers then take differences of gradients.
        """
        return None

    def slack(self, scores: Scores, y: Labels) -> Scores:
        """Compute the part of each example's loss that the dual point does not reach.

        The gradient of ``values_and_grad`` is a point of the dual problem. Fenchel's inequality
        ``loss >= dual value`` is an equality there for a smooth loss, so the slack is 0.

        Returns
        -------
        ndarray of shape (n,), non-negative
        """
        return np.zeros(len(y), scores.dtype)

    def smoothed(self, width: float) -> "Loss":
        """Return the loss with its kinks rounded over ``width``. A smooth loss returns itself."""
        return self

    def conjugate(self, derivatives: Scores, y: Labels) -> Scores | None:
        """Compute the convex conjugate ``max over s of (a . s - loss)`` of every example.

        Parameters
        ----------
        derivatives : ndarray of shape (n, n_classes)
            Values ``a`` that the derivatives by the scores can have.
        y : ndarray of shape (n,), integers in [0, n_classes)

        Returns
        -------
        ndarray of shape (n,), or None if the loss has no dual form and defines no conjugate
        """
        if self.dual_box is None:
            return None
        a = np.abs(derivatives)
        if self.coupled:
            a[np.arange(len(y)), y] = 0
        return np.asarray((a * (self.dual_curvature / 2 * a - 1)).sum(axis=1))


class CrossEntropy(Loss):
    """Cross-entropy of the softmax: ``-log(exp(s_y) / sum over k of exp(s_k))``.

    Scores are shifted by their maximum first, so no exponential overflows. Where the example's own
    class has the maximum, the loss is computed as ``log(1 + sum over the other classes)``. That
    keeps all digits, however small the sum is. If all classes are ruled out, the loss is NaN.

    Examples
    --------
    >>> CrossEntropy().values(np.zeros((1, 10)), np.array([3])).round(4)
    array([2.3026])
    """

    name = "cross_entropy"

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and gradients; see :class:`Loss`."""
        if scores.dtype == np.float32:
            return cross_entropy(scores, y)
        rows = np.arange(len(y))
        slopes = scores - scores.max(axis=1)[:, None]
        below = -slopes[rows, y]
        np.exp(slopes, out=slopes)
        own, slopes[rows, y] = slopes[rows, y], 0
        others = slopes.sum(axis=1)
        sums = others + own
        slopes /= sums[:, None]
        slopes[rows, y] = -others / sums
        return np.log1p(np.where(below > 0, sums - 1, others)) + below, slopes

    def conjugate(self, derivatives: Scores, y: Labels) -> Scores:
        """Compute ``sum over k of p_k log p_k`` of the probabilities; see :class:`Loss`."""
        others = derivatives.copy()
        others[np.arange(len(y)), y] = 0
        rest = np.minimum(others.sum(axis=1), 1)
        return np.asarray(xlogy(others, others).sum(axis=1) + xlog1py(1 - rest, -rest))

    def score_hessian(
        self, scores: Scores, y: Labels, share: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Compute the mean of ``diag(p) - p p^T`` with the probabilities ``p``; see :class:`Loss`.

        The cost is one matrix product for any number of classes.
        """
        p = self.values_and_grad(scores, y)[1].astype(np.float64)
        p[np.arange(len(y)), y] += 1
        return np.asarray(np.diag(share @ p) - (share[:, None] * p).T @ p)
