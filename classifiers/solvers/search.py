"""Random search and random local search, the baselines for all other optimizers.

Both use values of the objective only. Scores are linear in the weights, and the random matrices do
not depend on earlier tries. So one pass over X computes the scores of a batch of random matrices.

References
----------
CS231n, Optimization: Stochastic Gradient Descent, strategies 1 and 2.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from visualwords.classifiers.objective import Objective, Weights
from visualwords.threads import row_blocks

from .base import RULES, Rule, Solver, State

__all__ = ["RandomLocalSearch", "RandomSearch"]

# Memory for the scores of a batch of matrices.
SCORE_BYTES = 1 << 26
MAX_TRIES = 32
BLOCK_ROWS = 4096

Scores = npt.NDArray[Any]


class Search(Solver):
    """Base class of both: a try is kept if its value is lower than the best so far.

    The memory of the state holds the scores of ``W`` and an iterator over the tries to come.

    Parameters
    ----------
    max_iter : int
        Number of tries.
    scale : float > 0
        Standard deviation of the random numbers, those for intercepts included.
    random_state : int, RandomState or None
    """

    # A random state may be of any kind that scikit-learn takes, and scikit-learn checks it.
    rules: ClassVar[dict[str, Rule]] = {k: v for k, v in RULES.items() if k != "random_state"}

    def __init__(self, max_iter: int = 1000, scale: float = 1e-4, random_state: Any = 0) -> None:
        self.max_iter = max_iter
        self.scale = scale
        self.random_state = random_state

    def start(self, objective: Objective, W: Weights) -> State:
        """Evaluate the first weights; see :class:`Solver`."""
        scores = objective.scores(W).astype(np.float64)
        tries = _random_matrices(objective, self.scale, self.max_iter, self.random_state)
        return State(W, _value(objective, W, scores), memory=(scores, tries))

    def step(self, objective: Objective, state: State) -> State:
        """Make one try; see :class:`Solver`."""
        scores, tries = state.memory
        W, W_scores = self._place(state.W, scores, *next(tries))
        value = _value(objective, W, W_scores)
        if value < state.value:
            return State(W, value, memory=(W_scores, tries))
        return replace(state)

    @abstractmethod
    def _place(
        self, W: Weights, scores: Scores, random: Weights, random_scores: Scores
    ) -> tuple[Weights, Scores]:
        """Return the weights to try and their scores."""


class RandomSearch(Search):
    """Keep the best of many random weight matrices.

    Every try is a matrix of independent normal numbers of mean 0, intercepts included. The first
    weights count as a try too, so the value never rises.

    Parameters
    ----------
    max_iter, scale, random_state
        As in :class:`Search`; ``scale`` is of the weights.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Softmax(solver=RandomSearch(scale=0.1)).fit(X, y)
    >>> model.loss_curve_[-1] < model.loss_curve_[0]
    True
    """

    def _place(
        self, W: Weights, scores: Scores, random: Weights, random_scores: Scores
    ) -> tuple[Weights, Scores]:
        return random, random_scores


class RandomLocalSearch(Search):
    """Take random steps from the best weights so far and keep those that lower the value.

    Parameters
    ----------
    max_iter, scale, random_state
        As in :class:`Search`; ``scale`` is of every weight's step.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> Softmax(solver=RandomLocalSearch(scale=0.1)).fit(X, y).score(X, y) > 0.8
    True
    """

    def _place(
        self, W: Weights, scores: Scores, random: Weights, random_scores: Scores
    ) -> tuple[Weights, Scores]:
        return W + random, scores + random_scores


def _random_matrices(
    objective: Objective, scale: float, count: int, random_state: Any
) -> Iterator[tuple[Weights, Scores]]:
    """Yield ``count`` random matrices with their scores, which are computed in batches."""
    random = check_random_state(random_state)
    n_classes, width = objective.shape
    room = SCORE_BYTES // (objective.n_samples * n_classes * objective.X.dtype.itemsize)
    for batch in row_blocks(count, min(max(room, 1), MAX_TRIES)):
        matrices = random.normal(scale=scale, size=(batch.stop - batch.start, n_classes, width))
        if not objective.fit_intercept:
            matrices[:, :, -1] = 0
        scores = objective.scores(matrices.reshape(-1, width))
        for i, matrix in enumerate(matrices):
            yield matrix, scores[:, i * n_classes : (i + 1) * n_classes]


def _value(objective: Objective, W: Weights, scores: Scores) -> float:
    """Compute the objective at ``W`` from its scores."""

    def losses(rows: slice) -> Scores:
        return objective.loss.values(scores[rows], objective.y[rows])

    blocks = row_blocks(objective.n_samples, BLOCK_ROWS)
    of_blocks = list(objective.map(losses, blocks))
    return objective.mean(np.concatenate(of_blocks)) + objective.penalty.value(W)
