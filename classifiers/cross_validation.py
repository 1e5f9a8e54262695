"""``CrossValidated``: how ``LinearSVMCV`` and ``SoftmaxCV`` choose their penalty."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from .base import LinearClassifier
from .calibration import find_temperature
from .columns import adjusted, frame_of
from .folds import Indices, Splits, fold_of_each_row, make_splits
from .objective import Objective
from .part_search import PartSearch
from .parts import Alpha, with_factors
from .scaling import Scaling, Weights, scalings_outside
from .solvers.base import Solver
from .solvers.curvature import Spectrum, column_gram, sample, sample_size
from .solvers.held_out import accuracies, held_out_scores, score_held_out
from .solvers.path import Models
from .solvers.path_model import Model
from .sources import ColumnStack, Source
from .validation import (
    LabelArray,
    MatrixLike,
    as_ratios,
    check_training_data,
    row_weights,
    seed_of,
)
from .whitening import ColumnMap, WhitenedRows, rewhitening, whitening_of

__all__ = ["CrossValidated"]

# The columns' correlations are measured on so many rows a column: some steps are not evaluated.
ROWS_PER_COLUMN = 16


class CrossValidated(LinearClassifier):
    """Base of the classifiers that search for the best penalty."""

    alphas: Sequence[float]
    cv: Splits
    tol: float
    per_part: bool
    calibrate: bool
    alpha_: Alpha
    tried_: list[Alpha]
    scores_: Weights
    temperature_: float
    solver: Solver | None = None
    warm_start: bool = False

    def fit(
        self,
        X: MatrixLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Score every penalty on every split, and fit the best penalty to all rows.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows in training and in scoring.
        groups : array-like of shape (n_samples,), optional
            Rows with the same value are in one fold. Handed to ``cv`` where it is a splitter of
            scikit-learn.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As :meth:`LinearClassifier.fit`; and if a penalty is not above 0, ``cv`` gives no
            splits, or the training or the test rows of a split all have weight 0.

        Warns
        -----
        UserWarning
            If a class has fewer rows than there are stratified folds.
        """
        self._check_parameters()
        rows, labels = check_training_data(self, X, y, finite=not self.standardize)
        objective = self._objective(rows, labels, sample_weight, max(self.alphas))
        seed = seed_of(self.random_state) or 0
        splits = make_splits(self.cv, rows, labels, groups, seed)
        weight = row_weights(labels, self.classes_, self.class_weight, sample_weight)
        weight = np.ones(len(labels)) if weight is None else weight
        if not all(weight[train].any() and weight[test].any() for train, test in splits):
            raise ValueError(
                f"cv={self.cv!r}: there are folds whose rows all have weight 0; take fewer folds"
            )
        folds = fold_of_each_row(splits, len(labels))
        for name in ("per_part", "calibrate"):
            if folds is None and getattr(self, name):
                raise ValueError(f"{name} needs a cv that tests each row once, got cv={self.cv!r}")
        if self.per_part and self.standardize == "whiten":
            raise ValueError(
                "per_part needs columns of their own for each part, but standardize='whiten' mixes "
                "them; give standardize='parts'"
            )
        self.__dict__.pop("temperature_", None)  # of another fit
        self.tried_ = [float(alpha) for alpha in self.alphas]
        W = np.zeros(objective.shape)
        if folds is None:
            of_splits = [self._score_split(rows, labels, weight, split, seed) for split in splits]
            self.scores_ = np.column_stack(of_splits)
            objective = objective.replaced(alpha=self.tried_[self._best()])
        else:
            with objective:
                found = self._search(rows, objective, folds, seed)
            objective = with_factors(objective, found.columns.factors)
            objective, W = objective.replaced(alpha=found.alpha), found.W
            if objective.scaling is not None and found.scaling is not None:
                W = objective.scaling.standardised(found.scaling.raw(W))
        if self.verbose > 0:
            for alpha, mean in zip(self.tried_, self.scores_.mean(axis=1), strict=True):
                print(
                    f"{type(self).__name__}: alpha {_text(alpha)}: accuracy {mean:.4f}", flush=True
                )
        self.alpha_ = self.tried_[self._best()]
        return self._minimize(objective, W)

    def _best(self) -> int:
        """Return the number of the penalty with the best mean score."""
        return int(self.scores_.mean(axis=1).argmax())

    def _check_strength(self) -> None:
        _check_penalties(self.alphas)

    def _penalty(self) -> Alpha:
        return self.alpha_

    def _search(self, X: Source, objective: Objective, folds: Indices, seed: int) -> Model:
        """Score penalties on all folds in shared passes over X.

        Returns
        -------
        Model
            Of the best penalty, learned from all rows.
        """
        gram = self._gram(objective, seed)
        spectrum = Spectrum(gram)
        everything = self._models(objective, folds, spectrum)
        models = everything.of_all_rows(self.alphas)
        rows = sample(objective, max(objective.n_samples // 8, sample_size(objective)), seed)
        if 2 * len(rows) <= objective.n_samples:
            part = self._models(objective.subset(rows), folds[rows], spectrum)
            part.minimize(models, self.tol)
            everything.measure(models, seed)
            models = [model.again() for model in models]
        scalings = self._scalings(X, objective, folds)
        leave_out = partial(everything.leave_out, models, scalings)
        scored = score_held_out(everything, models, leave_out, self.tol, seed)
        self.scores_ = np.stack([one.accuracies for one in scored])
        best = scored[self._best()]
        if self.per_part and isinstance(X, ColumnStack) and len(X.parts) > 1:
            parts = PartSearch(
                everything, cast(list[Scaling | None], scalings), gram, X.widths, self.tol, seed
            )
            common, best = best.model.alpha, parts.run(best)
            of_parts = parts.alphas(common)[1:].tolist()  # the first is known
            self.tried_ += [dict(zip(X.names, alphas, strict=True)) for alphas in of_parts]
            self.scores_ = np.concatenate([self.scores_, list(parts.tried.values())[1:]])
        if self.calibrate:
            scores = held_out_scores(everything, best.without)
            self.temperature_ = find_temperature(scores, objective.y, objective.sample_weight)
        return best.model

    def _score_split(
        self,
        X: Source,
        y: LabelArray,
        weight: Weights,
        split: tuple[Indices, Indices],
        seed: int,
    ) -> list[float]:
        """Score all penalties on one split of any kind; rows outside have weight 0."""
        of_train, of_test = (weight * np.bincount(rows, minlength=len(y)) for rows in split)
        objective = self._objective_over(X, y, of_train, max(self.alphas))
        spectrum = Spectrum(self._gram(objective, seed))
        with objective:
            training = self._models(objective, np.zeros(len(y), np.intp), spectrum)
            models = training.of_all_rows(self.alphas)
            training.minimize(models, 0.3 * self.tol)
            training.measure(models, seed)
            models = [model.again() for model in models]
            training.minimize(models, training.promise * self.tol)
            training.finish(models)
            is_test = (of_test > 0).astype(np.intp)
            of_rows = objective.replaced(sample_weight=as_ratios(of_test)[0])
            testing = self._models(of_rows, is_test, spectrum)
            return accuracies(testing, [replace(model, held_out=1) for model in models])

    def _models(self, objective: Objective, folds: Indices, spectrum: Spectrum) -> Models:
        return Models(objective, folds, spectrum, self._seeded_solver)

    def _gram(self, objective: Objective, seed: int) -> Weights | None:
        return column_gram(objective, seed, ROWS_PER_COLUMN * objective.X.shape[1])

    def _scalings(self, X: Source, objective: Objective, folds: Indices) -> list[ColumnMap | None]:
        """Return what makes columns by the rows that each fold's models see."""
        n_folds = folds.max() + 1
        if not self.standardize:
            return [None] * n_folds
        weight = 1.0 if objective.sample_weight is None else objective.sample_weight
        of_folds = weight * (folds == np.arange(n_folds)[:, None])
        frame = frame_of(objective)
        scalings = [
            adjusted(scaling, X, self.standardize, self.fit_intercept)
            for scaling in scalings_outside(X, of_folds, self.n_jobs)
        ]
        if isinstance(objective.X, WhitenedRows):
            before, outside = objective.X.whitening, of_folds.sum(axis=0) - of_folds
            return [
                rewhitening(before, whitening_of(X, scaling, seen, self.n_jobs), X.dtype)
                for scaling, seen in zip(scalings, outside, strict=True)
            ]
        return [scaling if frame is None else scaling.within(frame) for scaling in scalings]


def _text(alpha: Alpha) -> str:
    """Return a penalty, or the penalty of each part, in few digits."""
    if isinstance(alpha, Mapping):
        return ", ".join(f"{name} {value:g}" for name, value in alpha.items())
    return f"{alpha:g}"


def _check_penalties(alphas: Sequence[float]) -> None:
    numbers = isinstance(alphas, Sequence | np.ndarray) and np.ndim(alphas) == 1 and len(alphas)
    if not (numbers and all(isinstance(alpha, Real) and 0 < alpha < np.inf for alpha in alphas)):
        raise ValueError(f"alphas must be numbers above 0, got {alphas!r}")
