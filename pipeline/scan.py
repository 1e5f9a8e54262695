"""The first stage: know every image by the digest of its bytes and by its header."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .engine import in_workers
from .progress import Progress
from .reader import ImageError, Reader
from .sources import LISTING, Source, SourceError
from .store.index import ImageIndex

__all__ = ["IMAGES", "digest_of", "scan"]

IMAGES_PER_TASK = 256

# What is known of each image after the scan. A null digest: the bytes could not be had.
IMAGES = pa.schema(
    [
        *LISTING,
        ("digest", pa.binary()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("kind", pa.string()),  # of failure; null where the header is sound
        ("reason", pa.string()),
    ]
)
FOUND = [field.name for field in IMAGES][len(LISTING) :]


def digest_of(image: bytes | npt.NDArray[np.uint8]) -> bytes:
    """Return the BLAKE2b-128 of an image's bytes, or of the shape and pixels of an array."""
    if isinstance(image, bytes):
        return hashlib.blake2b(image, digest_size=16).digest()
    header = f"{image.dtype.str}{image.shape}".encode()
    return hashlib.blake2b(header + image.tobytes(), digest_size=16).digest()


def scan(
    source: Source, reader: Reader, index: ImageIndex, progress: Progress, n_jobs: int | None
) -> pa.Table:
    """Read and hash the images that are new or changed, and check their headers.

    Returns
    -------
    pyarrow.Table
        With the columns of ``IMAGES``; its rows are in the order of the source.
    """
    with progress.stage("scan", None) as stage:
        listed = list(source.images())
        if not listed:
            raise SourceError(f"{source.name}: no images")
        images = pa.concat_tables(listed).combine_chunks()
        keys = source.index_keys(images["location"].combine_chunks())
        known, is_known = index.find(keys, images["signature"].combine_chunks())
        new = np.flatnonzero(~is_known)
        stage.total = len(is_known)
        stage.advance(len(is_known) - len(new))
        locations = images["location"].take(new).to_pylist()
        tasks = [
            _Look(source, reader, locations[start : start + IMAGES_PER_TASK])
            for start in range(0, len(new), IMAGES_PER_TASK)
        ]
        found: list[Any] = [None] * len(new)
        for number, results in in_workers(_look, tasks, n_jobs):
            start = number * IMAGES_PER_TASK
            found[start : start + len(results)] = results
            stage.advance(len(results))
        seen = _found_table(found)
        named = pa.table({"location": keys.take(pa.array(new))})
        named = named.append_column("signature", images["signature"].take(new))
        index.append(_with_columns(named, seen))
        table = _merged(images, known.select(FOUND), seen, is_known)
        n_failed = len(table) - table["kind"].null_count
        empty = source.empty_folders()
        nothing = f"; nothing in {', '.join(empty)}" if empty else ""
        stage.summary = f"{len(table)} images, {len(new)} read, {n_failed} refused{nothing}"
    return table


@dataclass(frozen=True)
class _Look:
    source: Source
    reader: Reader
    locations: Sequence[str]


def _look(task: _Look) -> list[tuple[Any, ...]]:
    return [_look_at(task.source, location, task.reader) for location in task.locations]


def _look_at(source: Source, location: str, reader: Reader) -> tuple[Any, ...]:
    """Return digest, rows, columns, kind and reason of one image."""
    try:
        image = source.read(location)
    except ImageError as error:
        return None, 0, 0, error.kind, str(error)
    digest = digest_of(image)
    if not isinstance(image, bytes):
        return digest, *image.shape[:2], None, None
    try:
        header = reader.header(image)
    except ImageError as error:
        return digest, 0, 0, error.kind, str(error)
    return digest, header.rows, header.columns, None, None


def _found_table(found: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*found, strict=True) if found else [[] for _ in FOUND]
    types = [IMAGES.field(name).type for name in FOUND]
    return pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=FOUND)


def _with_columns(table: pa.Table, more: pa.Table) -> pa.Table:
    for name in more.column_names:
        table = table.append_column(name, more[name])
    return table


def _merged(
    images: pa.Table, known: pa.Table, seen: pa.Table, is_known: npt.NDArray[np.bool_]
) -> pa.Table:
    """Return the listing with what was known of some images and what was found of the others."""
    place = np.where(is_known, np.arange(len(is_known)), len(is_known) + np.cumsum(~is_known) - 1)
    found = pa.concat_tables([known, seen]).take(place)
    return _with_columns(images, found).combine_chunks()
