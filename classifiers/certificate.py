"""A bound on how far weights are from the minimum, computed in float64.

The objective is ``f(W, b) = sum_i p_i loss(s_i, y_i) + alpha / 2 ||W||^2`` with scores
``s_i = W x_i + b`` and the shares ``p_i`` of the examples, which sum to 1. Let ``A`` hold a row of
numbers for each example, a column for each class, and let the columns sum to 0. By Fenchel's
inequality the minimum is at least

    D(A) = - sum_i p_i conjugate(a_i / p_i, y_i) - ||A^T X||^2 / (2 alpha)

so the gap ``f(W, b) - D(A)`` bounds the distance to the minimum, whatever ``A`` is. The gap is
small where ``A`` holds the derivatives of the loss by the scores at the minimum. :func:`certify`
takes ``A`` from a solver or computes it from the scores at ``W``. It reads ``X`` twice, sums in
float64 and adds what rounding can have taken.

References
----------
S. Boyd and L. Vandenberghe, Convex Optimization, 2004, section 5.5.1 (duality gap as a
certificate). N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1 (errors
of sums).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array

from visualwords.threads import row_blocks

from .kernels.products import block_gradient, scaled_block
from .losses import Labels, Loss, Scores
from .objective import Objective, Weights
from .scaling import Scaling

__all__ = ["Bound", "balanced", "certify"]

BLOCK_ROWS = 512
# Largest relative error of an operation in float64.
ROUNDING = float(np.finfo(np.float64).eps) / 2
# Pairs of classes up to which a linear programme balances a dual point.
MAX_FLOWS = 1000
# Rounds of balancing class by class, where the pairs are more, and the relative error to reach.
ROUNDS, BALANCED = 1000, 1e-15
# Part of the flows that is enough to be left.
ENOUGH = 1 - 1e-9

Array = npt.NDArray[np.float64]
# A dual point, or the loss whose derivatives are one.
Dual = Array | Loss


class Bound(NamedTuple):
    """The objective at some weights, and how far it is above its minimum at most."""

    value: float
    gap: float


def certify(objective: Objective, W: Weights, dual: Dual) -> Bound:
    """Bound how far the objective at ``W`` is above its minimum.

    Parameters
    ----------
    objective : Objective
        Its loss is the one to minimise, not smoothed.
    W : ndarray of shape (n_classes, n_features + 1)
    dual : Loss or ndarray of shape (n, n_classes)
        The dual point: derivatives of the mean loss by the scores; or a smoothing of the loss
        whose derivatives at ``W`` are the dual point.

    Returns
    -------
    Bound
        The gap is at most the value, because no loss is negative. Without a penalty the gap is the
        value.

    Examples
    --------
    >>> from visualwords.classifiers.losses import CrossEntropy
    >>> X, y = np.eye(3), np.array([0, 1, 2])
    >>> objective = Objective(X, y, CrossEntropy(), alpha=1.0, n_classes=3)
    >>> bound = certify(objective, np.zeros(objective.shape), CrossEntropy())
    >>> round(bound.value, 4), round(bound.gap, 4)
    (1.0986, 0.1111)
    """
    objective, share = objective.in_double(), _shares(objective)
    scores = objective.scores(W)
    losses = objective.loss.values(scores, objective.y)
    mean, penalty = float(share @ losses), objective.penalty.value(W)
    value = mean + penalty
    if not (objective.alpha > 0 and np.isfinite(value)):
        return Bound(value, value if np.isfinite(value) else np.inf)
    if isinstance(dual, np.ndarray):
        A = dual
    else:
        A = dual.values_and_grad(scores, objective.y)[1] * share[:, None]
    conjugates = _conjugates(objective.loss, A, objective.y, share)
    known = conjugates is not None
    if known and objective.fit_intercept:
        A = balanced(A, objective.y, objective.loss.coupled)
        conjugates = _conjugates(objective.loss, A, objective.y, share)
    if conjugates is None:
        # The inequality is an equality where the derivatives are those at the scores.
        conjugates = (A * scores).sum(axis=1) - share * losses
    products = _products(objective, W, A)
    offset = 0.0 if objective.offset is None else float((A * objective.offset).sum())
    square = float((products.columns**2).sum()) / (2 * objective.alpha)
    # Scores, products and sums are rounded.
    rounding = 16 * ROUNDING * (value + square + float(np.abs(conjugates).sum()) + abs(offset))
    rounding += _error_of_losses(objective, scores, losses, products.errors_of_scores, share)
    rounding += float(np.abs(A).sum(axis=1) @ products.errors_of_scores)
    rounding += float((np.abs(products.columns) @ products.errors).sum()) / objective.alpha
    rounding += len(A[0]) * float((products.errors**2).sum()) / (2 * objective.alpha)
    gap = max(0.0, value + float(conjugates.sum()) - offset + square) + rounding
    if objective.fit_intercept:
        gap = _with_intercepts(objective, W, A, scores, products, gap, share, known)
    return Bound(value, min(value, gap))


def _with_intercepts(
    objective: Objective,
    W: Weights,
    A: Array,
    scores: Array,
    products: "_Products",
    gap: float,
    share: Array,
    known: bool,
) -> float:
    """Add to a gap what the column sums of ``A``, which are 0 only up to rounding, can hide.

    The bound ``D(A)`` changes by ``sum of A times b`` with the intercepts ``b`` of the minimum, for
    rows less their origin. No two of these differ by much more than scores at the minimum do
    before intercepts are added: else no example would balance the others. These scores differ
    from those at ``W`` by at most the length of the longest row times the distance of the weights,
    which is at most ``sqrt(2 gap / alpha)``. That makes a quadratic inequality for the gap.
    """
    sums = A.sum(axis=0)
    left = float(np.abs(sums).sum()) + ROUNDING * float(np.abs(A).sum())
    intercept = W[:, :-1] @ products.origin + W[:, -1]
    if not known:
        radius = max(1.0, float(np.abs(intercept).max()))
        return max(0.0, gap - float(sums @ intercept)) + radius * left
    seen = scores[share > 0] - intercept
    of_classes = np.bincount(objective.y, share)
    rarest = float(of_classes[of_classes > 0].min())
    n_classes = objective.n_classes
    radius = 2 * n_classes * (1 + float(np.abs(seen).max())) - float(np.log(rarest))
    slope = left * 2 * n_classes * products.longest * float(np.sqrt(2 / objective.alpha))
    return ((slope + float(np.sqrt(slope**2 + 4 * (gap + left * radius)))) / 2) ** 2


def _error_of_losses(
    objective: Objective, scores: Array, losses: Scores, errors: Array, share: Array
) -> float:
    """Bound how much higher the mean loss is at scores that differ by up to ``errors``, (n,).

    No loss falls with the score of another class or rises with the score of the own class. The
    slopes at the scores do not give this bound: a margin that rounding lifts over a kink has
    another slope.
    """
    worst = scores + errors[:, None]
    worst[np.arange(len(errors)), objective.y] -= 2 * errors
    return float(share @ np.maximum(objective.loss.values(worst, objective.y) - losses, 0))


def _shares(objective: Objective) -> Array:
    """Give the weight of each example in the mean."""
    if objective.sample_weight is None:
        return np.full(objective.n_samples, 1 / objective.n_samples)
    weight = objective.sample_weight.astype(np.float64)
    return weight / weight.sum()


def _conjugates(loss: Loss, A: Array, y: Labels, share: Array) -> Array | None:
    """Compute ``p_i conjugate(a_i / p_i, y_i)``; None where the loss has no conjugate."""
    divisor = np.where(share > 0, share, 1.0)
    conjugates = loss.conjugate(A / divisor[:, None], y)
    return None if conjugates is None else share * conjugates


class _Products(NamedTuple):
    """``A^T X`` for the columns that are penalised, and bounds of what rounding takes.

    ``errors``, one for each column, are of the numbers of ``columns``. ``errors_of_scores``, one
    for each example, are of its scores. The rows are less ``origin``, and ``longest`` is the norm
    of the longest.
    """

    columns: Array
    origin: Array
    errors: Array
    errors_of_scores: Array
    longest: float


def _products(objective: Objective, W: Weights, A: Array) -> _Products:
    """Multiply the rows with a dual point, in one pass over X."""
    scaling = objective.scaling or _centring(objective)
    raw = W if objective.scaling is None else scaling.raw(W)
    sizes = np.abs(A).sum(axis=1)

    n_columns = objective.X.shape[1]
    columns, size = np.zeros((A.shape[1], n_columns)), np.zeros(n_columns)
    squares = np.empty(len(A))

    def product(block: slice) -> tuple[Array, Array]:
        rows, of_block, squares[block] = scaled_block(
            objective.X[block], scaling.mean, scaling.scale, sizes[block]
        )
        return block_gradient(rows, A[block]), of_block

    blocks = list(row_blocks(len(A), BLOCK_ROWS))
    for of_block, its_size in objective.map(product, blocks):
        columns += of_block
        size += its_size
    terms = min(len(A), BLOCK_ROWS) + len(blocks) + 5
    lengths, largest = np.sqrt(squares), np.abs(raw).max(axis=0)
    origin_score = float(largest[:-1] @ np.abs(scaling.mean) + largest[-1])
    of_scores = lengths * float(np.linalg.norm(largest[:-1] * scaling.scale)) + origin_score
    origin = scaling.mean if objective.scaling is None else np.zeros_like(scaling.mean)
    return _Products(
        columns,
        origin,
        ROUNDING * terms * size,
        ROUNDING * (n_columns + 4) * of_scores,
        float(lengths.max()),
    )


def _centring(objective: Objective) -> Scaling:
    """Give an origin near the rows: sums of large numbers of one sign would lose digits.

    The columns of a dual point sum to 0, so its products do not depend on the origin.
    """
    origin = np.zeros(objective.X.shape[1])
    if objective.fit_intercept:
        first = slice(0, min(objective.n_samples, BLOCK_ROWS))
        origin = np.asarray(objective.X[first], np.float64).mean(axis=0)
    return Scaling(origin, np.ones_like(origin))


def balanced(derivatives: Array, y: Labels, coupled: bool) -> Array:
    """Lower the derivatives of a mean loss by as little as makes their sums by class 0.

    All derivatives of one class's examples by one score are lowered by the same factor, and of a
    coupled loss the derivatives by the own score follow, so that rows still sum to 0.

    Parameters
    ----------
    derivatives : ndarray of shape (n, n_classes)
        At least 0, but those by the score of the own class, which are at most 0.
    y : ndarray of shape (n,), integers in [0, n_classes)
    coupled : bool
        Whether the derivatives of an example sum to 0.

    Returns
    -------
    ndarray of shape (n, n_classes)

    Examples
    --------
    >>> derivatives = np.array([[-1.0, 1.0], [0.5, -0.5]])
    >>> balanced(derivatives, np.array([0, 1]), coupled=True).tolist()
    [[-0.5, 0.5], [0.5, -0.5]]
    """
    rows, n_classes = np.arange(len(y)), derivatives.shape[1]
    pairs = y[:, None] * n_classes + np.arange(n_classes)
    flat = np.bincount(pairs.ravel(), np.abs(derivatives).ravel(), n_classes**2)
    sums = flat.reshape(n_classes, n_classes).astype(np.float64, copy=False)
    if coupled:
        np.fill_diagonal(sums, 0)
        factors = _circulation(sums)
    else:
        own = sums.diagonal().copy()
        others = sums.sum(axis=0) - own
        less = np.minimum(own, others)
        factors = np.ones((n_classes, 1)) * _quotient(less, others)
        np.fill_diagonal(factors, _quotient(less, own))
    lowered = derivatives * factors[y]
    if coupled:
        lowered[rows, y] = 0
        lowered[rows, y] = -lowered.sum(axis=1)
    return lowered


def _circulation(flows: Array) -> Array:
    """Give factors of at most 1 that make as much flow into each class as out of it.

    Where lowering class by class takes much of the flows, a linear programme takes less.
    """
    left = _lowered_by_class(flows)
    many = np.count_nonzero(flows) > MAX_FLOWS
    if not many and left.sum() < ENOUGH * flows.sum():
        other = _lowered_by_class(_largest_circulation(flows))
        left = other if other.sum() > left.sum() else left
    return _quotient(left, flows)


def _largest_circulation(flows: Array) -> Array:
    """Lower flows by as little in all as makes them balanced, to the precision of the solver."""
    of, into = np.nonzero(flows)
    numbers = np.arange(len(of))
    signs = np.repeat([1.0, -1.0], len(of))
    ends = np.r_[into, of], np.r_[numbers, numbers]
    most = flows[of, into] / flows.max()
    found = linprog(
        -np.ones(len(of)),
        A_eq=csr_array((signs, ends), shape=(len(flows), len(of))),
        b_eq=np.zeros(len(flows)),
        bounds=np.column_stack([np.zeros(len(of)), most]),
    )
    left = np.zeros_like(flows)
    if found.x is not None:
        left[of, into] = np.clip(found.x / most, 0, 1) * flows[of, into]
    return left


def _lowered_by_class(flows: Array) -> Array:
    """Lower what flows into a class or out of it to the lesser of both, until they are equal."""
    left = flows.copy()
    for _ in range(ROUNDS):
        inward, outward = left.sum(axis=0), left.sum(axis=1)
        if np.abs(inward - outward).sum() <= BALANCED * inward.sum():
            break
        less = np.minimum(inward, outward)
        left *= _quotient(less, inward)
        outward = left.sum(axis=1)
        less = np.minimum(left.sum(axis=0), outward)
        left *= _quotient(less, outward)[:, None]
    return left


def _quotient(a: Array, b: Array) -> Array:
    """Divide, with 1 where the divisor is 0."""
    return np.divide(a, b, out=np.ones_like(a), where=b > 0)
