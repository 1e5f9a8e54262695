"""Losses: how badly the scores of one example fit its class.

Every loss is a function of the ``K`` scores ``s`` of an example and its class ``y``. It knows
nothing of the data, of weights or of a penalty; :mod:`.objective` brings these together.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

__all__ = ["CrossEntropy", "Hinge", "Loss"]

Scores = npt.NDArray[np.floating]
Labels = npt.NDArray[np.intp]


class Loss(ABC):
    """Base of the losses.

    Attributes
    ----------
    smooth : bool
        Whether the gradient exists everywhere. Where it does not, ``values_and_grad`` gives a
        subgradient.
    """

    smooth: ClassVar[bool]

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


class Hinge(Loss):
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

    smooth = False

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and subgradients; see :class:`Loss`."""
        rows = np.arange(len(y))
        margins = scores - scores[rows, y][:, None] + 1
        np.maximum(margins, 0, out=margins)
        margins[rows, y] = 0
        gradients = (margins > 0).astype(scores.dtype)
        gradients[rows, y] = -gradients.sum(axis=1)
        return margins.sum(axis=1), gradients


class CrossEntropy(Loss):
    """Cross-entropy of the softmax: ``-log(exp(s_y) / sum over k of exp(s_k))``.

    Scores are shifted by their maximum first, so no exponential overflows.

    Examples
    --------
    >>> CrossEntropy().values(np.zeros((1, 10)), np.array([3])).round(4)
    array([2.3026])
    """

    smooth = True

    def values_and_grad(self, scores: Scores, y: Labels) -> tuple[Scores, Scores]:
        """Compute values and gradients; see :class:`Loss`."""
        rows = np.arange(len(y))
        shifted = scores - scores.max(axis=1)[:, None]
        own = shifted[rows, y]
        exponentials = np.exp(shifted, out=shifted)
        sums = exponentials.sum(axis=1)
        exponentials /= sums[:, None]
        exponentials[rows, y] -= 1
        return np.log(sums) - own, exponentials
