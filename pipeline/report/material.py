"""What a report is made of: the rows, labels, classifiers and scores of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from ...classifiers import ColumnStack, LinearSVM, Softmax
from ..class_scores import answers, class_scores, is_linear
from ..extraction import Extraction
from ..job import TEST, TRAIN
from ..names import feature_sets, model_name
from ..persist import is_ours
from ..store.matrix import RowMatrix

__all__ = ["Material", "Rows", "plain_classifier", "score_parts"]

# A report looks at so many images of a split, drawn evenly from all of them. It counts all.
MOST_ROWS = 60_000
USUAL_ROWS = 5000

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Rows:
    """Some images of a split.

    Attributes
    ----------
    images : ndarray of shape (n,), integers
        Their rows in the table of the run's images.
    y : ndarray of shape (n,), integers
        The numbers of their classes.
    X : ColumnStack of shape (n, columns), in memory
    groups : ndarray of shape (n,), integers, or None
        The numbers of their groups, where images have some.
    """

    images: IntArray
    y: IntArray
    X: ColumnStack
    groups: IntArray | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: IntArray) -> "Rows":
        """Return some of the images, by their numbers here."""
        names = self.X.names
        parts: dict[Any, Any] = {
            n: np.asarray(p)[chosen] for n, p in zip(names, self.X.parts, strict=True)
        }
        groups = None if self.groups is None else self.groups[chosen]
        return Rows(self.images[chosen], self.y[chosen], ColumnStack(parts).in_memory(), groups)

    def fewest(self, n_classes: int) -> int:
        """Return the number of images in the smallest class; of groups, where images have some."""
        units = self.images if self.groups is None else self.groups
        classes, _ = np.unique(np.stack([self.y, units]), axis=1)
        return int(np.bincount(classes, minlength=n_classes).min())


class Material:
    """The parts of a run that its report shows.

    Parameters
    ----------
    extraction : Extraction
    models : mapping of str to estimator
        By the names of :func:`.names.model_name`.
    classifiers : sequence of str
    transformers : mapping of str to estimator
        The fitted features by their names.
    metrics : mapping
        What ``metrics.json`` holds.

    Attributes
    ----------
    classes : list of str
    features : tuple of str
    main : str
        The classifier that the pictures are judged by: the first that gives probabilities.
    """

    def __init__(
        self,
        extraction: Extraction,
        models: Mapping[str, Any],
        classifiers: Sequence[str],
        transformers: Mapping[str, Any],
        metrics: Mapping[str, Any],
    ) -> None:
        self.extraction = extraction
        self.models = models
        self.classifiers = list(classifiers)
        self.transformers = dict(transformers)
        self.metrics = metrics
        self.features = feature_sets(extraction.features)[-1]
        self.main = next(
            (name for name in self.classifiers if hasattr(self.model(name), "predict_proba")),
            self.classifiers[0],
        )
        self.classes = [str(name) for name in self.model(self.main).classes_]

    def model(self, classifier: str) -> Any:
        """Return a classifier that was trained on all features together."""
        return self.models[model_name(classifier, self.features)]

    @cached_property
    def train(self) -> Rows:
        """Training images."""
        return self._rows(TRAIN)

    @cached_property
    def test(self) -> Rows:
        """Test images."""
        return self._rows(TEST)

    def _rows(self, split: str) -> Rows:
        chosen = self.extraction.chosen(split)
        kept = np.arange(len(chosen))
        if len(chosen) > MOST_ROWS:
            kept = np.linspace(0, len(chosen) - 1, MOST_ROWS).round().astype(np.intp)
        parts = {
            name: cast(RowMatrix, self.extraction.matrix(name, split=split)).take(kept)
            for name in self.features
        }
        y = self._numbers(self.extraction.labels(split)[kept])
        groups = self.extraction.groups(split)
        groups = None if groups is None else groups[kept]
        return Rows(chosen[kept], y, ColumnStack(parts).in_memory(), groups)

    def _numbers(self, labels: npt.ArrayLike) -> IntArray:
        """Return the numbers of classes."""
        numbers = {name: i for i, name in enumerate(self.classes)}
        return np.array([numbers[str(label)] for label in np.asarray(labels)], np.intp)

    def counts(self, split: str) -> IntArray:
        """Return how many images of each class a split has; all of them count."""
        numbers = self._numbers(self.extraction.labels(split))
        return np.bincount(numbers, minlength=len(self.classes))

    @property
    def confusion(self) -> IntArray:
        """True classes (rows) and those that the main classifier predicted, of all test images."""
        return np.array(self.metrics["classifiers"][self.main]["confusion"], np.intp)

    @cached_property
    def usual(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each column over evenly drawn training images."""
        n = len(self.train)
        few = self.train.take(np.linspace(0, n - 1, min(n, USUAL_ROWS)).astype(np.intp)).X[:]
        return few.mean(axis=0, dtype=np.float64), few.std(axis=0, dtype=np.float64)

    @cached_property
    def is_linear(self) -> bool:
        """Whether the main classifier's scores can be taken apart by features."""
        return is_linear(self.model(self.main), self.test.X)

    @cached_property
    def probabilities(self) -> FloatArray:
        """The main classifier's share of each class for the test images; their sum is 1.

        For a classifier without probabilities they are the softmax of its scores, which orders
        pictures but is no probability.
        """
        model = self.model(self.main)
        if hasattr(model, "predict_proba"):
            return answers(model, "predict_proba", self.test.X).astype(np.float64, copy=False)
        scores = class_scores(model, self.test.X)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    @cached_property
    def predicted(self) -> IntArray:
        """The class that the main classifier predicts for each test image.

        A classifier of the user's need not predict the class of the greatest probability.
        """
        return self._numbers(self.model(self.main).predict(self.test.X))

    @cached_property
    def sure(self) -> FloatArray:
        """The share of the predicted class for each test image."""
        return self.probabilities[np.arange(len(self.test)), self.predicted]

    @property
    def widths(self) -> list[int]:
        """Numbers of each feature."""
        return self.test.X.widths


