"""``LinearPredictor``: from learned weights and rows to scores and labels."""

from itertools import count

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from .kernels.products import row_scores
from .row_blocks import BLOCK_ROWS, over_blocks
from .scaling import Scaling, StandardisedRows, Weights
from .validation import LabelArray, MatrixLike, check_rows

__all__ = ["LinearPredictor"]

FloatArray = npt.NDArray[np.floating]


class LinearPredictor:
    """Scores and predicted classes of a linear model.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), float64
    intercept_ : ndarray of shape (n_classes,), float64
    center_, unit_ : ndarray of shape (n_features,), float64, optional
        What :meth:`decision_function` subtracts from the columns and divides them by before it
        multiplies, where weights for raw columns would lose digits (:meth:`Scaling.frame`).
    """

    n_jobs: int | None
    classes_: LabelArray
    coef_: Weights
    intercept_: Weights
    center_: Weights
    unit_: Weights

    def decision_function(self, X: MatrixLike) -> FloatArray:
        """Compute the scores of the classes. Those of a row do not depend on the other rows.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, the score of the second class minus the score of the first.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict(self, X: MatrixLike) -> LabelArray:
        """Return the class with the highest score for each row.

        Parameters
        ----------
        X : array-like or source of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]

    def _temperature(self) -> float:
        """Return what scores are divided by before they become probabilities."""
        return getattr(self, "temperature_", 1.0)

    def _frame(self) -> Scaling | None:
        return Scaling(self.center_, self.unit_) if hasattr(self, "center_") else None

    def _scores(self, X: MatrixLike) -> FloatArray:
        check_is_fitted(self)
        rows_of = check_rows(self, X, reset=False)
        W, frame = np.column_stack([self.coef_, self.intercept_]), self._frame()
        dtype = rows_of.dtype
        if frame is not None:
            W, rows_of = frame.standardised(W), StandardisedRows(rows_of, frame, dtype)
        coef, intercept = W[:, :-1].astype(dtype), W[:, -1].astype(dtype)
        scores = np.empty((rows_of.shape[0], len(self.classes_)), dtype)
        blocks = over_blocks(_block_scores, rows_of, self.n_jobs, fixed=(coef, intercept))
        for start, block in zip(count(0, BLOCK_ROWS), blocks, strict=False):
            scores[start : start + BLOCK_ROWS] = block
        return scores


def _block_scores(block: FloatArray, coef: FloatArray, intercept: FloatArray) -> FloatArray:
    scores: FloatArray = row_scores(block, coef, intercept)
    return scores
