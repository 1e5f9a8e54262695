"""Predict images: which files are meant, their classes, and the classes in a file."""

import csv
import glob
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..checks import check_integer
from .class_scores import answers, class_scores, has_scores
from .engine import Crash, in_workers
from .reader import Reader
from .sources import (
    ArraySource,
    FolderSource,
    NamedFiles,
    Source,
    SourceError,
    open_source,
    refuse_tables,
)
from .sources.base import as_text
from .sources.files import is_folder, is_url, join
from .store.files import LocalFolder
from .workers import describe_images

__all__ = ["Found", "Prediction", "find_images", "predict_images", "write_predictions"]

IMAGES_AT_A_TIME = 128
PLACES = (".csv", ".parquet", ".txt", ".lst", ".zip", ".tar")  # of many images, by their names


@dataclass(frozen=True)
class Prediction:
    """The classes of one image, or the reason why there are none.

    Attributes
    ----------
    image : str
        Its path, URL or number.
    labels : tuple of str
        The best first; empty for an image that cannot be used, or of which nothing is sure enough.
    probabilities : tuple of float
        Of these; empty where the classifier gives none.
    failure : str or None
        Why there are no classes.
    """

    image: str
    labels: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    failure: str | None = None

    def at_least(self, probability: float) -> "Prediction":
        """Return the prediction with those classes alone that are so probable.

        Examples
        --------
        >>> Prediction("a.jpg", ("owl", "cat"), (0.75, 0.25)).at_least(0.5).labels
        ('owl',)
        """
        n = sum(p >= probability for p in self.probabilities)
        return replace(self, labels=self.labels[:n], probabilities=self.probabilities[:n])


@dataclass(frozen=True)
class Found:
    """Images that are to be predicted.

    Attributes
    ----------
    source : Source
    locations, names : list of str
        What the source takes, and what the user sees.
    """

    source: Source
    locations: list[str]
    names: list[str]


@dataclass(frozen=True)
class _Batch:
    number: int
    source: Source
    locations: Sequence[str]
    images: Sequence[str]
    reader: Reader
    features: Sequence[Any]


def predict_images(
    images: Sequence[Found],
    reader: Reader,
    features: Sequence[Any],
    model: Any,
    top: int = 1,
    n_jobs: int | None = None,
) -> Iterator[Prediction]:
    """Decode and describe images in workers, and yield their classes in the order of the images.

    Parameters
    ----------
    images : sequence of Found
    reader : Reader
    features : sequence of estimator
        Their rows side by side are what the model was trained on.
    model : estimator
    top : int
    n_jobs : int or None
        As in joblib.
    """
    top = check_integer("top", top)
    batches = _batches(images, reader, features)
    done: dict[int, list[Prediction]] = {}
    shown = 0
    for batch, found in in_workers(_describe_batch, batches, n_jobs):
        if isinstance(found, Crash):
            done[batch.number] = [Prediction(name, failure=found.reason) for name in batch.images]
        else:
            done[batch.number] = _predict_batch(batch, *found, model, top)
        while shown in done:
            yield from done.pop(shown)
            shown += 1


def _batches(images: Sequence[Found], reader: Reader, features: Sequence[Any]) -> Iterator[_Batch]:
    number = 0
    for found in images:
        for start in range(0, len(found.names), IMAGES_AT_A_TIME):
            some = slice(start, start + IMAGES_AT_A_TIME)
            locations, names = found.locations[some], found.names[some]
            source = found.source.only(locations)
            yield _Batch(number, source, locations, names, reader, features)
            number += 1


