"""From cached matrices to trained classifiers and their scores."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, confusion_matrix

from ..classifiers import ColumnStack, LinearSVM, Softmax
from .extract import Extraction
from .persist import load_estimator
from .scan import UNREADABLE, Scan
from .stages import Stages

__all__ = [
    "CLASSIFIERS",
    "RECORD",
    "Split",
    "evaluate",
    "feature_sets",
    "load_model",
    "model_name",
    "model_names",
    "train",
    "without_scores",
]

CLASSIFIERS = {"LinearSVM": LinearSVM, "Softmax": Softmax}

# What a split's file has in it.
RECORD = ("names", "labels", "classes", "unlabelled", "digests", "rows", "matrices")

# What evaluation says of a classifier.
SCORES = frozenset({"by_features", "test_accuracy", "recall", "confusion"})

# A training matrix up to this size is put together in memory; a larger one is streamed.
IN_MEMORY_BYTES = 1 << 30

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Split:
    """What training or testing sees of a data set: matrices and labels, no images.

    Attributes
    ----------
    names : list of str
        The images that have a row.
    labels : ndarray of str
        The class of each row.
    classes : list of str
    matrices : dict of str to FeatureMatrix or ndarray
    failures : list of (str, str)
        The images that have no row, and why.
    digests : set of str
        Of the bytes of all images, as far as they could be read.
    """

    names: list[str]
    labels: Labels
    classes: list[str]
    matrices: Mapping[str, Any]
    failures: list[tuple[str, str]]
    digests: set[str]

    @staticmethod
    def record(scan: Scan, extraction: Extraction, folder: Path) -> bytes:
        """Give all that is needed to train later, as the text of a file in ``folder``."""
        record = {
            "names": scan.dataset.names,
            "labels": scan.dataset.labels.tolist(),
            "classes": scan.dataset.classes,
            "unlabelled": scan.dataset.unlabelled,
            "digests": scan.digests,
            "rows": len(extraction.kept),
            "matrices": {
                name: os.path.relpath(where, folder) for name, where in extraction.folders.items()
            },
        }
        return json.dumps(record).encode()

    @classmethod
    def of(cls, record: Mapping[str, Any], folder: Path) -> "Split":
        """Open what :meth:`record` gave, after it was read from ``folder``."""
        folders = {name: folder / where for name, where in record["matrices"].items()}
        names = record["names"]
        extraction = Extraction.load(folders, len(names))
        failures = [(names[i], why) for i, why in extraction.failures.items()]
        failures += [(name, "lies outside any class folder") for name in record["unlabelled"]]
        return cls(
            [names[i] for i in extraction.kept],
            np.array(record["classes"])[np.array(record["labels"])[extraction.kept]],
            record["classes"],
            extraction.matrices,
            failures,
            set(record["digests"]) - {UNREADABLE},
        )

    def columns(self, names: Sequence[str]) -> ColumnStack:
        """Matrices side by side: in memory where they fit, else streamed from the store."""
        stack = ColumnStack([self.matrices[name] for name in names])
        n_rows, n_columns = stack.shape
        return stack.in_memory() if n_rows * n_columns * 4 <= IN_MEMORY_BYTES else stack


def feature_sets(features: Sequence[str]) -> list[tuple[str, ...]]:
    """Each feature alone, then all together.

    Examples
    --------
    >>> feature_sets(["hue", "hog"])
    [('hue',), ('hog',), ('hue', 'hog')]
    """
    alone: list[tuple[str, ...]] = [(name,) for name in features]
    return [*alone, tuple(features)] if len(features) > 1 else alone


def train(
    split: Split, parameters: Mapping[str, Any], stages: Stages
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train every classifier on every feature set.

    Parameters
    ----------
    split : Split
    parameters : mapping
        Parameters of the classifiers' constructors.
    stages : Stages

    Returns
    -------
    models : dict
        The fitted classifiers by their names, ``<classifier>-<features>``.
    report : dict
        Per classifier: iterations, seconds and accuracy on the training rows, all features.
    """
    lost = np.setdiff1d(split.classes, split.labels).tolist()
    if lost:
        raise ValueError(
            f"class {lost[0]!r} has no training image that can be used, see failures.csv; "
            "mend its images or leave out the class"
        )
    sets = feature_sets(list(split.matrices))
    models: dict[str, Any] = {}
    report: dict[str, Any] = {}
    with stages.stage("train", len(sets) * len(CLASSIFIERS)) as stage:
        for names in sets:
            X = split.columns(names)
            for name, classifier in CLASSIFIERS.items():
                start = perf_counter()
                with _naming(model_name(name, names)):
                    model = classifier(**parameters).fit(X, split.labels)
                report[name] = {
                    "alpha": model.alpha,
                    "n_features": X.shape[1],
                    "n_iter": int(model.n_iter_),
                    "fit_seconds": round(perf_counter() - start, 3),
                    "train_accuracy": accuracy_score(split.labels, model.predict(X)),
                }
                models[model_name(name, names)] = model
                stage.advance(1)
        stage.summary = f"{len(models)} models on {len(split.labels)} images"
    return models, report


