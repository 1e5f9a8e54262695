"""Checks before a classifier learns or predicts, by scikit-learn's rules."""

from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_non_negative, column_or_1d, validate_data

from visualwords.checks import check_seed
from visualwords.threads import row_blocks

from .row_blocks import BLOCK_ROWS, over_blocks
from .sources import Source, is_source

__all__ = [
    "LARGEST",
    "ClassWeight",
    "LabelArray",
    "MatrixLike",
    "RandomState",
    "as_ratios",
    "check_known",
    "check_options",
    "check_positive_weights",
    "check_rows",
    "check_training_data",
    "check_values",
    "known_classes",
    "row_weights",
    "same_classes",
]

MatrixLike = npt.ArrayLike | Source
LabelArray = npt.NDArray[np.generic]
ClassWeight = dict[Any, float] | str | None
RandomState = int | np.random.RandomState | None

# float32 has to hold squares; in float64, solvers use sixth powers.
LARGEST: dict[np.dtype[Any], float] = {np.dtype(np.float32): 1e15, np.dtype(np.float64): 1e50}


def check_options(
    standardize: bool | str,
    solver: object | None,
    random_state: RandomState,
    class_weight: ClassWeight,
) -> None:
    """Check the parameters that all linear classifiers share."""
    if not isinstance(random_state, np.random.RandomState):  # whose next number is not drawn here
        check_seed("random_state", random_state)
    if standardize not in (False, True, "parts", "whiten"):
        raise ValueError(
            f"standardize must be False, True, 'parts' or 'whiten', got {standardize!r}"
        )
    if solver is not None and not hasattr(solver, "minimize"):
        raise TypeError(
            "solver must be a solver of visualwords.classifiers, such as LBFGS(), or None, "
            f"got {solver!r}"
        )
    if isinstance(class_weight, dict):
        is_known = all(isinstance(weight, Real) for weight in class_weight.values())
    else:
        is_known = class_weight is None or (
            isinstance(class_weight, str) and class_weight == "balanced"
        )
    if not is_known:
        raise ValueError(
            "class_weight must be a dict of the classes and their weights, 'balanced' or None, "
            f"got {class_weight!r}"
        )


def check_rows(
    estimator: BaseEstimator, X: MatrixLike, *, reset: bool, finite: bool = True
) -> Source:
    """Return X as an array by scikit-learn's rules; a source of rows is returned as it is."""
    rows: Source
    if is_source(X):
        rows = X
        if len(rows.shape) != 2 or rows.dtype not in (np.float32, np.float64):
            raise ValueError(
                "expected a two-dimensional source of float32 or float64 rows, got shape "
                f"{rows.shape} and dtype {rows.dtype}"
            )
        if 0 in rows.shape:
            raise ValueError(
                f"expected at least 1 row and 1 column, got a source of shape {rows.shape}"
            )
        validate_data(estimator, rows, skip_check_array=True, reset=reset)
    else:
        kinds = [np.float64, np.float32]
        rows = validate_data(estimator, X, dtype=kinds, reset=reset, ensure_all_finite=False)
    if finite:
        check_values(estimator, rows)
    return rows


def check_values(estimator: BaseEstimator, X: Source) -> None:
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


def _broken_rows(X: Source, largest: float, n_jobs: int | None) -> slice | None:
    """Find the first block of rows with a value that is not finite or too large."""
    blocks = row_blocks(X.shape[0], BLOCK_ROWS)
    broken = zip(blocks, over_blocks(_is_broken, X, n_jobs, fixed=(largest,)), strict=True)
    return next((rows for rows, found in broken if found), None)


def _is_broken(block: npt.NDArray[np.floating], largest: float) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):  # a sum of squares may overflow
        if np.linalg.norm(block) <= largest:  # takes half as long as to look at each value
            return False
        return not (np.abs(block) <= largest).all()


