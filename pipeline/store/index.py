"""What is known of image files without opening them: a cache, and never the truth."""

import hashlib
import time
import uuid

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..failures import PASSING
from .files import DamagedError, Folder
from .listings import Listings
from .shards import DIGEST_BYTES, positions
from .tables import read_table, write_table

__all__ = ["FOUND", "ImageIndex", "Keys", "image_keys"]

MAX_PARTS = 16
# What is found of an image by reading it. A null digest: the bytes could not be had.
FOUND = pa.schema(
    [
        ("digest", pa.binary()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("kind", pa.string()),  # of failure; null where the header is sound
        ("reason", pa.string()),
    ]
)
SCHEMA = pa.schema([("location", pa.binary(DIGEST_BYTES)), ("signature", pa.uint64()), *FOUND])
KEY = np.dtype([("location", f"V{DIGEST_BYTES}"), ("signature", "<u8")])

Keys = npt.NDArray[np.void]  # of dtype KEY


def image_keys(locations: pa.Array, signatures: pa.Array) -> Keys:
    """Return digests of the locations of files and of their signatures, as the index keeps them.

    A million of them take 24 MB. No signature, which is "", is 0.
    """
    keys = np.empty(len(locations), KEY)
    keys["location"] = np.frombuffer(_hashed(locations, DIGEST_BYTES), f"V{DIGEST_BYTES}")
    few = signatures.dictionary_encode()  # the files of an archive share one
    hashed = np.frombuffer(_hashed(few.dictionary, 8), "<u8").copy()
    hashed[pc.equal(few.dictionary, "").to_numpy(zero_copy_only=False)] = 0
    keys["signature"] = hashed[few.indices.to_numpy()]
    return keys


def _hashed(texts: pa.Array, size: int) -> bytes:
    empty = hashlib.blake2b(digest_size=size)
    digests = []
    for text in texts.to_pylist():
        hashed = empty.copy()  # it takes less time than to set up another
        hashed.update(text.encode())
        digests.append(hashed.digest())
    return b"".join(digests)


class ImageIndex:
    """Digests and headers of image files, by location; valid while a signature is the same.

    Its files are read when it is first asked.

    Parameters
    ----------
    store : Folder
    reader : str
        Version and limits of the reader, which decide what is refused by its header.

    Attributes
    ----------
    listings : Listings
        Of archives; the same for all readers.
    """

    def __init__(self, store: Folder, reader: str) -> None:
        self._store = store
        self.listings = Listings(store)
        self._folder = f"index/{reader}"
        self._is_open = False

    def _open(self) -> None:
        self._is_open = True
        parts = [name for name in self._store.names(self._folder) if name.endswith(".parquet")]
        tables = [table for name in parts if (table := self._read(name)) is not None]
        # Of two entries for a location, the later one counts.
        self._use(pa.concat_tables([*reversed(tables), SCHEMA.empty_table()]))
        if len(parts) > MAX_PARTS:
            self._compact(parts)

    def _use(self, table: pa.Table) -> None:
        """Sort the locations, so that they are found."""
        locations = _locations(table)
        self._order = np.argsort(locations.view(f"S{DIGEST_BYTES}"), kind="stable").astype(np.int32)
        self._locations = locations[self._order]
        self._signatures = table["signature"].to_numpy()
        self._found = table.select(FOUND.names).combine_chunks()

    def _read(self, name: str) -> pa.Table | None:
        try:
            return read_table(self._store, f"{self._folder}/{name}", SCHEMA).select(SCHEMA.names)
        except (OSError, DamagedError):  # the files are read again
            return None

    def _compact(self, parts: list[str]) -> None:
        """Replace many small files by one."""
        names = self._locations.view(f"S{DIGEST_BYTES}")
        is_first = np.ones(len(names), bool)
        is_first[1:] = names[1:] != names[:-1]
        kept = self._order[is_first]
        keys = np.empty(len(kept), KEY)
        keys["location"] = self._locations[is_first]
        keys["signature"] = self._signatures[kept]
        table = _table(keys, self._found.take(kept))
        self._write(table)
        self._use(table)
        for name in parts:
            self._store.remove(f"{self._folder}/{name}")

    def _write(self, table: pa.Table) -> None:
        # Names sort by time, so that a later entry counts.
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        write_table(self._store, f"{self._folder}/{name}", table)

    def find(self, keys: Keys) -> tuple[pa.Table, npt.NDArray[np.bool_]]:
        """Return what is known of files.

        Parameters
        ----------
        keys : ndarray of shape (n,)
            As :func:`image_keys` returns them.

        Returns
        -------
        table : pyarrow.Table of n rows
            With the columns of ``FOUND``. The rows that are not known are arbitrary.
        is_known : ndarray of shape (n,), bool
        """
        if not self._is_open:
            self._open()
        if not len(self._order):
            empty = pa.table([pa.nulls(len(keys), f.type) for f in FOUND], schema=FOUND)
            return empty, np.zeros(len(keys), bool)
        at = positions(self._locations, keys["location"])
        places = self._order[np.maximum(at, 0)]
        is_same = self._signatures[places] == keys["signature"]
        return self._found.take(places), (at >= 0) & is_same & (keys["signature"] != 0)

    def append(self, keys: Keys, found: pa.Table) -> None:
        """Keep what was found of files that have a signature, unless a failure may pass."""
        may_pass = pc.is_in(found["kind"], pa.array(sorted(PASSING))).to_numpy()
        has_one = (keys["signature"] != 0) & found["digest"].is_valid().to_numpy() & ~may_pass
        if has_one.any():
            self._write(_table(keys[has_one], found.filter(pa.array(has_one))))


def _table(keys: Keys, found: pa.Table) -> pa.Table:
    data = pa.py_buffer(np.ascontiguousarray(keys["location"]))
    kind = pa.binary(DIGEST_BYTES)
    columns = [
        pa.FixedSizeBinaryArray.from_buffers(kind, len(keys), [None, data]),
        pa.array(np.ascontiguousarray(keys["signature"])),
    ]
    return pa.table([*columns, *found.select(FOUND.names).columns], schema=SCHEMA)


def _locations(table: pa.Table) -> npt.NDArray[np.void]:
    column = table["location"].combine_chunks()
    if not len(column):
        return np.empty(0, f"V{DIGEST_BYTES}")
    start = column.offset
    return np.frombuffer(column.buffers()[1], f"V{DIGEST_BYTES}")[start : start + len(column)]
