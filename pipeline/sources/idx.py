"""MNIST and its relatives in IDX files, as their authors publish them."""

import gzip
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..counts import counted
from ..failures import UNREADABLE
from ..reader import ImageError
from .base import Source, SourceError, listing
from .files import is_file, join, open_binary, plain_name, signature

__all__ = ["IdxSource"]

SPLITS = {"train": "train", "t10k": "test"}
LARGEST_FILE = 1 << 30
UINT8 = 8  # the code of the type


class IdxSource(Source):
    """Images and labels in IDX files, such as ``train-images-idx3-ubyte`` or its ``.gz``.

    The splits are "train" and "test" (the files ``t10k``). Labels are numbers as text.

    Parameters
    ----------
    folder : Path or str
        Path or URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = self.root = plain_name(folder)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether IDX files of images lie in a folder; see :class:`Source`."""
        return any(_file(name, start, "images", 3) for start in SPLITS)

    def images(self) -> Iterator[pa.Table]:
        """List the images of one file after another; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str | None, str]]:
        for start, split in SPLITS.items():
            file = _file(self.name, start, "images", 3)
            if file is None:
                continue
            changed = signature(join(self.name, file))
            images = _array(join(self.name, file), changed)
            if images.ndim != 3:
                axes = counted(images.ndim, "axis", "axes")
                raise SourceError(f"{self.name}/{file}: {axes}, expected 3 of images")
            labels: list[str | None] = [None] * len(images)
            if (beside := _file(self.name, start, "labels", 1)) is not None:
                where = join(self.name, beside)
                labels = [str(label) for label in _array(where, signature(where)).tolist()]
            if len(labels) != len(images):
                raise SourceError(
                    f"{self.name}: {counted(len(images), 'image')} in {file} but "
                    f"{counted(len(labels), 'label')} in {beside}"
                )
            for number, label in enumerate(labels):
                yield f"{start}/{number:05d}", f"{number}|{changed}|{file}", changed, label, split

    def read(self, location: str) -> npt.NDArray[np.uint8]:
        """Return the pixels of an image; see :class:`Source`."""
        number, changed, file = location.split("|")
        try:
            return _array(join(self.name, file), changed)[int(number)]
        except (SourceError, IndexError) as error:
            raise ImageError(f"{file}: {error}", UNREADABLE) from error


def _file(folder: str, start: str, what: str, n_axes: int) -> str | None:
    """Return the name of the file of images or labels, if it is there."""
    for dash in "-.":
        for end in ("", ".gz"):
            file = f"{start}-{what}{dash}idx{n_axes}-ubyte{end}"
            if is_file(join(folder, file)):
                return file
    return None


@lru_cache(maxsize=4)  # images are asked for one by one, and a packed file has no other way in
def _array(file: str, changed: str) -> npt.NDArray[np.uint8]:
    """Return what an IDX file holds: a magic number, the shape and the bytes."""
    with open_binary(file) as opened:
        try:
            unpacked = gzip.GzipFile(fileobj=opened) if file.endswith(".gz") else opened
            data = unpacked.read(LARGEST_FILE)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SourceError(f"{file}: damaged gzip: {error}") from error
    if len(data) < 4 or data[:3] != bytes([0, 0, UINT8]) or data[3] not in (1, 3):
        raise SourceError(f"{file}: not an IDX file of bytes with 1 or 3 axes")
    start = 4 + 4 * data[3]
    shape = tuple(int.from_bytes(data[k : k + 4], "big") for k in range(4, start, 4))
    n_bytes = int(np.prod(shape, dtype=object))
    if len(data) != start + n_bytes or not n_bytes:
        raise SourceError(
            f"{file}: {len(data)} bytes, expected {start + n_bytes} for the shape {shape}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
