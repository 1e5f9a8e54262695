"""``DualAscent``: the fast solver for hinges when rows are not many more than columns."""

import numpy as np

from visualwords.classifiers.objective import Objective, Weights

from .base import Solver, State, check_dual_form
from .dual_problem import DualByProducts, DualByRows, DualProblem

__all__ = ["DualAscent"]

EPOCHS = 10
# The mean of the slopes after so many of them is a better point than the last.
AVERAGED = 10
# Up to how many rows the products of all pairs of rows cost less than the weights.
ROWS_PER_COLUMN = 2


class DualAscent(Solver):
    """Block coordinate ascent in the dual problem, until the duality gap proves the answer good.

    The dual variables of example ``i`` are the slopes ``a_ik`` of its loss in its margins, times
    its share ``p_i`` of the objective; the weights are ``W = -X^T A / alpha``, with ``A`` the
    derivatives by scores that the slopes make. The examples are visited in random order, and the
    slopes of each are set to what is best while all others stay (Shalev-Shwartz and Zhang 2013;
    for several classes Keerthi et al. 2008). A step is ten epochs; all but the first visit only
    the examples that the first one changed. The mean of the slopes after the last five is what is
    measured and given.

    With up to twice as many rows as columns the scores are kept up to date with the rows'
    products ``X X^T``, so an epoch costs at most ``n^2`` times the number of classes, however
    many columns there are. With more rows the weights are, with a standardised copy of X, and the
    steps are made longer than is best for the one example (successive over-relaxation;
    Mangasarian and Musicant 1999), but less so whenever the gap has risen.

    Intercepts, which no penalty holds, are multipliers of the constraint that the columns of ``A``
    sum to 0 (the method of multipliers; Hestenes 1969). Before the gap is measured, the slopes are
    lowered by as little as makes these sums 0 (a linear programme over pairs of classes). They are
    then a feasible point of the dual problem, and its value is a lower bound of the minimum, with
    no condition on the intercepts.

    Equal rows of one class are one example with the weight of all, and the order of the examples
    does not depend on that of the rows: a weight of 2 is the same as a row that is there twice.

    It fits where the rows are not many more than the columns; with many more it takes longer than
    ``PrimalDual``. It begins at the best multiple of the slopes of the loss at the first weights.

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
        """Begin at the slopes of the loss at ``W``; see :class:`Solver`."""
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
        reason, gap = "", np.inf
        value, bound = dual.bounds(slopes, intercept)
        if value - bound > before:
            dual.relaxation = (1 + dual.relaxation) / 2
        memory = dual, rng, value - bound
        if value - bound <= self.tol * value:
            slopes = dual.balanced(slopes)
            value, bound = dual.bounds(slopes, intercept)
            gap = max(0.0, value - bound)
            reason = "the duality gap is within tol" if gap <= self.tol * value else ""
        return State(dual.weights(slopes, intercept), value, memory=memory, stop=reason, gap=gap)
