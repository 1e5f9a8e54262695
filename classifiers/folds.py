"""Which rows train and which rows test in cross-validation."""

import warnings
from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from .sources import Source
from .validation import LabelArray

__all__ = ["Indices", "Splits", "Splitter", "check_folds", "fold_of_each_row", "make_splits"]

Indices = npt.NDArray[np.intp]
NO_FOLD = -1
FOLDS = 5  # by default
STRATIFIED = (StratifiedKFold, StratifiedGroupKFold)


class Splitter(Protocol):
    """scikit-learn's interface of a cross-validation splitter."""

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[npt.ArrayLike, npt.ArrayLike]]:
        """Give the indices of the training rows and of the test rows of each split."""


Splits = int | Splitter | Iterable[tuple[npt.ArrayLike, npt.ArrayLike]] | None


def make_splits(
    cv: Splits, X: Source, y: LabelArray, groups: npt.ArrayLike | None, seed: int
) -> list[tuple[Indices, Indices]]:
    """Return the training rows and the test rows of each split.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test), or None
        As in scikit-learn. An integer is a number of stratified folds, but of rows in random order,
        and groups are kept together where they are given; None is 5.
    X : source of shape (n, n_features)
    y : ndarray of shape (n,)
    groups : array-like of shape (n,), optional
        For splitters that keep groups of rows together. Rows of one group have the same value.
    seed : int
        Of the random order.

    Raises
    ------
    ValueError
        If ``cv`` is none of these or gives no split, or a split has no training or no test rows, or
        no class has as many rows as there are stratified folds, or there are fewer groups than
        folds.

    Warns
    -----
    UserWarning
        If a class has fewer rows than there are stratified folds, or all its rows are in the groups
        that one fold tests.
    """
    check_folds(cv, y, groups)
    if cv is None or isinstance(cv, Integral):
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        splitter = kind(FOLDS if cv is None else int(cv), shuffle=True, random_state=seed)
    else:
        splitter = check_cv(cv)
    rows = np.arange(len(y))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = [(rows[train], rows[test]) for train, test in splitter.split(X, y, groups)]
    if not splits:
        raise ValueError(f"cv must give at least one split into train and test, got {cv!r}")
    for number, (train, test) in enumerate(splits):
        if not (len(train) and len(test)):
            raise ValueError(
                f"split {number} of cv={cv!r} has {len(train)} training rows and {len(test)} test "
                "rows, expected at least 1 of each"
            )
    classes, counts = np.unique_counts(y)
    if (fewest := counts.min()) < len(splits) and isinstance(splitter, STRATIFIED):
        has = "row, so one fold is trained" if fewest == 1 else "rows, so some folds are tested"
        warnings.warn(
            f"{len(splits)} folds, and class {classes[counts.argmin()]!s} has {fewest} {has} "
            "without it; take fewer folds or more rows of it",
            UserWarning,
            stacklevel=3,
        )
    if groups is not None and any(len(np.unique(y[train])) < len(counts) for train, _ in splits):
        warnings.warn(
            "a fold is trained without one of the classes, whose rows are in too few groups: its "
            "score, penalty and temperature say little; give more groups of each class",
            UserWarning,
            stacklevel=3,
        )
    return splits


def check_folds(cv: Splits, y: LabelArray, groups: npt.ArrayLike | None) -> None:
    """Refuse a number of folds for which there are too few rows or groups; see :func:`make_splits`.

    Only the labels are needed, so it can be asked before there is a matrix.
    """
    if not (cv is None or isinstance(cv, Integral)):
        return
    n_folds, most = FOLDS if cv is None else int(cv), np.unique_counts(y).counts.max()
    if n_folds > most:
        raise ValueError(
            f"cv={cv!r}: {n_folds} folds need a class of {n_folds} rows, the largest class has "
            f"{most}; take fewer folds or more rows"
        )
    if groups is not None and n_folds > (n_groups := _number_of_groups(groups, len(y))):
        raise ValueError(
            f"cv={cv!r}: {n_folds} folds need {n_folds} groups, got {n_groups}; take fewer "
            "folds or more groups"
        )


def _number_of_groups(groups: npt.ArrayLike, n_rows: int) -> int:
    """Count the groups, after a check that there is one for each row."""
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(
            f"groups must have shape ({n_rows},), the group of each row, got {values.shape}"
        )
    try:
        return len(np.unique(values))
    except TypeError as error:
        raise ValueError(
            "groups has values that cannot be sorted, give all of one kind and none missing: "
            f"{error}"
        ) from None


def fold_of_each_row(splits: list[tuple[Indices, Indices]], n_rows: int) -> Indices | None:
    """Return the split that tests each row, if each row is tested once and else trained on.

    Returns None for splits of another kind, such as random ones or those of time series.

    Examples
    --------
    >>> first, last = np.array([0, 1]), np.array([2])
    >>> fold_of_each_row([(first, last), (last, first)], 3)
    array([1, 1, 0])
    >>> fold_of_each_row([(first, last)], 3)
    """
    folds = np.full(n_rows, NO_FOLD)
    for number, (train, test) in enumerate(splits):
        times = np.bincount(train, minlength=n_rows) + np.bincount(test, minlength=n_rows)
        if (times != 1).any() or (folds[test] != NO_FOLD).any():
            return None
        folds[test] = number
    return None if (folds == NO_FOLD).any() else folds
