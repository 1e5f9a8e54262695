"""The files of a shard: some rows of a feature, and the digests of their images.

``<shard>.npy`` holds the rows (float32). ``<shard>.json``, which is written after it, holds the
digests of their images, the images that failed and the checksums. A shard without its JSON does not
exist. The name of a shard is a digest of the digests of its images, so two jobs that compute the
same shard write the same file.
"""

import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import DamagedError, Folder, array_bytes
from .schema import is_count, is_digests

__all__ = [
    "DIGEST_BYTES",
    "SHARD_ROWS",
    "Digests",
    "RowFailure",
    "are_finite",
    "as_digests",
    "positions",
    "read_shard",
    "rows_in",
    "shard_name",
    "write_shard",
]

SHARD_ROWS = 1024
DIGEST_BYTES = 16

RECORD = {
    "feature": str,
    "rows": is_count,
    "columns": is_count,
    "rows_crc32": is_count,
    "images": is_digests,
    "failed": [[is_digests, str, str, is_count]],
}

Digests = npt.NDArray[np.void]  # of dtype V16
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RowFailure:
    """Why an image has no row.

    Attributes
    ----------
    kind : str
        Such as "damaged" or "refused by hog"; see :mod:`visualwords.pipeline.failures`.
    reason : str
    attempts : int
        How often it was tried.
    """

    kind: str
    reason: str
    attempts: int = 1


def as_digests(hexadecimal: str) -> Digests:
    """Return digests that are written one after another in hexadecimal."""
    return np.frombuffer(bytes.fromhex(hexadecimal), f"V{DIGEST_BYTES}")


def positions(known: Digests, wanted: Digests) -> npt.NDArray[np.int64]:
    """Return where each wanted digest is among known ones, which are sorted; -1 where it is not.

    Of equal ones the first counts.

    Examples
    --------
    >>> known = np.frombuffer(bytes(15) + b"a" + bytes(15) + b"c", "V16")
    >>> positions(known, known[[1, 0]]).tolist(), positions(known[:1], known).tolist()
    ([1, 0], [0, -1])
    """
    found = np.full(len(wanted), -1)
    if not len(known) or not len(wanted):
        return found
    names = np.ascontiguousarray(wanted).view(f"S{DIGEST_BYTES}")
    order = np.argsort(names, kind="stable")  # in order they are found several times as fast
    names, among = names[order], known.view(f"S{DIGEST_BYTES}")
    at = np.minimum(np.searchsorted(among, names), len(among) - 1)
    found[order] = np.where(among[at] == names, at, -1)
    return found


def shard_name(images: Digests) -> str:
    """Return the name of the shard of some images: a digest of their digests."""
    return hashlib.blake2b(images.tobytes(), digest_size=12).hexdigest()


def write_shard(
    store: Folder,
    folder: str,
    name: str,
    digests: Digests,
    rows: FloatArray,
    failures: Mapping[bytes, RowFailure],
) -> None:
    """Write a shard: the rows first, then the record without which they do not exist.

    Parameters
    ----------
    store : Folder
    folder : str
        Of the feature.
    name : str
    digests : ndarray of shape (n,), V16
        Of the images that have a row.
    rows : ndarray of shape (n, columns), float32
    failures : mapping of digest to RowFailure
    """
    if len(digests) != len(rows):
        raise ValueError(f"{len(rows)} rows for {len(digests)} images")
    data = array_bytes(np.asarray(rows, np.float32))
    store.write(f"{folder}/{name}.npy", data)
    record = {
        "feature": folder,
        "rows": rows.shape[0],
        "columns": rows.shape[1],
        "rows_crc32": zlib.crc32(data),
        "images": digests.tobytes().hex(),
        "failed": [[d.hex(), *asdict(f).values()] for d, f in sorted(failures.items())],
    }
    store.write_record(f"{folder}/{name}.json", record)


def read_shard(store: Folder, folder: str, name: str) -> dict[str, Any]:
    """Return the record of a shard that :func:`write_shard` wrote.

    Raises
    ------
    DamagedError
        If the file is not what was written there.
    """
    record = store.read_record(f"{folder}/{name}.json", RECORD)
    is_whole = len(record["images"]) == 2 * DIGEST_BYTES * record["rows"]
    if record["feature"] != folder or not is_whole:
        raise DamagedError(f"{store.path(folder)}/{name}.json: not of this feature")
    return record


def rows_in(data: npt.NDArray[np.uint8], n_rows: int, n_columns: int) -> FloatArray | None:
    """Return the rows in the bytes of a ``.npy`` file; None where they are of another shape."""
    header = io.BytesIO(data[:1024].tobytes())
    try:
        np.lib.format.read_magic(header)
        said = np.lib.format.read_array_header_1_0(header)
    except ValueError:
        return None
    body = data[header.tell() :]
    if said != ((n_rows, n_columns), False, np.dtype("<f4")) or len(body) != 4 * n_rows * n_columns:
        return None
    return body.view("<f4").reshape(n_rows, n_columns)


def are_finite(rows: FloatArray) -> bool:
    """Tell whether no number is infinite or NaN: then the sum is neither, in float64."""
    with np.errstate(invalid="ignore"):  # infinities that cancel give NaN
        return bool(np.isfinite(rows.sum(dtype=np.float64)))
