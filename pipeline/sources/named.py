"""Image files by their names."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..counts import counted
from .base import Source, SourceError, listing
from .files import Signatures, join, plain_name, read_file

__all__ = ["NamedFiles"]


class NamedFiles(Source):
    """Image files, each by its path or URL.

    Parameters
    ----------
    names : sequence of str or Path
    labels : sequence, optional
        One for each file.
    """

    def __init__(self, names: Sequence[str | Path], labels: Sequence[Any] | None = None) -> None:
        self.name = counted(len(names), "file")
        self.root = os.getcwd()
        self._names = [plain_name(name) for name in names]
        self._labels = [None] * len(names) if labels is None else labels
        if len(self._labels) != len(names):
            found = counted(len(self._labels), "label")
            raise SourceError(f"{self.name} but {found}: expected one label per file")

    def images(self) -> Iterator[pa.Table]:
        """List the files in their order; see :class:`Source`."""
        signatures = Signatures()
        return listing(
            (name, name, signatures.of(join(self.root, name)), None if y is None else str(y), None)
            for name, y in zip(self._names, self._labels, strict=True)
        )

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.root, location))

    def only(self, locations: Sequence[str]) -> "NamedFiles":
        """Return a source of these files; see :class:`Source`."""
        part = NamedFiles(locations)
        part.root = self.root
        return part
