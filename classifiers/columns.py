"""From raw columns to the columns that a model is learned on, and back to weights for ``X``.

There are at most two maps. Rows are read in a frame where ``X`` needs one (:meth:`Scaling.frame`).
The weights are those for the columns that the objective's scaling makes of these.
"""

import numpy as np

from .objective import Objective
from .scaling import Scaling, StandardisedRows, Weights
from .sources import ColumnStack, Source

__all__ = ["adjusted", "frame_of", "framed", "learned_attributes", "raw_rows", "weights_for"]


def adjusted(scaling: Scaling, X: Source, standardize: bool | str, fit_intercept: bool) -> Scaling:
    """Return the scaling that the options ask for, from that to zero mean and unit variance."""
    if standardize == "parts" and isinstance(X, ColumnStack):
        scaling = scaling.balanced(X.widths)
    return scaling if fit_intercept else scaling.uncentred()


def framed(X: Source, scaling: Scaling | None) -> tuple[Source, Scaling | None]:
    """Return the rows in the frame that they need, and the scaling of the columns in the frame."""
    frame = None if scaling is None else scaling.frame(X.dtype)
    if scaling is None or frame is None:
        return X, scaling
    return StandardisedRows(X, frame, X.dtype), scaling.within(frame)


def frame_of(objective: Objective) -> Scaling | None:
    """Return the frame that the objective's rows are in, or None for rows as they came."""
    return objective.X.scaling if isinstance(objective.X, StandardisedRows) else None


def raw_rows(objective: Objective) -> Source:
    """Return the rows as they came."""
    return objective.X.X if isinstance(objective.X, StandardisedRows) else objective.X


def learned_attributes(W: Weights, objective: Objective) -> dict[str, Weights]:
    """Return the attributes of a model that has the weights ``W`` for the objective's columns."""
    raw = W if objective.scaling is None else objective.scaling.raw(W)
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
    return W if objective.scaling is None else objective.scaling.standardised(W)