def plain_classifier(model: Any) -> Any:
    """Return an unfitted classifier with the penalty of a trained one, without its search."""
    if not is_ours(model):
        return clone(model)
    if not hasattr(model, "alpha_"):
        return clone(model).set_params(n_jobs=-1)
    kind = Softmax if isinstance(model, Softmax) else LinearSVM
    known, given = kind().get_params(deep=False), model.get_params(deep=False)
    shared = {name: given[name] for name in known if name in given}
    return kind(**{**shared, "alpha": model.alpha_, "n_jobs": -1})


def score_parts(
    model: Any, X: npt.ArrayLike, widths: Sequence[int], usual: npt.ArrayLike
) -> FloatArray:
    """Take the scores of a linear classifier apart by features.

    A score is that of the usual row, and what each feature adds by being different from it.

    Parameters
    ----------
    model : LinearSVM or Softmax
        Fitted.
    X : array-like of shape (n, columns)
    widths : sequence of int
        Columns of each feature, one feature after another.
    usual : array-like of shape (columns,)

    Returns
    -------
    ndarray of shape (n, n_features + 1, n_classes), float64
        What each feature adds to the scores, and those of the usual row last. Their sum over the
        second axis are the scores.

    Examples
    --------
    >>> from visualwords.classifiers import Softmax
    >>> X = np.array([[0.0, 1, 0], [1, 0, 2], [2, 1, 0]])
    >>> parts = score_parts(Softmax().fit(X, [0, 1, 2]), X, [1, 2], X.mean(axis=0))
    >>> parts.shape
    (3, 3, 3)
    """
    middle, coef = np.asarray(usual, np.float64), model.coef_
    rows = np.asarray(X, np.float64) - middle
    ends = np.cumsum(widths)
    parts = np.empty((len(rows), len(ends) + 1, len(coef)))
    for part, (end, width) in enumerate(zip(ends, widths, strict=True)):
        columns = slice(end - width, end)
        parts[:, part] = rows[:, columns] @ coef[:, columns].T
    parts[:, -1] = model.intercept_ + coef @ middle
    return parts
