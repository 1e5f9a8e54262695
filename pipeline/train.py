"""From rows in a store to trained classifiers and their scores."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.utils.validation import has_fit_parameter

from ..classifiers import ColumnStack, expected_calibration_error
from .class_scores import answers
from .counts import counted
from .engine import Workers, engine_of, ordered_map
from .extraction import Extraction
from .memory import give_back
from .names import feature_sets, model_name, probability_column
from .own_code import OwnCodeError, naming_own_code
from .progress import Progress

__all__ = ["evaluate", "labels_are_classes", "scores_by_class", "train"]

# A training matrix up to this size is put together in memory; a larger one is streamed.
IN_MEMORY_BYTES = 1 << 29
DECIMALS = 4  # of probabilities in a table

Labels = npt.NDArray[np.str_]
Groups = npt.NDArray[np.intp] | None


@contextmanager
def labels_are_classes() -> Iterator[None]:
    """Silence scikit-learn where it takes many classes of few images for numbers to regress."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


@contextmanager
def opened_columns(
    extraction: Extraction, split: str | None, workers: Workers | int | None
) -> Iterator[Callable[[Sequence[str]], ColumnStack]]:
    """Yield a function that returns the matrix of some features.

    A matrix that fits is put together in memory. A larger one is streamed from the store: threads
    stream it here, other workers read the rows in the store themselves. All have the same bits.
    """
    stack = ColumnStack(
        {name: extraction.matrix(name, split=split) for name in extraction.features}
    )

    def columns(names: Sequence[str]) -> ColumnStack:
        of_names = stack.only(names)
        if not _fits(of_names):
            return of_names
        whole = of_names.in_memory(workers.n_jobs if isinstance(workers, Workers) else workers)
        extraction.let_go()
        return whole

    if _fits(stack) or engine_of(workers) == "threads":
        yield columns
    else:
        with ordered_map(workers) as map_:
            stack = stack.placed(map_)
            yield columns


def _fits(stack: ColumnStack) -> bool:
    n_rows, n_columns = stack.shape
    return n_rows * n_columns * stack.dtype.itemsize <= IN_MEMORY_BYTES


