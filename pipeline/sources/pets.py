"""The Oxford-IIIT Pet data set as its authors publish it."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from .base import Source, SourceError, listing
from .files import Signatures, is_file, join, plain_name, read_file
from .text import open_text

__all__ = ["PetsSource"]

LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}


class PetsSource(Source):
    """Oxford-IIIT Pet: 37 breeds of cats and dogs, by the lists of its authors.

    The splits are "train" (their ``trainval.txt``) and "test". Labels are the breeds, such as
    ``english_setter``: the name of the file before its number.

    Parameters
    ----------
    folder : Path or str
        Where ``images.tar.gz`` and ``annotations.tar.gz`` were unpacked; path or URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = self.root = plain_name(folder)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether the lists of the data set lie in a folder; see :class:`Source`."""
        return all(is_file(join(name, file)) for file in LISTS.values())

    def images(self) -> Iterator[pa.Table]:
        """List the files in the order of the lists; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        signatures = Signatures()
        for split, file in LISTS.items():
            with open_text(join(self.name, file)) as lines:
                for number, line in enumerate(lines, 1):
                    if not line.strip() or line.startswith("#"):
                        continue
                    image = line.split()[0]
                    breed, _, which = image.rpartition("_")
                    if not breed or not which.isdecimal():
                        raise SourceError(
                            f"{self.name}/{file}, line {number}: expected BREED_NUMBER and its "
                            f"classes, got {line.strip()!r}"
                        )
                    path = f"images/{image}.jpg"
                    yield path, path, signatures.of(join(self.root, path)), breed, split

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.root, location))
