"""A penalty for each part of a :class:`ColumnStack`.

The penalty ``sum over parts p of alpha_p / 2 * ||W_p||^2`` is one penalty ``alpha / 2 * ||V||^2``
of the weights ``V_p = sqrt(alpha_p / alpha) * W_p`` for columns that are divided by
``sqrt(alpha_p / alpha)``. So solvers know one penalty, and the bounds that they prove hold. Here
``alpha`` is the geometric mean of the parts' penalties.
"""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from visualwords.checks import check_real

from .objective import Objective
from .scaling import Scaling, Weights, column_scaling
from .sources import ColumnStack, Source

__all__ = ["Alpha", "ColumnPenalty", "check_penalty", "column_penalty", "divided", "with_factors"]

# One strength of the penalty; or one for each part, by its name or in the order of the parts.
Alpha = float | Sequence[float] | Mapping[Any, float]


class ColumnPenalty(NamedTuple):
    """One penalty, and the factors that the columns are divided by; None for no factors."""

    alpha: float
    factors: Weights | None


def check_penalty(alpha: Alpha, *, one_for_all: bool = False) -> None:
    """Check the strength of an L2 penalty, or the strengths for the parts."""
    if (
        isinstance(alpha, str)
        or not isinstance(alpha, Mapping | Sequence | np.ndarray)
        or (isinstance(alpha, np.ndarray) and alpha.ndim == 0)
    ):
        try:
            check_real("alpha", alpha, least=0)
        except ValueError as error:
            parts = "the parts of a ColumnStack may have numbers above 0 of their own"
            raise ValueError(f"{error}; {parts}") from None
        return
    if one_for_all:
        raise ValueError(
            f"standardize='whiten' mixes the columns of all parts, so it takes one alpha for all "
            f"of them, got {alpha!r}"
        )
    named = alpha.items() if isinstance(alpha, Mapping) else enumerate(alpha)
    for part, value in named:
        check_real(f"alpha of the part {part!r}", value, above=0)


def column_penalty(alpha: Alpha, X: Source) -> ColumnPenalty:
    """Return the one penalty and the factors of the columns that stand for the parts' penalties.

    Parameters
    ----------
    alpha : float, sequence or mapping
        A mapping may name more parts than X has.
    X : source of shape (n, n_features)

    Raises
    ------
    ValueError
        If there are penalties for parts and X is no :class:`ColumnStack`, or a part has none.

    Examples
    --------
    >>> X = ColumnStack({"hue": np.zeros((5, 1)), "hog": np.zeros((5, 2))})
    >>> column_penalty({"hue": 0.4, "hog": 0.1}, X)
    ColumnPenalty(alpha=0.2, factors=array([1.41421356, 0.70710678, 0.70710678]))
    """
    if isinstance(alpha, Real):
        return ColumnPenalty(float(alpha), None)
    if not isinstance(X, ColumnStack):
        raise ValueError(
            f"alpha={alpha!r} is for the parts of a ColumnStack, but X is a {type(X).__name__}; "
            "give one number, or a ColumnStack of the parts"
        )
    alphas = np.array([_of_part(alpha, number, X) for number in range(len(X.parts))])
    if (alphas == alphas[0]).all():
        return ColumnPenalty(float(alphas[0]), None)
    mean = float(np.exp(np.log(alphas).mean()))
    return ColumnPenalty(mean, np.repeat(np.sqrt(alphas / mean), X.widths))


def _of_part(alpha: Any, number: int, X: ColumnStack) -> float:
    """Return the penalty of a part of X."""
    names = ", ".join(map(repr, X.names))
    if isinstance(alpha, Mapping):
        if X.names[number] not in alpha:
            raise ValueError(
                f"alpha has no value for the part {X.names[number]!r} of X, only for "
                f"{', '.join(map(repr, alpha))}; the parts of X are {names}"
            )
        return float(alpha[X.names[number]])
    if len(alpha) != len(X.parts):
        raise ValueError(f"alpha has {len(alpha)} values, but X has {len(X.parts)} parts: {names}")
    return float(alpha[number])


def divided(scaling: Scaling | None, factors: Weights | None) -> Scaling | None:
    """Return a scaling that divides the columns by factors in addition; None is no scaling."""
    if factors is None:
        return scaling
    return (scaling or Scaling(0 * factors, np.ones_like(factors))).divided(factors)


def with_factors(objective: Objective, factors: Weights | None) -> Objective:
    """Return an objective for columns that are divided by factors in addition.

    Columns as they came are centred too: solvers want it, and the intercepts make up for it.
    """
    if factors is None:
        return objective
    scaling = objective.scaling
    if scaling is None and objective.fit_intercept:
        given = objective.sample_weight
        weight = None if given is None else given.astype(np.float64)
        mean = column_scaling(objective.X, weight, objective.n_jobs).mean
        scaling = Scaling(mean, np.ones_like(mean))
    return objective.replaced(scaling=divided(scaling, factors))
