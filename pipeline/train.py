"""From cached matrices to trained classifiers and their scores."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, confusion_matrix

from ..classifiers import ColumnStack, LinearSVM, Softmax
from .dataset import Dataset
from .extract import Extraction
from .persist import load_estimator, save_estimator
from .stages import Stages
from .store import write_atomically

__all__ = ["CLASSIFIERS", "Split", "evaluate", "feature_sets", "load_models", "train"]

CLASSIFIERS = {"LinearSVM": LinearSVM, "Softmax": Softmax}

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
    """

    names: list[str]
    labels: Labels
    classes: list[str]
    matrices: Mapping[str, Any]

    @classmethod
    def of(cls, dataset: Dataset, extraction: Extraction) -> "Split":
        """Join a data set with what was extracted from it."""
        labels = np.array(dataset.classes)[dataset.labels[extraction.kept]]
        names = [dataset.names[i] for i in extraction.kept]
        return cls(names, labels, list(dataset.classes), extraction.matrices)

    @staticmethod
    def save(path: Path, dataset: Dataset, extraction: Extraction) -> None:
        """Keep all that is needed to train later, with or without the images."""
        record = {
            "names": dataset.names,
            "labels": dataset.labels.tolist(),
            "classes": dataset.classes,
            "matrices": {
                name: os.path.relpath(folder, path.parent)
                for name, folder in extraction.folders.items()
            },
        }
        write_atomically(path, json.dumps(record).encode("utf-8", "surrogateescape"))

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Open what :meth:`save` kept."""
        try:
            record = json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
        except FileNotFoundError as error:
            raise ValueError(
                f"{path}: no such file; `visualwords extract` or `run` makes it"
            ) from error
        folders = {name: path.parent / folder for name, folder in record["matrices"].items()}
        dataset = Dataset(
            tuple(record["names"]),
            (),
            np.array(record["labels"], np.int64),
            tuple(record["classes"]),
        )
        return cls.of(dataset, Extraction.load(folders, len(dataset)))

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
    split: Split, folder: Path, parameters: Mapping[str, Any], stages: Stages
) -> dict[str, Any]:
    """Train every classifier on every feature set and save the models.

    Parameters
    ----------
    split : Split
    folder : Path
        Where ``<classifier>-<features>.npz`` are written.
    parameters : mapping
        Parameters of the classifiers' constructors.
    stages : Stages

    Returns
    -------
    dict
        Per classifier: iterations, seconds and accuracy on the training rows, all features.
    """
    sets = feature_sets(list(split.matrices))
    report: dict[str, Any] = {}
    with stages.stage("train", len(sets) * len(CLASSIFIERS)) as stage:
        for names in sets:
            X = split.columns(names)
            for name, classifier in CLASSIFIERS.items():
                start = perf_counter()
                model = classifier(**parameters).fit(X, split.labels)
                report[name] = {
                    "alpha": model.alpha,
                    "n_features": X.shape[1],
                    "n_iter": int(model.n_iter_),
                    "fit_seconds": round(perf_counter() - start, 3),
                    "train_accuracy": accuracy_score(split.labels, model.predict(X)),
                }
                write_atomically(folder / _file_name(name, names), save_estimator(model))
                stage.advance(1)
        stage.summary = f"{len(sets) * len(CLASSIFIERS)} models on {len(split.labels)} images"
    return report


def load_models(
    folder: Path, features: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Load the saved models: classifier, feature set, model."""
    for names, name in product(feature_sets(features), CLASSIFIERS):
        yield name, names, load_estimator(folder / _file_name(name, names))


def evaluate(
    split: Split, folder: Path, stages: Stages
) -> tuple[dict[str, Any], dict[str, Labels]]:
    """Score the saved models on the rows of a split.

    Returns
    -------
    scores : dict
        Per classifier: ``test_accuracy`` on all features, ``by_features``, the recall of every
        class and the confusion matrix (rows: true classes).
    predictions : dict of str to ndarray of str
        Per classifier, on all features.
    """
    scores: dict[str, Any] = {name: {"by_features": {}} for name in CLASSIFIERS}
    predictions: dict[str, Labels] = {}
    with stages.stage("evaluate", len(split.labels)) as stage:
        for name, names, model in load_models(folder, list(split.matrices)):
            predicted = model.predict(split.columns(names))
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
    totals = np.maximum(confusion.sum(axis=1), 1)
    recall = confusion.diagonal() / totals
    return {
        "recall": dict(zip(split.classes, recall.tolist(), strict=True)),
        "confusion": confusion.tolist(),
    }


def _file_name(classifier: str, features: Sequence[str]) -> str:
    return f"{classifier}-{'+'.join(features)}.npz"
