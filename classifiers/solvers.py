"""``Solver``: the one loop that every optimizer goes through, and L-BFGS."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .objective import Objective, Weights

__all__ = ["LBFGS", "Result", "Solver", "State"]


@dataclass
class State:
    """Where an optimizer stands.

    Attributes
    ----------
    W : ndarray of shape (n_classes, n_features + 1)
    value : float
        The objective at ``W`` (for minibatches, that of the last ones).
    gradient : ndarray of the shape of W, or None where the optimizer uses none
    memory : Any
        What the optimizer keeps for itself between steps.
    stop : str
        Why to stop; empty while going on.
    """

    W: Weights
    value: float
    gradient: Weights | None = None
    memory: Any = None
    stop: str = ""


@dataclass
class Result:
    """What an optimizer found.

    Attributes
    ----------
    W : ndarray of shape (n_classes, n_features + 1)
    value : float
    values : list of float
        The objective at the start and after each step.
    iterates : list of ndarray
        The weights at the start and after each step, where asked for.
    reason : str
        Why it stopped; ``"max_iter"`` when it was not done.
    """

    W: Weights
    value: float
    values: list[float]
    iterates: list[Weights] = field(repr=False)
    reason: str = "max_iter"

    @property
    def n_iter(self) -> int:
        """Steps taken."""
        return len(self.values) - 1


class Solver(BaseEstimator):
    """Base of the optimizers: each says how to start and how to make a step.

    Parameters
    ----------
    max_iter : int
    """

    max_iter: int

    def start(self, objective: Objective, W: Weights) -> State:
        """Evaluate the objective at the first weights."""
        value, gradient = objective(W)
        return State(W, value, gradient)

    @abstractmethod
    def step(self, objective: Objective, state: State) -> State:
        """Make one step; sets ``stop`` in the state it gives when there is no more to do."""

    def minimize(
        self,
        objective: Objective,
        W: Weights,
        *,
        keep_iterates: bool = False,
        callback: Callable[[State], object] | None = None,
    ) -> Result:
        """Minimise from ``W``: the loop of all optimizers.

        Parameters
        ----------
        objective : Objective
        W : ndarray of shape (n_classes, n_features + 1)
            Not changed.
        keep_iterates : bool
            Keep the weights after each step.
        callback : callable, optional
            Called with the state after each step.

        Returns
        -------
        Result
        """
        with objective:
            state = self.start(objective, W.copy())
            values, iterates = [state.value], [state.W] * keep_iterates
            while not state.stop and len(values) <= self.max_iter:
                state = self.step(objective, state)
                values.append(state.value)
                iterates += [state.W] * keep_iterates
                if callback is not None:
                    callback(state)
        return Result(state.W, state.value, values, iterates, state.stop or "max_iter")


class LBFGS(Solver):
    """Limited-memory BFGS (Nocedal 1980) with a weak Wolfe line search by bisection.

    The line search is that of Lewis and Overton (2013), which also serves functions with kinks.
    Value and gradient are computed over all rows, in the dtype of X; the weights are float64.

    Parameters
    ----------
    max_iter : int
    tol : float
        Stop when a step lowers the objective by less than ``tol`` times its value.
    memory : int
        Pairs of differences kept.

    References
    ----------
    J. Nocedal and S. Wright, Numerical Optimization, 2006, algorithms 7.4 and 7.5. A. Lewis and
    M. Overton, Nonsmooth optimization via quasi-Newton methods, Math. Programming 141 (2013).
    """

    def __init__(self, max_iter: int = 500, tol: float = 1e-6, memory: int = 10) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.memory = memory

    def step(self, objective: Objective, state: State) -> State:
        """Make one step; see :class:`Solver`."""
        assert state.gradient is not None
        pairs = state.memory or []
        direction = -_two_loop(state.gradient, pairs)
        length = 1.0 if pairs else min(1.0, 1 / float(np.abs(state.gradient).sum() or 1))
        found = _line_search(objective, state, direction, length)
        if found is None:
            state.stop = "no lower value along the direction of search"
            return state
        W, value, gradient = found
        s, t = W - state.W, gradient - state.gradient
        if (s * t).sum() > 1e-12 * (t * t).sum():
            pairs = [*pairs[-(self.memory - 1) :], (s, t)]
        small = state.value - value <= self.tol * abs(value)
        return State(W, value, gradient, pairs, "the value decreases no more" if small else "")


def _two_loop(gradient: Weights, pairs: list[tuple[Weights, Weights]]) -> Weights:
    """Apply the inverse Hessian's approximation to the gradient (algorithm 7.4)."""
    direction = gradient.copy()
    factors = []
    for s, t in reversed(pairs):
        factor = (s * direction).sum() / (s * t).sum()
        direction -= factor * t
        factors.append(factor)
    if pairs:
        s, t = pairs[-1]
        direction *= (s * t).sum() / (t * t).sum()
    for (s, t), factor in zip(pairs, reversed(factors), strict=True):
        direction += s * (factor - (t * direction).sum() / (s * t).sum())
    return direction


def _line_search(
    objective: Objective, state: State, direction: Weights, length: float, max_trials: int = 30
) -> tuple[Weights, float, Weights] | None:
    """Find a step with enough decrease and a flatter slope; None if there is none."""
    assert state.gradient is not None
    slope = float((state.gradient * direction).sum())
    low, high = 0.0, np.inf
    best = None
    for _ in range(max_trials):
        W = state.W + length * direction
        value, gradient = objective(W)
        if not value <= state.value + 1e-4 * length * slope:
            high = length
        else:
            best = (W, value, gradient)
            if (gradient * direction).sum() >= 0.9 * slope:
                break
            low = length
        length = 2 * low if high == np.inf else (low + high) / 2
    return best
