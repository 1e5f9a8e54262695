"""Dual points whose columns sum to 0, as those of objectives with intercepts have to.

References
----------
R. Ahuja, T. Magnanti and J. Orlin, Network Flows, 1993, section 9.7 (successive shortest paths).
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import bellman_ford

from .losses import Labels

__all__ = ["balanced"]

# Pairs of classes up to which a dual point is lowered by as little as possible, and of how many
# paths the flows are lowered at most.
MAX_FLOWS, MAX_PATHS = 1024, 1000
# Rounds of balancing, and the relative error to reach.
ROUNDS, BALANCED = 1000, 1e-15

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
    """Return factors of at most 1 that make as much flow into each class as out of it."""
    few = flows.size <= MAX_FLOWS
    return _quotient(_lowered_by_class(_largest_circulation(flows) if few else flows), flows)


def _largest_circulation(flows: Array) -> Array:
    """Lower flows by as little in all as makes them balanced, up to rounding.

    If all flows along a path are lowered, its first class loses outflow and its last class inflow.
    A path may also go against a flow that was lowered, which is raised again. Each path is the one
    that takes the least, from the class with too much outflow to one with too much inflow.
    ``surplus`` is the inflow less the outflow.
    """
    left, taken = flows.copy(), np.zeros_like(flows)
    surplus = left.sum(axis=0) - left.sum(axis=1)
    least = BALANCED * flows.sum()
    for _ in range(MAX_PATHS):
        first, costs = int(surplus.argmin()), _costs(left, taken)
        lengths, before = bellman_ford(costs, indices=first, return_predecessors=True)
        last = int(np.where(surplus > least, lengths, np.inf).argmin())
        if not (surplus[first] < -least and surplus[last] > least and lengths[last] < np.inf):
            break
        ends = [last]
        while ends[-1] != first:
            ends.append(before[ends[-1]])
        into, of = np.array(ends[:-1]), np.array(ends[1:])
        against = costs[of, into] < 0
        room = np.where(against, taken[into, of], left[of, into])
        amount = min(room.min(), -surplus[first], surplus[last])
        flow = np.where(against, into, of), np.where(against, of, into)
        left[flow] -= np.where(against, -amount, amount)
        taken[flow] += np.where(against, -amount, amount)
        surplus[first] += amount
        surplus[last] -= amount
    return left


def _costs(left: Array, taken: Array) -> Array:
    """Return the cost of a step from class to class: 1, or -1 where it raises a lowered flow."""
    return np.where(taken.T > 0, -1.0, np.where(left > 0, 1.0, np.inf))


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
