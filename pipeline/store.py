"""The feature store: matrices on disk under keys that say what is in them.

A matrix lies in the folder ``<store>/<feature name>/<key>/``. The key is a digest of the images'
bytes, the feature's parameters and learned state, and the versions of the feature's kernel and of
the reader: whatever could change a number changes the key, and nothing else does.

The rows are cut into shards. A shard is ``00000.npy`` (float32) and, written after it,
``00000.json`` with the images that failed and a checksum over both files, the key and the shard's
number; a shard without its JSON does not exist. ``manifest.json``, written last, says that the
matrix is whole. Every file is written under a temporary name, flushed to the disk and renamed, so a
job killed at any moment leaves whole shards and no half ones, and the next job goes on from there.

What a feature learned lies in ``<store>/learned/<key>.npz``, its checksum in a JSON file beside it.
"""

import fcntl
import hashlib
import io
import json
import os
import socket
import threading
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..features.base import ImageFeature
from .persist import describe_estimator
from .reader import READER_VERSION, Reader

__all__ = [
    "FeatureMatrix",
    "StoredMatrix",
    "alone_in",
    "key_of",
    "read_sealed",
    "remove_leftovers",
    "write_atomically",
    "write_sealed",
]

SHARD_ROWS = 1024
STORE_VERSION = 2

FloatArray = npt.NDArray[np.float32]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that, at any moment, it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{writer}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # Where the disk is full, what fits of the file would take the last of it.
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_sealed(path: Path, data: bytes) -> None:
    """Write a file and, after it, a ``.json`` with a checksum over its name and bytes."""
    write_atomically(path, data)
    seal = {"crc32": _checksum(path.name, data)}
    write_atomically(path.with_suffix(".json"), json.dumps(seal).encode())


def read_sealed(path: Path) -> bytes:
    """Read a file; a ValueError unless it is what :func:`write_sealed` wrote under this name."""
    seal = _read_record(path.with_suffix(".json"))
    data = path.read_bytes()
    if seal.get("crc32") != _checksum(path.name, data):
        raise ValueError(f"{path.name} has a wrong checksum")
    return data


def _checksum(said: Any, data: Any) -> int:
    """CRC-32 of bytes, after that of what is said of them: a JSON value."""
    return zlib.crc32(data, zlib.crc32(json.dumps(said, sort_keys=True).encode()))


def _read_record(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_bytes())
    if not isinstance(record, dict):
        raise ValueError(f"{path.name} is of another kind")
    return record


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the one job that writes to a folder; the system ends the lock with the process."""
    with (folder / ".lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{folder}: another job is at work in this folder; "
                "wait for its end or choose another folder"
            ) from error
        except OSError:
            pass  # a file system without locks: the job is done unguarded rather than not at all
        yield


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes of this machine that are no more."""
    mark = f".{socket.gethostname()}-"
    for path in folder.rglob(f".*{mark}*.tmp"):
        process = path.name.rpartition(mark)[2].removesuffix(".tmp").partition("-")[0]
        if process.isdigit() and not _is_alive(int(process)):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def describe_matrix(feature: ImageFeature, reader: Reader) -> dict[str, Any]:
    """Whatever decides a matrix, but the images."""
    return {
        "store": [STORE_VERSION, SHARD_ROWS],
        "reader": [READER_VERSION, reader.max_pixels, reader.max_side],
        "kernel": feature.kernel_version,
        "feature": describe_estimator(feature),
    }


def key_of(feature: ImageFeature, digests: Sequence[str], reader: Reader) -> str:
    """Name what a feature makes of images: equal keys mean equal bytes."""
    description = json.dumps(describe_matrix(feature, reader), sort_keys=True)
    digest = hashlib.blake2b(description.encode(), digest_size=16)
    for image in digests:
        digest.update(image.encode())
    return digest.hexdigest()


