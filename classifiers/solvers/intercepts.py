"""Bring intercepts to their minimum while the other weights stay."""

import numpy as np

from visualwords.classifiers.objective import Objective, Weights

from .lbfgs import SMALLEST, Pairs, finish_two_loop, start_two_loop
from .moments import sample

__all__ = ["settle_intercepts", "value_at_zero"]

# Steps over the intercepts alone. Each costs a small part of a pass over X.
SETTLING = 20
SETTLING_ROWS = 1 << 14
# Second derivative of a mean loss by an intercept, before it is measured.
CURVATURE = 0.1


def settle_intercepts(
    objective: Objective,
    W: Weights,
    curvature: float,
    room: float,
    gradient: Weights | None = None,
) -> Weights:
    """Return weights with other intercepts, whose gradient is near 0.

    The steps are quasi-Newton steps that look at gradients alone, because differences of values
    are of second order and drown in rounding. The scores at ``W`` take one pass over X. If the
    gradient at ``W`` is given, its changes are computed on a sample of the rows.

    Parameters
    ----------
    objective : Objective
    W : ndarray of shape (n_classes, n_features + 1)
    curvature : float
        Second derivative of the mean loss by an intercept. The first step is divided by it.
    room : float
        The steps end when the intercepts add at most this to the gap.
    gradient : ndarray of the shape of W, optional
        The gradient at ``W``.

    Returns
    -------
    ndarray of the shape of W
    """
    if gradient is not None:
        objective = objective.subset(sample(objective, SETTLING_ROWS, seed=0))
    alone = objective.replaced(
        X=np.empty((objective.n_samples, 0), objective.X.dtype),
        alpha=0.0,
        scaling=None,
        offset=objective.scores(W),
    )
    radius = max(1.0, float(np.abs(W[:, -1]).max()))
    shift = best = np.zeros(alone.shape)
    here = alone(shift)[1]
    rest = 0.0 if gradient is None else gradient[:, -1:] - here
    slope, least, pairs = here + rest, np.inf, Pairs()
    for _ in range(SETTLING):
        error = radius * float(np.abs(slope).sum())
        if error < least:
            best, least = shift, error
        if least <= room:
            break
        direction, factors = start_two_loop(slope, pairs)
        last = pairs[-1][1] if pairs else slope
        step = -finish_two_loop(direction / curvature, last / curvature, pairs, factors)
        before, shift = slope, shift + step
        slope = alone(shift)[1] + rest
        change = slope - before
        if (step * change).sum() > 0 and (change * change).sum() > SMALLEST:
            pairs.append((step, change))
    return np.column_stack([W[:, :-1], W[:, -1:] + best])


def value_at_zero(objective: Objective) -> float:
    """Return the objective at weights of 0 and the best intercepts, if it has any.

    There the scores are the same for all rows, so one row a class stands for all.

    Parameters
    ----------
    objective : Objective
    """
    n_classes = objective.n_classes
    of_classes = Objective(
        np.empty((n_classes, 0)),
        np.arange(n_classes),
        objective.loss,
        0.0,
        n_classes,
        sample_weight=np.bincount(objective.y, objective.sample_weight, n_classes).astype(
            np.float64
        ),
    )
    W = np.zeros(of_classes.shape)
    value = of_classes(W)[0]
    if not objective.fit_intercept:
        return value
    return min(value, of_classes(settle_intercepts(of_classes, W, CURVATURE, 0.0))[0])
