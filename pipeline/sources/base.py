"""Where image bytes come from."""

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..store.listings import Listings

__all__ = [
    "LISTING",
    "Source",
    "SourceError",
    "as_location",
    "as_text",
    "batches",
    "listing",
    "name_at",
]

# What a source says of its images; one row each.
LISTING = pa.schema(
    [
        ("path", pa.string()),  # the name of the image, unique in its source
        ("location", pa.string()),  # what Source.read takes
        ("signature", pa.string()),  # changes when the bytes change; "" where that is not known
        ("label", pa.string()),  # null where there is none
        ("split", pa.string()),  # null where there is none
        ("group", pa.string()),  # images of one group are never on both sides; null where none
    ]
)
BATCH = 10_000
RAW = "bytes:"  # marks a location that is no valid text, in hexadecimal


class SourceError(ValueError):
    """A folder, manifest or archive from which images cannot be read as asked."""


class Source(ABC):
    """A set of images: which there are, and the bytes of each.

    A new kind of source is one such class in one file, and a line in ``SOURCES``. Sources are sent
    to workers, so they hold names and no open files.

    Attributes
    ----------
    name : str
        Path or URL, for messages.
    root : str
        The folder, as path or URL, in which locations are names.
    """

    name: str
    root: str = ""

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether a path or URL stands for a source of this kind."""
        return False

    @abstractmethod
    def images(self) -> Iterator[pa.Table]:
        """List the images, some thousands at a time, as tables with the columns of ``LISTING``."""

    def listed(self, listings: Listings) -> Iterator[pa.Table]:
        """List the images as :meth:`images` does; archives that are known are not read for it."""
        return self.images()

    @abstractmethod
    def read(self, location: str) -> bytes | npt.NDArray[np.uint8]:
        """Return the bytes of one image, or its pixels where these are not encoded.

        Raises
        ------
        ImageError
            With the kind "unreadable", if the bytes cannot be had.
        """

    def empty_folders(self) -> list[str]:
        """Return the folders that would be classes but hold no file, once the images are listed."""
        return []

    def only(self, locations: Sequence[str]) -> "Source":
        """Return a source from which workers that run elsewhere can read these images."""
        there = copy.copy(self)
        if self.root and "://" not in self.root:
            there.root = os.path.abspath(self.root)
            there.name = os.path.abspath(self.name)
        return there

    def index_keys(self, locations: pa.Array) -> pa.Array:
        """Return names of images that are the same for everybody who names the same image."""
        root = self.root if "://" in self.root else as_text(os.path.realpath(self.root))
        return pc.binary_join_element_wise(pa.scalar(f"{root}/"), locations, "")


def as_text(name: str) -> str:
    """Return a file name as valid text, with escapes for bytes that are no UTF-8."""
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def as_location(name: str) -> str:
    r"""Return a file name as a location, which is valid text and loses none of its bytes.

    Examples
    --------
    >>> as_location("a.png"), as_location("\udcff.png")
    ('a.png', 'bytes:ff2e706e67')
    """
    if not name.startswith(RAW) and name == as_text(name):
        return name
    return RAW + os.fsencode(name).hex()


def name_at(location: str) -> str:
    """Return the file name of :func:`as_location`."""
    if not location.startswith(RAW):
        return location
    return os.fsdecode(bytes.fromhex(location.removeprefix(RAW)))


def batches(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a listing into tables of some thousands of images."""
    for start in range(0, len(table), BATCH):
        yield table.slice(start, BATCH)


def listing(rows: Iterator[tuple[Any, ...]]) -> Iterator[pa.Table]:
    """Make tables of rows of (path, location, signature, label, split[, group]).

    The values are put into six lists at once: ten thousand tuples that are kept until a table is
    full make the garbage collector look at all of them, again and again.
    """
    columns: tuple[list[Any], ...] = ([], [], [], [], [], [])
    paths, locations, signatures, labels, splits, groups = columns
    for path, location, signature, label, split, *group in rows:
        paths.append(path)
        locations.append(location)
        signatures.append(signature)
        labels.append(label)
        splits.append(split)
        groups.append(group[0] if group else None)
        if len(paths) == BATCH:
            yield _table(columns)
            for column in columns:
                column.clear()
    if paths:
        yield _table(columns)


def _table(columns: Sequence[list[Any]]) -> pa.Table:
    arrays = [pa.array(column, f.type) for column, f in zip(columns, LISTING, strict=True)]
    return pa.table(arrays, schema=LISTING)
