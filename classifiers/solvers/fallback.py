"""``Fallback``: several optimizers, one after the other until one meets the tolerance."""

from collections.abc import Iterator

from sklearn.base import clone

from visualwords.classifiers.objective import Objective, Weights

from .base import Minimizer, Solver, State

__all__ = ["Fallback"]


class Fallback(Minimizer):
    """Several optimizers: where one stops short of the tolerance, the next one goes on.

    Parameters
    ----------
    solvers : list of Solver
    tol : float
        Stop when the duality gap is at most ``tol`` times the value. It replaces the ``tol`` of
        each solver.
    random_state : int
        It replaces the ``random_state`` of each solver that has one.
    """

    converges = True

    name = "the default solver"

    def __init__(self, solvers: list[Solver], tol: float, random_state: int = 0) -> None:
        self.solvers = solvers
        self.tol = tol
        self.random_state = random_state

    @property
    def max_iter(self) -> int:  # type: ignore[override]
        """Sum of the steps of all solvers."""
        return sum(solver.max_iter for solver in self.solvers)

    @property
    def fallback(self) -> "Fallback":
        """The last of the optimizers alone, if it is robust; otherwise all of them."""
        if not self.solvers[-1].robust:
            return self
        return Fallback(self.solvers[-1:], self.tol, self.random_state)

    def states(self, objective: Objective, W: Weights) -> Iterator[State]:
        """Yield the states of each solver, then the best of the last states."""
        last: list[State] = []
        with objective:
            for number, solver in enumerate(map(clone, self.solvers)):
                own = {"tol", "random_state"} & solver.get_params().keys()
                solver.set_params(**{name: getattr(self, name) for name in own})
                for i, state in enumerate(solver.checked().states(objective, W)):
                    state.fell_back = number > 0
                    if i or number == 0:  # the others start where the one before stopped
                        yield state
                state.prove(objective)
                if state.gap <= self.tol * state.value:
                    return
                last.append(state)
                W = state.W
            best = min(last, key=lambda state: state.value)
            best.fell_back = True
            yield best
