"""What is known of image files without opening them: a cache, and never the truth."""

import time
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .files import DamagedError, Folder
from .tables import read_table, write_table

__all__ = ["ImageIndex"]

MAX_PARTS = 16
SCHEMA = pa.schema(
    [
        ("location", pa.string()),
        ("signature", pa.string()),
        ("digest", pa.binary()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("kind", pa.string()),
        ("reason", pa.string()),
    ]
)


class ImageIndex:
    """Digests and headers of image files, by location; valid while a signature is the same.

    Parameters
    ----------
    store : Folder
    reader : str
        Version and limits of the reader, which decide what is refused by its header.
    """

    def __init__(self, store: Folder, reader: str) -> None:
        self._store = store
        self._folder = f"index/{reader}"
        self._table = SCHEMA.empty_table()
        parts = [name for name in store.names(self._folder) if name.endswith(".parquet")]
        tables = [table for name in parts if (table := self._read(name)) is not None]
        if tables:  # of two entries for a location, the later one counts
            self._table = pa.concat_tables(reversed(tables)).select(SCHEMA.names)
        if len(parts) > MAX_PARTS:
            self._compact(parts)

    def _read(self, name: str) -> pa.Table | None:
        try:
            return read_table(self._store, f"{self._folder}/{name}", SCHEMA)
        except (OSError, DamagedError):  # the files are read again
            return None

    def _compact(self, parts: list[str]) -> None:
        """Replace many small files by one."""
        locations = self._table.column("location")
        first = pc.index_in(locations, pc.unique(locations.combine_chunks()))
        _, kept = np.unique(first.to_numpy(zero_copy_only=False), return_index=True)
        self._table = self._table.take(np.sort(kept))
        self._write(self._table)
        for name in parts:
            self._store.remove(f"{self._folder}/{name}")

    def _write(self, table: pa.Table) -> None:
        # Names sort by time, so that a later entry counts.
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        write_table(self._store, f"{self._folder}/{name}", table)

    def find(self, locations: pa.Array, signatures: pa.Array) -> tuple[pa.Table, Any]:
        """Return what is known of files.

        Parameters
        ----------
        locations, signatures : pyarrow string arrays of length n

        Returns
        -------
        table : pyarrow.Table of n rows
            As in the index. The rows that are not known are arbitrary.
        is_known : ndarray of shape (n,), bool
        """
        if not self._table.num_rows or not len(locations):
            empty = pa.table({f.name: pa.nulls(len(locations), f.type) for f in SCHEMA})
            return empty, np.zeros(len(locations), bool)
        places = pc.index_in(locations, self._table.column("location").combine_chunks())
        is_there = places.is_valid().to_numpy(zero_copy_only=False)
        found = self._table.take(pc.fill_null(places, 0))
        is_same = pc.equal(found.column("signature"), signatures)
        has_one = pc.not_equal(signatures, "")
        is_same = pc.fill_null(pc.and_(is_same, has_one), False)
        return found, is_there & is_same.to_numpy()

    def append(self, table: pa.Table) -> None:
        """Keep what was found of files that have a signature and could be read."""
        has_one = pc.and_(pc.not_equal(table["signature"], ""), table["digest"].is_valid())
        table = table.select(SCHEMA.names).filter(has_one)
        if table.num_rows:
            self._write(table)
            self._table = pa.concat_tables([table, self._table])