def _describe_batch(batch: _Batch) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Return a row for each image that can be described, and why the others cannot."""
    pixels, failures = {}, {}
    for i, location in enumerate(batch.locations):
        try:
            image = batch.source.read(location)
            reader = batch.reader
            pixels[i] = reader.decode(image) if isinstance(image, bytes) else reader.reduce(image)
        except ValueError as error:
            failures[i] = str(error)
    parts = []
    numbers = np.array(list(pixels), int)
    for feature in batch.features:
        named = [batch.images[i] for i in pixels]
        block, refused = describe_images(
            feature, list(pixels.values()), type(feature).__name__, named
        )
        failures |= {int(numbers[k]): reason for k, reason in refused.items()}
        parts.append((np.delete(numbers, list(refused)), block))
    kept = [i for i in pixels if i not in failures]
    if not kept:
        return np.empty((0, 0), np.float32), failures
    return np.hstack([block[np.isin(rows, kept)] for rows, block in parts]), failures


def _predict_batch(
    batch: _Batch,
    rows: npt.NDArray[np.float32],
    failures: dict[int, str],
    model: Any,
    top: int,
) -> list[Prediction]:
    has_probabilities = hasattr(model, "predict_proba")
    if len(rows):
        if has_probabilities:
            scores = answers(model, "predict_proba", rows)
        else:
            scores = class_scores(model, rows)
        # A classifier of the user's need not predict the class of the highest score.
        is_first = model.classes_ == answers(model, "predict", rows)[:, np.newaxis]
        order = np.argsort(np.where(is_first, -np.inf, -scores), axis=1, kind="stable")
        best = order[:, : top if has_scores(model) else 1]
    predictions, row = [], 0
    for i, image in enumerate(batch.images):
        if i in failures:
            predictions.append(Prediction(image, failure=failures[i]))
            continue
        labels = tuple(str(model.classes_[k]) for k in best[row])
        values = tuple(float(scores[row, k]) for k in best[row]) if has_probabilities else ()
        predictions.append(Prediction(image, labels, values))
        row += 1
    return predictions


def find_images(images: Any) -> list[Found]:
    """Return the images that are meant.

    Parameters
    ----------
    images : str, Path, Source, or an iterable of these or of ndarray
        An image file, a glob, or any place of images that :func:`.open_source` opens: a folder, a
        list, a manifest, an archive, a data set; path or URL.
    """
    if isinstance(images, str | Path | Source):
        images = [images]
    refuse_tables(images)
    if not isinstance(images, np.ndarray):
        images = list(images) if isinstance(images, Iterable) else [images]
    if len(images) and all(isinstance(image, np.ndarray) for image in images):
        images = [ArraySource(images)]
    for image in images:
        if not isinstance(image, str | Path | Source):
            raise TypeError(
                "expected paths or URLs of images, or arrays of pixels and nothing else, got "
                f"{type(image).__name__}; vw.load_image makes an array of a file's bytes"
            )
    found: list[Found] = []
    files: list[str] = []
    for image in images:
        source = image if isinstance(image, Source) else _source(str(image))
        if source is None:
            files += _files(str(image))
            continue
        if files:
            found.append(Found(NamedFiles(files), files, files))
            files = []
        n_before = len(found)
        for table in source.images():
            names = table["path"].to_pylist()
            if isinstance(source, FolderSource):
                names = [join(source.name, name) for name in names]
            found.append(Found(source, table["location"].to_pylist(), names))
        if len(found) == n_before:
            raise SourceError(f"{source.name}: no images in it; name a place that holds some")
    return [*found, Found(NamedFiles(files), files, files)] if files else found


def _source(name: str) -> Source | None:
    """Return the place of images that a name stands for; None for an image file or a glob."""
    is_place = name.lower().endswith(PLACES)
    return open_source(name) if is_place or is_folder(name) else None


def _files(name: str) -> list[str]:
    if not is_url(name) and glob.has_magic(name) and not Path(name).exists():
        return sorted(glob.glob(name, recursive=True)) or [name]
    return [name]


def write_predictions(file: Path, predictions: Sequence[Prediction]) -> Sequence[Prediction]:
    """Write predictions to a ``.csv`` or ``.parquet`` file, a row for each image; return them."""
    check_table_name(file)
    n_classes = max([1, *(len(p.labels) for p in predictions)])
    columns: dict[str, list[str | float | None]] = {
        "image": [as_text(p.image) for p in predictions]
    }
    for k in range(n_classes):
        columns[f"class{k + 1}"] = [p.labels[k] if k < len(p.labels) else None for p in predictions]
        columns[f"probability{k + 1}"] = [
            p.probabilities[k] if k < len(p.probabilities) else None for p in predictions
        ]
    columns["failure"] = [p.failure for p in predictions]
    buffer = io.BytesIO()
    if file.suffix == ".parquet":
        pq.write_table(pa.table(columns), buffer)
    else:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([columns.keys(), *zip(*columns.values(), strict=True)])
        buffer.write(text.getvalue().encode())
    LocalFolder(file.parent).write(file.name, buffer.getvalue())
    return predictions


def check_table_name(file: Path) -> None:
    """Refuse a file of another kind before the first image is read."""
    if file.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{file}: expected a name that ends in .csv or .parquet")
