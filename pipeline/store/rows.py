"""Rows of features, each under the digest of its image's bytes.

The rows of a feature lie in the folder ``<feature>-<key>`` of the store. The key is a digest of all
that decides a number, but the image: class, parameters, what was learned, the version of the
kernel, the version and limits of the reader. ``feature.json`` holds all of that in plain text.

Rows are kept in shards of at most 1,024; see :mod:`.shards`.
"""

import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..counts import counted
from .descriptions import DESCRIPTION
from .files import DamagedError, Folder, open_folder
from .matrix import FloatArray, IntArray, Places, RowMatrix
from .shards import (
    DIGEST_BYTES,
    Digests,
    RowFailure,
    are_finite,
    as_digests,
    positions,
    read_shard,
    rows_in,
)

__all__ = ["FeatureRows"]

# Shards that stay mapped. Those that were read first stay: training reads a matrix again and again
# from its beginning, so the last ones would always be gone when their turn comes.
OPEN_SHARDS = 128  # each takes a file descriptor
OPEN_BYTES = 1 << 25


@dataclass
class _Shard:
    """What the record of a shard says."""

    name: str
    n_rows: int
    n_columns: int
    rows_crc32: int
    is_checked: bool = False


class FeatureRows:
    """The rows of one feature in a store.

    Parameters
    ----------
    store : Folder
    name : str
        Name of the feature, such as "hog".
    key : str

    Attributes
    ----------
    folder : str
        Name of the folder in the store.
    damaged : dict of str to str
        The file of each shard that does not hold what was written there.
    """

    def __init__(self, store: Folder, name: str, key: str) -> None:
        self.store = store
        self.name = name
        self.key = key
        self.folder = f"{name}-{key}"
        self.damaged: dict[str, str] = {}
        self._shards: list[_Shard] = []
        self._known: set[str] = set()
        self._digests: Digests = np.empty(0, f"V{DIGEST_BYTES}")
        self._places = Places(np.empty(0, np.int32), np.empty(0, np.int32))
        self._failures: dict[bytes, RowFailure] = {}
        self._opened: dict[int, FloatArray] = {}
        self._last: tuple[int, FloatArray] | None = None
        self._lock = threading.Lock()
        self.refresh()

    def __getstate__(self) -> dict[str, Any]:
        """Send to workers what opens the shards, and neither digests nor failures."""
        names = ("name", "key", "folder", "_shards")
        return {name: getattr(self, name) for name in names} | {"store": self.store.absolute_url}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, store=open_folder(state["store"]))
        self._opened, self._last, self._lock = {}, None, threading.Lock()

    @property
    def n_columns(self) -> int:
        """Numbers a row; 0 where no shard has a row."""
        shards = {shard.n_columns: shard.name for shard in self._shards if shard.n_rows}
        if len(shards) > 1:
            rows = ", ".join(
                f"{counted(n, 'column')} in {name}.json" for n, name in sorted(shards.items())
            )
            raise DamagedError(
                f"{self.store.path(self.folder)}: its rows differ in length ({rows}); remove the "
                "folder, and `visualwords extract` computes them again"
            )
        return next(iter(shards), 0)

    @property
    def shards_seen(self) -> set[str]:
        """Names of the shards that were there at the last :meth:`refresh`, damaged ones, too."""
        return self._known | set(self.damaged)

    @property
    def n_rows(self) -> int:
        """Rows in all shards."""
        return len(self._digests)

    def refresh(self) -> bool:
        """Take note of the shards that were written since the last time; tell if there are any."""
        names = [n.removesuffix(".json") for n in self.store.names(self.folder) if _is_record(n)]
        new = [name for name in names if name not in self._known]
        digests, shards, rows = [self._digests], [self._places.shard], [self._places.row]
        for name in new:
            self._known.add(name)
            try:
                record = read_shard(self.store, self.folder, name)
            except (OSError, DamagedError):
                self._note_damage(name, f"{self.folder}/{name}.json")
                continue
            images = as_digests(record["images"])
            digests.append(images)
            shards.append(np.full(len(images), len(self._shards), np.int32))
            rows.append(np.arange(len(images), dtype=np.int32))
            self._shards.append(
                _Shard(name, record["rows"], record["columns"], record["rows_crc32"])
            )
            for digest, *failure in record["failed"]:
                self._failures[bytes.fromhex(digest)] = RowFailure(*failure)
        if len(digests) > 1:
            self._sort(np.concatenate(digests), np.concatenate(shards), np.concatenate(rows))
        return bool(new)

    def _sort(self, digests: Digests, shards: IntArray, rows: IntArray) -> None:
        order = np.argsort(digests.view(f"S{DIGEST_BYTES}"), kind="stable")
        self._digests = digests[order]
        self._places = Places(shards[order], rows[order])

    def find(self, digests: Digests) -> Places:
        """Return where the rows of images lie. The checksums of these shards are checked, once.

        A shard that is damaged is left out, and :attr:`damaged` names it.
        """
        while True:
            places = self._find(digests)
            wanted = np.unique(places.shard[places.found])
            unsound = [s for s in wanted.tolist() if not self._is_sound(s)]
            if not unsound:
                return places
            self._forget(unsound)

    def everything(self) -> tuple[Digests, Places]:
        """Return the digests of all images that have a row, and where the rows lie."""
        return self._digests, self.find(self._digests)

    def check_all(self) -> None:
        """Check the checksums of all shards; :attr:`damaged` names those that are wrong."""
        self._forget([s for s in range(len(self._shards)) if not self._is_sound(s)])

    def _find(self, digests: Digests) -> Places:
        at = positions(self._digests, digests)
        found = np.flatnonzero(at >= 0)
        places = Places(np.full(len(at), -1, np.int32), np.full(len(at), -1, np.int32))
        places.shard[found] = self._places.shard[at[found]]
        places.row[found] = self._places.row[at[found]]
        return places

    def _is_sound(self, number: int) -> bool:
        shard = self._shards[number]
        if not shard.is_checked:
            data = self._bytes_of(shard)
            if data is not None and zlib.crc32(data.data) == shard.rows_crc32:
                rows = rows_in(data, shard.n_rows, shard.n_columns)
                shard.is_checked = rows is not None and are_finite(rows)
        return shard.is_checked

    def _bytes_of(self, shard: _Shard) -> npt.NDArray[np.uint8] | None:
        try:
            return self.store.bytes_of(f"{self.folder}/{shard.name}.npy")
        except (OSError, DamagedError):
            return None

    def _forget(self, numbers: Iterable[int]) -> None:
        gone = set(numbers)
        for number in sorted(gone):
            name = self._shards[number].name
            self._note_damage(name, f"{self.folder}/{name}.npy")
        kept = ~np.isin(self._places.shard, sorted(gone))
        self._digests, self._places = self._digests[kept], self._places[kept]

    def _note_damage(self, shard: str, file: str) -> None:
        """Name a shard as damaged, and look at it again once it may have been written anew."""
        self._known.discard(shard)
        self.damaged.setdefault(shard, file)

    def failure(self, digest: bytes) -> RowFailure | None:
        """Return why an image failed, if it did."""
        return self._failures.get(digest)

    def failures(self, digests: Digests) -> dict[int, RowFailure]:
        """Return the failures among images, by their number."""
        if not self._failures:
            return {}
        found = ((i, self._failures.get(d.tobytes())) for i, d in enumerate(digests))
        return {i: failure for i, failure in found if failure is not None}

    def array(self, number: int) -> FloatArray:
        """Return the rows of a shard, read-only, mapped where the store is local."""
        with self._lock:
            if number in self._opened:
                return self._opened[number]
            if self._last is None or self._last[0] != number:
                self._last = number, self._open(number)
            rows = self._last[1]
            n_bytes = sum(opened.nbytes for opened in self._opened.values()) + rows.nbytes
            if len(self._opened) < OPEN_SHARDS and n_bytes <= OPEN_BYTES:
                self._opened[number] = rows
        return rows

    def let_go(self) -> None:
        """Close the shards that are mapped; a shard is opened again when its rows are asked for."""
        with self._lock:
            self._opened, self._last = {}, None

    def _open(self, number: int) -> FloatArray:
        shard = self._shards[number]
        data = self._bytes_of(shard) if self._is_sound(number) else None
        rows = None if data is None else rows_in(data, shard.n_rows, shard.n_columns)
        if rows is None:
            raise DamagedError(
                f"{self.store.path(self.folder)}/{shard.name}.npy: the checksum is wrong; "
                "`visualwords extract` computes the rows again"
            )
        return rows

    @property
    def shard_files(self) -> list[str]:
        """Names of the matrices of the shards, relative to the store."""
        return [f"{self.folder}/{shard.name}.npy" for shard in self._shards]

    def matrix(self, places: Places) -> RowMatrix:
        """Return the matrix whose rows lie at some places, in that order."""
        return RowMatrix(self.array, places, self.n_columns)


def _is_record(name: str) -> bool:
    return name.endswith(".json") and name != DESCRIPTION
