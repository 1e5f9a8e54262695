"""``Minimizer`` and ``Solver``: the base classes of the optimizers, with the one loop of all."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from visualwords.checks import check_integer, check_real
from visualwords.classifiers.certificate import certify
from visualwords.classifiers.losses import Loss
from visualwords.classifiers.objective import Objective, Weights

__all__ = [
    "RULES",
    "Minimizer",
    "Result",
    "Rule",
    "Solver",
    "State",
    "check_dual_form",
    "within_range",
]

# What a parameter of that name must be, for every optimizer that has one.
Rule = Callable[[str, object], Any]
_share = partial(check_real, least=0, below=1)
RULES: dict[str, Rule] = {
    "max_iter": partial(check_integer, least=0),
    "batch_size": check_integer,
    "memory": check_integer,
    "random_state": partial(check_integer, least=0),
    "tol": partial(check_real, least=0),
    "learning_rate": partial(check_real, above=0),
    "scale": partial(check_real, above=0),
    "momentum": _share,
    "beta1": _share,
    "beta2": _share,
    "epsilon": partial(check_real, above=0),
}


@dataclass
class State:
    """The present state of an optimizer.

    Attributes
    ----------
    W : ndarray of shape (n_classes, n_features + 1)
    value : float
        The objective at ``W``. Minibatch solvers give the mean over the minibatches of the epoch.
    gradient : ndarray of the shape of W, or None if the optimizer uses none
    memory : Any
        What the optimizer keeps between steps.
    stop : str
        The reason to stop; empty while the optimizer goes on.
    gap : float
        Upper bound on the distance of ``value`` to the minimum; infinity if there is none.
    dual : Loss or ndarray of shape (n, n_classes), optional
        The dual point that proves the gap in float64; see :func:`.certify`.
    smoothed : bool
        Whether ``value`` is that of a smoothed loss.
    fell_back : bool
        Whether an optimizer of a ``Fallback`` fell short before this state.
    """

    W: Weights
    value: float
    gradient: Weights | None = None
    memory: Any = None
    stop: str = ""
    gap: float = np.inf
    dual: Loss | npt.NDArray[np.float64] | None = None
    smoothed: bool = False
    fell_back: bool = False

    def prove(self, objective: Objective) -> "State":
        """Replace value and gap by those computed in float64, where there is a dual point.

        The value of a smoothed loss is replaced by that of the loss itself.

        Returns
        -------
        State
            The state itself.
        """
        if self.dual is not None and objective.alpha and np.isfinite(self.value):
            self.value, self.gap = certify(objective, self.W, self.dual)
            self.dual = None
        elif self.smoothed and np.isfinite(self.value):
            self.value, self.smoothed = objective.value(self.W), False
        return self

    def stop_within(self, tol: float) -> "State":
        """Set the reason to stop if the gap is at most ``tol`` times the value; return the state.

        A solver calls it after :meth:`prove`, because rounding can lift a gap above ``tol``.
        """
        if self.gap <= tol * self.value:
            self.stop = "the duality gap is within tol"
        return self


@dataclass
class Result:
    """The outcome of an optimizer.

    Attributes
    ----------
    W : ndarray of shape (n_classes, n_features + 1)
        After the last step; if the optimizer diverged, the last weights with a finite value.
    value : float
        After the last step.
    values : list of float
        The objective at the start and after each step.
    iterates : list of ndarray
        The weights at the start and after each step, if ``keep_iterates`` is set.
    reason : str
        Why the optimizer stopped; ``"max_iter"`` if it did not stop by itself.
    gap : float
        Upper bound on the distance of ``value`` to the minimum; infinity if there is none.
    fell_back : bool
        Whether the first optimizer of a ``Fallback`` fell short.
    """

    W: Weights
    value: float
    values: list[float]
    iterates: list[Weights] = field(repr=False)
    reason: str = "max_iter"
    gap: float = np.inf
    fell_back: bool = False

    @property
    def n_iter(self) -> int:
        """Number of steps."""
        return len(self.values) - 1


class Minimizer(BaseEstimator):
    """Base class of whatever minimises an objective in steps. A subclass defines ``states``.

    Parameters
    ----------
    max_iter : int
    """

    max_iter: int
    # Whether the minimizer is expected to stop by itself before max_iter.
    converges: ClassVar[bool] = False
    # Whether some tens of steps are enough for nearly any data and penalty.
    robust: ClassVar[bool] = False
    # Whether it is a MinibatchSolver, whose steps partial_fit can make.
    minibatches: ClassVar[bool] = False
    rules: ClassVar[dict[str, Rule]] = RULES

    @property
    def name(self) -> str:
        """Name of the minimizer in messages."""
        return type(self).__name__

    @property
    def fallback(self) -> "Minimizer":
        """The minimizer to use where quicker ones before it fell short; itself if it is alone."""
        return self

    def checked(self) -> Self:
        """Return a copy with parameters of Python's own types.

        Raises
        ------
        ValueError
            If one is out of range.
        """
        other = copy(self)
        for name in sorted(self.rules.keys() & vars(self).keys()):
            setattr(other, name, self.rules[name](name, getattr(self, name)))
        return other

    @abstractmethod
    def states(self, objective: Objective, W: Weights) -> Iterator[State]:
        """Yield the state at ``W`` and after each step."""

    @np.errstate(over="ignore", invalid="ignore")  # the value tells that it diverged
    def minimize(
        self,
        objective: Objective,
        W: Weights,
        *,
        keep_iterates: bool = False,
        callback: Callable[[State], bool | None] | None = None,
    ) -> Result:
        """Minimise the objective, starting at ``W``.

        Parameters
        ----------
        objective : Objective
        W : ndarray of shape (n_classes, n_features + 1)
            Not changed.
        keep_iterates : bool
            Keep the weights after each step.
        callback : callable, optional
            Called with the state at the start and after each step. The optimizer stops if it
            returns True.

        Returns
        -------
        Result
        """
        values, iterates = [], []
        for state in self.checked().states(objective, W):
            values.append(state.value)
            W = state.W if np.isfinite(state.value) else W
            iterates += [state.W] * keep_iterates
            if callback is not None and callback(state):
                state.stop = state.stop or "the callback asked to stop"
                break
        state.prove(objective)
        values[-1] = state.value
        reason = state.stop or "max_iter"
        return Result(W, state.value, values, iterates, reason, state.gap, state.fell_back)


class Solver(Minimizer):
    """Base class of the optimizers. A subclass defines ``step`` and may define ``start``.

    Parameters
    ----------
    max_iter : int
    """

    def check(self, objective: Objective) -> None:
        """Raise a ValueError if this optimizer cannot minimise the objective."""

    def start(self, objective: Objective, W: Weights) -> State:
        """Return the state at the first weights."""
        value, gradient = objective(W)
        return State(W, value, gradient)

    @abstractmethod
    def step(self, objective: Objective, state: State) -> State:
        """Return the state after one step, with a reason in ``stop`` if it is the last step."""

    def states(self, objective: Objective, W: Weights) -> Iterator[State]:
        """Yield the state at ``W`` and after each step: the loop of all optimizers."""
        self.check(objective)
        with objective:
            state = self.start(objective, W.copy())
            yield state
            for _ in range(self.max_iter):
                if state.stop:
                    break
                state = self.step(objective, state)
                if not within_range(objective, state):
                    state.value = state.value if not np.isfinite(state.value) else np.inf
                    state.stop = "the value is not finite"
                elif not objective.alpha and state.value <= np.finfo(float).eps:
                    state.stop = state.stop or "the value is 0 within rounding"
                yield state


def within_range(objective: Objective, state: State) -> bool:
    """Whether the value is finite and the dtype of the rows can hold the weights."""
    largest = float(np.finfo(objective.X.dtype).max)
    return bool(np.isfinite(state.value) and np.abs(state.W).max() <= largest)


def check_dual_form(solver: Solver, objective: Objective) -> None:
    """Refuse a loss without a dual form, and an objective without an L2 penalty.

    Raises
    ------
    ValueError
        If the loss has no ``dual_box`` or its dual form is none of those that :class:`Loss` allows,
        or if ``alpha`` is 0.
    """
    loss = objective.loss
    if loss.dual_box is None:
        raise ValueError(
            f"{solver.name} cannot minimise {loss!r}: it needs a loss with a dual_box, such as "
            "Hinge or SquaredHinge; use PrimalDual"
        )
    form = (
        f"dual_box={loss.dual_box}, dual_sum={loss.dual_sum}, dual_curvature={loss.dual_curvature}"
    )
    if np.isfinite(loss.dual_sum) and not (loss.coupled and loss.dual_box >= loss.dual_sum):
        raise ValueError(
            f"{solver.name} cannot minimise {loss!r}: a finite dual_sum needs coupled=True and a "
            f"dual_box of at least dual_sum, got coupled={loss.coupled}, {form}; use PrimalDual"
        )
    if min(loss.dual_box, loss.dual_sum) == np.inf and not loss.dual_curvature > 0:
        raise ValueError(
            f"{solver.name} cannot minimise {loss!r}: a loss with unlimited slopes needs a "
            f"dual_curvature above 0, got {form}"
        )
    if not objective.alpha > 0:
        raise ValueError(
            f"{solver.name} needs an L2 penalty with alpha > 0, got alpha={objective.alpha!r}; use "
            "PrimalDual or LBFGS"
        )
