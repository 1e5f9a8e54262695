"""``Margins``: what :class:`.InteriorPoint` knows of a loss, its margins and its dual form."""

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.objective import Objective

from .dual_problem import derivatives_by_scores

__all__ = ["Margins"]

Array = npt.NDArray[np.float64]
Examples = slice | npt.NDArray[np.intp]


class Margins:
    """The margins of all examples for a group of classes, and derivatives by them.

    Parameters
    ----------
    objective : Objective
        Its loss has a dual form.
    classes : slice
        The classes of the group: all if the loss is coupled.

    Attributes
    ----------
    there : ndarray of bool of shape (n, n_classes)
        Which margins exist: examples without weight have none.
    share : ndarray of shape (n, 1)
        Weight of each example in the mean.
    counts : ndarray of shape (n_classes,), or (1,) if coupled
        How many margins exist by the weights of the examples, for each problem.
    coupled : bool
        Whether margins are ``1 + s_k - s_y`` (and, if shared, 0 for the own class) instead of
        ``1 - t_k s_k``.
    shared, bounded : bool
        Whether the slopes of an example have a largest sum; whether instead each has a largest
        value.
    largest, largest_sum : float
        Largest slope and largest sum of the slopes of an example.
    curvature : float or ndarray of shape (n, n_classes)
        Second derivative of the dual form by a slope, without its sign.
    """

    def __init__(self, objective: Objective, classes: slice) -> None:
        loss, self.y = objective.loss, objective.y
        self._values = loss.values
        self.rows = np.arange(len(self.y))
        self.coupled = loss.coupled
        assert loss.dual_box is not None
        self.largest, self.largest_sum = loss.dual_box, loss.dual_sum
        self.shared = np.isfinite(loss.dual_sum)
        self.bounded = np.isfinite(loss.dual_box) and not self.shared
        self.share = objective.shares[:, None]
        self.there = np.empty((classes.stop - classes.start, len(self.y)), np.bool).T
        self.there[:] = self.share > 0
        self.curvature: float | Array = loss.dual_curvature
        if self.shared:
            self.curvature = np.full_like(self.there, loss.dual_curvature, np.float64)
            self.curvature[self.rows, self.y] = 0
        elif self.coupled:
            self.there[self.rows, self.y] = False
        else:
            is_own = (np.arange(classes.start, classes.stop)[:, None] == self.y).T
            self.signs = np.where(is_own, -1.0, 1.0)
            self._signed_shares = self.share * self.signs
        self._all_there = bool(self.there.all())
        self.counts = self.sums(np.ones(self.there.shape))
        if self.coupled:
            self.counts = self.counts.sum(keepdims=True)

    def only_there(self, array: Array) -> Array:
        """Set numbers of margins that do not exist to 0, in place, and return the array."""
        if not self._all_there:
            array[~self.there] = 0
        return array

    def sums(self, array: Array) -> Array:
        """Sum over the margins of each class that exist, by the weights of the examples."""
        return np.asarray(self.share[:, 0] @ self.only_there(array))

    def linear(self, scores: Array) -> Array:
        """Compute the margins minus the margins at scores of 0."""
        return scores - scores[self.rows, self.y][:, None] if self.coupled else self.signs * scores

    def of(self, scores: Array) -> Array:
        """Compute the margins."""
        margins = self.linear(scores) + 1
        if self.shared:
            margins[self.rows, self.y] = 0
        return margins

    def losses(self, margins: Array) -> Array:
        """Compute the loss of each example, summed over the classes of the group."""
        if self.coupled:
            # The differences to the own score, which are all that the loss depends on.
            scores = margins - 1
            scores[self.rows, self.y] = 0
            return np.asarray(self._values(scores, self.y), np.float64)
        margins = np.maximum(margins, 0)
        if not self.curvature:
            return self.largest * margins.sum(axis=1)
        slopes = np.minimum(margins / self.curvature, self.largest)
        return (slopes * margins - self.curvature / 2 * slopes**2).sum(axis=1)

    def by_scores(self, slopes: Array) -> Array:
        """Compute the derivatives of the mean loss by the scores."""
        if self.coupled:
            return derivatives_by_scores(slopes * self.share, self.y, coupled=True)
        return slopes * self._signed_shares

    def changes(self, w: Array, pull: Array) -> Array:
        """Compute the changes of slopes with curvatures ``w``; shared slopes keep their sum."""
        if not self.shared:
            return w * pull
        changes = w * (pull - (w * pull).sum(axis=1, keepdims=True) / self._totals(w)[:, None])
        # Rounding would spoil the change with the largest curvature; it follows from the others.
        steepest = self.rows, w.argmax(axis=1)
        changes[steepest] = 0
        changes[steepest] = -changes.sum(axis=1)
        return changes

    def _totals(self, w: Array) -> Array:
        """Sum the curvatures of each example; 1 where all are 0."""
        return np.where(w.any(axis=1), w.sum(axis=1), 1.0)

    def links(self, w: Array, rows: slice, k: int) -> tuple[Examples, Array]:
        """Find the examples of a block that link a class with others, and compute the links.

        The loss is coupled. The link of the classes ``k`` and ``m`` by an example is minus the
        second derivative of its part of the mean loss by ``s_k`` and ``s_m``. Without shared
        slopes, an example links its own class with each other class and no other pair. So the
        examples of class ``k`` are returned, with links to all classes. With shared slopes, an
        example links each pair of classes. So all examples are returned, with links to the classes
        before ``k``. Over all ``k``, each link is found once.

        Returns
        -------
        examples : slice, or ndarray of shape (n_found,)
            Their places in the block.
        links : ndarray of shape (n_found, n_classes or k)
        """
        w, share = w[rows], self.share[rows]
        if self.shared:
            factors = share * w[:, k : k + 1] / self._totals(w)[:, None]
            return slice(None), factors * w[:, :k]
        own = np.flatnonzero(self.y[rows] == k)
        return own, share[own] * w[own]
