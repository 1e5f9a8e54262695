"""The German Traffic Sign Recognition Benchmark as its authors publish it."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from .base import Source, SourceError, listing
from .files import Signatures, is_file, is_folder, join, names_in, plain_name, read_file
from .text import open_text

__all__ = ["GtsrbSource"]

TRAIN, TEST = "Final_Training/Images", "Final_Test/Images"
TEST_TABLES = ("GT-final_test.csv", "Final_Test/GT-final_test.csv", f"{TEST}/GT-final_test.csv")
FILE, CLASS = "Filename", "ClassId"


class GtsrbSource(Source):
    """GTSRB: PPM files, and tables with semicolons that say their classes.

    The splits are "train" and "test". Labels are the numbers of the classes, such as ``00014``, the
    folder of the training images. Pictures are used as they are, with the border around the sign.

    Parameters
    ----------
    folder : Path or str
        The folder ``GTSRB`` with ``Final_Training/Images/CLASS/GT-CLASS.csv``, and for the test
        images ``Final_Test/Images`` and ``GT-final_test.csv`` there or in ``GTSRB``; path or URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = self.root = plain_name(folder)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether the folders of GTSRB lie in a folder; see :class:`Source`."""
        return is_folder(name) and is_folder(join(name, TRAIN))

    def images(self) -> Iterator[pa.Table]:
        """List the files in the order of the tables; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        signatures = Signatures()
        for path, label, split in self._files():
            yield path, path, signatures.of(join(self.root, path)), label, split

    def _files(self) -> Iterator[tuple[str, str, str]]:
        for entry in sorted(names_in(join(self.name, TRAIN))):
            if entry.endswith("/"):
                label = entry.rstrip("/")
                folder = f"{TRAIN}/{label}"
                for file, _ in self._table(f"{folder}/GT-{label}.csv"):
                    yield f"{folder}/{file}", label, "train"
        table = next((name for name in TEST_TABLES if is_file(join(self.name, name))), None)
        if table is not None:
            for file, number in self._table(table):
                yield f"{TEST}/{file}", f"{number:05d}", "test"

    def _table(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield file and class of each row of a table."""
        with open_text(join(self.name, name)) as opened:
            rows = csv.DictReader(opened, delimiter=";")
            for row in rows:
                file, number = row.get(FILE), row.get(CLASS)
                if not file or not (number or "").isdecimal():
                    raise SourceError(
                        f"{self.name}/{name}, line {rows.line_num}: expected columns {FILE} and "
                        f"{CLASS} and a semicolon between columns, got {row}"
                    )
                yield file, int(number or "")

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.root, location))
