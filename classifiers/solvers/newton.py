"""``Newton``: the robust solver for smooth losses when weights are few, whatever X looks like."""

from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from visualwords.classifiers.losses import Labels, Loss, Scores
from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.scaling import Scaling, StandardisedRows
from visualwords.threads import row_blocks

from .base import Solver, State
from .dual_problem import centring

__all__ = ["Newton"]

# Rows whose products are added to the Hessian at a time, and how many second derivatives by the
# scores they may have.
BLOCK_ROWS, BLOCK_NUMBERS = 512, 1 << 22
# Half the distance of scores between which differences of derivatives are taken.
STEP = 1e-4
# By what parts of itself the diagonal is raised until the Hessian has a Cholesky factor.
MORE_DIAGONAL = (1e-14, 1e-11, 1e-8, 1e-5)
# A step has to lower the value by this part of what its slope promises. It is halved at most so
# many times.
ENOUGH, HALVINGS = 1e-4, 40
STUCK = 4  # steps in a row in which neither the value nor the gap falls

Array = npt.NDArray[np.float64]


class Newton(Solver):
    """Newton's method with the whole Hessian, until the duality gap proves the answer good.

    A step solves ``H V = -gradient`` and goes along ``V`` as far as the value falls. The Hessian is
    ``alpha`` plus the sum over the examples of ``B_i`` (x) ``x_i x_i^T``, where ``B_i`` holds the
    second derivatives of the loss by the scores, taken from differences of first derivatives. Some
    tens of steps suffice for any scale of the columns and any penalty. A step takes time with the
    square of the number of weights for each row, and memory of 8 bytes times that square.
    Everything is computed in float64.

    Parameters
    ----------
    tol : float
        Stop when the duality gap is at most ``tol`` times the value.
    max_iter : int

    References
    ----------
    J. Nocedal and S. Wright, Numerical Optimization, 2006, chapter 3.

    Examples
    --------
    >>> from visualwords.classifiers import Softmax
    >>> X, y = np.eye(4), np.array([0, 0, 1, 1])
    >>> model = Softmax(1e-6, solver=Newton(tol=1e-6)).fit(X, y)
    >>> bool(model.gap_ <= 1e-6 * model.loss_curve_[-1])
    True
    """

    converges = True
    robust = True

    def __init__(self, tol: float = 1e-4, max_iter: int = 100) -> None:
        self.tol = tol
        self.max_iter = max_iter

    def check(self, objective: Objective) -> None:
        """Refuse a loss with kinks, and an objective without an L2 penalty."""
        if not objective.loss.smooth or not objective.alpha > 0:
            raise ValueError(
                f"Newton needs a smooth loss and alpha > 0, got {objective.loss!r} and "
                f"alpha={objective.alpha!r}; use PrimalDual"
            )

    def start(self, objective: Objective, W: Weights) -> State:
        """Evaluate the first weights in float64; see :class:`Solver`."""
        exact = objective.in_double()
        centred = None if objective.scaling else centring(exact, exact.shares)
        return State(W, *exact(W), memory=(exact, centred, 0))

    def step(self, objective: Objective, state: State) -> State:
        """Make one step and measure the gap; see :class:`Solver`."""
        exact, centred, n_stuck = state.memory
        assert state.gradient is not None
        V = _direction(exact, state.W, state.gradient, centred)
        slope, length = float((state.gradient * V).sum()), 1.0
        for _ in range(HALVINGS):
            W = state.W + length * V
            value, gradient = exact(W)
            if value <= state.value + ENOUGH * length * slope:
                break
            length /= 2
        else:
            state.stop = "no lower value in the direction of Newton"
            state.dual = objective.loss
            state.gap = exact.certificate(state.W, state.value, state.gradient).gap
            return state
        gap = exact.certificate(W, value, gradient).gap
        falls = gap < state.gap or state.value - value > np.finfo(float).eps * value
        n_stuck = 0 if falls else n_stuck + 1
        after = State(W, value, gradient, (exact, centred, n_stuck), gap=gap, dual=objective.loss)
        if gap <= self.tol * value:
            after.prove(objective).stop_within(self.tol)
        if not after.stop and n_stuck == STUCK:
            after.stop = f"rounding left no lower value or gap for {STUCK} steps"
        return after


def _direction(
    objective: Objective, W: Weights, gradient: Weights, centred: Scaling | None
) -> Weights:
    """Solve the equations of Newton's step, for centred columns.

    Columns far from 0 would make the equations ill-conditioned.
    """
    if centred is not None:
        gradient = centred.gradient(gradient)
    hessian = _hessian(objective, W, objective.scaling or centred)
    for more in MORE_DIAGONAL:
        raised = hessian.copy()
        diagonal = np.einsum("ii->i", raised)
        diagonal *= 1 + more
        diagonal[diagonal <= 0] = 1.0
        try:
            factor = cho_factor(raised, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            continue
        V = -cho_solve(factor, gradient.ravel(), check_finite=False)
        if np.isfinite(V).all() and V @ gradient.ravel() < 0:
            break
    else:  # no factor at all: steepest descent
        V = -gradient
    V = V.reshape(W.shape)
    return V if centred is None else centred.raw(V)


def _hessian(objective: Objective, W: Weights, scaling: Scaling | None) -> Array:
    """Compute the second derivatives by the weights; the lower triangle of pairs of classes."""
    n_classes, width = W.shape
    scores, share = objective.scores(W), objective.shares
    rows = StandardisedRows(objective.X, scaling)
    hessian = np.zeros((n_classes, width, n_classes, width))
    n_rows = int(np.clip(BLOCK_NUMBERS // n_classes**2, 1, BLOCK_ROWS))
    for block in row_blocks(objective.n_samples, n_rows):
        columns = rows[block]
        last = np.full(len(columns), float(objective.fit_intercept))
        X = np.column_stack([columns, last]).astype(np.float64, copy=False)
        curvatures = _curvatures(objective.loss, scores[block], objective.y[block], share[block])
        add = partial(_add_products, hessian, curvatures, X)
        for _ in objective.map(add, range(n_classes)):
            pass
    if objective.loss.coupled and objective.fit_intercept:
        # No loss changes when all intercepts do alike.
        of_intercepts = hessian[:, -1, :, -1]
        of_intercepts += max(1e-300, float(np.trace(of_intercepts))) / of_intercepts.size
    matrix = hessian.reshape(n_classes * width, -1)
    diagonal = np.einsum("ii->i", matrix).reshape(n_classes, width)
    diagonal[:, :-1] += objective.alpha
    if not objective.fit_intercept:
        diagonal[:, -1] = 1.0
    return matrix


def _curvatures(loss: Loss, scores: Scores, y: Labels, share: Array) -> Array:
    """Compute the second derivatives of the shares of a loss, (n_classes, n_classes, n)."""
    n_classes = scores.shape[1]
    curvatures = np.empty((n_classes, n_classes, len(y)))
    for k, shift in enumerate(STEP * np.eye(n_classes)):
        above, below = (loss.values_and_grad(scores + s, y)[1] for s in (shift, -shift))
        curvatures[k] = ((above - below) * (share / (2 * STEP))[:, None]).T
    return curvatures


def _add_products(hessian: Array, curvatures: Array, X: Array, k: int) -> None:
    """Add the part of a block of rows for class ``k`` with itself and the classes before it."""
    weighted = curvatures[k, : k + 1, None] * X.T
    products = weighted.reshape(-1, len(X)) @ X
    hessian[k, :, : k + 1] += products.reshape(k + 1, X.shape[1], -1).transpose(1, 0, 2)
