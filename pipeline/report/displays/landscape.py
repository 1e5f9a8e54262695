"""``LandscapeDisplay``: the loss over a plane of weights, with the path of an optimizer on it."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ....classifiers import Objective, landscape, path_plane
from .base import axes_or_new

__all__ = ["LandscapeDisplay"]

FloatArray = npt.NDArray[np.float64]


class LandscapeDisplay:
    """The objective over the plane that lies closest to the path of an optimizer.

    Parameters
    ----------
    across, up : ndarray of shape (n,)
        Coordinates of the grid in the plane.
    values : ndarray of shape (n, n)
        The objective at the points of the grid, a row for each of ``up``.
    path : ndarray of shape (m, 2)
        Where the optimizer went.

    Attributes
    ----------
    ax_ : matplotlib Axes

    Examples
    --------
    >>> from visualwords.classifiers import CrossEntropy, GradientDescent
    >>> X, y = np.eye(6, 3), np.arange(6) % 3
    >>> objective = Objective(X, y, CrossEntropy(), alpha=0.01, n_classes=3)
    >>> solver = GradientDescent(0.5, max_iter=20, tol=0)
    >>> found = solver.minimize(objective, np.zeros((3, 4)), keep_iterates=True)
    >>> display = LandscapeDisplay.from_iterates(objective, found.iterates, n_points=5)
    >>> display.values.shape, len(display.path)
    ((5, 5), 21)
    """

    def __init__(
        self, across: FloatArray, up: FloatArray, values: FloatArray, path: FloatArray
    ) -> None:
        self.across = across
        self.up = up
        self.values = values
        self.path = path

    @classmethod
    def from_iterates(
        cls, objective: Objective, iterates: Sequence[FloatArray], *, n_points: int = 41
    ) -> Self:
        """Compute the objective around the path of an optimizer.

        Parameters
        ----------
        objective : Objective
        iterates : sequence of ndarray of shape (n_classes, n_features + 1)
            At least three; ``Solver.minimize(..., keep_iterates=True)`` keeps them.
        n_points : int
            Along either axis.
        """
        plane = path_plane(iterates)
        low, high = plane.points.min(axis=0), plane.points.max(axis=0)
        reach = 0.65 * max(float((high - low).max()), 1e-12)
        across, up = (
            np.linspace(middle - reach, middle + reach, n_points) for middle in (low + high) / 2
        )
        grid = np.stack(np.meshgrid(across, up), axis=-1)
        values = landscape(objective, plane.origin, plane.directions, grid)
        return cls(across, up, values, plane.points)

    def plot(self, ax: Any = None, *, color: str = "black", cmap: str = "cividis") -> Self:
        """Draw bands of the objective, each a like factor above the one before, and the path.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure where they are left out.
        color : colour of matplotlib
            Of the path.
        cmap : str
        """
        self.ax_ = axes_or_new(ax)
        levels = np.geomspace(self.values.min(), self.values.max() * (1 + 1e-9), 16)
        self.ax_.contourf(self.across, self.up, self.values, levels=levels, cmap=cmap)
        self.ax_.plot(*self.path.T, marker="o", markersize=2.5, linewidth=1.2, color=color)
        self.ax_.plot(*self.path[-1], marker="*", markersize=11, color=color)
        self.ax_.set(xlabel="first direction", ylabel="second direction", aspect="equal")
        return self
