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

from visualwords.threads import row_blocks

from .balance import balanced
from .kernels.products import block_gradient, scaled_block
from .losses import Labels, Loss, Scores
from .objective import Objective, Weights
from .scaling import Scaling, StandardisedRows

__all__ = ["Bound", "certify"]

BLOCK_ROWS = 512
# Largest relative error of an operation in float64.
ROUNDING = float(np.finfo(np.float64).eps) / 2

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
    objective, share = objective.in_double(), objective.shares
    scores = objective.scores(W)
    losses = objective.loss.values(scores, objective.y)
    value = float(share @ losses) + objective.penalty.value(W)
    if not (objective.alpha > 0 and np.isfinite(value)):
        return Bound(value, value if np.isfinite(value) else np.inf)
    if isinstance(dual, np.ndarray):
        A = dual
    else:
        A = dual.values_and_grad(scores, objective.y)[1] * share[:, None]
    # One example tells: None depends on the loss alone.
    known = objective.loss.conjugate(A[:1], objective.y[:1]) is not None
    if known and objective.fit_intercept:
        A = balanced(A, objective.y, objective.loss.coupled)
    conjugates = _conjugates(objective.loss, A, objective.y, share)
    if conjugates is None:
        # The inequality is an equality where the derivatives are those at the scores.
        conjugates = (A * scores).sum(axis=1) - share * losses
    products = _products(objective, W, A)
    offset = 0.0 if objective.offset is None else float((A * objective.offset).sum())
    square = float((products.columns**2).sum()) / (2 * objective.alpha)
    rounding = 16 * ROUNDING * (value + square + float(np.abs(conjugates).sum()) + abs(offset))
    rounding += _error_of_losses(objective, scores, losses, products.errors_of_scores, share)
    rounding += _error_of_products(products, A, objective.alpha)
    gap = max(0.0, value + float(conjugates.sum()) - offset + square) + rounding
    if objective.fit_intercept:
        # The intercepts of rows less their origin.
        b = W[:, :-1] @ products.origin + W[:, -1]
        if known:
            seen = (scores - b)[share > 0]
            gap = _with_any_intercepts(gap, A, objective, seen, products.longest, share)
        else:
            gap = _with_intercepts(gap, A, b)
    return Bound(value, min(value, gap))


def _with_intercepts(gap: float, A: Array, b: Array) -> float:
    """Add to a gap what the column sums of ``A`` hide while intercepts stay near ``b``.

    ``D(A)`` is too high by ``sum of A times`` the intercepts of the minimum. Where the loss has no
    conjugate, these are taken to be no farther from ``b`` than the largest of ``b``, and than 1.
    """
    radius = max(1.0, float(np.abs(b).max()))
    return max(0.0, gap - float(A.sum(axis=0) @ b)) + radius * _largest_sums(A)


def _with_any_intercepts(
    gap: float, A: Array, objective: Objective, seen: Array, longest: float, share: Array
) -> float:
    """Add to a gap what the column sums of ``A`` hide, whatever the intercepts of the minimum are.

    ``D(A)`` is too high by ``sum of A times`` the intercepts of the minimum. With ``l``, the
    largest sums that ``A`` can have, that is at most ``l`` times the largest intercept. By
    :func:`_largest_intercept` it is at most ``r + t sqrt(g)`` if the gap is ``g``. So the gap is
    at most the largest ``g`` with

        g <= gap + l r + l t sqrt(g)

    Parameters
    ----------
    seen : ndarray of shape (n, n_classes)
        The scores at ``W`` before intercepts are added, of examples that have a weight.
    longest : float
        Norm of the longest row.
    """
    left = _largest_sums(A)
    radius = _largest_intercept(objective, seen, share)
    reach = 2 * objective.n_classes * longest * float(np.sqrt(2 / objective.alpha))
    slope = left * reach
    return ((slope + float(np.sqrt(slope**2 + 4 * (gap + left * radius)))) / 2) ** 2


def _largest_sums(A: Array) -> float:
    """Bound the absolute sums of the columns of ``A``, which are 0 only up to rounding."""
    return float(np.abs(A.sum(axis=0)).sum()) + ROUNDING * float(np.abs(A).sum())


def _largest_intercept(objective: Objective, seen: Array, share: Array) -> float:
    """Bound the intercepts of the minimum, if the scores before them were those at ``W``.

    No two intercepts differ by much more than these scores do: else no example would balance the
    others, and the rarest class least of all. The scores at the minimum differ from those at ``W``
    by at most the norm of the longest row times the distance of the weights, which is at most
    ``sqrt(2 gap / alpha)``. The caller adds that.
    """
    of_classes = np.bincount(objective.y, share)
    rarest = float(of_classes[of_classes > 0].min())
    return 2 * objective.n_classes * (1 + float(np.abs(seen).max())) - float(np.log(rarest))


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


def _error_of_products(products: "_Products", A: Array, alpha: float) -> float:
    """Bound the error of ``D(A)`` by errors ``e`` of the columns ``c`` and ``s`` of the scores.

    It is ``sum |A| s + |c| . e / alpha + n_classes |e|^2 / (2 alpha)``.
    """
    of_scores = float(np.abs(A).sum(axis=1) @ products.errors_of_scores)
    first = float((np.abs(products.columns) @ products.errors).sum()) / alpha
    second = len(A[0]) * float((products.errors**2).sum()) / (2 * alpha)
    return of_scores + first + second


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

    X, n_columns = objective.X, objective.X.shape[1]
    if isinstance(X, StandardisedRows) and X.scaling is None:
        X = X.X  # which the kernel converts
    columns, size = np.zeros((A.shape[1], n_columns)), np.zeros(n_columns)
    squares, of_scores = np.empty(len(A)), np.empty(len(A))
    largest = np.abs(raw).max(axis=0)
    coef = largest[:-1] * scaling.scale

    def product(block: slice) -> tuple[Array, Array]:
        rows, of_block, squares[block], of_scores[block] = scaled_block(
            X[block], scaling.mean, scaling.scale, sizes[block], coef
        )
        return block_gradient(rows, A[block]), of_block

    blocks = list(row_blocks(len(A), BLOCK_ROWS))
    for of_block, its_size in objective.map(product, blocks):
        columns += of_block
        size += its_size
    terms = min(len(A), BLOCK_ROWS) + len(blocks) + 5
    of_scores += float(largest[:-1] @ np.abs(scaling.mean) + largest[-1])
    origin = scaling.mean if objective.scaling is None else np.zeros_like(scaling.mean)
    return _Products(
        columns,
        origin,
        ROUNDING * terms * size,
        ROUNDING * (n_columns + 4) * of_scores,
        float(np.sqrt(squares.max())),
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
