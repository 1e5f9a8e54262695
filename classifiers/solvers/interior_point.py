"""``InteriorPoint``: a robust solver for hinges with few weights and any data."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve, qr

from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.scaling import StandardisedRows
from visualwords.classifiers.sources import Source
from visualwords.threads import row_blocks

from .base import Solver, State, check_dual_form
from .dual_problem import centring, derivatives_by_scores, gradient_by_columns

__all__ = ["InteriorPoint"]

# Rows whose products are added to the Hessian at a time.
BLOCK_ROWS = 1024
# Part of the way to the nearest bound that a step goes.
MOST_OF_THE_WAY = 0.995
# A shorter step is rounding, not progress.
SHORTEST_STEP = 1e-6
# No further step is made below this mean of the conditions ``a t``.
LEAST_MU = 1e-30
# Relative increase of the Hessian's diagonal, so that rounding does not make it indefinite.
ROUNDING = 1e-15

Array = npt.NDArray[np.float64]


class InteriorPoint(Solver):
    """Primal-dual interior point method that stops when the duality gap is within ``tol``.

    A hinge is the smallest ``xi`` above its margins ``m`` and 0, so the objective is a quadratic
    programme. For example ``i``, ``a_ik`` is the slope of the loss in the ``k``-th margin, and
    ``t_ik = xi_ik - m_ik`` is the distance of the margin to ``xi``. The optimum satisfies

    - ``a t = 0``,
    - ``(1 - a) xi = 0`` for hinges whose slopes are at most 1,
    - ``xi = a / 2`` for the squared hinge,
    - for the hinge of Crammer and Singer, ``xi`` is equal for all margins of an example, and the
      slopes of an example sum to 1.

    Newton's method is applied to these equations with ``mu`` in place of 0. A trial step shows how
    fast ``mu`` may fall to 0 (Mehrotra 1992). Every step keeps ``a``, ``t``, ``xi`` and ``1 - a``
    above 0.

    A step solves one linear system in the weights. Its matrix is ``alpha`` plus the sum over the
    examples of ``B_i`` (x) ``x_i x_i^T``, with a matrix ``B_i`` between classes. Some tens of steps
    are enough for any data, penalty or scale of the columns, where ``PrimalDual`` and
    ``DualAscent`` may need thousands. But the time of a step is the number of rows times the square
    of the number of weights, and its memory is 8 bytes times that square. All arithmetic is
    float64, on rows that are standardised or centred block by block. With fewer rows than columns
    the best weights are combinations of the rows. The coordinates of the rows in an orthonormal
    basis (a QR decomposition of a copy of X) then replace the columns.

    The gap is that of :meth:`Objective.certify` with ``a`` as the dual point. The first weights are
    ignored.

    Parameters
    ----------
    tol : float
        Stop when the duality gap is at most ``tol`` times the value.
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

    def __init__(self, tol: float = 1e-4, max_iter: int = 100) -> None:
        self.tol = tol
        self.max_iter = max_iter

    def check(self, objective: Objective) -> None:
        """Refuse a loss without a dual form and an objective without an L2 penalty."""
        check_dual_form(self, objective)

    def start(self, objective: Objective, W: Weights) -> State:
        """Start with slopes in the middle of their range; see :class:`Solver`."""
        return State(W, objective.value(W), memory=_Path(objective))

    def step(self, objective: Objective, state: State) -> State:
        """Make one step and measure the gap; see :class:`Solver`."""
        path: _Path = state.memory
        if not path.advance():
            state.stop = "no further step in float64"
            return state
        value, gap = path.value_and_gap()
        reason = "the duality gap is within tol" if gap <= self.tol * value else ""
        W, point = path.weights(), path.point()
        return State(W, value, memory=path, stop=reason, gap=gap, dual=point)