class StoredMatrix:
    """The shards of one matrix, as far as they have been computed.

    Parameters
    ----------
    folder : Path
        ``<store>/<feature name>/<key>``.
    n_images : int
        Images of the data set; each becomes a row or a failure.
    """

    def __init__(self, folder: Path, n_images: int) -> None:
        self.folder = folder
        self.n_images = n_images
        self._n_shards = len(self.shards(n_images))

    @staticmethod
    def shards(n_images: int) -> list[range]:
        """Give the images of every shard, by their number in the data set."""
        starts = range(0, n_images, SHARD_ROWS)
        return [range(start, min(start + SHARD_ROWS, n_images)) for start in starts]

    def missing(self) -> list[int]:
        """Number the shards that are absent, damaged, or lack images that may be had by now."""
        return [n for n in range(self._n_shards) if not self._is_sound(n)]

    def write(
        self,
        shard: int,
        rows: FloatArray,
        failures: Mapping[int, str],
        retry: Collection[int] = (),
    ) -> None:
        """Write one shard: the rows of the images that are sound, the reasons of the others.

        Parameters
        ----------
        shard : int
        rows : ndarray of shape (sound images of the shard, d), float32
        failures : mapping of image number to reason
        retry : collection of int
            Failures that are no fault of the image. The shard is good enough for the job that
            writes it; to the next one it is missing.
        """
        if len(rows) + len(failures) != len(self.shards(self.n_images)[shard]):
            raise ValueError("every image of a shard must become a row or a failure")
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(rows, dtype=np.float32), allow_pickle=False)
        data = buffer.getvalue()
        write_atomically(self._matrix_file(shard), data)
        record = {
            "rows": rows.shape[0],
            "columns": rows.shape[1],
            "failures": {str(image): reason for image, reason in sorted(failures.items())},
            "retry": sorted(retry),
        }
        record["crc32"] = self._checksum(shard, record, data)
        write_atomically(self._record_file(shard), json.dumps(record, indent=1).encode())

    def commit(self, feature: ImageFeature, reader: Reader) -> None:
        """Write the manifest, last: all shards are there."""
        manifest = {
            **describe_matrix(feature, reader),
            "images": self.n_images,
            "shards": [self._record(shard) for shard in range(self._n_shards)],
        }
        data = json.dumps(manifest, indent=1).encode()
        file = self.folder / "manifest.json"
        if not file.exists() or file.read_bytes() != data:
            write_atomically(file, data)

    def load(self) -> "FeatureMatrix":
        """Map the whole matrix into memory, read-only."""
        try:
            records = [self._sound_record(shard) for shard in range(self._n_shards)]
            blocks = [
                np.load(self._matrix_file(shard), mmap_mode="r", allow_pickle=False)
                for shard, record in enumerate(records)
                if record["rows"]
            ]
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{self.folder}: the matrix is missing or damaged ({error}); "
                "`visualwords extract` makes it again"
            ) from error
        failures = {int(i): why for record in records for i, why in record["failures"].items()}
        kept = np.setdiff1d(np.arange(self.n_images), np.fromiter(failures, np.int64))
        return FeatureMatrix(blocks, kept, failures)

    def _is_sound(self, shard: int) -> bool:
        try:
            return not self._sound_record(shard)["retry"]
        except (OSError, ValueError):
            return False

    def _sound_record(self, shard: int) -> dict[str, Any]:
        """Read a shard's record; a ValueError unless it and the rows are what was written here."""
        record = self._record(shard)
        written = record.pop("crc32", None)
        data = np.memmap(self._matrix_file(shard), np.uint8, "r")
        if written != self._checksum(shard, record, data):
            raise ValueError(f"{self._matrix_file(shard).name} has a wrong checksum")
        return record

    def _checksum(self, shard: int, record: Mapping[str, Any], data: Any) -> int:
        """CRC-32 of the rows, after that of what is said of them and of where they belong."""
        return _checksum([self.folder.name, shard, record], data)

    def _record(self, shard: int) -> dict[str, Any]:
        return _read_record(self._record_file(shard))

    def _matrix_file(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.npy"

    def _record_file(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.json"


class FeatureMatrix:
    """A matrix of several shards, read-only and memory-mapped, whose rows are read by slices.

    Attributes
    ----------
    shape : (rows, columns)
    dtype : float32
    kept : ndarray of int
        The number, in the data set, of each row's image.
    failures : dict of int to str
        The images that have no row, and why.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self, blocks: Sequence[FloatArray], kept: npt.NDArray[np.int64], failures: dict[int, str]
    ) -> None:
        self._blocks = blocks
        self._starts = np.cumsum([0, *(len(block) for block in blocks)])
        self.kept = kept
        self.failures = failures
        self.shape = (int(self._starts[-1]), blocks[0].shape[1] if blocks else 0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> FloatArray:
        """Give a slice of rows: a view where they lie in one shard, else a copy of just them."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError(f"rows are read by contiguous slices, got step {step}")
        parts = list(self._parts(start, max(start, stop)))
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, self.shape[1]), np.float32)

    def _parts(self, start: int, stop: int) -> Iterator[FloatArray]:
        for block, first in zip(self._blocks, self._starts, strict=False):
            begin, end = max(start - first, 0), min(stop - first, len(block))
            if begin < end:
                yield block[begin:end]

    def take(self, rows: npt.NDArray[np.intp]) -> Self | FloatArray:
        """Select rows by number; all of them, in order, is the matrix itself."""
        if len(rows) == len(self):
            return self
        return self[:][rows]
