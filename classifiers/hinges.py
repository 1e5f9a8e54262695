"""Hinges: losses that are built from ``max(0, m)`` of margins ``m``.

A piecewise linear loss is a maximum of linear functions, ``max over a in A of (a . m)``, so it has
kinks. Its smoothing of width ``w`` (Nesterov 2005) is ``max over a in A of (a . m + w * d(a))``.
The concave function ``d`` is 0 at the corners of ``A`` and positive between them. The smoothing is
at least the loss, equals the loss where no margin is within ``w`` of a kink, and has a gradient
everywhere. The maximiser ``a`` is also a feasible point of the dual problem. The difference
``loss - a . m >= 0`` is the ``slack`` from which :meth:`.Objective.certify` bounds the gap.

A rounded loss is also a loss of its own: ``Hinge(0.5)`` is trained as it is given.

References
----------
Y. Nesterov, Smooth minimization of non-smooth functions, Math. Programming 103 (2005).
"""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from .kernels.ramps import Maximum, sum_of_ramps
from .kernels.simplex import nearest_on_simplex
from .losses import Labels, Loss, Scores

__all__ = ["CrammerSinger", "Hinge", "OneVsRestHinge", "PiecewiseLinear", "SquaredHinge"]


@dataclass(frozen=True)
class PiecewiseLinear(Loss):
    """Base class of the losses with kinks.

    Parameters
    ----------
    width : float >= 0
        Width over which the kinks of the loss are rounded; 0 for a loss with kinks.
    smoothing : float >= 0
        Width over which a solver rounds the kinks of a loss of width 0 while it works. Solvers
        choose it by :meth:`smoothed`. It is not a part of the loss.
    """

    width: float = 0.0
    smoothing: float = field(default=0.0, kw_only=True, repr=False)

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether the kinks are rounded."""
        return self._rounded > 0

    @property
    def piecewise_linear(self) -> bool:  # type: ignore[override]
        """Whether the kinks are not rounded."""
        return self._rounded == 0

    @property
    def dual_box(self) -> float | None:  # type: ignore[override]
        """Largest dual variable: 1, or None for a rounded loss."""
        return 1.0 if self._rounded == 0 else None

    @property
    def _rounded(self) -> float:
        """Width over which the kinks are rounded."""
        return self.width or self.smoothing

    def smoothed(self, width: float) -> Self:
        """Return the loss rounded over ``width``. A loss with a width of its own returns itself."""
        return self if self.width else replace(self, smoothing=width)

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and subgradients; see :class:`Loss`."""
        found = self._maximum(scores, y)
        return found.values, found.gradients

    def values(self, scores: Scores, y: Labels) -> Scores:
        """Compute values; see :class:`Loss`."""
        return self._maximum(scores, y).values

    def slack(self, scores: Scores, y: Labels) -> Scores:
        """Compute the loss without smoothing minus ``a . m``; see :class:`Loss`."""
        return np.zeros(len(y), scores.dtype) if self.width else self._maximum(scores, y).slacks

    @abstractmethod
    def _maximum(self, scores: Scores, y: Labels) -> Maximum:
        """Compute the maximum over ``a``, the slack there and the derivatives by the scores."""


class Hinge(PiecewiseLinear):
    """Multiclass hinge of Weston and Watkins (1999): ``sum over k != y of max(0, 1 + s_k - s_y)``.

    The subgradient at a kink is the slope of the flat side, 0.

    References
    ----------
    J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN
    1999. CS231n, Linear classification, "Multiclass Support Vector Machine loss".

    Examples
    --------
    The example of the CS231n notes, with margin 1:

    >>> Hinge().values(np.array([[3.2, 5.1, -1.7]]), np.array([0]))
    array([2.9])
    """

    name = "hinge"

    def _maximum(self, scores: Scores, y: Labels) -> Maximum:
        return sum_of_ramps(scores, y, self._rounded, coupled=True)


