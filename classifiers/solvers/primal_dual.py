"""``PrimalDual``: the fast solver for many rows, with a bound on the distance to the optimum."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from visualwords.classifiers.certificate import Bound, certify
from visualwords.classifiers.objective import Certificate, Objective, Weights

from .base import Solver, State
from .curvature import Curvature
from .intercepts import settle_intercepts
from .lbfgs import quasi_newton_step
from .moments import sample
from .plane_search import plane_rows
from .progress import NEAR_WIDTH, TARGET, WIDTH, Progress
from .rounding import allowing_for_rounding, gradient_error, needs_proof

__all__ = ["PrimalDual"]

# The first steps are made on so many rows per column, if that is at most 1 / COARSER of all rows.
# The optimum of these rows lies near the optimum of all rows.
ROWS_PER_COLUMN, COARSER = 16, 8
# The solver stops after so many fresh starts of L-BFGS in a row that find no lower value.
PATIENCE = 4
# About so much of what the intercepts add to a gap stays in a proof with settled intercepts.
STAYS = 0.25
# Steps with one model of the Hessian of a smooth loss with a penalty. A model takes the time of
# some 3 to 20 steps. Without a penalty, weights may grow for ever; a better model leads them on.
RENEWED = 20


class PrimalDual(Solver):
    """Preconditioned L-BFGS on a smoothed loss that stops when the duality gap is within ``tol``.

    1. *Smoothing* (Nesterov 2005). The kinks of a hinge are rounded over a width. The gradients of
       the examples are then a feasible point of the dual problem, so one pass over X gives a lower
       bound of the minimum (:meth:`Objective.certify`). The solver reduces the width until
       ``value - bound <= tol * value``. The error of the rounding falls with the square of the
       width, so a wide one is enough.
    2. *Preconditioning*. Features are strongly correlated, and L-BFGS alone needs many steps to
       learn the correlations. Here it starts from the Hessian ``c * X^T D X / n + alpha``. ``D`` is
       the curvature of a smooth loss at each of a sample of rows (1 for a hinge and at weights of
       0). For a smooth loss with a penalty, the model is computed anew every 20 steps, and ``c`` is
       measured along the last step; for a hinge it is measured whenever the width changes.
    3. *Coarse to fine*. The first steps are made on a sample of the rows.
    4. *Plane search*. If X is large and the loss smooth, a step ends at the minimum in the plane of
       the weights and the direction of L-BFGS, as a sample of rows gives it (:mod:`.plane_search`).
    5. *Precision*. When float32 sums show no lower value, the solver goes on with float64 sums. A
       proof in float64 (:func:`.certify`) is last; with a smooth loss a large X needs none.

    A smooth loss has no width. Its gap is the squared norm of the gradient divided by
    ``2 * alpha``. Without a penalty there is no bound, and the solver stops at the lowest value.

    Parameters
    ----------
    tol : float
        Stop when the duality gap is at most ``tol`` times the value.
    max_iter : int
    memory : int
        Pairs of differences kept by L-BFGS.
    random_state : int
        Seed of the samples of rows.

    References
    ----------
    Y. Nesterov, Smooth minimization of non-smooth functions, Math. Programming 103 (2005).
    J. Nocedal and S. Wright, Numerical Optimization, 2006, chapter 7.
    """

    converges = True

    def __init__(
        self, tol: float = 1e-4, max_iter: int = 1000, memory: int = 10, random_state: int = 0
    ) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.memory = memory
        self.random_state = random_state

    def check(self, objective: Objective) -> None:
        """Refuse a loss with kinks that cannot be smoothed, and a penalty that is not L2."""
        loss = objective.loss
        if not loss.smooth and loss.smoothed(1.0) is loss:
            raise ValueError(
                f"PrimalDual cannot minimise {type(loss).__name__}: it has kinks and defines no "
                "smoothed(width); use LBFGS or SGD"
            )
        if objective.penalty.curvature is None:
            raise ValueError(
                f"PrimalDual needs an L2 penalty, got {objective.penalty!r}; use LBFGS or SGD"
            )

    def start(self, objective: Objective, W: Weights) -> State:
        """Begin with a solution for a sample of the rows; see :class:`Solver`."""
        curvature = Curvature.of(objective, self.random_state, W)
        progress = Progress(objective.smoothed(WIDTH), curvature)
        if objective.loss.smooth:
            progress.target = self.tol / 3
            progress.rows = plane_rows(objective, self.random_state + 1)
            progress.error = gradient_error(objective)
        n_coarse = max(ROWS_PER_COLUMN * objective.X.shape[1], 2048)
        if not W.any() and COARSER * n_coarse <= objective.n_samples:
            W = self._coarse(objective, W, n_coarse, progress)
        elif W.any() and not objective.loss.smooth:
            progress.smooth(NEAR_WIDTH, max(self.tol / 3, TARGET * NEAR_WIDTH**2))
        return progress.state_at(W)

    def _coarse(self, objective: Objective, W: Weights, n_rows: int, progress: Progress) -> Weights:
        """Return a rough solution for a sample of rows, whose optimum is off by some per cent."""
        rows = objective.subset(sample(objective, n_rows, self.random_state))
        part = Progress(rows.smoothed(WIDTH), progress.curvature, coarse=True)
        if objective.loss.smooth:
            part.rows = plane_rows(rows, self.random_state + 1)
        state, steps = part.state_at(W), 0
        while not state.stop and steps < self.max_iter:
            state, steps = self._step(state, max(self.tol, 0.02)), steps + 1
        if objective.loss.smooth:  # differences on a sample are a worse model than the columns
            progress.renew(self.random_state, state.W, part.pairs)
        else:
            progress.pairs = part.pairs
            progress.smooth(part.width, part.target)
        return state.W

    def step(self, objective: Objective, state: State) -> State:
        """Make one step; see :class:`Solver`."""
        return self._step(state, self.tol)

    def _step(self, state: State, tol: float) -> State:
        now: Progress = state.memory
        if now.age >= RENEWED and now.pairs and now.is_smooth and now.objective.alpha > 0:
            now.renew(self.random_state, state.W, now.pairs)
        now.age += 1
        after = quasi_newton_step(
            now.objective, state, now.pairs, self.memory, now.curvature.inverse, now.search
        )
        now.pairs, after.memory = after.memory, now
        if after.stop and now.objective.X.dtype != np.float64:
            now.use_double()
            return now.state_at(after.W)
        if after.stop or _distance(now.objective, after) <= now.target * after.value:
            return _review(after, tol)
        after.smoothed = not now.is_smooth
        return after


def _distance(objective: Objective, state: State) -> float:
    """Return the part of the duality gap that further steps lower."""
    assert state.gradient is not None
    return objective.penalty.gap(state.W, state.gradient)


class _Reviewed(NamedTuple):
    """What is known of how far weights are above the minimum.

    ``certificate`` comes from sums in the dtype of X, ``proof`` from sums in float64.
    """

    W: Weights
    certificate: Certificate
    proof: Bound | None = None

    @property
    def bound(self) -> Bound:
        """The proof; where there is none, what the certificate says."""
        return self.proof or Bound(self.certificate.value, self.certificate.gap)

    def is_within(self, tol: float) -> bool:
        """Whether the gap is at most ``tol`` times the value."""
        return self.bound.gap <= tol * self.bound.value


def _review(state: State, tol: float) -> State:
    """Bound the gap of a state, then stop or go on."""
    progress: Progress = state.memory
    found = _bounded(state, tol)
    if found.is_within(tol):
        return _last_state(progress, found, "the duality gap is within tol")
    if found.proof and progress.objective.X.dtype != np.float64:
        progress.use_double()
        return progress.state_at(found.W)
    progress.stuck = progress.stuck + 1 if state.stop or found.proof else 0
    if progress.stuck == PATIENCE:
        last = _last_state(progress, found, state.stop or "float64 can prove no smaller gap")
        last.dual = None if found.proof else progress.objective.loss
        return last
    return _go_on(state, found, tol)


def _last_state(progress: Progress, found: _Reviewed, reason: str) -> State:
    """Return the state at which the solver stops."""
    value, gap = found.bound
    return State(found.W, value, memory=progress, stop=reason, gap=gap)


def _go_on(state: State, found: _Reviewed, tol: float) -> State:
    """Return the state to go on from, with a narrower smoothing or a lower target."""
    progress: Progress = state.memory
    if state.stop:
        progress.pairs = []
    _aim(progress, found.certificate, tol)
    if progress.is_smooth and found.W is state.W:
        return replace(state, stop="")
    return progress.state_at(found.W)


def _bounded(state: State, tol: float) -> _Reviewed:
    """Bound the gap of a state by a certificate, and by a proof if that says it is within ``tol``.

    The gap has a part that only further steps lower. If that part is within ``tol`` but the part
    of the intercepts is in the way, the intercepts are brought to their minimum first.
    """
    progress: Progress = state.memory
    found = _Reviewed(state.W, _certify(state))
    certificate = found.certificate
    room = tol * certificate.value - (certificate.gap - certificate.intercepts)
    if room < 0:
        return found
    if progress.objective.fit_intercept and room < certificate.intercepts:
        if _is_proved_here(state) and not state.stop and room < STAYS * certificate.intercepts:
            return found
        found = _with_settled_intercepts(state, found.certificate, tol, room / 4)
    if found.proof or progress.coarse or not found.is_within(tol):
        return found
    if not needs_proof(found.certificate, progress.objective):
        return found
    return _proved(progress, found, tol)


def _with_settled_intercepts(
    state: State, certificate: Certificate, tol: float, room: float
) -> _Reviewed:
    """Bound the gap of a state with other intercepts, which may add ``room`` to it.

    For a loss with kinks the proof itself tells whether these intercepts suffice.
    """
    progress: Progress = state.memory
    objective = progress.objective
    W = settle_intercepts(objective, state.W, progress.curvature.c, room, state.gradient)
    if _is_proved_here(state):
        proof = certify(objective.smoothed(0.0), W, objective.loss)
        found = _Reviewed(W, certificate, proof)
        return found if found.is_within(tol) else found._replace(proof=None)
    return _Reviewed(W, allowing_for_rounding(objective.certify(W), objective, progress.error))


def _proved(progress: Progress, found: _Reviewed, tol: float) -> _Reviewed:
    """Prove the gap in float64, with other intercepts if the gap is above the tolerance."""
    itself, loss = progress.objective.smoothed(0.0), progress.objective.loss
    found = found._replace(proof=certify(itself, found.W, loss))
    if found.is_within(tol) or not itself.fit_intercept:
        return found
    W = settle_intercepts(progress.objective.in_double(), found.W, progress.curvature.c, 0.0)
    other = found._replace(W=W, proof=certify(itself, W, loss))
    return other if other.bound.gap < found.bound.gap else found


def _certify(state: State) -> Certificate:
    """Bound the gap of a state; a smooth loss needs its value and gradient alone."""
    objective: Objective = state.memory.objective
    if state.memory.is_smooth and state.gradient is not None:
        certificate = objective.certificate(state.W, state.value, state.gradient)
    else:
        certificate = objective.certify(state.W, state.gradient)
    return allowing_for_rounding(certificate, objective, state.memory.error)


def _is_proved_here(state: State) -> bool:
    """Whether the proof itself says if settled intercepts suffice: a loss with kinks, all rows."""
    return not (state.memory.coarse or state.memory.is_smooth)


def _aim(progress: Progress, certificate: Certificate, tol: float) -> None:
    """Choose the next width and target from the parts of the gap."""
    wanted = tol / 2 * certificate.value
    if certificate.slack <= wanted:
        progress.target /= 4
        return
    shrink = float(np.clip(np.sqrt(0.9 * wanted / certificate.slack), 0.3, 0.8))
    target = max(tol / 3, certificate.slack * shrink**2 / certificate.value / 2)
    progress.smooth(progress.width * shrink, target)
    progress.curvature.measure(progress.pairs)
