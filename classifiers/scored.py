"""What a search for penalties asks of whatever scores them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from .parts import ColumnPenalty
from .scaling import Weights

__all__ = ["Scored", "Scorer"]

M = TypeVar("M")


@dataclass(frozen=True, eq=False)
class Scored(Generic[M]):
    """A penalty, and how models with this penalty score on rows that they have not seen.

    Attributes
    ----------
    penalty : ColumnPenalty
    accuracies : ndarray of shape (n_splits,)
    models : object
        Whatever the scorer keeps of the models, to begin others at them.
    """

    penalty: ColumnPenalty
    accuracies: Weights
    models: M


class Scorer(Protocol[M]):
    """Scores penalties by models that learn from the training rows of each split.

    Attributes
    ----------
    short : list of float
        Penalties whose models stopped before their tolerance was met.
    """

    short: list[float]

    def score(
        self, penalties: Sequence[ColumnPenalty], start: Scored[M] | None = None
    ) -> list[Scored[M]]:
        """Score penalties; their models begin at those of another penalty, if one is given."""

    def held_out_scores(self, scored: Scored[M]) -> npt.NDArray[np.floating]:
        """Compute the scores of each row by the model that has not seen it: (n, n_classes)."""

    def weights(self, scored: Scored[M]) -> Weights:
        """Return weights to begin at with all rows: (n_classes, n_features + 1).

        They are for the columns of the objective's ``X``.
        """
