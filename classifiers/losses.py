"""Losses: how badly the scores of one example fit its class.

Every loss is a convex function of the ``K`` scores ``s`` of an example and its class ``y``. It
knows nothing of the data, of weights or of a penalty; :mod:`.objective` brings these together.

A loss that is a maximum of linear functions, ``max over a in A of (a . m)`` of margins ``m``, has
kinks. Its smoothing of width ``w`` (Nesterov 2005) is ``max over a in A of (a . m + w * d(a))``
with a concave ``d`` that is 0 at the corners of ``A``: at least the loss, equal to it where no
margin is within ``w`` of a kink, and with a gradient everywhere. The maximiser ``a`` is a feasible
point of the dual problem at the same time, and ``loss - a . m >= 0`` is what it misses of the loss:
the ``slack`` of which :meth:`.Objective.certify` makes a proof.

A score of -inf rules a class out: of another class it adds nothing to the loss, of the example's
own it makes the loss infinite. Values and gradients are the limits as the score falls. A score of
NaN gives NaN; +inf is no score.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .kernels.softmax import cross_entropy

__all__ = [
    "CrammerSinger",
    "CrossEntropy",
    "Hinge",
    "Loss",
    "OneVsRestHinge",
    "PiecewiseLinear",
    "SquaredHinge",
]

Scores = npt.NDArray[np.floating]
Labels = npt.NDArray[np.intp]


class Loss(ABC):
    """Base of the losses."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def smooth(self) -> bool:
        """Whether the gradient exists everywhere; ``values_and_grad`` gives a subgradient else."""
        return True

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
        """Compute the loss of every example and its derivative by the example's scores.

        Parameters
        ----------
        scores : ndarray of shape (n, n_classes)
        y : ndarray of shape (n,), integers in [0, n_classes)

        Returns
        -------
        values : ndarray of shape (n,)
        gradients : ndarray of shape (n, n_classes)
        """

    def slack(self, scores: Scores, y: Labels) -> Scores:
        """Compute what the dual point of ``values_and_grad`` misses of each example's loss.

        0 for a smooth loss (Fenchel's inequality is an equality at the gradient).

        Returns
        -------
        ndarray of shape (n,), non-negative
        """
        return np.zeros(len(y), scores.dtype)

    def smoothed(self, width: float) -> "Loss":
        """Give the loss with its kinks rounded off over ``width``; a smooth loss as it is."""
        return self


@dataclass(frozen=True)
class PiecewiseLinear(Loss):
    """Base of the losses with kinks.

    Parameters
    ----------
    width : float >= 0
        Width of the smoothing; 0 is the loss itself.
    """

    width: float = 0.0

    @property
    def smooth(self) -> bool:
        """Whether the kinks are rounded off."""
        return self.width > 0

    def smoothed(self, width: float) -> Self:
        """Give the loss with its kinks rounded off over ``width``."""
        return type(self)(width)

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and subgradients; see :class:`Loss`."""
        values, slopes = self._maximum(scores, y)
        return values, self._by_scores(slopes, y)

    def values(self, scores: Scores, y: Labels) -> Scores:
        """Compute values; see :class:`Loss`."""
        return self._maximum(scores, y)[0]

    def slack(self, scores: Scores, y: Labels) -> Scores:
        """Compute the loss itself minus ``a . m``; see :class:`Loss`."""
        values, slopes = self._maximum(scores, y)
        linear = values - self.width / 2 * self._roundness(slopes)
        return np.maximum(type(self)().values(scores, y) - linear, 0)

    def _maximum(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute the maximum over ``a`` and the maximiser."""
        own = scores[np.arange(len(y)), y]
        with np.errstate(invalid="ignore"):
            values, slopes = self._maximum_of(self._margins(scores, own, y))
        if not np.isfinite(values).all():
            own, infinite = _low_enough(scores, own, self.width)
            # Margins below have no slope either.
            margins = np.maximum(self._margins(scores, own, y), -1 - self.width)
            values, slopes = self._maximum_of(margins)
            values[infinite] = np.inf
        return values, slopes

    def _maximum_of(self, margins: Scores) -> tuple[Scores, Scores]:
        slopes = self._slopes(margins)
        values = (slopes * margins).sum(axis=1)
        if self.width:
            values += self.width / 2 * self._roundness(slopes)
        return values, slopes

    @abstractmethod
    def _margins(self, scores: Scores, own: Scores, y: Labels) -> Scores:
        """Linear functions of the scores that the loss is made of, (n, K)."""

    @abstractmethod
    def _slopes(self, margins: Scores) -> Scores:
        """Find the maximiser ``a``, (n, K)."""

    @abstractmethod
    def _roundness(self, slopes: Scores) -> Scores:
        """Compute the concave function ``2 d(a)``, 0 at the corners, (n,)."""

    @abstractmethod
    def _by_scores(self, slopes: Scores, y: Labels) -> Scores:
        """Turn derivatives by margins into derivatives by scores; may reuse the array."""


