"""Penalties: ``Penalty``, the base class, and ``L2``.

A penalty is a convex function of the weights without the intercepts. Weights have the shape
``(n_classes, n_features + 1)`` and the last column holds the intercepts.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .scaling import Weights

__all__ = ["L2", "Penalty", "as_penalty"]


class Penalty(ABC):
    """Base class of the penalties.

    Attributes
    ----------
    curvature : float or None
        Second derivative by every weight, if it is the same everywhere and there are no mixed
        second derivatives. Otherwise None; solvers that need an L2 penalty then refuse.
    """

    curvature: float | None = None

    @abstractmethod
    def value(self, W: Weights) -> float:
        """Compute the penalty of the weights.

        Parameters
        ----------
        W : ndarray of shape (n_classes, n_features + 1)
        """

    @abstractmethod
    def gradient(self, W: Weights) -> Weights:
        """Compute the derivatives by the weights; 0 in the column of the intercepts."""

    @abstractmethod
    def conjugate(self, V: Weights) -> float:
        """Compute the convex conjugate ``max over W of (<V, W> - value(W))``.

        The column of the intercepts is ignored.
        """

    def gap(self, W: Weights, gradient: Weights) -> float:
        """Compute what the penalty adds to the duality gap of an objective.

        Parameters
        ----------
        W : ndarray of shape (n_classes, n_features + 1)
        gradient : ndarray of the shape of W
            Gradient of the objective, mean loss plus penalty.

        Returns
        -------
        float
            ``value(W) + conjugate(V) - <V, W>`` with ``V`` the penalty's gradient minus that of the
            objective. It is 0 where the objective's gradient is 0.
        """
        V = self.gradient(W) - gradient
        return self.value(W) + self.conjugate(V) - float((V[:, :-1] * W[:, :-1]).sum())


@dataclass(frozen=True)
class L2(Penalty):
    """Squared length of the weights: ``alpha / 2 * ||W||^2``.

    Parameters
    ----------
    alpha : float >= 0
        0 is no penalty.

    Examples
    --------
    >>> L2(0.5).value(np.array([[1.0, 2.0, 100.0]]))
    1.25
    """

    alpha: float

    @property
    def curvature(self) -> float:  # type: ignore[override]
        """Second derivative by every weight: alpha."""
        return self.alpha

    def value(self, W: Weights) -> float:
        """Compute ``alpha / 2 * ||W||^2``; see :class:`Penalty`."""
        return 0.5 * self.alpha * float((W[:, :-1] ** 2).sum())

    def gradient(self, W: Weights) -> Weights:
        """Compute ``alpha * W``; see :class:`Penalty`."""
        gradient = self.alpha * W
        gradient[:, -1] = 0
        return gradient

    def conjugate(self, V: Weights) -> float:
        """Compute ``||V||^2 / (2 * alpha)``; see :class:`Penalty`."""
        squares = float((V[:, :-1] ** 2).sum())
        if not self.alpha:
            return np.inf if squares else 0.0
        return squares / (2 * self.alpha)

    def gap(self, W: Weights, gradient: Weights) -> float:
        """Compute ``||gradient||^2 / (2 * alpha)``; see :class:`Penalty`.

        It equals the general formula, and no digits cancel.
        """
        return self.conjugate(gradient)


def as_penalty(alpha: float | Penalty) -> Penalty:
    """Return the L2 penalty of strength ``alpha``. A penalty is returned as it is."""
    return alpha if isinstance(alpha, Penalty) else L2(float(alpha))