class OneVsRestHinge(PiecewiseLinear):
    """A binary hinge for every class: ``sum over k of max(0, 1 - t_k s_k)``, ``t_k = +-1``.

    ``t_k`` is 1 for the example's own class and -1 for the others. To minimise this loss is to fit
    one binary support vector machine for each class, which separates the class from the rest
    (Rifkin and Klautau, In defense of one-vs-all classification, 2004).

    Examples
    --------
    >>> OneVsRestHinge().values(np.array([[0.5, -2.0, 0.0]]), np.array([0]))
    array([1.5])
    """

    name = "one_vs_rest"
    coupled = False

    def _maximum(self, scores: Scores, y: Labels) -> Maximum:
        return sum_of_ramps(scores, y, self._rounded, coupled=False)


class CrammerSinger(PiecewiseLinear):
    """Hinge of Crammer and Singer (2001): ``max(0, max over k != y of (1 + s_k - s_y))``.

    Examples
    --------
    >>> CrammerSinger().values(np.array([[3.2, 5.1, 4.0]]), np.array([0]))
    array([2.9])
    """

    name = "crammer_singer"
    dual_sum = 1.0

    def _maximum(self, scores: Scores, y: Labels) -> Maximum:
        rows = np.arange(len(y))
        own, infinite = _finite_own_scores(scores, scores[rows, y], self._rounded)
        margins = _multiclass_margins(scores, own, y, of_own=0)
        # Margins that are lower have slope 0, too.
        margins = np.maximum(margins, -1 - self._rounded, out=margins)
        slopes = self._slopes(margins)
        linear = (slopes * margins).sum(axis=1)
        values = linear + self._rounded / 2 * (1 - (slopes**2).sum(axis=1))
        values[infinite] = np.inf
        slacks = np.maximum(margins.max(axis=1) - linear, 0)
        slopes[rows, y] = 0
        slopes[rows, y] = -slopes.sum(axis=1)
        return Maximum(values, slacks, slopes)

    def _slopes(self, margins: Scores) -> Scores:
        """Compute the maximiser ``a``, shape (n, K)."""
        if self._rounded:
            return nearest_on_simplex(margins / self._rounded)
        # Equal highest margins share the slope. A highest margin of 0 has slope 0.
        highest = margins.max(axis=1)[:, None]
        slopes = (margins == highest) & (highest > 0)
        return (slopes / np.maximum(slopes.sum(axis=1), 1)[:, None]).astype(margins.dtype)


class SquaredHinge(Loss):
    """Squared multiclass hinge: ``sum over k != y of max(0, 1 + s_k - s_y) ** 2``.

    Examples
    --------
    >>> SquaredHinge().values(np.array([[0.0, 1.0, -2.0]]), np.array([0]))
    array([4.])
    """

    name = "squared_hinge"

    # max(0, m)^2 = max over a >= 0 of (a m - a^2 / 4)
    dual_box = np.inf
    dual_curvature = 0.5

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and gradients; see :class:`Loss`."""
        rows = np.arange(len(y))
        own, infinite = _finite_own_scores(scores, scores[rows, y], width=0)
        margins = _multiclass_margins(scores, own, y, of_own=0)
        np.maximum(margins, 0, out=margins)
        if len(infinite):
            margins[infinite] = np.where(margins[infinite] > 0, np.inf, 0)
        values = (margins**2).sum(axis=1)
        values[infinite] = np.inf
        margins *= 2
        margins[rows, y] = -margins.sum(axis=1)
        return values, margins


def _finite_own_scores(
    scores: Scores, own: Scores, width: float
) -> tuple[Scores, npt.NDArray[np.intp]]:
    """Replace own scores of -inf by finite ones, and return them with the rows concerned.

    The replacement is so far below the other scores that every slope is the slope of the limit.
    """
    infinite = np.flatnonzero(np.isneginf(own))
    if len(infinite):
        of_rows = scores[infinite]
        own[infinite] = np.where(np.isneginf(of_rows), 0, of_rows).min(axis=1) - (1 + width)
    return own, infinite


def _multiclass_margins(scores: Scores, own: Scores, y: Labels, of_own: float) -> Scores:
    """Compute ``1 + s_k - s_y`` for ``k != y``; the own class's column is set to ``of_own``."""
    margins = scores - (own - 1)[:, None]
    margins[np.arange(len(y)), y] = of_own
    return margins
