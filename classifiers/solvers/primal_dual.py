"""``PrimalDual``: the fast solver, which ends with a proof of how far from the optimum it is."""

from dataclasses import dataclass, field, replace

import numpy as np

from visualwords.classifiers.certificate import Bound, certify
from visualwords.classifiers.objective import Certificate, Objective, Weights
from visualwords.classifiers.sources import take_rows

from .base import Solver, State
from .curvature import Curvature, column_gram, sample
from .lbfgs import Pairs, finish_two_loop, quasi_newton_step, start_two_loop
from .plane_search import plane_rows, search_plane

__all__ = ["PrimalDual", "settle_intercepts"]

# The sample of the first steps: so many rows a column that its optimum lies near that of all rows,
# if that is a small part of them.
ROWS_PER_COLUMN = 16
COARSER = 8
# How often in a row to begin L-BFGS anew when it finds no lower value.
PATIENCE = 4
# Part of what a search in a plane promised that makes it worth another one.
KEPT = 0.5
# Steps over the intercepts alone, of which each costs a small part of a pass over X.
SETTLING = 20
SETTLING_ROWS = 1 << 14
# From so many numbers in X on a gap of a smooth loss is trusted that was computed in float32, where
# what is left of the derivatives by the intercepts is such a part of the rarest class.
LARGE, UNBALANCED = 1 << 22, 0.05
# Rows over which the sums of a gradient in float32 are taken: 64 in registers, then up to 64 sums.
TERMS = 128
# Rows that tell the length of a row.
SAMPLED_ROWS = 1024


