"""Gradient descent over all rows (``GradientDescent``) or over minibatches (``SGD``, ``Adam``)."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.objective import Objective, Weights

from .base import Solver, State

__all__ = ["SGD", "Adam", "GradientDescent", "MinibatchSolver"]

SCHEDULES = ("constant", "inverse", "cosine")

# Arrays of the shape of the weights that a solver keeps from step to step.
Moments = list[npt.NDArray[np.float64]]


class GradientDescent(Solver):
    """Gradient descent over all rows: ``W -= learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float > 0
    max_iter : int
    tol : float
        Stop when the gradient's largest entry is at most ``tol``.

    References
    ----------
    CS231n, Optimization, "Gradient Descent".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Softmax(standardize=True, solver=GradientDescent(0.5)).fit(X, y)
    >>> model.gap_ < 1e-6
    True
    """

    def __init__(self, learning_rate: float = 0.1, max_iter: int = 1000, tol: float = 1e-5) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol

    def step(self, objective: Objective, state: State) -> State:
        """Make one step; see :class:`Solver`."""
        assert state.gradient is not None
        after = self.start(objective, state.W - self.learning_rate * state.gradient)
        assert after.gradient is not None
        if np.abs(after.gradient).max() <= self.tol:
            after.stop = "the gradient is within tol of 0"
        return after


class MinibatchSolver(Solver):
    """Base class of the solvers that make a step after each minibatch; an iteration is an epoch.

    Rows are visited in random order without repetition, a new order in each epoch. The memory of
    the state is a list of ``n_moments`` arrays of the shape of the weights, followed by the number
    of steps so far.

    Parameters
    ----------
    learning_rate, schedule, batch_size, max_iter, random_state
        As in :class:`SGD`.
    """

    minibatches = True
    n_moments: ClassVar[int]

    def __init__(
        self,
        learning_rate: float,
        *,
        schedule: str = "cosine",
        batch_size: int = 256,
        max_iter: int = 20,
        random_state: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state

    def check(self, objective: Objective) -> None:
        """Raise a ValueError if the schedule is unknown; see :class:`Solver`."""
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {SCHEDULES}, got {self.schedule!r}")

    def start(self, objective: Objective, W: Weights) -> State:
        """Evaluate the objective over one minibatch only; see :class:`Solver`."""
        rows = np.random.default_rng(self.random_state).permutation(objective.n_samples)
        value, _ = objective.subset(np.sort(rows[: self.batch_size]))(W)
        return State(W, value, memory=self.memory(W))

    def step(self, objective: Objective, state: State) -> State:
        """Make one epoch; see :class:`Solver`. The value is the mean over its minibatches."""
        n_rows, steps = objective.n_samples, state.memory[-1]
        rng = np.random.default_rng([self.random_state, steps])
        order = rng.permutation(n_rows)
        W, memory, total = state.W, state.memory, 0.0
        for first in range(0, n_rows, self.batch_size):
            index = np.sort(order[first : first + self.batch_size])
            value, gradient = objective.subset(index)(self.look_ahead(W, memory))
            total += value * len(index)
            rate = self._rate(memory[-1], n_rows)
            W, kept = self.update(W, gradient, memory[:-1], rate, memory[-1])
            memory = [*kept, memory[-1] + 1]
        return State(W, total / n_rows, memory=memory)

    def _rate(self, steps: int, n_rows: int) -> float:
        """Return the learning rate of a step, by the schedule."""
        epochs = steps * self.batch_size / n_rows
        if self.schedule == "inverse":
            return self.learning_rate / (1 + epochs)
        if self.schedule == "cosine":
            part = min(epochs / self.max_iter, 1.0)
            return self.learning_rate * float(np.cos(np.pi / 2 * part))
        return self.learning_rate

    def memory(self, W: Weights) -> list[Any]:
        """Return the memory before the first step: moments of 0 and no steps."""
        return [*np.zeros((self.n_moments, *W.shape)), 0]

    def look_ahead(self, W: Weights, memory: list[Any]) -> Weights:
        """Return the weights at which the gradient is taken."""
        return W

    @abstractmethod
    def update(
        self, W: Weights, gradient: Weights, moments: Moments, rate: float, steps: int
    ) -> tuple[Weights, Moments]:
        """Return the weights and the moments after a step of this rate; ``steps`` came before."""


class SGD(MinibatchSolver):
    """Stochastic gradient descent with momentum: ``v = momentum * v - rate * g``, ``W += v``.

    With ``nesterov`` the gradient is taken at ``W + momentum * v``.

    Parameters
    ----------
    learning_rate : float > 0
        Length of a step by the gradient's.
    momentum : float in [0, 1)
        Share of the last velocity that is kept.
    nesterov : bool
        Take the gradient where the velocity leads.
    schedule : {"constant", "inverse", "cosine"}
        Rate over time: constant, divided by 1 plus the number of epochs so far, or a quarter of a
        cosine that ends at 0 after ``max_iter`` epochs.
    batch_size : int
        Rows of a step.
    max_iter : int
        Epochs: passes over all rows.
    random_state : int
        Seed of the order of the rows.

    References
    ----------
    I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML
    2013. CS231n, Neural Networks 3, "Parameter updates".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> Softmax(standardize=True, solver=SGD(0.1, batch_size=16)).fit(X, y).score(X, y) > 0.9
    True
    """

    n_moments = 1  # the velocity

    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        schedule: str = "cosine",
        batch_size: int = 256,
        max_iter: int = 20,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            learning_rate,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=max_iter,
            random_state=random_state,
        )
        self.momentum = momentum
        self.nesterov = nesterov

    def look_ahead(self, W: Weights, memory: list[Any]) -> Weights:
        """Return ``W + momentum * v`` with ``nesterov``, otherwise ``W``."""
        return W + self.momentum * memory[0] if self.nesterov else W

    def update(
        self, W: Weights, gradient: Weights, moments: Moments, rate: float, steps: int
    ) -> tuple[Weights, Moments]:
        """Return the weights and the velocity after a step."""
        velocity = self.momentum * moments[0] - rate * gradient
        return W + velocity, [velocity]


class Adam(MinibatchSolver):
    """Adam (Kingma and Ba 2015): steps scaled by running moments of each weight's gradient.

    Parameters
    ----------
    beta1, beta2 : float in [0, 1)
        Decay of the running mean and of the running mean square.
    epsilon : float > 0
        Added to the root of the mean square, by which a step is divided.
    learning_rate, schedule, batch_size, max_iter, random_state
        As in :class:`SGD`.

    References
    ----------
    D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> Softmax(standardize=True, solver=Adam(0.1, batch_size=16)).fit(X, y).score(X, y) > 0.9
    True
    """

    n_moments = 2  # the mean and the mean square

    def __init__(
        self,
        learning_rate: float = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule: str = "cosine",
        batch_size: int = 256,
        max_iter: int = 20,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            learning_rate,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=max_iter,
            random_state=random_state,
        )
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def update(
        self, W: Weights, gradient: Weights, moments: Moments, rate: float, steps: int
    ) -> tuple[Weights, Moments]:
        """Return the weights and the moments after a step."""
        mean = self.beta1 * moments[0] + (1 - self.beta1) * gradient
        square = self.beta2 * moments[1] + (1 - self.beta2) * gradient**2
        unbiased = mean / (1 - self.beta1 ** (steps + 1))
        scale = np.sqrt(square / (1 - self.beta2 ** (steps + 1))) + self.epsilon
        return W - rate * unbiased / scale, [mean, square]
