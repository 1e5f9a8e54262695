"""Dual points whose columns sum to 0, as those of objectives with intercepts have to."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array

from .losses import Labels

__all__ = ["balanced"]

# Pairs of classes up to which a linear programme balances a dual point.
MAX_FLOWS = 1000
# Rounds of balancing class by class, where the pairs are more, and the relative error to reach.
ROUNDS, BALANCED = 1000, 1e-15
# Part of the flows that is enough to be left.
ENOUGH = 1 - 1e-9

Array = npt.NDArray[np.float64]


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
    sums = np.empty((n_classes, n_classes))
    for k, sizes in enumerate(np.abs(derivatives).T):
        sums[:, k] = np.bincount(y, sizes, n_classes)
    if coupled:
        np.fill_diagonal(sums, 0)
        factors = _circulation(sums)
    else:
        own = sums.diagonal().copy()
        others = sums.sum(axis=0) - own
        less = np.minimum(own, others)
        factors = np.ones((n_classes, 1)) * _quotient(less, others)
        np.fill_diagonal(factors, _quotient(less, own))
    lowered = derivatives.copy(order="K")
    lowered *= factors.T[:, y].T
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
