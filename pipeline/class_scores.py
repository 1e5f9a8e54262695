"""Scores of the classes by any classifier, also by one of the user's own that has none."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .persist import is_ours

__all__ = ["class_scores", "has_scores", "is_linear"]

ROWS_TRIED = 16


def has_scores(model: Any) -> bool:
    """Tell whether a classifier says more than the class of a row."""
    return hasattr(model, "predict_proba") or hasattr(model, "decision_function")


def is_linear(model: Any, X: Any) -> bool:
    """Tell whether the scores of classes are weights times a row, and an intercept.

    Not each classifier with ``coef_`` is so: that of ``SVC`` is of pairs of classes.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like of shape (n, columns)
        Rows on which it is tried, where the model is of the user's.
    """
    if is_ours(model):
        return hasattr(model, "coef_")
    if not all(hasattr(model, name) for name in ("coef_", "intercept_", "decision_function")):
        return False
    rows, coef = np.asarray(X[:ROWS_TRIED], np.float64), np.asarray(model.coef_)
    if coef.ndim != 2:
        return False
    scores, linear = np.asarray(model.decision_function(rows)), rows @ coef.T + model.intercept_
    return linear.size == scores.size and np.allclose(linear.reshape(scores.shape), scores)


def class_scores(model: Any, X: Any) -> npt.NDArray[np.float64]:
    """Return a score for each class, of which the predicted class has the highest.

    Parameters
    ----------
    model : estimator
        Fitted. Without ``decision_function``, the class that it predicts has 1 and others have 0.
    X : array-like of shape (n, columns)

    Returns
    -------
    ndarray of shape (n, n_classes)
        Of two classes, the second one's score less the first one's is the decision function.
    """
    if not hasattr(model, "decision_function"):
        return (np.asarray(model.predict(X))[:, None] == model.classes_).astype(np.float64)
    scores = np.asarray(model.decision_function(X), np.float64)
    return np.column_stack([-scores / 2, scores / 2]) if scores.ndim == 1 else scores
