"""Write the pages of a run's folder."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...threads import worker_threads
from ..extraction import Extraction
from ..job import TEST, TRAIN
from ..reader import Reader
from ..run_folder import RECIPE, RunFolder
from ..run_images import columns_of_each
from ..run_models import RunModels
from ..sources import NamedFiles, Source, SourceError, open_source
from ..sources.files import is_url
from ..store.files import LocalFolder
from ..train import labels_are_classes
from .build import report_page
from .explore import explore_page
from .material import Material
from .pictures import PictureReader

__all__ = ["write_explorer", "write_report"]


def write_report(
    folder: RunFolder,
    models: RunModels,
    extraction: Extraction,
    metrics: Mapping[str, Any],
    file: Path,
) -> None:
    """Write the report of a run that was evaluated.

    Raises
    ------
    ValueError
        If the run was not trained and evaluated, or a file in it is damaged.
    """
    material = _material(folder, models, extraction, metrics)
    record, trained = folder.record(), models.record()
    sources = _sources(folder, extraction)
    pictures = PictureReader(extraction.images, sources, Reader(*trained["reader"]))
    recipe = folder.files.read(RECIPE).decode()
    with (
        labels_are_classes(),
        worker_threads(1),
    ):  # scikit-learn's threads would wait for each other on a busy machine
        page = report_page(material, pictures, record, recipe, _title(record))
    LocalFolder(file.parent).write(file.name, page.encode(errors="backslashreplace"))


def write_explorer(
    folder: RunFolder,
    models: RunModels,
    extraction: Extraction,
    metrics: Mapping[str, Any],
    file: Path,
) -> None:
    """Write the page that explores the loss; see :func:`write_report`."""
    material = _material(folder, models, extraction, metrics)
    with labels_are_classes(), worker_threads(1):
        page = explore_page(material, _title(folder.record()))
    LocalFolder(file.parent).write(file.name, page.encode(errors="backslashreplace"))


def _material(
    folder: RunFolder, models: RunModels, extraction: Extraction, metrics: Mapping[str, Any]
) -> Material:
    trained, scores = models.record(), metrics.get("classifiers", {})
    if not all("by_features" in scores.get(name, {}) for name in trained["classifiers"]):
        raise ValueError(
            f"{folder.path}: its classifiers were not scored yet; `visualwords evaluate "
            f"{folder.path}` does it"
        )
    parts = folder.record()["recipe"]["features"].items()
    ours = [name for name, part in parts if ":" not in part["kind"]]  # those with pictures
    transformers = models.load_features(trained, ours)
    return Material(extraction, models.load(), trained["classifiers"], transformers, metrics)


def _sources(folder: RunFolder, extraction: Extraction) -> dict[str | None, Source]:
    """Return the places of the images: those that were given, or opened again if they are there."""
    record = folder.record()
    train, test, lists = record["train"], record["test"], record.get("lists", {})
    columns = record.get("columns", {})
    of_train, of_test = (columns, {}) if test is None else columns_of_each(train, test, columns)
    sources: dict[str | None, Source] = {}
    for split, name, named in ((None, train, of_train), (TEST, test, of_test)):
        of_split = split or TRAIN
        if of_split in extraction.sources:
            sources[split] = extraction.sources[of_split]
        elif of_split in lists:
            root = os.path.join(folder.path, lists[of_split])
            sources[split] = NamedFiles(extraction.images["path"].to_pylist(), root=root)
        elif name is not None and (source := _opened(folder, record.get("from"), name, named)):
            sources[split] = source
    return sources


def _opened(
    folder: RunFolder, start: str | None, name: str, columns: Mapping[str, str]
) -> Source | None:
    """Return a place of images by its name from where the job ran, else from here, if it is there.

    The run may have moved together with the images, or alone.
    """
    names = [name]
    if start is not None and not is_url(name):
        names.insert(0, os.path.normpath(os.path.join(folder.path, start, name)))
    for place in names:
        with suppress(OSError, SourceError):
            return open_source(place, **columns)
    return None


def _title(record: Mapping[str, Any]) -> str:
    """Return the last two names in the path of the training images."""
    return "/".join(str(record["train"]).rstrip("/").rsplit("/", 2)[-2:])
