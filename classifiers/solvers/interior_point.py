"""``InteriorPoint``: a robust solver for hinges with few weights and any data."""

from dataclasses import dataclass

import numpy as np

from visualwords.classifiers.objective import Objective, Weights

from .base import Solver, State, check_dual_form
from .interior_path import Path, make_paths

__all__ = ["InteriorPoint"]

# Steps in which the gap does not fall by a tenth, because of rounding. Weights of very different
# size make 16 such steps on the way.
STUCK = 30


class InteriorPoint(Solver):
    """Primal-dual interior point method that stops when the duality gap is within ``tol``.

    With a loss that has a dual form (see :class:`Loss`), the objective is a quadratic programme.
    For example ``i``, ``a_ik`` is the slope of the loss in the ``k``-th margin ``m_ik``, and
    ``xi_ik`` is the multiplier of the slope's upper bound. The multiplier of the lower bound is
    ``t_ik = xi_ik + dual_curvature * a_ik - m_ik``. For a hinge, ``xi`` is the smallest number
    above the margin and 0, and ``t`` is the distance of the margin to ``xi``. The optimum satisfies

    - ``a t = 0``,
    - ``(dual_box - a) xi = 0`` if ``dual_box`` is finite,
    - ``xi = 0`` if neither ``dual_box`` nor ``dual_sum`` is finite (the squared hinge),
    - if ``dual_sum`` is finite (the hinge of Crammer and Singer), ``xi`` is equal for all margins
      of an example. The example's own class has the margin 0 without a curvature, and the slopes
      of the example sum to ``dual_sum``.

    Newton's method is applied to these equations with ``mu`` in place of 0. A trial step shows how
    fast ``mu`` may fall to 0 (Mehrotra 1992). Every step keeps ``a``, ``t``, ``xi`` and
    ``dual_box - a`` above 0, where the equations have them.

    A step solves one linear system in the weights. Its matrix is ``alpha`` plus the sum over the
    examples of ``B_i`` (x) ``x_i x_i^T``, with a matrix ``B_i`` between classes. Some tens of steps
    are enough for any data, penalty or scale of the columns, where ``PrimalDual`` and
    ``DualAscent`` may need thousands. Only sample weights of very different size with a small
    penalty make it hundreds. But the time of a step is the number of rows times the square of the
    number of weights, and its memory is 8 bytes times that square. All arithmetic is float64, on
    rows that are standardised or centred block by block. With fewer rows than columns the best
    weights are combinations of the rows. The coordinates of the rows in an orthonormal basis (a QR
    decomposition of a copy of X) then replace the columns. Without intercepts columns cannot be
    centred. They are then turned so that the first one points to the mean of the rows, and only
    that one is far from 0.

    A loss that is not coupled is one problem for each class, with a linear system, a step length
    and a ``mu`` of its own. Groups of such classes make steps until the gap of the group is within
    ``tol``.

    The gap is that of :meth:`Objective.certify` with ``a`` as the dual point. The first weights are
    ignored.

    Parameters
    ----------
    tol : float
        Stop when the duality gap is at most ``tol`` times the value. Where rounding keeps the gap
        above it, the solver stops after 30 steps without a smaller one, at the smallest.
    max_iter : int

    References
    ----------
    S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM J. Optimization
    2 (1992). J. Nocedal and S. Wright, Numerical Optimization, 2006, algorithm 16.4.

    Examples
    --------
    >>> from visualwords.classifiers import LinearSVM
    >>> X, y = np.eye(4), np.array([0, 0, 1, 1])
    >>> model = LinearSVM(0.01, solver=InteriorPoint(tol=1e-9)).fit(X, y)
    >>> model.decision_function(X).round(3)
    array([-1., -1.,  1.,  1.])
    """

    converges = True
    robust = True

    def __init__(self, tol: float = 1e-4, max_iter: int = 300) -> None:
        self.tol = tol
        self.max_iter = max_iter

    def check(self, objective: Objective) -> None:
        """Refuse a loss without a dual form and an objective without an L2 penalty."""
        check_dual_form(self, objective)

    def start(self, objective: Objective, W: Weights) -> State:
        """Start with slopes in the middle of their range; see :class:`Solver`."""
        return State(W, objective.value(W), memory=_Progress(make_paths(objective)))

    def step(self, objective: Objective, state: State) -> State:
        """Make one step of the groups above the tolerance and measure the gap; see :class:`Solver`.

        If rounding alone lifts the gap in float64 above the tolerance, all groups make a step.
        The last state is that of the least gap.
        """
        progress: _Progress = state.memory
        paths = progress.paths
        waiting = [path for path in paths if not path.gap <= self.tol * path.value] or paths
        moved = [path.advance() for path in waiting]
        if not any(moved):
            return progress.end(state, "no further step in float64")
        value, gap = sum(path.value for path in paths), sum(path.gap for path in paths)
        W = np.concatenate([path.weights() for path in paths])
        point = np.hstack([path.point() for path in paths])
        state = State(W, value, memory=progress, gap=gap, dual=point)
        progress.note(state)
        if gap <= self.tol * value:
            state.prove(objective).stop_within(self.tol)
        if not state.stop and progress.n_stuck == STUCK:
            return progress.end(state, f"rounding left no smaller gap for {STUCK} steps")
        return state


@dataclass
class _Progress:
    """The groups of classes, and the step after which their gap was least.

    Rounding can raise the gap again, by far, where the Hessian is almost singular.

    Attributes
    ----------
    paths : list of Path
    best : State or None
    least : float
        The gap of ``best`` before a proof.
    mark : float
        The gap that must fall by a tenth; ``n_stuck`` counts the steps without.
    n_stuck : int
    """

    paths: list[Path]
    best: State | None = None
    least: float = np.inf
    mark: float = np.inf
    n_stuck: int = 0

    def note(self, state: State) -> None:
        """Compare the state after a step with those before."""
        self.n_stuck += 1
        if state.gap < 0.9 * self.mark:
            self.mark, self.n_stuck = state.gap, 0
        if state.gap < self.least:
            self.best, self.least = state, state.gap

    def end(self, state: State, reason: str) -> State:
        """Return the best state, or this one if there was no step, with the reason to stop."""
        last = self.best or state
        last.stop = reason
        return last
