"""STL-10 in the binary files that its authors publish."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..counts import counted
from ..failures import DAMAGED, UNREADABLE
from ..reader import ImageError
from .base import Source, SourceError, listing
from .files import is_file, join, open_binary, plain_name, read_range, signature

__all__ = ["Stl10Source"]

SIDE, CHANNELS = 96, 3
PIXELS = SIDE * SIDE * CHANNELS
SPLITS = ("train", "test")
NAMES = "class_names.txt"
LARGEST_FILE = 1 << 24  # of labels, a byte each


class Stl10Source(Source):
    """STL-10: 96 x 96 pixels, 500 training and 800 test images of each of 10 classes.

    The splits are "train" and "test"; the 100,000 images without labels are left out. Labels are
    the names of the classes. A record of ``train_X.bin`` is the planes of red, green and blue,
    column by column.

    Parameters
    ----------
    folder : Path or str
        ``stl10_binary`` of https://cs.stanford.edu/~acoates/stl10/; path or URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = self.root = plain_name(folder)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether the files of STL-10 lie in a folder; see :class:`Source`."""
        return is_file(join(name, NAMES)) and any(
            is_file(join(name, f"{split}_X.bin")) for split in SPLITS
        )

    def images(self) -> Iterator[pa.Table]:
        """List the images of one file after another; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str | None, str]]:
        classes = self._bytes(NAMES).decode("utf-8", "backslashreplace").split()
        for split in SPLITS:
            file, beside = f"{split}_X.bin", f"{split}_y.bin"
            where = join(self.name, file)
            if not is_file(where):
                continue
            changed, n_images = signature(where), self._n_images(file)
            labels: list[str | None] = [None] * n_images
            if is_file(join(self.name, beside)):
                numbers = self._bytes(beside)
                if not all(1 <= number <= len(classes) for number in numbers):
                    raise SourceError(
                        f"{self.name}/{beside}: labels from {min(numbers)} to {max(numbers)}, "
                        f"expected 1 to {len(classes)}, the classes of {NAMES}"
                    )
                labels = [classes[number - 1] for number in numbers]
            if len(labels) != n_images:
                raise SourceError(
                    f"{self.name}: {counted(n_images, 'image')} in {file} but "
                    f"{counted(len(labels), 'label')} in {beside}"
                )
            for number, label in enumerate(labels):
                yield f"{file}/{number:05d}", f"{number}:{file}", changed, label, split

    def _n_images(self, file: str) -> int:
        """Return the number of images of a file, the last of which may be cut off."""
        with open_binary(join(self.name, file)) as opened:
            return -(-opened.seek(0, 2) // PIXELS)

    def _bytes(self, file: str) -> bytes:
        with open_binary(join(self.name, file)) as opened:
            return opened.read(LARGEST_FILE)

    def read(self, location: str) -> npt.NDArray[np.uint8]:
        """Return the pixels of an image; see :class:`Source`."""
        number, _, file = location.partition(":")
        data = read_range(join(self.name, file), int(number) * PIXELS, PIXELS)
        if not data:
            raise ImageError("the file became shorter while the job ran", UNREADABLE)
        if len(data) < PIXELS:
            raise ImageError(f"{file} ends within this image", DAMAGED)
        planes = np.frombuffer(data, np.uint8).reshape(CHANNELS, SIDE, SIDE)
        return np.ascontiguousarray(planes.transpose(2, 1, 0))
