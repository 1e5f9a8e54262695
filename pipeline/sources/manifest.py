"""A table that names image files, their labels and their splits: CSV or parquet."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from ..reader import read_bytes
from .base import Source, SourceError, listing
from .folder import signature_of

__all__ = ["ManifestSource"]


class ManifestSource(Source):
    """The files that a CSV or parquet table names.

    Paths are relative to the table's folder. White space around labels and splits is no part of
    them. A path may be named twice, but not with two labels.

    Parameters
    ----------
    manifest : Path or str
        CSV is comma-separated and in UTF-8.
    path_column, label_column, split_column : str
        Names of the columns; the last two need not be there.
    """

    def __init__(
        self,
        manifest: Path | str,
        *,
        path_column: str = "path",
        label_column: str = "label",
        split_column: str = "split",
    ) -> None:
        self.name = str(manifest)
        self._folder = os.path.dirname(self.name)
        self._columns = {"path": path_column, "label": label_column, "split": split_column}
        self._asked = {
            name for name in (label_column, split_column) if name not in ("label", "split")
        }

    def images(self) -> Iterator[pa.Table]:
        """List the files in the order of the table; see :class:`Source`."""
        table = self._table()
        columns = set(table.column_names)
        lacking = ({self._columns["path"]} | self._asked) - columns
        if lacking:
            raise SourceError(
                f"{self.name}: no column {min(lacking)!r}, got {', '.join(sorted(columns))};"
                " --path-column, --label-column and --split-column name others"
            )
        if not table.num_rows:
            raise SourceError(f"{self.name}: no rows")
        return listing(self._rows(table))

    def _table(self) -> pa.Table:
        try:
            if self.name.lower().endswith(".parquet"):
                return pq.read_table(self.name)
            return pc.read_csv(
                self.name,
                parse_options=pc.ParseOptions(newlines_in_values=True),
                convert_options=pc.ConvertOptions(
                    column_types=dict.fromkeys(self._columns.values(), pa.string()),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowException as error:
            raise SourceError(
                f"{self.name}: {error}; expected CSV with commas, in UTF-8, with the columns "
                f"{','.join(self._columns.values())} in its first line"
            ) from error

    def _rows(self, table: pa.Table) -> Iterator[tuple[str, str, str, str | None, str | None]]:
        labels: dict[str, str | None] = {}
        for number, (path, label, split) in enumerate(self._values(table), 1):
            if not path or "\0" in path:
                raise SourceError(f"{self.name}, row {number}: the path is missing or not valid")
            if labels.setdefault(path, label) != label:
                raise SourceError(
                    f"{self.name}, row {number}: {path} is {label} here and {labels[path]} before"
                )
            yield path, path, self._signature(path), label, split

    def _values(self, table: pa.Table) -> Iterator[tuple[str, str | None, str | None]]:
        for batch in table.to_batches(max_chunksize=10_000):
            columns = []
            for name in self._columns.values():
                if name in batch.schema.names:
                    columns.append(batch.column(name).cast(pa.string()).to_pylist())
                else:
                    columns.append([None] * len(batch))
            for path, label, split in zip(*columns, strict=True):
                yield path or "", (label or "").strip() or None, (split or "").strip() or None

    def _signature(self, path: str) -> str:
        try:
            return signature_of(os.stat(os.path.join(self._folder, path)))
        except OSError:
            return ""

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_bytes(os.path.join(self._folder, location))
