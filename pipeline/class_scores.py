"""Scores of the classes by any classifier, also by one of the user's own that has none."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .counts import counted
from .own_code import OwnCodeError, naming_own_code
from .persist import is_ours

__all__ = ["answers", "class_scores", "has_scores", "is_linear"]

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


def answers(model: Any, method: str, X: Any, name: str = "") -> npt.NDArray[Any]:
    """Return what a method of a classifier says of rows. What a user's own says is checked.

    Parameters
    ----------
    model : estimator
        Fitted.
    method : {"predict", "predict_proba", "decision_function"}
    X : array-like of shape (n, columns)
    name : str
        Of the classifier in the recipe; that of its class where it is left out.

    Raises
    ------
    OwnCodeError
        If the user's code raises, or gives anything but a label or finite numbers for each row.
    """
    if is_ours(model):
        return np.asarray(getattr(model, method)(X))
    kind, n, classes = type(model).__name__, len(X), list(model.classes_)
    name = name or kind
    with naming_own_code(name, model, f"{method} of {counted(n, 'row')}"):
        found = np.asarray(getattr(model, method)(X))
    if method == "predict":
        expected = f"{n} of the labels in classes_"
        is_sound = found.shape == (n,) and set(found.tolist()) <= set(classes)
    else:
        is_two = method == "decision_function" and len(classes) == 2
        shape = (n,) if is_two else (n, len(classes))
        expected = f"finite numbers of shape {shape}, columns in the order of classes_"
        is_sound = found.shape == shape and found.dtype.kind in "fiu" and np.isfinite(found).all()
    if not is_sound:
        raise OwnCodeError(
            f"{name}: {method} of {kind} gives an array of {found.dtype} of shape {found.shape}; "
            f"expected {expected}"
        )
    return found


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
        return (answers(model, "predict", X)[:, None] == model.classes_).astype(np.float64)
    scores = answers(model, "decision_function", X).astype(np.float64, copy=False)
    return np.column_stack([-scores / 2, scores / 2]) if scores.ndim == 1 else scores
