"""L-BFGS: a quasi-Newton method that models the Hessian by the last few steps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.sources import Source

from .base import Solver, State

__all__ = ["LBFGS", "Pairs", "finish_two_loop", "quasi_newton_step", "start_two_loop"]

# Smaller squared differences of gradients could underflow to 0, and they are divided by.
SMALLEST = 1e-250
Pairs = list[tuple[Weights, Weights]]


class Function(Protocol):
    """A function to minimise: it returns value and gradient, with sums in the dtype of ``X``."""

    X: Source

    def __call__(self, W: Weights, /) -> tuple[float, Weights]: ...


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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Softmax(standardize=True, solver=LBFGS(tol=1e-9)).fit(X, y)
    >>> model.gap_ < 1e-6
    True
    """

    converges = True

    def __init__(self, max_iter: int = 1000, tol: float = 1e-6, memory: int = 10) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.memory = memory

    def step(self, objective: Objective, state: State) -> State:
        """Make one step; see :class:`Solver`."""
        pairs: Pairs = state.memory or []
        after = quasi_newton_step(objective, state, pairs, self.memory)
        if not after.stop and state.value - after.value <= self.tol * abs(after.value):
            after.stop = "the value decreases no more"
        return after


def quasi_newton_step(
    objective: Function,
    state: State,
    pairs: Pairs,
    memory: int,
    precondition: Callable[[Weights], Weights] | None = None,
    first: Callable[[State, Weights], State | None] | None = None,
) -> State:
    """Make a step of L-BFGS.

    Parameters
    ----------
    objective : callable
        Such as an :class:`Objective`.
    state : State
    pairs : list of (difference of weights, difference of gradients)
    memory : int
        How many pairs to keep.
    precondition : callable, optional
        Multiplies a gradient by an approximate inverse of the Hessian.
    first : callable, optional
        Makes the step, given the state and a direction of descent. If it returns None, a line
        search makes the step.

    Returns
    -------
    State
        Its memory holds the pairs. It has a reason to stop if no lower value was found.
    """
    assert state.gradient is not None
    direction = -_two_loop(state.gradient, pairs, precondition)
    length = 1.0
    if not pairs and precondition is None:
        length = min(1.0, 1 / float(np.abs(state.gradient).sum() or 1))
    noise = abs(state.value) * float(np.finfo(objective.X.dtype).eps) / 100
    after = None
    if np.vdot(state.gradient, direction) < -noise:
        after = None if first is None else first(state, direction)
        after = after or _line_search(objective, state, direction, length, noise)
    if after is None:
        return State(
            state.W, state.value, state.gradient, pairs, "no lower value in the direction of search"
        )
    assert after.gradient is not None
    s, t = after.W - state.W, after.gradient - state.gradient
    if np.vdot(s, t) > 0 and np.vdot(t, t) > SMALLEST:
        pairs = [*pairs[-(memory - 1) :], (s, t)]
    after.memory = pairs
    return after


def _two_loop(
    gradient: Weights, pairs: Pairs, precondition: Callable[[Weights], Weights] | None
) -> Weights:
    """Multiply the gradient by the approximate inverse Hessian (algorithm 7.4)."""
    direction, factors = start_two_loop(gradient, pairs)
    if not pairs:
        return direction if precondition is None else precondition(direction)
    scaled = pairs[-1][1]
    if precondition is not None:
        both = precondition(np.concatenate([direction, scaled]))
        direction, scaled = both.reshape(2, *direction.shape)
    return finish_two_loop(direction, scaled, pairs, factors)


def start_two_loop(gradient: Weights, pairs: Pairs) -> tuple[Weights, list[float]]:
    """Run the first loop of algorithm 7.4, and return the direction and the loop's factors."""
    direction = gradient.copy()
    factors = []
    for s, t in reversed(pairs):
        factor = float(np.vdot(s, direction) / np.vdot(s, t))
        direction -= factor * t
        factors.append(factor)
    return direction, factors


def finish_two_loop(
    direction: Weights, scaled: Weights | None, pairs: Pairs, factors: list[float]
) -> Weights:
    """Run the second loop of algorithm 7.4.

    Parameters
    ----------
    direction : ndarray
        Result of the first loop, multiplied by the preconditioner.
    scaled : ndarray or None
        The last difference of gradients, multiplied by the preconditioner. It sets the scale of
        the preconditioner. None keeps the scale.
    pairs : list of (difference of weights, difference of gradients)
    factors : list of float
        Factors of the first loop.
    """
    if pairs and scaled is not None:
        s, t = pairs[-1]
        direction = direction * (np.vdot(s, t) / np.vdot(t, scaled))
    for (s, t), factor in zip(pairs, reversed(factors), strict=True):
        direction = direction + s * (factor - np.vdot(t, direction) / np.vdot(s, t))
    return direction


@dataclass
class _Bracket:
    """Bounds of a good step length."""

    low: float = 0.0
    high: float = np.inf

    def middle(self) -> float:
        return 2 * self.low if self.high == np.inf else (self.low + self.high) / 2


def _line_search(
    evaluate: Function, state: State, direction: Weights, length: float, noise: float
) -> State | None:
    """Find a step that satisfies the weak Wolfe conditions, or return None.

    A value that is higher by at most ``noise``, the rounding error of the sums, counts as lower.
    """
    assert state.gradient is not None
    slope = float(np.vdot(state.gradient, direction))
    bracket, best = _Bracket(), None
    for _ in range(30):
        W = state.W + length * direction
        value, gradient = evaluate(W)
        if not value <= state.value + 1e-4 * length * slope + noise:
            bracket.high = length
        else:
            best = State(W, value, gradient)
            if np.vdot(gradient, direction) >= 0.9 * slope:
                break
            bracket.low = length
        length = bracket.middle()
    return best
