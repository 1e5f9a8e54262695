"""What is checked before a classifier learns or predicts, by scikit-learn's rules."""

from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from visualwords.threads import row_blocks, worker_threads

from .sources import is_source

__all__ = [
    "LARGEST",
    "check_penalty",
    "check_rows",
    "check_training_data",
    "check_values",
    "row_weights",
]

BLOCK_ROWS = 512
# What is summed in float32 are squares; in float64, solvers go up to sixth powers.
LARGEST = {np.dtype(np.float32): 1e15, np.dtype(np.float64): 1e50}


def check_penalty(alpha: float) -> None:
    """Check the strength of an L2 penalty."""
    if not (isinstance(alpha, Real) and 0 <= alpha < np.inf):
        raise ValueError(f"alpha must be at least 0, and a finite number, got {alpha!r}")


def check_rows(estimator: BaseEstimator, X: Any, *, reset: bool, finite: bool = True) -> Any:
    """Check X by scikit-learn's rules; a source that is no array keeps being one."""
    if not is_source(X):
        kinds = [np.float64, np.float32]
        X = validate_data(estimator, X, dtype=kinds, reset=reset, ensure_all_finite=False)
    else:
        if len(X.shape) != 2 or X.dtype not in (np.float32, np.float64):
            raise ValueError(
                "expected a two-dimensional source of float32 or float64 rows, got shape "
                f"{X.shape} and dtype {X.dtype}"
            )
        if X.shape[0] == 0:
            raise ValueError(f"expected at least 1 row, got a source of shape {X.shape}")
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    if finite:
        check_values(estimator, X)
    return X


def check_values(estimator: BaseEstimator, X: Any) -> None:
    """Refuse rows with missing, infinite or too large values."""
    largest = LARGEST[X.dtype]
    rows = _broken_rows(X, largest, getattr(estimator, "n_jobs", None))
    if rows is None:
        return
    where = f"in rows {rows.start} to {rows.stop - 1}"
    if np.isfinite(X[rows]).all():
        raise ValueError(
            f"X has values beyond {largest:g}, too large to compute with in {X.dtype}, {where}; "
            "scale its columns, e.g. with sklearn.preprocessing.MaxAbsScaler"
        )
    if not is_source(X):
        assert_all_finite(X, estimator_name=type(estimator).__name__, input_name="X")
    raise ValueError(f"X has values that are not finite (NaN or infinity) {where}")


def _broken_rows(X: Any, largest: float, n_jobs: int | None) -> slice | None:
    """Find the first block of rows with a value that is not finite or too large."""

    def is_broken(rows: slice) -> bool:
        block = X[rows]
        with np.errstate(over="ignore", invalid="ignore"):  # a sum of squares may overflow
            if np.linalg.norm(block) <= largest:  # takes half as long as to look at each value
                return False
            return not (np.abs(block) <= largest).all()

    blocks = row_blocks(X.shape[0], BLOCK_ROWS)
    with worker_threads(n_jobs) as map_:
        broken = zip(blocks, map_(is_broken, blocks), strict=True)
        return next((rows for rows, found in broken if found), None)


def check_training_data(
    estimator: BaseEstimator, X: Any, y: Any, *, reset: bool = True, finite: bool = True
) -> tuple[Any, Any]:
    """Check X and y together; y is any kind of class labels."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    X = check_rows(estimator, X, reset=reset, finite=finite)
    y = column_or_1d(y, warn=True)
    try:
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
    except TypeError as error:
        raise ValueError(
            f"y has labels that cannot be sorted, give all of one kind and none missing: {error}"
        ) from None
    if len(y) != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows but y has {len(y)} labels")
    return X, y


def row_weights(
    y: npt.NDArray[Any], classes: npt.NDArray[Any], class_weight: Any, sample_weight: Any
) -> npt.NDArray[np.float64] | None:
    """Weight of every row: the sample's times its class's; None when all are 1."""
    if sample_weight is None and class_weight is None:
        return None
    weight = np.ones(len(y))
    if sample_weight is not None:
        rows = np.broadcast_to(np.float64(0), (len(y), 1))
        weight = _check_sample_weight(
            sample_weight, rows, dtype=np.float64, ensure_non_negative=True
        )
    if class_weight is not None:
        of_class = compute_class_weight(class_weight, classes=classes, y=y)
        if not of_class.min() >= 0:
            raise ValueError(f"class_weight must not be negative, got {class_weight!r}")
        weight = weight * of_class[np.searchsorted(classes, y)]
    if not weight.any():
        raise ValueError("sample_weight is zero for all rows: there is nothing to learn from")
    # Only ratios matter. By a power of two, which costs no digit, float32 can hold them.
    return np.ldexp(weight, -np.frexp(weight.max())[1])
