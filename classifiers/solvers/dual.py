"""``DualAscent``: a fast solver for hinges if there are not many more rows than columns."""

import numpy as np

from visualwords.classifiers.objective import Objective, Weights

from .base import Solver, State, check_dual_form
from .dual_problem import DualProblem
from .dual_sweeps import DualByProducts, DualByRows

__all__ = ["DualAscent"]

EPOCHS = 10
# The mean of the slopes after so many epochs is better than the last slopes.
AVERAGED = 10
# Rows per column up to which products of pairs of rows cost less than weights.
ROWS_PER_COLUMN = 2


class DualAscent(Solver):
    """Block coordinate ascent in the dual problem that stops when the gap is within ``tol``.

    The dual variables of example ``i`` are the slopes ``a_ik`` of its loss in its margins, times
    its share ``p_i`` of the objective; the weights are ``W = -X^T A / alpha``, with ``A`` the
    derivatives by scores that belong to the slopes. The examples are visited in random order. The
    slopes of each example are set to the best ones while all others stay (Shalev-Shwartz and Zhang
    2013; for several classes Keerthi et al. 2008). A step is ten epochs. All but the first epoch
    visit only the examples that the first one changed. The result of a step is the mean of the
    slopes after its epochs.

    With up to twice as many rows as columns, the products ``X X^T`` of the rows keep the scores up
    to date. An epoch then costs at most ``n^2`` times the number of classes, for any number of
    columns. With more rows, a standardised copy of X keeps the weights up to date. Steps are then
    longer than the best for one example (successive over-relaxation; Mangasarian and Musicant
    1999), but less so after the gap has risen.

    Intercepts have no penalty. They are multipliers of the constraint that the columns of ``A`` sum
    to 0 (the method of multipliers; Hestenes 1969). Before the gap is measured, the slopes are
    lowered as little as possible to make these sums 0, by shortest paths between classes.
    The slopes are then a feasible point of the dual problem. Its value is a lower bound of the
    minimum, without a condition on the intercepts.

    Equal rows of one class are one example with the weight of all, and the order of the examples
    does not depend on the order of the rows. So a weight of 2 equals a row that is there twice.

    With many more rows than columns ``PrimalDual`` is faster. The solver starts at the best
    multiple of the slopes of the loss at the first weights.

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
    multi-class linear SVMs, KDD 2008. O. Mangasarian and D. Musicant, Successive overrelaxation
    for support vector machines, IEEE Trans. Neural Networks 10 (1999). M. Hestenes,
    Multiplier and gradient methods, Journal of Optimization Theory and Applications 4 (1969).

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
        """Refuse a loss without a dual form and an objective without an L2 penalty."""
        check_dual_form(self, objective)

    def start(self, objective: Objective, W: Weights) -> State:
        """Start at the slopes of the loss at ``W``; see :class:`Solver`."""
        n, d = objective.X.shape
        dual: DualProblem
        dual = (DualByProducts if n <= ROWS_PER_COLUMN * d else DualByRows)(objective, W)
        dual.update()
        rng = np.random.default_rng(self.random_state)
        return State(W, objective.value(W), memory=(dual, rng, np.inf))

    def step(self, objective: Objective, state: State) -> State:
        """Make ten epochs and measure the gap; see :class:`Solver`."""
        dual: DualProblem
        dual, rng, before = state.memory
        examples, slopes = dual.visited, np.zeros_like(dual.slopes)
        intercept = np.zeros_like(dual.intercept)
        for epoch in range(EPOCHS):
            moved = dual.sweep(rng.permutation(examples))
            if epoch == 0:
                examples = examples[moved[examples]]
            if epoch >= EPOCHS - AVERAGED:
                slopes += dual.slopes / AVERAGED
                intercept += dual.intercept / AVERAGED
        dual.update()
        found = dual.solution(slopes, intercept)
        if found.gap > before:
            dual.relaxation = (1 + dual.relaxation) / 2
        memory = dual, rng, found.gap
        if found.gap > self.tol * found.value:
            return State(found.W, found.value, memory=memory)
        slopes = dual.balanced(slopes)
        found = dual.solution(slopes, intercept)
        gap, point = max(0.0, found.gap), dual.point(slopes)
        state = State(found.W, found.value, memory=memory, gap=gap, dual=point)
        is_within = gap <= self.tol * found.value
        return state.prove(objective).stop_within(self.tol) if is_within else state