class Hinge(PiecewiseLinear):
    """Multiclass hinge of Weston and Watkins (1999): ``sum over k != y of max(0, 1 + s_k - s_y)``.

    At a kink the subgradient of the flat side, 0, is taken.

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

    def _margins(self, scores: Scores, own: Scores, y: Labels) -> Scores:
        return _multiclass_margins(scores, own, y, of_own=-1 - self.width)

    def _slopes(self, margins: Scores) -> Scores:
        return _ramp(margins, self.width)

    def _roundness(self, slopes: Scores) -> Scores:
        return (slopes * (1 - slopes)).sum(axis=1)

    def _by_scores(self, slopes: Scores, y: Labels) -> Scores:
        slopes[np.arange(len(y)), y] = -slopes.sum(axis=1)
        return slopes


class OneVsRestHinge(PiecewiseLinear):
    """A binary hinge for every class: ``sum over k of max(0, 1 - t_k s_k)``, ``t_k = +-1``.

    Minimising it is the same as fitting one binary support vector machine a class, each with its
    own class against the rest (Rifkin and Klautau, In defense of one-vs-all classification, 2004).

    Examples
    --------
    >>> OneVsRestHinge().values(np.array([[0.5, -2.0, 0.0]]), np.array([0]))
    array([1.5])
    """

    def _margins(self, scores: Scores, own: Scores, y: Labels) -> Scores:
        margins = scores + 1
        margins[np.arange(len(y)), y] = 1 - own
        return margins

    def _slopes(self, margins: Scores) -> Scores:
        return _ramp(margins, self.width)

    def _roundness(self, slopes: Scores) -> Scores:
        return (slopes * (1 - slopes)).sum(axis=1)

    def _by_scores(self, slopes: Scores, y: Labels) -> Scores:
        slopes[np.arange(len(y)), y] *= -1
        return slopes


class CrammerSinger(PiecewiseLinear):
    """Hinge of Crammer and Singer (2001): ``max(0, max over k != y of (1 + s_k - s_y))``.

    Examples
    --------
    >>> CrammerSinger().values(np.array([[3.2, 5.1, 4.0]]), np.array([0]))
    array([2.9])
    """

    def _margins(self, scores: Scores, own: Scores, y: Labels) -> Scores:
        return _multiclass_margins(scores, own, y, of_own=0)

    def _slopes(self, margins: Scores) -> Scores:
        if self.width:
            return _project_on_simplex(margins / self.width)
        # The class itself, whose margin is 0, comes first among equals.
        highest = margins.max(axis=1)[:, None]
        slopes = (margins == highest) & (highest > 0)
        return (slopes / np.maximum(slopes.sum(axis=1), 1)[:, None]).astype(margins.dtype)

    def _roundness(self, slopes: Scores) -> Scores:
        return 1 - (slopes**2).sum(axis=1)

    def _by_scores(self, slopes: Scores, y: Labels) -> Scores:
        rows = np.arange(len(y))
        slopes[rows, y] = 0
        slopes[rows, y] = -slopes.sum(axis=1)
        return slopes


class SquaredHinge(Loss):
    """Squared multiclass hinge: ``sum over k != y of max(0, 1 + s_k - s_y) ** 2``.

    Examples
    --------
    >>> SquaredHinge().values(np.array([[0.0, 1.0, -2.0]]), np.array([0]))
    array([4.])
    """

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and gradients; see :class:`Loss`."""
        rows = np.arange(len(y))
        own, infinite = _low_enough(scores, scores[rows, y], width=0)
        margins = _multiclass_margins(scores, own, y, of_own=0)
        np.maximum(margins, 0, out=margins)
        if len(infinite):
            margins[infinite] = np.where(margins[infinite] > 0, np.inf, 0)
        values = (margins**2).sum(axis=1)
        values[infinite] = np.inf
        margins *= 2
        margins[rows, y] = -margins.sum(axis=1)
        return values, margins


class CrossEntropy(Loss):
    """Cross-entropy of the softmax: ``-log(exp(s_y) / sum over k of exp(s_k))``.

    Scores are shifted by their maximum first, so no exponential overflows. Where the class itself
    has it, the loss is ``log(1 + sum over the others)``, which keeps its digits however small that
    sum is. With all classes ruled out there is no softmax, and the loss is NaN.

    Examples
    --------
    >>> CrossEntropy().values(np.zeros((1, 10)), np.array([3])).round(4)
    array([2.3026])
    """

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


def _low_enough(scores: Scores, own: Scores, width: float) -> tuple[Scores, Any]:
    """Scores of the own classes, finite where these are ruled out; and the rows where they are.

    They are so low there that every slope is as if they were lower still.
    """
    infinite = np.flatnonzero(np.isneginf(own))
    if len(infinite):
        of_rows = scores[infinite]
        own[infinite] = np.where(np.isneginf(of_rows), 0, of_rows).min(axis=1) - (1 + width)
    return own, infinite


def _multiclass_margins(scores: Scores, own: Scores, y: Labels, of_own: float) -> Scores:
    """``1 + s_k - s_y``, and for the class itself ``of_own``."""
    margins = scores - (own - 1)[:, None]
    margins[np.arange(len(y)), y] = of_own
    return margins


def _ramp(margins: Scores, width: float) -> Scores:
    """Slope of ``max(0, m)``, rising from 0 to 1 over ``width`` around 0."""
    if not width:
        return (margins > 0).astype(margins.dtype)
    slopes = margins / width
    slopes += 0.5
    return np.clip(slopes, 0, 1, out=slopes)


def _project_on_simplex(points: Scores) -> Scores:
    """Nearest point of the probability simplex, row by row (Held, Wolfe and Crowder 1974).

    It is that of the point moved along (1, ..., 1), to where the largest number is 0: large numbers
    would leave nothing of the 1 that the nearest point's sum to.
    """
    points = points - points.max(axis=1)[:, None]
    sorted_ = -np.sort(-points, axis=1)
    excess = np.cumsum(sorted_, axis=1) - 1
    ranks = np.arange(1, points.shape[1] + 1, dtype=points.dtype)
    support = (sorted_ * ranks > excess).sum(axis=1)
    level = excess[np.arange(len(points)), support - 1] / support.astype(points.dtype)
    return np.maximum(points - level[:, None], 0)