class _Margins:
    """The margins of all examples, and derivatives by them.

    Attributes
    ----------
    there : ndarray of bool of shape (n, n_classes)
        Which margins exist: examples without weight have none.
    share : ndarray of shape (n, 1)
        Weight of each example in the mean.
    bounded, shared, coupled : bool
        Whether a slope is at most 1; whether slopes sum to 1; whether margins are ``1 + s_k - s_y``
        (and, if shared, 0 for the own class) instead of ``1 - t_k s_k``.
    """

    def __init__(self, objective: Objective) -> None:
        loss, self.y = objective.loss, objective.y
        self.rows = np.arange(len(self.y))
        self.coupled = loss.coupled
        self.shared = np.isfinite(loss.dual_sum)
        self.bounded = loss.dual_box == 1 and not self.shared
        weight = objective.sample_weight
        weight = np.ones(len(self.y)) if weight is None else weight
        self.share = (weight / weight.sum())[:, None]
        self.there = np.repeat(self.share > 0, objective.n_classes, axis=1)
        if self.coupled and not self.shared:
            self.there[self.rows, self.y] = False

    def linear(self, scores: Array) -> Array:
        """Compute the margins minus the margins at scores of 0."""
        own = scores[self.rows, self.y]
        if self.coupled:
            return scores - own[:, None]
        margins = scores.copy()
        margins[self.rows, self.y] = -own
        return margins

    def of(self, scores: Array) -> Array:
        """Compute the margins."""
        margins = self.linear(scores) + 1
        if self.shared:
            margins[self.rows, self.y] = 0
        return margins

    def by_scores(self, slopes: Array) -> Array:
        """Compute the derivatives of the mean loss by the scores."""
        return derivatives_by_scores(slopes * self.share, self.y, self.coupled)

    def changes(self, w: Array, pull: Array) -> Array:
        """Compute the changes of slopes with curvatures ``w``; shared slopes keep their sum."""
        if not self.shared:
            return w * pull
        changes = w * (pull - (w * pull).sum(axis=1, keepdims=True) / self._totals(w)[:, None])
        # Rounding would spoil the change with the largest curvature; it follows from the others.
        steepest = self.rows, w.argmax(axis=1)
        changes[steepest] = 0
        changes[steepest] = -changes.sum(axis=1)
        return changes

    def _totals(self, w: Array) -> Array:
        return np.where(w.any(axis=1), w.sum(axis=1), 1.0)

    def between(self, w: Array, rows: slice, k: int, m: int) -> Array:
        """Compute ``B_km``, the second derivative by ``s_k`` and ``s_m``, of a block's examples."""
        w, y = w[rows], self.y[rows]
        if self.shared:
            others = np.delete(w, k, axis=1).sum(axis=1) if k == m else -w[:, m]
            return w[:, k] * (others / self._totals(w))
        if not self.coupled:
            return w[:, k] * (k == m)
        if k == m:
            return w[:, k] + (y == k) * w.sum(axis=1)
        return -(w[:, k] * (y == m) + w[:, m] * (y == k))


@dataclass
class _Step:
    """Changes of the variables in one step."""

    V: Weights
    S: Array
    a: Array
    t: Array
    xi: Array


