"""Search for a penalty for each part, by cross-validation.

The search begins where one penalty for all parts is best. In each round it raises and lowers the
penalty of each part alone, and of all parts together, by a factor. The models of a round share
their passes over ``X``, and begin at the weights of the best model so far. The search goes to the
best of them while that is better, then goes on with a smaller factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .parts import divided
from .scaling import Scaling, Weights
from .solvers.curvature import Spectrum
from .solvers.held_out import Scored, score_held_out
from .solvers.path import Models
from .solvers.path_model import Columns, Model

__all__ = ["PartSearch"]

# Powers of 2 that penalties are multiplied by, first the large one.
STEPS = (2, 1)
MAX_ROUNDS = 8

Exponents = tuple[int, ...]


@dataclass
class PartSearch:
    """Penalties for the parts that were tried, and how they scored.

    Parameters
    ----------
    models : Models
        Over all rows and folds.
    scalings : list of Scaling or None
        Of the columns by the rows outside each fold.
    gram : ndarray of shape (n_features + 1, n_features + 1), or None
        Products of the columns (:func:`.column_gram`).
    widths : sequence of int
        Columns of each part.
    tol : float
    seed : int
    tried : dict
        Powers of 2 by which the parts' penalties differ from the common one: scores on each fold.
    """

    models: Models
    scalings: list[Scaling | None]
    gram: npt.NDArray[np.float64] | None
    widths: Sequence[int]
    tol: float
    seed: int
    tried: dict[Exponents, Weights] = field(default_factory=dict)

    def run(self, common: Scored) -> Scored:
        """Search from the best common penalty on; return the best penalties."""
        best: Exponents = (0,) * len(self.widths)
        self.tried, found = {best: common.accuracies}, common
        rounds = 0
        for step in STEPS:
            while rounds < MAX_ROUNDS:
                rounds += 1
                new = [place for place in _neighbours(best, step) if place not in self.tried]
                scored = self._scored(new, common.model.alpha, found)
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

    def _scored(self, places: list[Exponents], common: float, found: Scored) -> list[Scored]:
        """Score penalties with models that begin at those of the best penalties so far.

        A model without a fold begins at one without it, so that it knows nothing of the fold.
        """
        everything = self.models.objective.scaling
        models = [self._model(common, place, found.model, everything) for place in places]

        def leave_out() -> list[Model]:
            held_out = []
            for start, scaling in zip(found.without, self.scalings, strict=True):
                for place, model in zip(places, models, strict=True):
                    made = self._model(common, place, start, scaling, model.columns)
                    made.by_scores, made.few_rows = model.by_scores, model.few_rows
                    held_out.append(made)
            self.models.evaluate(held_out)
            return held_out

        return score_held_out(self.models, models, leave_out, self.tol, self.seed)

    def _model(
        self,
        common: float,
        place: Exponents,
        start: Model,
        scaling: Scaling | None,
        columns: Columns | None = None,
    ) -> Model:
        """Make a model of other penalties that begins at the weights of another."""
        exponents = np.array(place, np.float64)
        alpha = common * 2.0 ** exponents.mean()
        factors = np.repeat(2.0 ** ((exponents - exponents.mean()) / 2), self.widths)
        columns = columns or Columns(_spectrum(self.gram, factors), factors)
        scaling = divided(scaling, factors)
        raw = start.W if start.scaling is None else start.scaling.raw(start.W)
        W = raw if scaling is None else scaling.standardised(raw)
        return Model(alpha, start.held_out, scaling, W, start.by_scores, columns, start.few_rows)


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


def _spectrum(gram: npt.NDArray[np.float64] | None, factors: Weights) -> Spectrum:
    """Return the model of the Hessian for columns that are divided by factors."""
    if gram is None:
        return Spectrum(None)
    divisors = np.append(factors, 1.0)
    return Spectrum(gram / np.outer(divisors, divisors))
