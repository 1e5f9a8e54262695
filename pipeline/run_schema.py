"""What the records of a run must look like, and what binds them to each other."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from .store.files import DamagedError, checksum
from .store.schema import is_count
from .store.tables import seal_of

__all__ = [
    "IMAGES",
    "LEDGER",
    "METRICS",
    "MODELS",
    "RUN",
    "SHAPES",
    "check_classifier",
    "identity_of",
]

RUN, IMAGES, METRICS = "run.json", "images.parquet", "metrics.json"
MODELS = "models/models.json"
LEDGER = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("digest", pa.binary()),
        ("status", pa.string()),
        ("kind", pa.string()),
        ("reason", pa.string()),
    ]
)
WHAT_IT_IS = ["label", "split", "digest", "status"]  # what models and scores depend on


def _is_feature_folder(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[^/\\]+-[0-9a-f]{32}", value) is not None


PARTS = {str: {"kind": str, "parameters": dict}}
SHAPES: dict[str, Any] = {
    RUN: {
        "version": str,
        "identity": str,
        "images": str,
        "train": str,
        "columns": {str: str},
        "lists?": {str: str},
        "from?": str,
        "store": str,
        "features": {str: _is_feature_folder},
        "hashes": _is_feature_folder,
        "recipe": {
            "features": PARTS,
            "classifiers": PARTS,
            "seed": is_count,
            "test_size": (int, float),
            "max_pixels": is_count,
            "max_side": is_count,
        },
    },
    MODELS: {
        "made_from": {str: str},
        "report": {str: dict},
        "classes": [str],
        "classifiers": [str],
        "parts": PARTS,
        "features": {str: _is_feature_folder},
        "columns": {str: is_count},
        "reader": [is_count, is_count],
        "files": {str: is_count},
        "unsaved": [str],
    },
    METRICS: {
        "images?": {str: is_count},
        "recipe?": (str, type(None)),
        "failures?": {str: is_count},
        "classifiers?": {str: dict},
        "trained?": [str],
        "kept?": [str],
        "checksums?": {str: is_count},
        "other_tests?": dict,
        "other_images?": {str: {str: is_count}},
        "seconds?": {str: (int, float)},
    },
}


def identity_of(features: Mapping[str, str], images: pa.Table) -> str:
    """Return a checksum of all that decides the models and scores of a run.

    Parameters
    ----------
    features : mapping of str to str
        The folders of the features in the store.
    images : pyarrow.Table
    """
    groups = ["group"] if "group" in images.column_names else []
    return f"{checksum(dict(features))}-{seal_of('', images.select(WHAT_IT_IS + groups))}"


def check_classifier(model: Any, classes: list[str], n_columns: int) -> None:
    """Check shapes and types of what a classifier learned."""
    shapes = {
        "coef_": (len(classes), n_columns),
        "intercept_": (len(classes),),
        "center_": (n_columns,),
        "unit_": (n_columns,),
    }
    if np.asarray(getattr(model, "classes_", ())).tolist() != classes:
        raise DamagedError("its classes are not those of the training images")
    is_scaled = hasattr(model, "center_") or hasattr(model, "unit_")
    for name in ("coef_", "intercept_", *(("center_", "unit_") if is_scaled else ())):
        array, shape = getattr(model, name, None), shapes[name]
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.float64:
            raise DamagedError(f"{name}: expected float64 weights of shape {shape}")
    if is_scaled and not (model.unit_ > 0).all():
        raise DamagedError("unit_: expected numbers above 0")
