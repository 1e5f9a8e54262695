"""A text file that names image files, one a line."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from .base import Source, SourceError, listing
from .files import Signatures, join, parent, plain_name, read_file
from .text import open_text

__all__ = ["ListSource"]


class ListSource(Source):
    """The files that a text file names, one a line, without labels.

    Paths are relative to the folder of the text file. Empty lines count for nothing.

    Parameters
    ----------
    name : Path or str
        A ``.txt`` or ``.lst`` file in UTF-8.
    """

    def __init__(self, name: Path | str) -> None:
        self.name = plain_name(name)
        self.root = parent(self.name)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether a name ends as that of a list does; see :class:`Source`."""
        return name.lower().endswith((".txt", ".lst"))

    def images(self) -> Iterator[pa.Table]:
        """List the files in the order of their lines; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, None, None]]:
        signatures, is_empty = Signatures(), True
        with open_text(self.name) as file:
            for number, line in enumerate(file, 1):
                path = line.rstrip("\r\n")
                if "\0" in path:
                    raise SourceError(f"{self.name}, line {number}: the path has a null byte in it")
                if path.strip():
                    is_empty = False
                    yield path, path, signatures.of(join(self.root, path)), None, None
        if is_empty:
            raise SourceError(f"{self.name}: no paths; expected one a line")

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.root, location))