def train(
    extraction: Extraction,
    classifiers: Mapping[str, BaseEstimator],
    progress: Progress,
    workers: Workers | int | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train every classifier on every feature set.

    Parameters
    ----------
    extraction : Extraction
    classifiers : mapping of str to estimator
    progress : Progress
    workers : Workers or int or None
        Processes, Dask and Ray sum the objectives where the rows lie.

    Returns
    -------
    models : dict
        The fitted classifiers by their names, ``<classifier>-<features>``.
    report : dict
        Per classifier: penalty, iterations, seconds and accuracy on the training rows, of all
        features together.
    """
    give_back()  # before the matrix is put together
    labels, groups = extraction.labels("train"), extraction.groups("train")
    sets = feature_sets(extraction.features)
    models: dict[str, Any] = {}
    report: dict[str, Any] = {}
    told: set[str] = set()  # warnings
    with (
        labels_are_classes(),
        progress.stage("train", len(sets) * len(classifiers)) as stage,
        opened_columns(extraction, "train", workers) as columns,
    ):
        for names in sets:
            of_set = _models_on(columns(names), labels, groups, classifiers, told)
            for name, model, said in of_set:
                models[model_name(name, names)], report[name] = model, said
                stage.advance(1)
        stage.summary = f"{counted(len(models), 'model')} on {counted(len(labels), 'image')}"
    return models, report


def _models_on(
    X: ColumnStack,
    labels: Labels,
    groups: Groups,
    classifiers: Mapping[str, BaseEstimator],
    told: set[str],
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield each classifier's name, the classifier fitted to a matrix, and what to report of it."""
    for name, classifier in classifiers.items():
        start = perf_counter()
        with _naming(name, [str(part) for part in X.names], told):
            model = _fitted(name, classifier, X, labels, groups)
        n_iter = getattr(model, "n_iter_", None)
        yield (
            name,
            model,
            {
                "alpha": getattr(model, "alpha_", getattr(model, "alpha", None)),
                "n_features": X.shape[1],
                "n_iter": 0 if n_iter is None else int(np.max(n_iter)),
                "fit_seconds": round(perf_counter() - start, 3),
                "train_accuracy": float(accuracy_score(labels, answers(model, "predict", X, name))),
            },
        )


def _fitted(
    name: str, classifier: BaseEstimator, X: ColumnStack, labels: Labels, groups: Groups
) -> Any:
    """Fit a classifier; an exception of the user's own code is told by its name and line."""
    fitted = clone(classifier)
    with naming_own_code(name, classifier, f"fit on {counted(len(labels), 'row')}"):
        if groups is not None and has_fit_parameter(fitted, "groups"):
            fitted.fit(X, labels, groups=groups)
        else:
            fitted.fit(X, labels)
    if not hasattr(fitted, "classes_"):
        raise OwnCodeError(
            f"{name}: fit of {type(classifier).__name__} sets no classes_; classifiers of "
            "scikit-learn keep the labels there, such as self.classes_ = np.unique(y)"
        )
    return fitted


@contextmanager
def _naming(classifier: str, features: Sequence[str], told: set[str]) -> Iterator[None]:
    """Let warnings of a solver name the model; others name the classifier, and are told once.

    An error names the classifier.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            yield
        except ValueError as error:
            if type(error) is not ValueError:  # those of this package say what they are about
                raise
            raise ValueError(f"{classifier}: {error}") from error
    for warning in caught:
        is_of_solver = issubclass(warning.category, ConvergenceWarning)
        name = model_name(classifier, features) if is_of_solver else classifier
        text = f"{name}: {warning.message}"
        if is_of_solver or text not in told:
            warnings.warn(text, warning.category, stacklevel=4)
            told.add(text)


def evaluate(
    extraction: Extraction,
    models: Mapping[str, Any],
    classifiers: Sequence[str],
    classes: Sequence[str],
    progress: Progress,
    split: str | None = "test",
    workers: Workers | int | None = None,
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Score models on the rows of a split.

    Parameters
    ----------
    extraction : Extraction
    models : mapping of str to estimator
        By the names of :func:`model_name`.
    classifiers : sequence of str
    classes : sequence of str
        The classes of the training images.
    progress : Progress
    split : str or None
        None is all images.
    workers : Workers or int or None

    Returns
    -------
    scores : dict
        Per classifier: ``test_accuracy`` of all features, ``by_features``, what
        :func:`scores_by_class` returns and the confusion matrix (rows: true classes). Where
        there are probabilities of all features, their expected ``calibration_error`` in 15 bins.
    predictions : dict of str to ndarray
        Columns of a table: per classifier the classes by all features and, where it gives
        probabilities, those of these classes.
    """
    labels = extraction.labels(split)
    scores: dict[str, Any] = {name: {"by_features": {}} for name in classifiers}
    predictions: dict[str, npt.NDArray[Any]] = {}
    with (
        labels_are_classes(),
        progress.stage("evaluate", len(labels)) as stage,
        opened_columns(extraction, split, workers) as columns,
    ):
        for names in feature_sets(extraction.features):
            X = columns(names)
            for name in classifiers:
                model = models[model_name(name, names)]
                predictions[name] = predicted = answers(model, "predict", X, name)
                accuracy = float(accuracy_score(labels, predicted))
                scores[name]["by_features"]["+".join(names)] = accuracy
                scores[name]["test_accuracy"] = accuracy
                if len(names) == len(extraction.features) and hasattr(model, "predict_proba"):
                    shares = answers(model, "predict_proba", X, name)
                    error = expected_calibration_error(labels, shares, model.classes_)
                    scores[name]["calibration_error"] = error
                    sure = shares[model.classes_ == predicted[:, None]].astype(np.float64)
                    predictions[probability_column(name)] = sure.round(DECIMALS)
            del X  # before the next one is put together
        for name in classifiers:
            confusion = confusion_matrix(labels, predictions[name], labels=list(classes))
            scores[name] |= scores_by_class(labels, predictions[name], classes)
            scores[name]["confusion"] = confusion.tolist()
        stage.advance(len(labels))
        stage.summary = counted(len(labels), "image")
    return scores, predictions


def scores_by_class(
    labels: npt.NDArray[Any], predicted: npt.NDArray[Any], classes: Sequence[Any]
) -> dict[str, Any]:
    """Return how well each class is told, as scikit-learn's ``classification_report`` does.

    Returns
    -------
    dict
        ``precision``, ``recall`` and ``f1`` by class; None where nothing can be said of a class,
        as of the recall of a class without images. ``balanced_accuracy`` and ``macro_f1`` are the
        means over the other classes.

    Examples
    --------
    >>> truth, said = np.array(["cat", "cat", "dog"]), np.array(["cat", "dog", "dog"])
    >>> scores = scores_by_class(truth, said, ["cat", "dog", "owl"])
    >>> scores["recall"], scores["precision"], scores["balanced_accuracy"]
    ({'cat': 0.5, 'dog': 1.0, 'owl': None}, {'cat': 1.0, 'dog': 0.5, 'owl': None}, 0.75)
    """
    found = precision_recall_fscore_support(
        labels, predicted, labels=list(classes), zero_division=np.nan
    )
    scores: dict[str, Any] = {}
    for name, of_classes in zip(("precision", "recall", "f1"), found, strict=False):
        values = [None if np.isnan(value) else float(value) for value in of_classes]
        scores[name] = dict(zip(classes, values, strict=True))
    scores["balanced_accuracy"] = float(np.nanmean(found[1]))
    scores["macro_f1"] = float(np.nanmean(found[2]))
    return scores
