"""CIFAR-10 and CIFAR-100 in the files that their authors publish."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..counts import counted
from ..failures import DAMAGED, UNREADABLE
from ..reader import ImageError
from .base import Source, SourceError, listing
from .files import is_file, join, open_binary, plain_name, read_range, signature
from .plainpickle import Value, values_of_keys

__all__ = ["CifarSource"]

SIDE, CHANNELS = 32, 3
PIXELS = SIDE * SIDE * CHANNELS
LARGEST_FILE = 1 << 28  # the largest of the published ones has 155 MB
KEYS = frozenset(
    [
        *("data", "labels", "fine_labels", "coarse_labels", "filenames", "batch_label"),
        *("label_names", "fine_label_names", "coarse_label_names", "num_cases_per_batch"),
        "num_vis",
    ]
)
CUT = "cut"  # in place of an offset: the file ends within this image


class Layout(NamedTuple):
    """The files of one of the published archives.

    Attributes
    ----------
    train, test : tuple of str
    names : str
        The file with the names of the classes.
    names_key, label_key : str
        Keys in the pickles; of the binary files the second is empty.
    label_bytes : int
        Labels before the pixels of a binary record; the last one is the class.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    names_key: str = ""
    label_key: str = ""
    label_bytes: int = 0


BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
LAYOUTS = (
    Layout(
        tuple(f"{batch}.bin" for batch in BATCHES),
        ("test_batch.bin",),
        "batches.meta.txt",
        label_bytes=1,
    ),
    Layout(BATCHES, ("test_batch",), "batches.meta", "label_names", "labels"),
    Layout(("train.bin",), ("test.bin",), "fine_label_names.txt", label_bytes=2),
    Layout(("train",), ("test",), "meta", "fine_label_names", "fine_labels"),
)


class CifarSource(Source):
    """CIFAR-10 or CIFAR-100, in the binary or in the python version.

    The splits are "train" and "test". Labels are the names of the classes, the 100 fine ones of
    CIFAR-100. The python version is pickled; its opcodes are read and never run.

    Parameters
    ----------
    folder : Path or str
        Where an archive of https://www.cs.toronto.edu/~kriz/cifar.html was unpacked; path or URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = self.root = plain_name(folder)
        layout = _layout(self.name)
        if layout is None:
            raise SourceError(f"{folder}: no files of CIFAR-10 or CIFAR-100")
        self._layout = layout
        self._classes = self._class_names()

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether the files of CIFAR lie in a folder; see :class:`Source`."""
        return _layout(name) is not None

    def images(self) -> Iterator[pa.Table]:
        """List the images of one file after another; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str | None, str]]:
        layout = self._layout
        for split, files in (("train", layout.train), ("test", layout.test)):
            for file in files:
                where = join(self.name, file)
                if not is_file(where):
                    continue
                changed = signature(where)
                images = self._pickled(file) if layout.label_key else self._records(file)
                for number, (offset, label) in enumerate(images):
                    path = f"{file}/{number:05d}"
                    yield path, f"{offset}:{file}", changed, self._class_name(path, label), split

    def _class_name(self, path: str, label: int | None) -> str | None:
        if label is None:
            return None
        if not 0 <= label < len(self._classes):
            raise SourceError(
                f"{self.name}, image {path}: label {label}, but {self._layout.names} has "
                f"{counted(len(self._classes), 'name')}"
            )
        return self._classes[label]

    def _class_names(self) -> list[str]:
        data = self._whole(self._layout.names)
        if self._layout.names_key:
            return self._unpickled(self._layout.names, data, self._layout.names_key).texts
        return data.decode("utf-8", "backslashreplace").split()

    def _records(self, file: str) -> Iterator[tuple[int | str, int | None]]:
        """Yield offset and label of each image of a binary file."""
        n_labels = self._layout.label_bytes
        with open_binary(join(self.name, file)) as opened:
            at = 0
            while record := opened.read(n_labels + PIXELS):
                is_whole = len(record) == n_labels + PIXELS
                yield (at + n_labels, record[n_labels - 1]) if is_whole else (CUT, None)
                at += len(record)

    def _pickled(self, file: str) -> Iterator[tuple[int | str, int | None]]:
        """Yield offset and label of each image of a pickled file."""
        data = self._whole(file)
        pixels = self._unpickled(file, data, "data")
        labels = self._unpickled(file, data, self._layout.label_key).numbers
        if pixels.size != PIXELS * len(labels) or pixels.is_column_major or not labels:
            raise SourceError(
                f"{self.name}/{file}: {pixels.size} bytes of pixels for {len(labels)} labels, "
                f"expected {PIXELS} bytes for each, row by row, as the authors of CIFAR publish it"
            )
        yield from ((pixels.start + PIXELS * k, label) for k, label in enumerate(labels))

    def _unpickled(self, file: str, data: bytes, key: str) -> Value:
        try:
            values = values_of_keys(data, KEYS)
        except (ValueError, OverflowError) as error:
            raise SourceError(f"{self.name}/{file}: damaged pickle: {error}") from error
        if key not in values:
            raise SourceError(f"{self.name}/{file}: no {key!r} in it, as CIFAR's files have")
        return values[key]

    def _whole(self, file: str) -> bytes:
        with open_binary(join(self.name, file)) as opened:
            return opened.read(LARGEST_FILE)

    def read(self, location: str) -> npt.NDArray[np.uint8]:
        """Return the pixels of an image; see :class:`Source`."""
        offset, _, file = location.partition(":")
        if offset == CUT:
            raise ImageError(f"{file} ends within this image", DAMAGED)
        data = read_range(join(self.name, file), int(offset), PIXELS)
        if len(data) < PIXELS:
            raise ImageError("the file became shorter while the job ran", UNREADABLE)
        planes = np.frombuffer(data, np.uint8).reshape(CHANNELS, SIDE, SIDE)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _layout(folder: str) -> Layout | None:
    for layout in LAYOUTS:
        if is_file(join(folder, layout.names)) and any(
            is_file(join(folder, file)) for file in (*layout.train, *layout.test)
        ):
            return layout
    return None
