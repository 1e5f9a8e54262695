"""Sources of images: folders, manifests, archives, arrays.

A new kind is one class in one file and its name in ``SOURCES`` below.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from .outside import check_outside
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
    "check_outside",
    "open_source",
    "refuse_tables",
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


def open_source(images: Any, *, labels: Sequence[Any] | None = None, **columns: str) -> Source:
    """Return the source that a path, a URL or a sequence of images stands for.

    Parameters
    ----------
    images : Source, Path, str, or sequence of ndarray, or of str and Path
    labels : sequence, optional
        Of a sequence, one for each image.
    **columns : str
        Names of a manifest's columns: ``path_column``, ``label_column``, ``split_column``,
        ``group_column``.
    """
    is_one = isinstance(images, str | bytes | Path | Source)
    if not is_one:
        refuse_tables(images)
    if not is_one and hasattr(images, "__len__"):
        if columns:
            raise TypeError(f"a list of images has no columns to name, got {', '.join(columns)}")
        names = len(images) and all(isinstance(image, str | Path) for image in images)
        return NamedFiles(images, labels) if names else ArraySource(images, labels)
    if labels is not None:
        raise TypeError(
            "labels are for a list of arrays or paths; a manifest has them in a column, a folder "
            "of class folders in its names"
        )
    if isinstance(images, Source):
        return images
    if not isinstance(images, str | Path):
        hint = "; give list(...) of it" if isinstance(images, Iterator) else ""
        raise TypeError(
            "expected the path or URL of images, a list of arrays or paths, or a Source, got "
            f"{type(images).__name__}{hint}"
        )
    name = plain_name(images)
    kind: Any = next(kind for kind in SOURCES if kind.suits(name))
    if columns and kind is not ManifestSource:
        raise SourceError(f"{name}: not a manifest, so it has no columns to name")
    return kind(name, **columns)


def refuse_tables(images: object) -> None:
    """Refuse a table or a mapping, whose columns or keys would be taken for paths of images."""
    if isinstance(images, Mapping) or hasattr(images, "columns"):
        raise TypeError(
            f"expected a list of arrays or paths, got {type(images).__name__}; give its values as "
            "lists, such as list(table['path']), and with labels=list(table['label'])"
        )
