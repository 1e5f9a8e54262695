"""Image files by their names."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from .base import Source, listing
from .files import read_file

__all__ = ["NamedFiles"]


class NamedFiles(Source):
    """Image files, each by its path or URL.

    Parameters
    ----------
    names : sequence of str
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.name = f"{len(names)} files"
        self._names = names

    def images(self) -> Iterator[pa.Table]:
        """List the files in their order; see :class:`Source`."""
        return listing((name, name, "", None, None) for name in self._names)

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(location)

    def only(self, locations: Sequence[str]) -> "NamedFiles":
        """Return a source of these files; see :class:`Source`."""
        return NamedFiles(locations)
