"""Sources of images: folders, manifests, archives, arrays."""

from pathlib import Path
from typing import Any

from .arrays import ArraySource
from .base import LISTING, Source, SourceError
from .folder import FolderSource
from .joined import JoinedSource
from .manifest import ManifestSource

__all__ = [
    "LISTING",
    "ArraySource",
    "FolderSource",
    "JoinedSource",
    "ManifestSource",
    "Source",
    "SourceError",
    "open_source",
]

TABLES = (".csv", ".parquet")


def open_source(images: Any, **columns: str) -> Source:
    """Return the source that a path, a URL or a sequence of arrays stands for.

    Parameters
    ----------
    images : Source, Path, str or sequence of ndarray
    **columns : str
        Names of a manifest's columns: ``path_column``, ``label_column``, ``split_column``.
    """
    if isinstance(images, Source):
        return images
    if not isinstance(images, str | Path):
        return ArraySource(images)
    if str(images).lower().endswith(TABLES):
        return ManifestSource(images, **columns)
    if columns:
        raise SourceError(f"{images}: not a manifest, so it has no columns to name")
    return FolderSource(images)
