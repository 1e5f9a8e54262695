"""What a user should know of the images and the features of a job before trusting its scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .duplicates import NEAR, SAME_BYTES, duplicates, in_both_splits
from .extraction import Extraction
from .job import TEST, TRAIN

__all__ = [
    "differences",
    "image_metrics",
    "other_image_metrics",
    "shared_images",
    "silent_features",
    "work_metrics",
]

ROWS_LOOKED_AT = 1000


def image_metrics(extraction: Extraction) -> dict[str, Any]:
    """Return how many images were found, are ok, failed and why, and what was computed."""
    images, found = extraction.images, extraction.duplicates()
    near = found["path"].filter(pc.equal(found["kind"], NEAR))
    n_ok = int((np.asarray(images["status"]) == "ok").sum())
    failed = pc.value_counts(images["kind"].drop_null()).to_pylist()
    counts = {
        "found": images.num_rows,
        "ok": n_ok,
        "failed": images.num_rows - n_ok,
        "decoded": extraction.work.decoded,
        "duplicates": pc.sum(pc.equal(found["kind"], SAME_BYTES)).as_py() or 0,
        "near_duplicates": len(pc.unique(near)),
        **_shared_metrics(images, found),
    }
    if counts["failed"] != sum(row["counts"] for row in failed):
        raise AssertionError("every image must be ok or have failed with a kind")
    return {
        "images": counts,
        "failures": {row["values"]: row["counts"] for row in failed},
        "silent_features": silent_features(extraction),
        **work_metrics(extraction),
    }


def other_image_metrics(other: Extraction, images: pa.Table) -> dict[str, int]:
    """Return how many other test images are ok, failed, or are among the training images of a run.

    Parameters
    ----------
    other : Extraction
    images : pyarrow.Table
        Those of the run.
    """
    training = images.filter(pc.equal(images["split"], TRAIN))
    tables = []
    for table, split in ((training, TRAIN), (other.images, TEST)):
        columns = ["path", "label", "digest", "kind", "group"]
        table = table.select([name for name in columns if name in table.column_names])
        splits = pa.array([split] * table.num_rows, pa.string())
        tables.append(table.append_column("split", splits))
    both = pa.concat_tables(tables, promote_options="permissive")
    n_ok = len(other.chosen())
    return {
        "found": other.images.num_rows,
        "ok": n_ok,
        "failed": other.images.num_rows - n_ok,
        **_shared_metrics(both, duplicates(both, other.hashes)),
    }


def _shared_metrics(images: pa.Table, found: pa.Table) -> dict[str, int]:
    """Return how much training and test images have in common, by the duplicates among them."""
    return {
        "in_train_and_test": len(shared_images(images)),
        "near_in_train_and_test": in_both_splits(found, TEST, TRAIN),
        "groups_in_train_and_test": len(_shared(images, "group")),
    }


def work_metrics(extraction: Extraction) -> dict[str, Any]:
    """Return by what recipe was computed, what, and how long it took the workers."""
    work = extraction.work
    seconds = {k: round(v, 3) for k, v in work.worker_seconds.items()}
    return {
        "recipe": work.recipe,
        "computed": work.computed,
        "worker_decoded": work.decoded - work.sampled,
        "worker_seconds": seconds,
    }


def shared_images(images: pa.Table) -> pa.Table:
    """Return the digests of usable images that are among those to train and those to test."""
    return _shared(images, "digest")


def _shared(images: pa.Table, column: str) -> pa.Array:
    """Return the values that both training and test images have in a column, if these are ok."""
    if column not in images.column_names:
        return pa.nulls(0)
    images = images.filter(pc.is_null(images["kind"]))
    values = {
        split: pc.unique(images[column].filter(pc.equal(images["split"], split)).drop_null())
        for split in (TRAIN, TEST)
    }
    return values[TRAIN].filter(pc.is_in(values[TRAIN], values[TEST]))


def silent_features(extraction: Extraction) -> list[str]:
    """Return the features whose rows are all alike, such as the hues of grey images."""
    silent = []
    for name in extraction.features:
        rows = np.asarray(extraction.matrix(name)[:ROWS_LOOKED_AT])
        if len(rows) > 1 and (rows == rows[0]).all():
            silent.append(name)
    return silent


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say of each name whether it is new, left out or stands for something else now."""
    said = [f"{name} is new" for name in new if name not in old]
    said += [f"{name} is left out" for name in old if name not in new]
    return said + [f"{name} changed" for name in new if name in old and old[name] != new[name]]
