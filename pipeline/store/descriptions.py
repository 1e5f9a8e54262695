"""What a feature in a store is: ``feature.json``, and beside it what the feature learned."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from .files import DamagedError, Folder
from .schema import is_count

__all__ = [
    "DESCRIPTION",
    "FILES",
    "damaged_files",
    "key_of",
    "read_description",
    "write_description",
]

STORE_VERSION = 4
DESCRIPTION = "feature.json"
FILES = ("learned.npz", "learned_from.npy")
# All that decides a row, but the image: what the key is a digest of.
DECISIVE = ("reader", "kernel", "feature", "code")
RECORD = {
    "name": str,
    "recipe": str,
    "reader": str,
    "kernel": (int, str, type(None)),
    "feature": {
        "estimator": {"class": str, "parameters": dict, "learned": dict},
        "arrays": {str: str},
    },
    "code?": str,
    "learned_from?": is_count,
    "files": {f"{name}?": is_count for name in FILES},
}


def key_of(description: Mapping[str, Any]) -> str:
    """Return the key of a feature: 32 hexadecimal digits of a digest of its description.

    Examples
    --------
    >>> key_of({"b": 1, "a": 2}) == key_of({"a": 2, "b": 1})
    True
    """
    text = json.dumps({"store": STORE_VERSION, **description}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def write_description(
    store: Folder, folder: str, record: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    """Write what a feature is.

    Parameters
    ----------
    store : Folder
    folder : str
        Of the feature.
    record : mapping
        As ``RECORD``, without the checksums of the files.
    files : mapping of str to bytes
        What lies beside it, by the names in ``FILES``.
    """
    for name, data in files.items():
        store.write(f"{folder}/{name}", data)
    checksums = {name: zlib.crc32(data) for name, data in files.items()}
    store.write_record(f"{folder}/{DESCRIPTION}", {**record, "files": checksums})


def read_description(store: Folder, folder: str) -> dict[str, Any]:
    """Return what :func:`write_description` wrote, when all files are as they were written.

    Raises
    ------
    DamagedError
        With the name of the file that is not.
    """
    record = store.read_record(f"{folder}/{DESCRIPTION}", RECORD)
    key = key_of({name: record[name] for name in DECISIVE if name in record})
    if folder != f"{record['name']}-{key}":
        raise DamagedError(f"{store.path(folder)}/{DESCRIPTION}: not of this feature")
    if damaged := _damaged(store, folder, record):
        raise DamagedError(f"{store.path(damaged[0])}: the checksum is wrong")
    return record


def damaged_files(store: Folder, folder: str) -> list[str]:
    """Return the files that are not as they were written.

    Rows without a description are not damaged: the next job that asks for the feature writes it.
    """
    if DESCRIPTION not in store.names(folder):
        return []
    try:
        record = store.read_record(f"{folder}/{DESCRIPTION}", RECORD)
        damaged = _damaged(store, folder, record)
        if not damaged:
            read_description(store, folder)
        return damaged
    except (OSError, DamagedError):
        return [f"{folder}/{DESCRIPTION}"]


def _damaged(store: Folder, folder: str, record: Mapping[str, Any]) -> list[str]:
    damaged = []
    for name in FILES:
        try:
            is_sound = (
                name not in record["files"]
                or zlib.crc32(store.read(f"{folder}/{name}")) == record["files"][name]
            )
        except (OSError, DamagedError):
            is_sound = False
        damaged += [] if is_sound else [f"{folder}/{name}"]
    return damaged
