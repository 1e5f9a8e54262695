"""Labels by folders, where a set of names is known but no folder can be read, and in lists."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..counts import counted
from .base import SourceError

__all__ = ["class_folder", "is_hidden", "is_hidden_member", "listed_labels", "shared_folders"]

# What NumPy and pandas print for a value that is missing.
MISSING = frozenset({"None", "nan", "<NA>", "NaT"})

LEFT_BEHIND = frozenset({"Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX"})


def shared_folders(names: Iterable[str]) -> int:
    """Return how many folders lead to all of some names, as where a folder was packed as a whole.

    Examples
    --------
    >>> shared_folders(["photos/cat/a.png", "photos/dog/b.png"])
    1
    >>> shared_folders(["cat/a.png", "cat/b.png"])
    0
    """
    folders = {tuple(name.split("/")[:-1]) for name in names}
    n_shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        n_shared += 1
    if len(folders) == 1:  # the last one is a class
        n_shared -= 1
    return max(n_shared, 0)


def class_folder(name: str, n_shared: int) -> str | None:
    """Return the folder of a name behind those that all share; None where there is none."""
    folders = name.split("/")[:-1]
    return folders[n_shared] if len(folders) > n_shared else None


def is_hidden(base: str) -> bool:
    """Return whether a file or folder is hidden, or left there by Windows or macOS.

    Examples
    --------
    >>> [is_hidden(base) for base in (".DS_Store", "Thumbs.db", "cat.jpg")]
    [True, True, False]
    """
    return base.startswith(".") or base in LEFT_BEHIND


def is_hidden_member(name: str) -> bool:
    """Return whether a file in an archive or a folder above it is hidden."""
    return any(map(is_hidden, name.split("/")))


def listed_labels(labels: Sequence[Any] | None, n_images: int, what: str) -> list[str | None]:
    """Return the labels of a list of images as text, and None where one is missing.

    White space around a label is no part of it. Bytes are UTF-8.

    Parameters
    ----------
    labels : sequence or None
        One for each image; None, NaN and NA are missing. A column, shape (n, 1), is taken, too.
    n_images : int
    what : str
        What an image is, for messages.

    Examples
    --------
    >>> listed_labels(["cat", b"dog", 3, None, float("nan")], 5, "array")
    ['cat', 'dog', '3', None, None]
    """
    if labels is None:
        return [None] * n_images
    if len(labels) != n_images:
        raise SourceError(
            f"{counted(n_images, what)} but {counted(len(labels), 'label')}: expected one label "
            f"per {what}"
        )
    return [_listed_label(number, label) for number, label in enumerate(labels)]


def _listed_label(number: int, label: npt.ArrayLike) -> str | None:
    if np.size(label) != 1:
        raise SourceError(
            f"label {number}: expected one value, got {label!r}; rows with a 1 for their class "
            "become numbers by argmax(axis=1)"
        )
    value = np.ravel(label)[0] if np.ndim(label) else label
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise SourceError(f"label {number}: {value!r} is no text in UTF-8: {error}") from error
    text = str(value).strip()
    return None if not text or (text in MISSING and not isinstance(value, str)) else text
