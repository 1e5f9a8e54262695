"""Image files by their names."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..counts import counted
from .base import Source, as_location, as_text, listing, name_at
from .files import Signatures, join, plain_name, read_file
from .labels import listed_labels

__all__ = ["NamedFiles"]


class NamedFiles(Source):
    """Image files, each by its path or URL.

    Parameters
    ----------
    names : sequence of str or Path
    labels : sequence, optional
        One for each file.
    root : str, optional
        The folder that paths are relative to; the current one where it is left out.
    """

    def __init__(
        self,
        names: Sequence[str | Path],
        labels: Sequence[Any] | None = None,
        root: str | None = None,
    ) -> None:
        self.name = counted(len(names), "file")
        self.root = os.getcwd() if root is None else root
        self._names = [plain_name(name) for name in names]
        self._labels = listed_labels(labels, len(names), "file")

    def images(self) -> Iterator[pa.Table]:
        """List the files in their order; see :class:`Source`."""
        signatures = Signatures()
        return listing(
            (as_text(name), as_location(name), signatures.of(join(self.root, name)), y, None)
            for name, y in zip(self._names, self._labels, strict=True)
        )

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.root, name_at(location)))

    def only(self, locations: Sequence[str]) -> "NamedFiles":
        """Return a source of these files; see :class:`Source`."""
        return NamedFiles(locations, root=self.root)