class _Path:
    """Weights ``V`` for standardised columns or a basis, scores ``S``, slopes and slacks."""

    def __init__(self, objective: Objective) -> None:
        self.objective, self.margins = objective, _Margins(objective)
        self.scaling = objective.scaling or centring(objective, self.margins.share[:, 0])
        self.basis, X = _short(StandardisedRows(objective.X, self.scaling))
        self.rows = objective.replaced(X=X, scaling=None, offset=None)
        self.V, self.S = np.zeros(self.rows.shape), np.zeros((len(X), objective.n_classes))
        if objective.offset is not None:
            self.S += objective.offset
        m = self.margins.of(self.S)
        self.xi = np.repeat(1 + np.maximum(m.max(axis=1, keepdims=True), 0), m.shape[1], axis=1)
        self.t = self.xi - m
        if self.margins.shared:
            self.a = np.full(m.shape, 1 / m.shape[1])
        else:
            self.a = np.full(m.shape, 0.5) if self.margins.bounded else 2 * self.xi

    def weights(self) -> Weights:
        """Compute the weights for the columns of the objective."""
        W = self.V
        if self.basis is not None:
            W = np.column_stack([W[:, :-1] @ self.basis.T, W[:, -1]])
        return W if self.objective.scaling is not None else self.scaling.raw(W)

    def point(self) -> Array:
        """Give the derivatives of the mean loss by the scores at the slopes."""
        return self.margins.by_scores(np.where(self.margins.there, self.a, 0.0))

    def value_and_gap(self) -> tuple[float, float]:
        """Compute the objective and an upper bound on its distance to the minimum."""
        values = self.objective.loss.values(self.S, self.margins.y)
        dual = self.a * self.margins.of(self.S)
        if not (self.margins.bounded or self.margins.shared):
            dual -= self.a**2 / 4
        value = self.objective.mean(values)
        slack = value - self._sum(dual)
        gradient = self._gradient(self.a)
        distance = self.objective.penalty.gap(self.V, gradient)
        radius = max(1.0, float(np.abs(self.V[:, -1]).max()))
        gap = slack + distance + radius * float(np.abs(gradient[:, -1]).sum())
        return value + self.objective.penalty.value(self.V), max(gap, 0.0)

    def advance(self) -> bool:
        """Make a step, and return False if there is none that makes progress."""
        if not self._complementarity() > LEAST_MU:
            return False
        w = np.where(self.margins.there, self._curvatures(), 0.0)
        try:
            factor = cho_factor(self._hessian(w), lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return False
        zero = np.zeros_like(w)
        trial = self._direction(factor, w, zero, zero)
        mu, length = self._complementarity(), self._longest(trial)
        centre = mu * (self._complementarity(length, trial) / mu) ** 3
        step = self._direction(factor, w, centre - trial.a * trial.t, centre + trial.a * trial.xi)
        length = min(1.0, MOST_OF_THE_WAY * self._longest(step))
        if not length > SHORTEST_STEP:
            return False
        for name in ("V", "S", "a", "t", "xi"):
            setattr(self, name, getattr(self, name) + length * getattr(step, name))
        return True

    def _sum(self, of_margins: Array) -> float:
        """Compute the sum over the margins of each example, then the mean over the examples."""
        there = np.where(self.margins.there, of_margins, 0.0)
        return float((there.sum(axis=1) * self.margins.share[:, 0]).sum())

    def _curvatures(self) -> Array:
        """Compute the derivatives of the slopes by the margins, ignoring the limit on their sum."""
        if self.margins.bounded:
            return 1 / (self.xi / (1 - self.a) + self.t / self.a)
        return 1 / (self.t / self.a + (0.0 if self.margins.shared else 0.5))

    def _direction(self, factor: tuple[Array, bool], w: Array, at: Array, uxi: Array) -> _Step:
        """Solve the linear equations of a step to ``a t = at`` and ``(1 - a) xi = uxi``."""
        pull = at / self.a - self.t
        if self.margins.bounded:
            pull += self.xi - uxi / (1 - self.a)
        gradient = self._gradient(self.a + self.margins.changes(w, pull))
        V = -cho_solve(factor, gradient.ravel(), check_finite=False).reshape(gradient.shape)
        S = self.rows.scores(V)
        m = self.margins.linear(S)
        a = self.margins.changes(w, pull + m)
        t = np.where(self.margins.there, (at - self.t * a) / self.a - self.t, 0.0)
        return _Step(V, S, a, t, np.where(self.margins.there, t + m, 0.0))

    def _longest(self, step: _Step) -> float:
        """Find the longest step, at most 1, that keeps all variables above 0."""
        changes = [(self.a, step.a), (self.t, step.t)]
        if self.margins.bounded:
            changes += [(1 - self.a, -step.a), (self.xi, step.xi)]
        return 1 / max(1.0, *(float((-change / before).max()) for before, change in changes))

    def _complementarity(self, length: float = 0.0, step: _Step | None = None) -> float:
        """Compute the mean of ``a t`` and ``(1 - a) xi`` over all conditions, after a step."""
        a, t, xi = self.a, self.t, self.xi
        if step is not None:
            a, t, xi = a + length * step.a, t + length * step.t, xi + length * step.xi
        products = a * t + (1 - a) * xi if self.margins.bounded else a * t
        return self._sum(products) / (self._sum(np.ones_like(a)) * (1 + self.margins.bounded))

    def _gradient(self, slopes: Array) -> Weights:
        """Compute the gradient by the weights at given slopes."""
        derivatives = self.margins.by_scores(np.where(self.margins.there, slopes, 0.0))
        gradient = np.zeros_like(self.V)
        gradient[:, :-1] = gradient_by_columns(self.objective, self.rows.X, derivatives)
        if self.objective.fit_intercept:
            gradient[:, -1] = derivatives.sum(axis=0)
        return gradient + self.objective.penalty.gradient(self.V)

    def _hessian(self, w: Array) -> Array:
        """Compute the Hessian by the weights: the blocks of class pairs in the lower triangle."""
        n_classes, width = self.V.shape
        hessian = np.zeros((n_classes, width, n_classes, width))
        pairs = [(k, m) for k in range(n_classes) for m in range(k + 1)]
        for rows in row_blocks(len(w), BLOCK_ROWS):
            X = self.rows.X[rows]
            X = np.column_stack([X, np.full(len(X), float(self.objective.fit_intercept))])
            for _ in self.objective.map(partial(self._add_products, hessian, w, rows, X), pairs):
                pass
        return self._penalised(hessian)

    def _add_products(
        self, hessian: Array, w: Array, rows: slice, X: Array, pair: tuple[int, int]
    ) -> None:
        """Add the part of a block of rows to the Hessian of a pair of classes."""
        factors = self.margins.share[rows, 0] * self.margins.between(w, rows, *pair)
        seen = np.flatnonzero(factors)
        if len(seen) < len(X):
            X, factors = X[seen], factors[seen]
        hessian[pair[0], :, pair[1]] += (X.T * factors) @ X

    def _penalised(self, hessian: Array) -> Array:
        """Add the penalty and make the matrix positive definite."""
        n_classes, width = self.V.shape
        if self.margins.coupled:
            # Equal changes of the weights of all classes change no loss: the matrix is singular.
            hessian += np.einsum("kikj->ij", hessian)[:, None] / n_classes**2
        hessian = hessian.reshape(n_classes * width, -1)
        diagonal = np.einsum("ii->i", hessian).reshape(n_classes, width)
        diagonal[:, :-1] += self.objective.alpha
        diagonal *= 1 + ROUNDING
        if not self.objective.fit_intercept:
            diagonal[:, -1] = 1.0
        return hessian


def _short(X: StandardisedRows) -> tuple[Array | None, Source]:
    """Return a basis of the rows and their coordinates, if there are fewer rows than columns."""
    if len(X) >= X.shape[1]:
        return None, X
    basis, triangle = qr(X[0 : len(X)].T, mode="economic", overwrite_a=True, check_finite=False)
    return basis, np.ascontiguousarray(triangle.T)
