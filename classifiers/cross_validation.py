"""``CrossValidated``: how ``LinearSVMCV`` and ``SoftmaxCV`` choose their penalty."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_real, check_seed

from .base import LinearClassifier
from .calibration import find_temperature
from .columns import adjusted, frame_of
from .few_rows import FewRows, ObjectiveOf, WeightedSplits
from .folds import Indices, Splits, fold_of_each_row, make_splits
from .objective import Objective
from .part_search import PartSearch
from .parts import Alpha, ColumnPenalty, with_factors
from .reporting import warn_of_scores
from .row_products import are_few
from .scaling import Weights, scalings_outside
from .scored import Scored, Scorer
from .shared_passes import SharedPasses, score_split
from .solvers.base import Solver
from .sources import ColumnStack, Source
from .validation import MatrixLike, check_training_data, row_weights
from .whitening import ColumnMap, WhitenedRows, rewhitening, whitening_of

__all__ = ["CrossValidated"]

M = TypeVar("M")


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
        ConvergenceWarning
            If a model stops before its tolerance is met, of those that are scored or the last one.
        """
        self._check_parameters()
        rows, labels = check_training_data(self, X, y, finite=not self.standardize)
        objective = self._objective(rows, labels, sample_weight, max(self.alphas))
        seed = check_seed("random_state", self.random_state) or 0
        splits = make_splits(self.cv, rows, labels, groups, seed)
        weight = row_weights(labels, self.classes_, self.class_weight, sample_weight)
        weight = np.ones(len(labels)) if weight is None else weight
        weighted = [(_of_rows(weight, train), _of_rows(weight, test)) for train, test in splits]
        if not all(train.any() and test.any() for train, test in weighted):
            raise ValueError(
                f"cv={self.cv!r}: there are folds whose rows all have weight 0; take fewer folds"
            )
        folds = fold_of_each_row(splits, len(labels))
        self._check_search(folds)
        self.__dict__.pop("temperature_", None)  # of another fit
        self.tried_ = [float(alpha) for alpha in self.alphas]
        objective_of = partial(self._objective_over, rows, labels, alpha=max(self.alphas))
        if folds is None and not are_few(*rows.shape):
            penalty, short = self._search_splits(objective_of, weighted, seed)
            W = np.zeros(objective.shape)
        else:
            with objective:
                scorer = self._scorer(rows, objective, objective_of, weight, weighted, folds, seed)
                best = self._search(scorer, rows, objective)
                penalty, short, W = best.penalty, scorer.short, scorer.weights(best)
        warn_of_scores(short, stacklevel=2)
        objective = with_factors(objective, penalty.factors).replaced(alpha=penalty.alpha)
        if objective.scaling is not None:
            W = objective.scaling.standardised(W)
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
        check_real("tol", self.tol, least=0)

    def _penalty(self) -> Alpha:
        return self.alpha_

    def _scorer(
        self,
        X: Source,
        objective: Objective,
        objective_of: ObjectiveOf,
        weight: Weights,
        splits: WeightedSplits,
        folds: Indices | None,
        seed: int,
    ) -> Scorer[Any]:
        """Return what scores penalties on the splits."""
        if folds is None or are_few(*X.shape):
            widths = X.widths if self._has_parts(X) else X.shape[1:]
            solver = self._seeded_solver
            return FewRows(objective_of, weight, splits, widths, solver, self.tol)
        scalings = self._scalings(X, objective, folds)
        return SharedPasses(objective, folds, scalings, self._seeded_solver, self.tol, seed)

    def _search(self, scorer: Scorer[M], X: Source, objective: Objective) -> Scored[M]:
        """Score all penalties; return the best one."""
        scored = scorer.score([ColumnPenalty(float(alpha), None) for alpha in self.alphas])
        self.scores_ = np.stack([one.accuracies for one in scored])
        best = scored[self._best()]
        if self._has_parts(X):
            parts = PartSearch(scorer, X.widths)
            common, best = best.penalty.alpha, parts.run(best)
            of_parts = parts.alphas(common)[1:].tolist()  # the first is known
            self.tried_ += [dict(zip(X.names, alphas, strict=True)) for alphas in of_parts]
            self.scores_ = np.concatenate([self.scores_, list(parts.tried.values())[1:]])
        if self.calibrate:
            scores = scorer.held_out_scores(best)
            self.temperature_ = find_temperature(scores, objective.y, objective.sample_weight)
        return best

    def _check_search(self, folds: Indices | None) -> None:
        """Refuse options that do not go together; ``folds`` is None where they are no folds."""
        for name in ("per_part", "calibrate"):
            if folds is None and getattr(self, name):
                raise ValueError(f"{name} needs a cv that tests each row once, got cv={self.cv!r}")
        if self.per_part and self.standardize == "whiten":
            raise ValueError(
                "per_part needs columns of their own for each part, but standardize='whiten' mixes "
                "them; give standardize='parts'"
            )

    def _search_splits(
        self, objective_of: ObjectiveOf, splits: WeightedSplits, seed: int
    ) -> tuple[ColumnPenalty, list[float]]:
        """Score all penalties on splits of any kind; return the best one, and those in doubt."""
        solver = self._seeded_solver
        of_splits = [
            score_split(objective_of(train), test, self.alphas, solver, self.tol, seed)
            for train, test in splits
        ]
        self.scores_ = np.column_stack([accuracies for accuracies, _ in of_splits])
        short = [alpha for _, of_split in of_splits for alpha in of_split]
        return ColumnPenalty(float(self.alphas[self._best()]), None), short

    def _has_parts(self, X: Source) -> TypeGuard[ColumnStack]:
        """Whether there are parts to search penalties for."""
        return self.per_part and isinstance(X, ColumnStack) and len(X.parts) > 1

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
            n_jobs = self.n_jobs
            return [
                rewhitening(before, whitening_of(X, scaling, seen, n_jobs), X.dtype, n_jobs)
                for scaling, seen in zip(scalings, outside, strict=True)
            ]
        return [scaling if frame is None else scaling.within(frame) for scaling in scalings]


def _of_rows(weight: Weights, rows: Indices) -> Weights:
    """Return the weights of some rows, and 0 for the others; a row may be there twice."""
    return weight * np.bincount(rows, minlength=len(weight))


def _text(alpha: Alpha) -> str:
    """Return a penalty, or the penalty of each part, in few digits."""
    if isinstance(alpha, Mapping):
        return ", ".join(f"{name} {value:g}" for name, value in alpha.items())
    return f"{alpha:g}"


def _check_penalties(alphas: Sequence[float]) -> None:
    if not (isinstance(alphas, Sequence | np.ndarray) and np.ndim(alphas) == 1 and len(alphas)):
        raise ValueError(f"alphas must be a list of numbers above 0, got {alphas!r}")
    for number, alpha in enumerate(alphas):
        check_real(f"alphas[{number}]", alpha, above=0)
