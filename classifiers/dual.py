"""``DualAscent``: the fast solver for hinges when there are few rows for many columns."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array

from visualwords.threads import row_blocks

from .dual_kernels import sweep_coupled, sweep_separate
from .losses import CrammerSinger, Hinge, Labels, OneVsRestHinge, PiecewiseLinear, SquaredHinge
from .matrix import Source
from .objective import Objective, Weights
from .scaling import Scaling, column_scaling
from .solvers import Solver, State

__all__ = ["DualAscent"]

LOSSES = (Hinge, CrammerSinger, OneVsRestHinge, SquaredHinge)
EPOCHS = 10
BLOCK_ROWS = 512
# How fast intercepts follow the slopes, as a multiple of the mean over the rows of the curvature.
INTERCEPT_RATE = 16.0

Slopes = npt.NDArray[np.float64]


class DualAscent(Solver):
    """Block coordinate ascent in the dual problem, until the duality gap proves the answer good.

    The dual variables of example ``i`` are the slopes ``a_ik`` of its loss in its margins, times
    its share ``p_i`` of the objective; the weights are ``W = -X^T A / alpha``, with ``A`` the
    derivatives by scores that the slopes make. The examples are visited in random order, and the
    slopes of each are set to what is best while all others stay (Shalev-Shwartz and Zhang 2013;
    for several classes Keerthi et al. 2008). The scores are kept up to date with the rows'
    products ``X X^T``, so an epoch costs at most ``n^2`` times the number of classes, however
    many columns there are. A step is ten epochs.

    Intercepts, which no penalty holds, are multipliers of the constraint that the columns of ``A``
    sum to 0 (the method of multipliers; Hestenes 1969). Before the gap is measured, the slopes are
    lowered by as little as makes these sums 0 (a linear programme over pairs of classes). They are
    then a feasible point of the dual problem, and its value is a lower bound of the minimum, with
    no condition on the intercepts.

    Equal rows of one class are one example with the weight of all, and the order of the examples
    does not depend on that of the rows: a weight of 2 is the same as a row that is there twice.

    It fits where the rows are not many more than the columns; with many more, where no weights
    separate the classes, it takes many epochs. It begins at slopes of 0, and of the first weights
    it uses the intercepts alone.

    Parameters
    ----------
    tol : float
        Stop when the duality gap is at most ``tol`` times the value.
    max_iter : int
        Steps, of ten epochs each.
    random_state : int
        Seed of the order of the examples.

    References
    ----------
    S. Shalev-Shwartz and T. Zhang, Stochastic dual coordinate ascent methods for regularized loss
    minimization, JMLR 14 (2013). S. Keerthi et al., A sequential dual method for large scale
    multi-class linear SVMs, KDD 2008. M. Hestenes, Multiplier and gradient methods, Journal of
    Optimization Theory and Applications 4 (1969).

    Examples
    --------
    >>> from visualwords.classifiers import LinearSVM
    >>> X, y = np.eye(4), np.array([0, 0, 1, 1])
    >>> model = LinearSVM(0.01, solver=DualAscent(tol=1e-6)).fit(X, y)
    >>> model.decision_function(X).round(3)
    array([-1., -1.,  1.,  1.])
    """

    converges = True

    def __init__(self, tol: float = 1e-4, max_iter: int = 400, random_state: int = 0) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def check(self, objective: Objective) -> None:
        """Refuse a loss that is not a hinge, and an objective without penalty."""
        smoothed = isinstance(objective.loss, PiecewiseLinear) and objective.loss.width > 0
        if smoothed or type(objective.loss) not in LOSSES:
            raise ValueError(
                f"DualAscent cannot minimise {objective.loss!r}: it minimises "
                f"{', '.join(loss.__name__ for loss in LOSSES)}; use PrimalDual"
            )
        if not objective.alpha > 0:
            raise ValueError(
                f"DualAscent needs alpha > 0, got {objective.alpha!r}; use PrimalDual or LBFGS"
            )

    def start(self, objective: Objective, W: Weights) -> State:
        """Compute the products of the rows; see :class:`Solver`."""
        rng = np.random.default_rng(self.random_state)
        return State(W, objective.value(W), memory=(_Dual.of(objective, W), rng))

    def step(self, objective: Objective, state: State) -> State:
        """Make ten epochs and measure the gap; see :class:`Solver`."""
        dual, rng = state.memory
        for _ in range(EPOCHS):
            dual.sweep(rng)
        slopes, reason, gap = dual.slopes, "", np.inf
        value, bound = dual.bounds(slopes, dual.scores)
        if value - bound <= self.tol * value:
            slopes = dual.balanced()
            value, bound = dual.bounds(slopes, dual.scores_of(slopes))
            gap = max(0.0, value - bound)
            reason = "the duality gap is within tol" if gap <= self.tol * value else ""
        return State(dual.weights(slopes), value, memory=state.memory, stop=reason, gap=gap)


@dataclass
class _Dual:
    """The dual problem and where its maximization stands.

    Attributes
    ----------
    objective : Objective
    scaling : Scaling
        Columns are centred where there are intercepts, standardised or not.
    products : ndarray of shape (n, n)
        Of the rows, divided by alpha.
    share : ndarray of shape (n,)
        Weight of each example in the mean; the first of equal ones has that of all.
    visited : ndarray of shape (m,)
        The examples that have weight, in an order that does not depend on that of the rows.
    offset : ndarray of shape (n, n_classes)
        Of the scores.
    rate : float
        How fast intercepts follow the slopes.
    slopes : ndarray of shape (n, n_classes)
    scores : ndarray of shape (n, n_classes)
        Without intercepts.
    intercept : ndarray of shape (n_classes,)
    """

    objective: Objective
    scaling: Scaling
    products: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]
    visited: npt.NDArray[np.intp]
    offset: Slopes
    rate: float
    slopes: Slopes
    scores: Slopes
    intercept: npt.NDArray[np.float64]

    @classmethod
    def of(cls, objective: Objective, W: Weights) -> "_Dual":
        """Begin at slopes of 0."""
        n, n_classes = objective.n_samples, objective.n_classes
        share, visited = _shares(objective)
        scaling = objective.scaling
        if scaling is None:
            centre = column_scaling(
                objective.X, share, objective.fit_intercept, objective.n_jobs
            ).mean
            scaling = Scaling(centre, np.ones(len(centre)))
            W = scaling.standardised(W)
        products = _products(objective, scaling)
        rate = 0.0
        if objective.fit_intercept:
            rate = max(1.0, INTERCEPT_RATE * float(share @ products.diagonal()) / len(visited))
        slopes, offset = np.zeros((n, n_classes)), np.zeros((n, n_classes))
        if objective.offset is not None:
            offset += objective.offset
        intercept = W[:, -1].copy()
        return cls(
            objective,
            scaling,
            products,
            share,
            visited,
            offset,
            rate,
            slopes,
            offset.copy(),
            intercept,
        )

    @property
    def y(self) -> Labels:
        """Class of each example."""
        return self.objective.y

    @property
    def coupled(self) -> bool:
        """Whether margins are differences of scores."""
        return not isinstance(self.objective.loss, OneVsRestHinge)

    def sweep(self, rng: np.random.Generator) -> None:
        """Visit every example once; then move the intercepts on by what the sums are off."""
        loss, share = self.objective.loss, self.share
        order = rng.permutation(self.visited)
        caps = np.full(len(share), np.inf) if isinstance(loss, SquaredHinge) else share
        # A row without length has no best slopes; one of hardly any length cannot be told from it.
        q = self.products.diagonal() + self.rate
        q = np.maximum(q, 1e-8 / np.maximum(share, 1e-9 * share.max()))
        state = self.slopes, self.scores, self.intercept, self.rate
        if self.coupled:
            totals = share if isinstance(loss, CrammerSinger) else np.full(len(share), np.inf)
            curved = isinstance(loss, SquaredHinge)
            h = 1 / (1 + curved / (2 * q * np.maximum(share, 1e-9 * share.max())))
            sweep_coupled(self.products, order, self.y, caps, totals, h, q, *state)
        else:
            sweep_separate(self.products, order, self.y, caps, q, *state)
        self.intercept -= self.rate * self._by_scores(self.slopes).sum(axis=0)

    def _by_scores(self, slopes: Slopes) -> Slopes:
        """Derivatives by scores: ``A``."""
        rows = np.arange(len(self.y))
        derivatives = slopes.copy()
        own = slopes.sum(axis=1) if self.coupled else slopes[rows, self.y]
        derivatives[rows, self.y] = -own
        return derivatives

    def weights(self, slopes: Slopes) -> Weights:
        """Weights for the columns of the objective that slopes stand for, with the intercepts."""
        derivatives = self._by_scores(slopes).T
        W = np.zeros(self.objective.shape)

        def product(rows: slice) -> npt.NDArray[np.float64]:
            return derivatives[:, rows] @ _standardised(self.objective.X, rows, self.scaling)

        for part in self.objective.map(product, row_blocks(len(self.y), BLOCK_ROWS)):
            W[:, :-1] -= part
        W /= self.objective.alpha
        W[:, -1] = self.intercept
        return W if self.objective.scaling is not None else self.scaling.raw(W)

    def scores_of(self, slopes: Slopes) -> Slopes:
        """Scores, without intercepts, of the weights that slopes stand for."""
        return self.offset - self.products @ self._by_scores(slopes)

    def bounds(self, slopes: Slopes, scores: Slopes) -> tuple[float, float]:
        """Values of the objective and of the dual problem.

        The latter is a lower bound of the minimum when the slopes are balanced.
        """
        derivatives, seen = self._by_scores(slopes), self.share > 0
        penalty = -0.5 * float((derivatives * (scores - self.offset)).sum())
        linear = float(slopes.sum() + (derivatives * self.offset).sum())
        if isinstance(self.objective.loss, SquaredHinge):
            linear -= float((slopes[seen] ** 2 / (4 * self.share[seen, None])).sum())
        losses = self.objective.loss.values(scores + self.intercept, self.y)
        return self.objective.mean(losses) + penalty, linear - penalty

    def balanced(self) -> Slopes:
        """Lower slopes by as little as makes the derivatives by the intercepts 0.

        All slopes of one class's examples in one margin are lowered by the same factor.
        """
        n_classes = self.objective.n_classes
        sums = np.zeros((n_classes, n_classes))
        np.add.at(sums, self.y, self.slopes)
        if not self.objective.fit_intercept or not sums.any():
            return self.slopes
        of, into = np.nonzero(sums)
        flows = np.arange(len(of))
        if self.coupled:
            ends = np.r_[into, of], np.r_[flows, flows]
            signs = np.repeat([1.0, -1.0], len(of))
        else:
            ends = into, flows
            signs = np.where(of == into, -1.0, 1.0)
        balance = csr_array((signs, ends), shape=(n_classes, len(of)))
        most = sums[of, into] / sums.max()
        kept = linprog(
            -np.ones(len(of)),
            A_eq=balance,
            b_eq=np.zeros(n_classes),
            bounds=np.column_stack([np.zeros(len(of)), most]),
        ).x
        factors = np.ones_like(sums)
        factors[of, into] = np.clip(kept / most, 0, 1)
        return self.slopes * factors[self.y]


def _shares(objective: Objective) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Give every example's weight in the mean, and those to visit; see :class:`_Dual`.

    So a weight of 2 is the same as a row that is there twice, also to the last step.
    """
    n = objective.n_samples
    labels, offset = objective.y, objective.offset
    keys = []
    for rows in row_blocks(n, BLOCK_ROWS):
        for i, row in enumerate(np.ascontiguousarray(objective.X[rows]), rows.start):
            key = blake2b(row, digest_size=16, salt=int(labels[i]).to_bytes(16, "little"))
            if offset is not None:
                key.update(offset[i].tobytes())
            keys.append(key.hexdigest())
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    weight = np.ones(n) if objective.sample_weight is None else objective.sample_weight
    share = np.zeros(n)
    share[first] = np.bincount(group, weight) / weight.sum()
    return share, first[share[first] > 0]


def _standardised(X: Source, rows: slice, scaling: Scaling) -> npt.NDArray[np.float64]:
    block = np.asarray(X[rows]) - scaling.mean
    block /= scaling.scale
    return block


def _products(objective: Objective, scaling: Scaling) -> npt.NDArray[np.float64]:
    """Compute the products of the standardised rows, divided by alpha, two blocks at a time."""
    blocks = list(row_blocks(objective.n_samples, BLOCK_ROWS))
    products = np.empty((objective.n_samples, objective.n_samples))

    def fill(first: slice) -> None:
        left = _standardised(objective.X, first, scaling) / objective.alpha
        for second in blocks:
            if second.start <= first.start:
                product = left @ _standardised(objective.X, second, scaling).T
                products[first, second] = product
                products[second, first] = product.T

    for _ in objective.map(fill, reversed(blocks)):
        pass
    return products
