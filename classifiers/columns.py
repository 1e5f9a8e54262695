"""From raw columns to the columns that a model is learned on, and back to weights for ``X``.

There are at most two maps. Rows are read in a frame where ``X`` needs one (:meth:`Scaling.frame`).
The weights are those for the columns that the objective's scaling makes of these. Whitened columns
have one map of their own (:mod:`.whitening`).
"""

import numpy as np

from .objective import Objective
from .scaling import Scaling, StandardisedRows, Weights
from .sources import ColumnStack, Source
from .whitening import WhitenedRows, whitened, whitening_of

__all__ = ["adjusted", "frame_of", "learned_attributes", "prepared", "raw_rows", "weights_for"]


def adjusted(scaling: Scaling, X: Source, standardize: bool | str, fit_intercept: bool) -> Scaling:
    """Return the scaling that the options ask for, from that to zero mean and unit variance."""
    if standardize == "parts" and isinstance(X, ColumnStack):
        scaling = scaling.balanced(X.widths)
    return scaling if fit_intercept else scaling.uncentred()


def prepared(
    X: Source,
    scaling: Scaling | None,
    standardize: bool | str,
    weight: Weights | None,
    n_jobs: int | None,
) -> tuple[Source, Scaling | None]:
    """Return the rows to learn from, and the scaling that makes the objective's columns of them.

    Rows are whitened where ``standardize`` asks for it. Else they are in the frame that they need.
    """
    if scaling is None:
        return X, None
    if standardize == "whiten":
        return whitened(X, whitening_of(X, scaling, weight, n_jobs), n_jobs), None
    frame = scaling.frame(X.dtype)
    if frame is None:
        return X, scaling
    return StandardisedRows(X, frame, X.dtype), scaling.within(frame)


def frame_of(objective: Objective) -> Scaling | None:
    """Return the frame that the objective's rows are in, or None for rows as they came."""
    return objective.X.scaling if isinstance(objective.X, StandardisedRows) else None


def raw_rows(objective: Objective) -> Source:
    """Return the rows as they came."""
    X = objective.X
    return X.X if isinstance(X, StandardisedRows | WhitenedRows) else X


def learned_attributes(W: Weights, objective: Objective) -> dict[str, Weights]:
    """Return the attributes of a model that has the weights ``W`` for the objective's columns."""
    raw = W if objective.scaling is None else objective.scaling.raw(W)
    if isinstance(objective.X, WhitenedRows):
        raw = objective.X.whitening.raw(raw)
    frame, learned = frame_of(objective), {}
    if frame is not None:
        raw = frame.raw(raw)
        learned = {"center_": frame.mean, "unit_": frame.scale}
    return learned | {"coef_": np.ascontiguousarray(raw[:, :-1]), "intercept_": raw[:, -1].copy()}


def weights_for(objective: Objective, coef: Weights, intercept: Weights) -> Weights:
    """Return a model's weights for the objective's columns."""
    W, frame = np.column_stack([coef, intercept]), frame_of(objective)
    if frame is not None:
        W = frame.standardised(W)
    if isinstance(objective.X, WhitenedRows):
        W = objective.X.whitening.whitened(W)
    return W if objective.scaling is None else objective.scaling.standardised(W)
