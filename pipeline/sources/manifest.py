"""A table that names image files, their labels, splits and groups: CSV or parquet."""

import array
import csv
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..counts import counted
from .base import Source, SourceError, listing
from .files import ReadError, Signatures, join, open_binary, parent, plain_name, read_file
from .patterns import matching
from .text import open_text

__all__ = ["ManifestSource"]

DIGEST_BYTES = 16

# Where a row is, such as "images.csv, line 3", and its path, label, split and group.
Row = tuple[str, str | None, str | None, str | None, str | None]


class _Labels:
    """The labels of paths, as digests: 20 bytes a row."""

    def __init__(self) -> None:
        self._paths = bytearray()
        self._labels = array.array("l")
        self._numbers: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, path: str, label: str | None) -> None:
        """Note the next row."""
        self._paths += hashlib.blake2b(path.encode(), digest_size=DIGEST_BYTES).digest()
        self._labels.append(self._numbers.setdefault(label, len(self._numbers)))

    def contradiction(self) -> tuple[int, int] | None:
        """Return the first row whose path has another label in a row before, after that row."""
        paths = np.frombuffer(self._paths, f"S{DIGEST_BYTES}")
        order = np.argsort(paths, kind="stable")
        labels = np.frombuffer(self._labels, self._labels.typecode)[order]
        is_same = paths[order[1:]] == paths[order[:-1]]
        found = np.flatnonzero(is_same & (labels[1:] != labels[:-1]))
        if not len(found):
            return None
        first = found[np.argmin(order[found + 1])]
        return int(order[first]), int(order[first + 1])


class ManifestSource(Source):
    """The files that a CSV or parquet table names.

    Paths are relative to the table's folder. White space around labels, splits and groups is no
    part of them. A path may be named twice, but not with two labels.

    Parameters
    ----------
    manifest : Path or str
        CSV has commas or semicolons, as its first line has, and is in UTF-8. A pattern, such as
        ``part-{0..9}.parquet`` or ``part-*.csv``, stands for one table after another.
    path_column, label_column, split_column, group_column : str
        Names of the columns; the last three need not be there.
    """

    def __init__(
        self,
        manifest: Path | str,
        *,
        path_column: str = "path",
        label_column: str = "label",
        split_column: str = "split",
        group_column: str = "group",
    ) -> None:
        self.name = plain_name(manifest)
        self.root = parent(self.name)
        self._columns = {
            "path": path_column,
            "label": label_column,
            "split": split_column,
            "group": group_column,
        }

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether a name ends as that of a table does; see :class:`Source`."""
        return name.lower().endswith((".csv", ".parquet"))

    def images(self) -> Iterator[pa.Table]:
        """List the files in the order of the table; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str | None, str | None, str | None]]:
        labels, signatures = _Labels(), Signatures()
        for where, path, label, split, group in self._stripped():
            if not path or not path.strip():
                raise SourceError(f"{where}: the path is missing")
            if "\0" in path:
                raise SourceError(f"{where}: the path has a null byte in it")
            labels.add(path, label)
            yield path, path, signatures.of(join(self.root, path)), label, split, group
        if not len(labels):
            raise SourceError(f"{self.name}: no rows")
        contradiction = labels.contradiction()
        if contradiction is not None:
            rows = list(itertools.islice(self._stripped(), contradiction[1] + 1))
            (_, _, before, *_), (where, path, here, *_) = (rows[number] for number in contradiction)
            raise SourceError(
                f"{where}: {path} is {here or 'without label'} here and "
                f"{before or 'without label'} before"
            )

    def _stripped(self) -> Iterator[Row]:
        for table in matching(self.name):
            if parent(table) != self.root:  # a pattern of folders
                raise SourceError(f"{self.name}: the tables of a pattern must lie in one folder")
            is_parquet = table.lower().endswith(".parquet")
            for where, path, *others in self._parquet(table) if is_parquet else self._csv(table):
                label, split, group = ((value or "").strip() or None for value in others)
                yield f"{table}, {where}", path, label, split, group

    def _chosen(self, table: str, names: Sequence[str]) -> Mapping[str, int]:
        """Return the numbers of the columns that hold path, label, split and group."""
        for role, name in self._columns.items():
            if name not in names and (role == "path" or name != role):
                raise SourceError(
                    f"{table}: no column {name!r}, got {','.join(names) or 'an empty file'}; "
                    "expected a table with the columns path[,label][,split][,group], CSV with "
                    "commas or semicolons; --path-column, --label-column, --split-column and "
                    "--group-column name others"
                )
            if names.count(name) > 1:
                raise SourceError(f"{table}: two columns are called {name!r}")
        return {role: names.index(name) for role, name in self._columns.items() if name in names}

    def _csv(self, table: str) -> Iterator[Row]:
        lines = _lines(table)
        _, header = next(lines, (1, []))
        columns = [name.strip() for name in header]
        chosen = self._chosen(table, columns)
        for line, values in lines:
            while len(values) > len(columns) and not values[-1]:
                values.pop()
            if len(values) != len(columns):
                raise SourceError(
                    f"{table}, line {line}: {counted(len(values), 'value')} for the columns "
                    f"{','.join(columns)}; a value with a comma or semicolon in it belongs "
                    'in quotes ("a, b.jpg")'
                )
            value = {role: values[number] for role, number in chosen.items()}
            label, split, group = (value.get(role) for role in ("label", "split", "group"))
            yield f"line {line}", value["path"], label, split, group

    def _parquet(self, table: str) -> Iterator[Row]:
        number = 0
        with open_binary(table) as file:
            try:
                parquet = pq.ParquetFile(file)
                names = parquet.schema_arrow.names
                roles = [role for role in self._columns if role in self._chosen(table, names)]
                columns = [self._columns[role] for role in roles]
                for batch in parquet.iter_batches(10_000, columns=columns, use_threads=False):
                    values = {
                        role: batch.column(self._columns[role]).cast(pa.string()).to_pylist()
                        for role in roles
                    }
                    empty = [None] * len(batch)
                    for i in range(len(batch)):
                        number += 1
                        row = (values.get(role, empty)[i] for role in self._columns)
                        yield f"row {number}", *row
            except (SourceError, ReadError):
                raise
            except Exception as error:  # the parser raises all kinds on damaged files
                raise SourceError(f"{table}: not a sound parquet file: {error}") from error

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.root, location))


def _lines(table: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the values of each row that has some, and the line where it begins."""
    with open_text(table) as file:
        header = file.readline()
    delimiter = ";" if ";" in header and "," not in header else ","
    begin = 1
    with open_text(table) as file:
        # strict: a quote that is never closed would swallow the rest of the file
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for values in reader:
                if values:
                    yield begin, values
                begin = reader.line_num + 1
        except csv.Error as error:
            raise SourceError(f"{table}: the row of line {begin}: {error}") from error
