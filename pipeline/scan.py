"""The first stage: know every image by the digest of its bytes and by its header."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .engine import Crash, Workers, engine_of, in_workers
from .interruption import Interrupted
from .progress import Progress
from .reader import ImageError, Reader
from .sources import LISTING, Source, SourceError
from .store.index import ImageIndex

__all__ = ["IMAGES", "digest_of", "scan"]

IMAGES_PER_TASK = 256
UNSEEN = (None, 0, 0, None, None)  # what is known of an image before it is read

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
    source: Source,
    reader: Reader,
    index: ImageIndex,
    progress: Progress,
    n_jobs: Workers | int | None,
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
        found: list[Any] = [UNSEEN] * len(new)
        try:
            for task, results in in_workers(
                _look, _tasks(source, reader, locations, n_jobs), n_jobs
            ):
                if isinstance(results, Crash):
                    raise SourceError(f"{task.locations[0]}: {results.reason}")
                found[task.start : task.start + len(results)] = results
                stage.advance(len(results))
        except Interrupted:
            index.append(_named(images, keys, new, found))
            raise
        seen = _found_table(found)
        index.append(_named(images, keys, new, found))
        table = _merged(images, known.select(FOUND), seen, is_known)
        n_failed = len(table) - table["kind"].null_count
        empty = source.empty_folders()
        nothing = f"; nothing in {', '.join(empty)}" if empty else ""
        stage.summary = f"{len(table)} images, {len(new)} read, {n_failed} refused{nothing}"
    return table


@dataclass(frozen=True)
class _Look:
    start: int
    source: Source
    reader: Reader
    locations: Sequence[str]


def _tasks(
    source: Source, reader: Reader, locations: Sequence[str], n_jobs: Workers | int | None
) -> Iterator[_Look]:
    is_here = engine_of(n_jobs) == "threads"
    for start in range(0, len(locations), IMAGES_PER_TASK):
        some = locations[start : start + IMAGES_PER_TASK]
        yield _Look(start, source if is_here else source.only(some), reader, some)


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


def _named(
    images: pa.Table, keys: pa.Array, new: npt.NDArray[np.intp], found: Sequence[tuple[Any, ...]]
) -> pa.Table:
    """Return what was found of new images as the index keeps it."""
    named = pa.table({"location": keys.take(pa.array(new))})
    named = named.append_column("signature", images["signature"].take(new))
    return _with_columns(named, _found_table(found))


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