@contextmanager
def _naming(model: str) -> Iterator[None]:
    """Let a solver's warnings say which of the models they are about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield
    for warning in caught:
        warnings.warn(f"{model}: {warning.message}", warning.category, stacklevel=4)


def load_model(folder: Path, classifier: str, features: Sequence[str], n_features: int) -> Any:
    """Load a saved classifier for matrices of ``n_features`` columns.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or of another classifier or other matrices.
    """
    file = folder / f"{model_name(classifier, features)}.npz"
    model = load_estimator(file)
    is_one = type(model) is CLASSIFIERS[classifier]
    if not is_one or getattr(model, "n_features_in_", None) != n_features:
        raise ValueError(
            f"{file}: not a {classifier} learned from {n_features} numbers an image, as the "
            "features give; `visualwords train` makes it anew"
        )
    return model


def evaluate(
    split: Split, folder: Path, stages: Stages
) -> tuple[dict[str, Any], dict[str, Labels]]:
    """Score the saved models on the rows of a split.

    Returns
    -------
    scores : dict
        Per classifier: ``test_accuracy`` on all features, ``by_features``, the recall of every
        class (None where it has no images) and the confusion matrix (rows: true classes).
    predictions : dict of str to ndarray of str
        Per classifier, on all features.
    """
    if not split.names:
        name, why = split.failures[0]
        raise ValueError(f"none of the test images can be used; {name}: {why}")
    scores: dict[str, Any] = {name: {"by_features": {}} for name in CLASSIFIERS}
    predictions: dict[str, Labels] = {}
    with stages.stage("evaluate", len(split.labels)) as stage:
        for names, name in product(feature_sets(list(split.matrices)), CLASSIFIERS):
            X = split.columns(names)
            predicted = load_model(folder, name, names, X.shape[1]).predict(X)
            accuracy = float(accuracy_score(split.labels, predicted))
            scores[name]["by_features"]["+".join(names)] = accuracy
            scores[name]["test_accuracy"] = accuracy
            predictions[name] = predicted
        for name, predicted in predictions.items():
            scores[name] |= _per_class(split, predicted)
        stage.advance(len(split.labels))
        stage.summary = f"{len(split.labels)} images"
    return scores, predictions


def _per_class(split: Split, predicted: Labels) -> dict[str, Any]:
    confusion = confusion_matrix(split.labels, predicted, labels=split.classes)
    rows = zip(split.classes, confusion.diagonal().tolist(), confusion.sum(axis=1), strict=True)
    return {
        "recall": {name: float(right / total) if total else None for name, right, total in rows},
        "confusion": confusion.tolist(),
    }


def model_name(classifier: str, features: Sequence[str]) -> str:
    """Name a model by its classifier and its features."""
    return f"{classifier}-{'+'.join(features)}"


def model_names(features: Sequence[str]) -> list[str]:
    """Name all models that are trained on some features."""
    return [model_name(name, names) for names, name in product(feature_sets(features), CLASSIFIERS)]


def without_scores(report: Mapping[str, Any]) -> dict[str, Any]:
    """Leave of a report per classifier what training said."""
    return {
        name: {key: value for key, value in entry.items() if key not in SCORES}
        for name, entry in report.items()
    }
