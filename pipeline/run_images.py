"""The images of a run: which train, which test, and whether they suit each other."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .counts import counted
from .extraction import Extraction
from .job import TEST, TRAIN
from .learn import draws
from .ledger import digests_of, has_groups
from .recipe import Recipe
from .scan import digest_of
from .sources import (
    ArraySource,
    JoinedSource,
    ManifestSource,
    NamedFiles,
    Source,
    SourceError,
    open_source,
)
from .sources.files import is_url
from .store.shards import Digests

__all__ = [
    "check_labels",
    "columns_of_each",
    "given_sources",
    "labelled_source",
    "name_of",
    "places_of",
]

# What lies beside a folder ``train``. Taken for classes, splits would be learned and scored, too.
SPLITS = frozenset({"test", "val", "valid", "validation"})


def labelled_source(
    train: Any, test: Any, recipe: Recipe, columns: Mapping[str, str]
) -> tuple[Source, Any]:
    """Return the images of a run, and the function that says which are test images."""
    if "labels" in columns:
        raise TypeError(
            "a run takes no labels: give it class folders, a manifest, or for a list of arrays or "
            "paths open_source(images, labels=labels) of visualwords.pipeline.sources"
        )
    if test is not None:
        of_train, of_test = columns_of_each(train, test, columns)
        sources = {TRAIN: open_source(train, **of_train), TEST: open_source(test, **of_test)}
        joined = JoinedSource(sources)
        return joined, lambda images: _checked(images, joined.name)

    source = open_source(train, **columns)

    def assign(images: pa.Table) -> pa.Table:
        if images["split"].null_count == images.num_rows:
            is_test = draws(_drawn_by(images), recipe.seed, "split") < recipe.test_size
            split = pa.array(np.where(is_test, TEST, TRAIN), pa.string())
            at = images.column_names.index("split")
            images = images.set_column(at, "split", split)
        return _checked(images, source.name)

    return source, assign


def _drawn_by(images: pa.Table) -> Digests:
    """Return what decides which images are held out: the digest of its group, or of its bytes."""
    digests, _ = digests_of(images)
    if not has_groups(images):
        return digests
    groups = images["group"].combine_chunks().dictionary_encode()
    names = [digest_of(name.encode()) for name in groups.dictionary.to_pylist()]
    of_groups = np.frombuffer(b"".join(names), digests.dtype)
    drawn = digests.copy()
    has_group = groups.is_valid().to_numpy(zero_copy_only=False)
    drawn[has_group] = of_groups[groups.indices.drop_null().to_numpy()]
    return drawn


def columns_of_each(
    train: Any, test: Any, columns: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return which columns are named in each place: beside a manifest, a folder has none."""
    of_test = {} if columns and not is_manifest(test) else columns
    of_train = {} if of_test and not is_manifest(train) else columns
    return of_train, of_test


def given_sources(train: object, test: object) -> dict[str, Source]:
    """Return the sources among what was given for the images of a run, by split."""
    given = {TRAIN: train, TEST: test}
    return {split: images for split, images in given.items() if isinstance(images, Source)}


def places_of(
    train: Any, test: Any, columns: Mapping[str, str], relative: Callable[[str], str]
) -> dict[str, Any]:
    """Return what the record of a run says of where its images are.

    ``lists`` has the folder of each list of files, which ``relative`` says from the run. ``from``
    is the folder in which the job ran, from the run, where another place is a relative path.
    """
    given = given_sources(train, test).items()
    lists = {split: relative(s.root) for split, s in given if isinstance(s, NamedFiles)}
    places = [p for p in (train, test) if not isinstance(p, NamedFiles | ArraySource | None)]
    names = [name for name in map(name_of, places) if not is_url(name)]
    is_relative = not all(map(os.path.isabs, names))
    return {
        "train": name_of(train),
        "test": None if test is None else name_of(test),
        "columns": columns,
        **({"lists": lists} if lists else {}),
        **({"from": relative(os.getcwd())} if is_relative else {}),
    }


def is_manifest(images: object) -> bool:
    """Tell whether a place of images is a table with columns."""
    return isinstance(images, str | Path) and ManifestSource.suits(str(images))


