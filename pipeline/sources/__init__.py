"""Sources of images: folders, manifests, archives, arrays.

A new kind is one class in one file and its name in ``SOURCES`` below.
"""

from pathlib import Path
from typing import Any

from .arrays import ArraySource
from .base import LISTING, Source, SourceError
from .cifar import CifarSource
from .files import plain_name
from .folder import FolderSource
from .gtsrb import GtsrbSource
from .idx import IdxSource
from .joined import JoinedSource
from .list import ListSource
from .manifest import ManifestSource
from .named import NamedFiles
from .pets import PetsSource
from .stl10 import Stl10Source
from .tar import TarSource
from .zip import ZipSource

__all__ = [
    "LISTING",
    "ArraySource",
    "CifarSource",
    "FolderSource",
    "GtsrbSource",
    "IdxSource",
    "JoinedSource",
    "ListSource",
    "ManifestSource",
    "NamedFiles",
    "PetsSource",
    "Source",
    "SourceError",
    "Stl10Source",
    "TarSource",
    "ZipSource",
    "open_source",
]

# What a path or URL can stand for; the first that suits it counts.
SOURCES: tuple[type[Source], ...] = (
    ManifestSource,
    ListSource,
    ZipSource,
    TarSource,
    CifarSource,
    IdxSource,
    Stl10Source,
    GtsrbSource,
    PetsSource,
    FolderSource,
)


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
    name = plain_name(images)
    kind: Any = next(kind for kind in SOURCES if kind.suits(name))
    if columns and kind is not ManifestSource:
        raise SourceError(f"{name}: not a manifest, so it has no columns to name")
    return kind(name, **columns)