def check_training_data(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: npt.ArrayLike | None,
    *,
    reset: bool = True,
    finite: bool = True,
) -> tuple[Source, LabelArray]:
    """Return X and y after checking each and both together; y is any kind of class labels."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    rows = check_rows(estimator, X, reset=reset, finite=finite)
    labels: LabelArray = column_or_1d(y, warn=True)
    if labels.dtype.kind == "S" or (labels.dtype.kind == "O" and _some_bytes(labels)):
        raise TypeError(
            "y has labels of type bytes, which scikit-learn's classifiers do not take; make text "
            "of them first, e.g. with np.char.decode(y) or [label.decode() for label in y]"
        )
    try:
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
    except TypeError as error:
        raise ValueError(
            f"y has labels that cannot be sorted, give all of one kind and none missing: {error}"
        ) from None
    if len(labels) != rows.shape[0]:
        raise ValueError(f"X has {rows.shape[0]} rows but y has {len(labels)} labels")
    return rows, labels


def _some_bytes(labels: LabelArray) -> bool:
    return any(isinstance(label, bytes) for label in labels)


def known_classes(y: LabelArray, name: str) -> LabelArray:
    """Return the classes in y, at least two; ``name`` is the estimator's."""
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"{name} needs at least 2 classes in y, got 1 class: {classes.tolist()[0]!r}"
        )
    return classes


def same_classes(classes: npt.ArrayLike, before: LabelArray | None) -> LabelArray:
    """Return the sorted classes, at least two, which must be those of the calls before."""
    found = np.unique(classes)
    if before is not None and not np.array_equal(before, found):
        raise ValueError(f"classes changed between calls: they were {before!r}")
    if len(found) < 2:
        raise ValueError(f"partial_fit needs at least 2 classes, got classes={classes!r}")
    return found


def check_known(y: LabelArray, classes: LabelArray) -> None:
    """Refuse labels that are not among the classes."""
    unseen = np.setdiff1d(y, classes)
    if len(unseen):
        raise ValueError(f"y has labels that are not among the classes: {unseen!r}")


def check_positive_weights(weight: npt.NDArray[np.float64], y: LabelArray, name: str) -> None:
    """Refuse weights that leave fewer than two classes; ``name`` is the estimator's."""
    if not weight.any():
        raise ValueError("every row has zero weight: there is nothing to learn from")
    if len(np.unique(y[weight > 0])) < 2:
        raise ValueError(f"{name} needs rows of positive weight of at least 2 classes")


def row_weights(
    y: LabelArray,
    classes: LabelArray,
    class_weight: ClassWeight,
    sample_weight: npt.ArrayLike | None,
) -> npt.NDArray[np.float64] | None:
    """Return the weight of each row, its own times that of its class; None when all are 1.

    Balanced classes have a total of 1.
    """
    if sample_weight is None and class_weight is None:
        return None
    weight = np.ones(len(y))
    if sample_weight is not None:
        weight = check_array(
            sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
        )
        if weight.shape != (len(y),):
            raise ValueError(f"sample_weight must have shape ({len(y)},), got {weight.shape}")
        check_non_negative(weight, "`sample_weight`")
    if class_weight == "balanced":
        return _balanced(np.searchsorted(classes, y), len(classes), weight)
    if class_weight is not None:
        of_class = compute_class_weight(class_weight, classes=classes, y=y)
        if not of_class.min() >= 0:
            raise ValueError(f"class_weight must not be negative, got {class_weight!r}")
        if not np.isfinite(of_class).all():
            raise ValueError(f"class_weight must be finite, got {class_weight!r}")
        with np.errstate(over="ignore"):
            weight = weight * of_class[np.searchsorted(classes, y)]
        if not np.isfinite(weight).all():
            raise ValueError(
                "sample_weight times class_weight is too large for float64; give smaller weights"
            )
    return weight


def _balanced(
    labels: npt.NDArray[np.intp], n_classes: int, weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Divide the weights by the total weight of their class; zeros stay zeros.

    The largest weight of each class divides first, so that no total overflows. The function
    ``compute_class_weight`` of scikit-learn 1.6 counts rows instead.
    """
    largest = np.zeros(n_classes)
    np.maximum.at(largest, labels, weight)
    ratios = np.divide(weight, largest[labels], out=np.zeros_like(weight), where=weight > 0)
    totals = np.bincount(labels, ratios)
    return np.divide(ratios, totals[labels], out=ratios, where=ratios > 0)


def as_ratios(weight: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], int]:
    """Return weights of at most 1, which float32 can hold, and the power of 2 they are divided by.

    A power of 2 costs no digit.

    Examples
    --------
    >>> as_ratios(np.array([3.0, 12.0]))
    (array([0.1875, 0.75  ]), 4)
    """
    exponent = int(np.frexp(weight.max())[1])
    return np.ldexp(weight, -exponent), exponent