class PrimalDual(Solver):
    """Preconditioned L-BFGS on a smoothed loss, until the duality gap proves the answer good.

    1. *Smoothing* (Nesterov 2005). The kinks of a hinge are rounded off over a width. Each
       example's gradient is then a feasible point of the dual problem, so one pass over X gives a
       lower bound of the minimum (:meth:`Objective.certify`). The width shrinks, by as much as
       the bound asks for, until ``value - bound <= tol * value``. What the rounding costs
       falls with the square of the width, so a wide one will do.
    2. *Preconditioning*. Features are strongly correlated, and L-BFGS alone spends most of its
       steps on finding that out. Here it starts from the Hessian ``c * X^T X / n + alpha``, whose
       first term is estimated on some rows; ``c`` is measured along the last step.
    3. *Coarse to fine*. The first steps are made on a sample of the rows.
    4. *Plane search*. Where X is large and the loss smooth, a step ends at the minimum in the plane
       of the weights and L-BFGS's direction, found on some rows (:mod:`.plane_search`): as long as
       all rows keep half of what these promise.
    5. *Precision*. Where sums in float32 show no lower value any more, they are taken in float64.

    For a smooth loss the width is without meaning, and the gap is the squared norm of the
    gradient divided by ``2 * alpha``. Without a penalty there is no bound, and the solver stops
    when no lower value is found.

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
        """Refuse a loss that has kinks but cannot be smoothed, and a penalty that is not L2."""
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
        gram = column_gram(objective, self.random_state)
        progress = _Progress(objective.smoothed(1.0), Curvature(gram, objective.penalty))
        if objective.loss.smooth:
            progress.target = self.tol / 3
            progress.rows = plane_rows(objective, self.random_state + 1)
            progress.smooth, progress.error = True, _gradient_error(objective)
        n_coarse = max(ROWS_PER_COLUMN * objective.X.shape[1], 2048)
        if not W.any() and COARSER * n_coarse <= objective.n_samples:
            W = self._coarse(objective, W, n_coarse, progress)
        return _evaluate(progress, W)

    def _coarse(
        self, objective: Objective, W: Weights, n_rows: int, progress: "_Progress"
    ) -> Weights:
        """Solve for a sample, whose optimum is off by some per cent, to a gap of as much."""
        rows = objective.subset(sample(objective, n_rows, self.random_state))
        part = _Progress(rows.smoothed(1.0), progress.curvature)
        if objective.loss.smooth:
            part.rows = plane_rows(rows, self.random_state + 1)
        state = _evaluate(part, W)
        for _ in range(self.max_iter):
            state = self._step(state, max(self.tol, 0.02))
            if state.stop:
                break
        progress.objective = objective.smoothed(part.width)
        if objective.loss.smooth:
            # The sample's own curvature, which the pairs tell, is a worse model than the columns'.
            progress.curvature.measure(part.pairs)
        else:
            progress.width, progress.target, progress.pairs = part.width, part.target, part.pairs
        return state.W

    def step(self, objective: Objective, state: State) -> State:
        """Make one step; see :class:`Solver`."""
        return self._step(state, self.tol)

    def _step(self, state: State, tol: float) -> State:
        progress: _Progress = state.memory
        after = quasi_newton_step(
            progress.objective,
            state,
            progress.pairs,
            self.memory,
            progress.curvature.inverse,
            progress.search,
        )
        progress.pairs, after.memory = after.memory, progress
        if after.stop and progress.objective.X.dtype != np.float64:
            progress.use_double()
            return _evaluate(progress, after.W)
        if after.stop or _distance(progress.objective, after) <= progress.target * after.value:
            return _review(after, tol)
        return after


@dataclass
class _Progress:
    """The smoothing at hand, how well it is to be solved, and what L-BFGS knows of it."""

    objective: Objective
    curvature: Curvature
    width: float = 1.0
    target: float = 0.02
    pairs: Pairs = field(default_factory=list)
    rows: Objective | None = None
    stuck: int = 0
    smooth: bool = False
    error: float = 0.0

    def use_double(self) -> None:
        """Go on with sums in float64; differences of gradients so far are of sums in float32."""
        self.objective, self.pairs = self.objective.in_double(), []
        self.rows, self.error = None, 0.0

    def allowing(self, certificate: Certificate) -> Certificate:
        """Add what the rounding of sums in float32 can hide of the gradient of a smooth loss."""
        if not (self.error and certificate.distance and self.objective.alpha):
            return certificate
        alpha = self.objective.alpha
        error = self.error * float(np.sqrt(2 * min(1.0, certificate.value)))
        length = float(np.sqrt(2 * alpha * certificate.distance)) + error
        return replace(certificate, distance=length**2 / (2 * alpha))

    def trusts(self, certificate: Certificate) -> bool:
        """Whether a bound by sums in the dtype of X needs no proof in float64.

        A proof would take a good part of the time of a fit where X is large and the loss smooth.
        There errors of the scores matter to second order only, those of the gradient are allowed
        for, and the classes are balanced up to a small part of the rarest.
        """
        objective = self.objective
        if objective.n_samples * objective.X.shape[1] < LARGE or not self.smooth:
            return False
        weight = objective.sample_weight
        of_classes = np.bincount(objective.y, weight, minlength=objective.n_classes)
        return certificate.intercepts <= UNBALANCED * of_classes.min() / of_classes.sum()

    def search(self, state: State, direction: Weights) -> State | None:
        """Make a step by a search in a plane on some rows, while these can tell of all."""
        if self.rows is None:
            return None
        W, promise = search_plane(self.rows, state, direction)
        value, gradient = self.objective(W)
        kept = (state.value - value) / promise if promise > 0 else 0.0
        if not kept >= KEPT:
            self.rows = None
        return State(W, value, gradient) if kept > 1e-4 else None


def _evaluate(progress: _Progress, W: Weights) -> State:
    value, gradient = progress.objective(W)
    return State(W, value, gradient, progress)


def _gradient_error(objective: Objective) -> float:
    """Bound what float32 takes of the norm of a gradient, for derivatives of a mean square of 1.

    A sum of products ``a_i x_ij`` over ``TERMS`` rows in a row is off by at most ``TERMS`` times
    half the precision, times the sum of their absolute values; that is at most the product of the
    root mean squares.
    """
    if objective.X.dtype == np.float64:
        return 0.0
    if objective.scaling is not None:
        squares = 1 + (objective.scaling.mean / objective.scaling.scale) ** 2
        length = float(np.sqrt(squares.sum()))
    else:
        rows = take_rows(objective.X, sample(objective, SAMPLED_ROWS, 0))
        length = 2 * float(np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1).mean()))
    return TERMS * float(np.finfo(np.float32).eps) / 2 * length


def _distance(objective: Objective, state: State) -> float:
    """Give the part of the duality gap that further steps lower."""
    assert state.gradient is not None
    return objective.penalty.gap(state.W, state.gradient)


def _review(state: State, tol: float) -> State:
    """Certify what was reached; stop, or go on with a narrower smoothing or a nearer target."""
    progress: _Progress = state.memory
    certificate, W = _settled(state, tol)
    value, gap, proof = certificate.value, certificate.gap, None
    if gap <= tol * value and not progress.trusts(certificate):
        W, proof = _prove(progress, W, tol)
        value, gap = proof
        if gap > tol * value and progress.objective.X.dtype != np.float64:
            progress.use_double()
            return _evaluate(progress, W)
    if gap <= tol * value:
        return State(W, value, None, progress, "the duality gap is within tol", gap)
    progress.stuck = progress.stuck + 1 if state.stop or proof else 0
    if progress.stuck == PATIENCE:
        reason = state.stop or "float64 can prove no smaller gap"
        dual = None if proof else progress.objective.loss
        return State(W, value, None, progress, reason, gap, dual)
    if state.stop:
        progress.pairs = []
    _aim(progress, certificate, tol)
    return replace(state, stop="") if _is_smooth(state) and W is state.W else _evaluate(progress, W)


def _settled(state: State, tol: float) -> tuple[Certificate, Weights]:
    """Certify a state, with other intercepts where only these are in the way."""
    progress: _Progress = state.memory
    certificate, W = _certify(state), state.W
    room = tol * certificate.value - (certificate.gap - certificate.intercepts)
    if progress.objective.fit_intercept and 0 <= room < certificate.intercepts:
        W = settle_intercepts(progress.objective, W, progress.curvature.c, room / 4, state.gradient)
        certificate = progress.allowing(progress.objective.certify(W))
    return certificate, W


def _prove(progress: _Progress, W: Weights, tol: float) -> tuple[Weights, Bound]:
    """Bound the gap in float64, with other intercepts where these do not prove it."""
    itself, loss = progress.objective.smoothed(0.0), progress.objective.loss
    proof = certify(itself, W, loss)
    if proof.gap <= tol * proof.value or not itself.fit_intercept:
        return W, proof
    settled = settle_intercepts(progress.objective.in_double(), W, progress.curvature.c, 0.0)
    other = certify(itself, settled, loss)
    return (settled, other) if other.gap < proof.gap else (W, proof)


def _certify(state: State) -> Certificate:
    """Certify a state, for a smooth loss by the value and gradient that it has."""
    objective: Objective = state.memory.objective
    if _is_smooth(state) and state.gradient is not None:
        certificate = objective.certificate(state.W, state.value, state.gradient)
    else:
        certificate = objective.certify(state.W)
    return state.memory.allowing(certificate)


def _is_smooth(state: State) -> bool:
    """Whether the loss itself is, not only its smoothing at hand."""
    return bool(state.memory.objective.loss.smoothed(0.0).smooth)


def _aim(progress: _Progress, certificate: Certificate, tol: float) -> None:
    """Choose the next width and target from what the gap is made of."""
    wanted = tol / 2 * certificate.value
    if certificate.slack <= wanted:
        progress.target /= 4
        return
    shrink = float(np.clip(np.sqrt(0.9 * wanted / certificate.slack), 0.3, 0.8))
    progress.width *= shrink
    progress.objective = progress.objective.smoothed(progress.width)
    progress.target = max(tol / 3, certificate.slack * shrink**2 / certificate.value / 2)
    progress.curvature.measure(progress.pairs)


def settle_intercepts(
    objective: Objective,
    W: Weights,
    curvature: float,
    room: float,
    gradient: Weights | None = None,
) -> Weights:
    """Bring the gradient by the intercepts near 0; the scores at ``W`` are all that it needs.

    Quasi-Newton steps by gradients alone: these resolve more than values, whose differences are
    of second order. Where the gradient at ``W`` is known, a sample of the rows tells its changes.

    Parameters
    ----------
    objective : Objective
    W : ndarray of shape (n_classes, n_features + 1)
    curvature : float
        Of the mean loss by an intercept, by which the first step is divided.
    room : float
        What the intercepts may add to the gap.
    gradient : ndarray of the shape of W, optional
        At ``W``.
    """
    if gradient is not None:
        objective = objective.subset(sample(objective, SETTLING_ROWS, seed=0))
    alone = objective.replaced(
        X=np.empty((objective.n_samples, 0), objective.X.dtype),
        alpha=0.0,
        scaling=None,
        offset=objective.scores(W),
    )
    radius = max(1.0, float(np.abs(W[:, -1]).max()))
    shift = best = np.zeros(alone.shape)
    here = alone(shift)[1]
    rest = 0.0 if gradient is None else gradient[:, -1:] - here
    slope, least, pairs = here + rest, np.inf, Pairs()
    for _ in range(SETTLING):
        error = radius * float(np.abs(slope).sum())
        if error < least:
            best, least = shift, error
        if least <= room:
            break
        direction, factors = start_two_loop(slope, pairs)
        last = pairs[-1][1] if pairs else slope
        step = -finish_two_loop(direction / curvature, last / curvature, pairs, factors)
        before, shift = slope, shift + step
        slope = alone(shift)[1] + rest
        if (step * (slope - before)).sum() > 0:
            pairs.append((step, slope - before))
    return np.column_stack([W[:, :-1], W[:, -1:] + best])
