"""Search for a penalty for each part, by cross-validation.

The search begins where one penalty for all parts is best. In each round it raises and lowers the
penalty of each part alone, and of all parts together, by a factor. The models of a round share
their passes over ``X``, and begin at the weights of the best model so far. The search goes to the
best of them while that is better, then goes on with a smaller factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from .parts import ColumnPenalty
from .scaling import Weights
from .scored import Scored, Scorer

__all__ = ["PartSearch"]

# Powers of 2 that penalties are multiplied by, first the large one.
STEPS = (2, 1)
MAX_ROUNDS = 8

Exponents = tuple[int, ...]


M = TypeVar("M")


@dataclass
class PartSearch(Generic[M]):
    """Penalties for the parts that were tried, and how they scored.

    Parameters
    ----------
    scorer : Scorer
    widths : sequence of int
        Columns of each part.
    tried : dict
        Powers of 2 by which the parts' penalties differ from the common one: scores on each fold.
    """

    scorer: Scorer[M]
    widths: Sequence[int]
    tried: dict[Exponents, Weights] = field(default_factory=dict)

    def run(self, common: Scored[M]) -> Scored[M]:
        """Search from the best common penalty on; return the best penalties."""
        best: Exponents = (0,) * len(self.widths)
        self.tried, found = {best: common.accuracies}, common
        rounds = 0
        for step in STEPS:
            while rounds < MAX_ROUNDS:
                rounds += 1
                new = [place for place in _neighbours(best, step) if place not in self.tried]
                penalties = [self._penalty(common.penalty.alpha, place) for place in new]
                scored = self.scorer.score(penalties, found)
                of_folds = [one.accuracies for one in scored]
                self.tried |= dict(zip(new, of_folds, strict=True))
                means = np.mean(of_folds, axis=1)
                first = int(means.argmax())
                if means[first] <= self.tried[best].mean():
                    break
                best, found = new[first], scored[first]
        return found

    def alphas(self, common: float) -> npt.NDArray[np.float64]:
        """Return the penalties that were tried: (n_tried, n_parts)."""
        return common * 2.0 ** np.array(list(self.tried))

    def _penalty(self, common: float, place: Exponents) -> ColumnPenalty:
        """Return the one penalty, with factors of the columns, that stands for the parts' own."""
        exponents = np.array(place, np.float64)
        factors = np.repeat(2.0 ** ((exponents - exponents.mean()) / 2), self.widths)
        return ColumnPenalty(common * 2.0 ** exponents.mean(), factors)


def _neighbours(place: Exponents, step: int) -> list[Exponents]:
    """Return places with one exponent, or all, raised or lowered by a step.

    Examples
    --------
    >>> _neighbours((0, 3), 2)
    [(2, 3), (-2, 3), (0, 5), (0, 1), (2, 5), (-2, 1)]
    """
    directions = [*np.eye(len(place), dtype=int), np.ones(len(place), int)]
    signed = [sign * step * direction for direction in directions for sign in (1, -1)]
    return [tuple((np.array(place) + direction).tolist()) for direction in signed]
