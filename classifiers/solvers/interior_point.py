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
from .dual_problem import centring, gradient_by_columns
from .margins import Margins

__all__ = ["InteriorPoint"]

# Rows whose products are added to the Hessian at a time.
BLOCK_ROWS = 1024
# Part of the way to the nearest bound that a step goes.
MOST_OF_THE_WAY = 0.995
# A shorter step is rounding, not progress.
SHORTEST_STEP = 1e-6
# No further step is made below this mean of the conditions ``a t``.
LEAST_MU = 1e-30
# A class whose ``mu`` is below this part of the largest waits for the other classes.
AHEAD = 1e-3
# Relative increase of the Hessian's diagonal, so that rounding does not make it indefinite.
ROUNDING = 1e-15

Array = npt.NDArray[np.float64]


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
    ``DualAscent`` may need thousands. But the time of a step is the number of rows times the square
    of the number of weights, and its memory is 8 bytes times that square. All arithmetic is
    float64, on rows that are standardised or centred block by block. With fewer rows than columns
    the best weights are combinations of the rows. The coordinates of the rows in an orthonormal
    basis (a QR decomposition of a copy of X) then replace the columns.

    A loss that is not coupled is one problem for each class, with a linear system, a step length
    and a ``mu`` of its own.

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
        state = State(path.weights(), value, memory=path, gap=gap, dual=path.point())
        return state.prove(objective).stop_within(self.tol) if gap <= self.tol * value else state


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
        self.objective, self.margins = objective, Margins(objective)
        self.scaling = objective.scaling or centring(objective, self.margins.share[:, 0])
        self.basis, X = _short(StandardisedRows(objective.X, self.scaling))
        self.rows = objective.replaced(X=X, scaling=None, offset=None)
        self.V, self.S = np.zeros(self.rows.shape), np.zeros((len(X), objective.n_classes))
        if objective.offset is not None:
            self.S += objective.offset
        m = self.margins.of(self.S)
        # All variables begin above 0, because ``above`` exceeds all margins.
        above = np.repeat(1 + np.maximum(m.max(axis=1, keepdims=True), 0), m.shape[1], axis=1)
        self.xi = above
        if self.margins.shared:
            self.a = np.full(m.shape, self.margins.largest_sum / m.shape[1])
        elif self.margins.bounded:
            self.a = np.full(m.shape, self.margins.largest / 2)
        else:
            self.a, self.xi = above / self.margins.curvature, np.zeros_like(above)
        self.t = self.xi + self.margins.curvature * self.a - m

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
        dual = self.a * self.margins.of(self.S) - self.margins.curvature / 2 * self.a**2
        value = self.objective.mean(values)
        slack = value - self._sum(dual)
        gradient = self._gradient(self.a)
        distance = self.objective.penalty.gap(self.V, gradient)
        radius = max(1.0, float(np.abs(self.V[:, -1]).max()))
        gap = slack + distance + radius * float(np.abs(gradient[:, -1]).sum())
        return value + self.objective.penalty.value(self.V), max(gap, 0.0)

    def advance(self) -> bool:
        """Make a step, and return False if there is none that makes progress."""
        mu = self._complementarity()
        if not mu.max() > LEAST_MU:
            return False
        w = np.where(self.margins.there, self._curvatures(), 0.0)
        try:
            factors = [cho_factor(h, lower=True, check_finite=False) for h in self._hessians(w)]
        except LinAlgError:
            return False
        zero = np.zeros_like(w)
        trial = self._direction(factors, w, zero, zero)
        after = self._complementarity(self._longest(trial), trial)
        centre = mu * (after / np.maximum(mu, LEAST_MU)) ** 3
        # Products of two changes, which the linear equations leave out, are those of the trial.
        step = self._direction(factors, w, centre - trial.a * trial.t, centre + trial.a * trial.xi)
        length = np.minimum(1.0, MOST_OF_THE_WAY * self._longest(step))
        length[mu < AHEAD * mu.max()] = 0
        if not length.max() > SHORTEST_STEP:
            return False
        self.V = self.V + length[:, None] * step.V
        for name in ("S", "a", "t", "xi"):
            setattr(self, name, getattr(self, name) + length * getattr(step, name))
        return True

    def _sum(self, of_margins: Array) -> float:
        """Compute the sum over the margins of each example, then the mean over the examples."""
        there = np.where(self.margins.there, of_margins, 0.0)
        return float((there.sum(axis=1) * self.margins.share[:, 0]).sum())

    def _room(self) -> Array:
        """Compute ``largest - a``, above 0 also where rounding leaves nothing of it."""
        largest = self.margins.largest
        return np.maximum(largest - self.a, np.finfo(float).eps * largest)

    def _curvatures(self) -> Array:
        """Compute the derivatives of the slopes by the margins, ignoring the limit on their sum."""
        by_slope = self.t / self.a + self.margins.curvature
        if self.margins.bounded:
            by_slope += self.xi / self._room()
        return 1 / by_slope

    def _direction(
        self, factors: list[tuple[Array, bool]], w: Array, at: Array, uxi: Array
    ) -> _Step:
        """Solve the linear equations of a step.

        The step leads to ``a t = at`` and, if bounded, to ``(largest - a) xi = uxi``, up to
        products of two changes. The weights are found first. The changes of the slopes are then
        ``w`` times the sum of ``pull`` and the changes of the margins.

        Parameters
        ----------
        factors : list of tuple
            Cholesky factors of the Hessians for the curvatures ``w``.
        w, at, uxi : ndarray of shape (n, n_classes)
        """
        pull = at / self.a - self.t
        if self.margins.bounded:
            pull += self.xi - uxi / self._room()
        gradient = self._gradient(self.a + self.margins.changes(w, pull))
        parts = zip(factors, gradient.reshape(len(factors), -1), strict=True)
        solved = [cho_solve(factor, part, check_finite=False) for factor, part in parts]
        V = -np.reshape(solved, gradient.shape)
        S = self.rows.scores(V)
        m = self.margins.linear(S)
        a = self.margins.changes(w, pull + m)
        t = np.where(self.margins.there, (at - self.t * a) / self.a - self.t, 0.0)
        xi = np.where(self.margins.there, t + m - self.margins.curvature * a, 0.0)
        return _Step(V, S, a, t, xi)

    def _longest(self, step: _Step) -> Array:
        """Find the longest step, at most 1, that keeps all variables above 0, for each problem."""
        changes = [(self.a, step.a), (self.t, step.t)]
        if self.margins.bounded:
            changes += [(self._room(), -step.a), (self.xi, step.xi)]
        largest = np.array([(-change / before).max(axis=0) for before, change in changes])
        if self.margins.coupled:
            largest = largest.max(axis=1, keepdims=True)
        return np.asarray(1 / np.maximum(1.0, largest.max(axis=0)))

    def _complementarity(self, length: Array | float = 0.0, step: _Step | None = None) -> Array:
        """Compute the mean of ``a t`` and ``(largest - a) xi`` over each problem, after a step."""
        a, t, xi = self.a, self.t, self.xi
        if step is not None:
            a, t, xi = a + length * step.a, t + length * step.t, xi + length * step.xi
        products = a * t
        if self.margins.bounded:
            products += (self.margins.largest - a) * xi
        share = self.margins.share * self.margins.there
        sums, counts = (share * products).sum(axis=0), share.sum(axis=0)
        if self.margins.coupled:
            sums, counts = sums.sum(keepdims=True), counts.sum(keepdims=True)
        return np.asarray(sums / (counts * (1 + self.margins.bounded)))

    def _gradient(self, slopes: Array) -> Weights:
        """Compute the gradient by the weights at given slopes."""
        derivatives = self.margins.by_scores(np.where(self.margins.there, slopes, 0.0))
        gradient = np.zeros_like(self.V)
        gradient[:, :-1] = gradient_by_columns(self.objective, self.rows.X, derivatives)
        if self.objective.fit_intercept:
            gradient[:, -1] = derivatives.sum(axis=0)
        return gradient + self.objective.penalty.gradient(self.V)

    def _hessians(self, w: Array) -> Array:
        """Compute the Hessian of each problem: one by all weights, or one for each class.

        The Hessian by all weights has blocks of class pairs. Only the lower triangle is filled.
        """
        n_classes, width = self.V.shape
        if self.margins.coupled:
            pairs = [(k, m) for k in range(n_classes) for m in range(k + 1)]
            blocks = np.zeros((n_classes, width, n_classes, width))
            targets = [blocks[k, :, m] for k, m in pairs]
        else:
            pairs = [(k, k) for k in range(n_classes)]
            blocks = np.zeros((n_classes, width, width))
            targets = list(blocks)
        for rows in row_blocks(len(w), BLOCK_ROWS):
            X = self.rows.X[rows]
            X = np.column_stack([X, np.full(len(X), float(self.objective.fit_intercept))])
            add = partial(self._add_products, w, rows, X)
            for _ in self.objective.map(add, zip(targets, pairs, strict=True)):
                pass
        return self._penalised(blocks)

    def _add_products(
        self, w: Array, rows: slice, X: Array, block: tuple[Array, tuple[int, int]]
    ) -> None:
        """Add the part of a block of rows to the Hessian of a pair of classes."""
        target, pair = block
        factors = self.margins.share[rows, 0] * self.margins.between(w, rows, *pair)
        seen = np.flatnonzero(factors)
        if len(seen) < len(X):
            X, factors = X[seen], factors[seen]
        target += (X.T * factors) @ X

    def _penalised(self, blocks: Array) -> Array:
        """Add the penalty and make each matrix positive definite."""
        n_classes, width = self.V.shape
        if self.margins.coupled:
            # Equal changes of the weights of all classes change no loss: the matrix is singular.
            blocks += np.einsum("kikj->ij", blocks)[:, None] / n_classes**2
            blocks = blocks.reshape(1, n_classes * width, -1)
        diagonals = np.einsum("bii->bi", blocks)
        penalised = np.tile(np.arange(width) < width - 1, len(diagonals[0]) // width)
        diagonals += self.objective.alpha * penalised
        diagonals *= 1 + ROUNDING
        if not self.objective.fit_intercept:
            diagonals[:, ~penalised] = 1.0
        return blocks


def _short(X: StandardisedRows) -> tuple[Array | None, Source]:
    """Return a basis of the rows and their coordinates, if there are fewer rows than columns."""
    if len(X) >= X.shape[1]:
        return None, X
    basis, triangle = qr(X[0 : len(X)].T, mode="economic", overwrite_a=True, check_finite=False)
    return basis, np.ascontiguousarray(triangle.T)