def _checked(images: pa.Table, name: str) -> pa.Table:
    """Check that there is something to learn and something to score."""
    if images["kind"].null_count == 0:
        path, reason = (images[column][0].as_py() for column in ("path", "reason"))
        raise SourceError(f"{name}: none of the images can be used, such as {path}: {reason}")
    labels = _labels(images["label"])
    if labels and len(set(labels) - {TRAIN}) > 0 and SPLITS.issuperset(set(labels) - {TRAIN}):
        tests = sorted(set(labels) - {TRAIN})
        raise SourceError(
            f"{name}: its folders are splits, not classes; give them apart: {name}/train --test "
            f"{name}/{tests[0]}"
        )
    _check_classes(labels, name)
    splits = pc.unique(images["split"]).to_pylist()
    if TRAIN not in splits or TEST not in splits:
        found = ", ".join(repr(split) for split in splits)
        raise SourceError(
            f"{name}: expected images of the splits 'train' and 'test', got {found}; name these "
            "in the manifest, give test images (--test), or hold out another share of the images "
            "or groups (--test-size, in Python test_size)"
        )
    for split in (TRAIN, TEST):
        _check_split(images.filter(pc.equal(images["split"], split)), split, name)
    train, test = (
        _labels(images["label"].filter(pc.equal(images["split"], split))) for split in (TRAIN, TEST)
    )
    unseen = sorted(set(test) - set(train))
    if unseen:
        raise SourceError(
            f"{name}: class {unseen[0]!r} has no training images; add some, or hold out others "
            "(--test-size, --set seed=1)"
        )
    _check_classes(train, name)
    return images


def _check_split(images: pa.Table, split: str, name: str) -> None:
    """Check that some images can be used, and that these have labels, before any is decoded."""
    usable = images.filter(pc.is_null(images["kind"]))
    of_split = {TRAIN: "training", TEST: "test"}[split]
    if not usable.num_rows:
        path, reason = (images[column][0].as_py() for column in ("path", "reason"))
        raise SourceError(
            f"{name}: none of the {of_split} images can be used, such as {path}: {reason}"
        )
    if n_lacking := usable["label"].null_count:
        path = usable["path"].filter(pc.is_null(usable["label"]))[0].as_py()
        raise SourceError(
            f"{name}: {counted(n_lacking, f'{of_split} image has', f'{of_split} images have')} no "
            f"label, such as {path}; put images into class folders, or use a manifest with a "
            "column label"
        )


def _check_classes(labels: list[str], name: str) -> None:
    if len(labels) < 2:
        raise SourceError(
            f"{name}: training needs images of at least two classes, in a folder for each class or "
            f"in a manifest with a column label; got {sorted(labels) or 'no labels'}"
        )


def _labels(column: pa.ChunkedArray) -> list[str]:
    """Return the different labels in a column."""
    return list(pc.unique(column.drop_null()).to_pylist())


def name_of(images: Any) -> str:
    """Return the path, URL or name of what a user gave for images."""
    is_path = isinstance(images, str | os.PathLike)
    return os.fspath(images) if is_path else str(getattr(images, "name", type(images).__name__))


def check_labels(extraction: Extraction) -> None:
    """Check that each training image has a label, and each class an image that can be used."""
    images = extraction.images
    labels = images["label"].filter(pc.equal(images["split"], TRAIN))
    if labels.null_count:
        path = images["path"].filter(pc.is_null(images["label"]))[0].as_py()
        lacking = counted(labels.null_count, "has", "have")
        raise SourceError(
            f"training needs a label for each image, and {lacking} none, such as {path}; put "
            "images into class folders, or use a manifest with a column label"
        )
    usable = extraction.images["label"].take(extraction.chosen(TRAIN))
    lost = sorted(set(_labels(labels)) - set(_labels(usable)))
    if lost:
        is_lost = pc.and_(pc.equal(images["split"], TRAIN), pc.equal(images["label"], lost[0]))
        path, reason = (images.filter(is_lost)[name][0].as_py() for name in ("path", "reason"))
        raise SourceError(
            f"class {lost[0]!r} has no training image that can be used, such as {path}: {reason}; "
            "see failures.csv, and mend its images or leave out the class"
        )
