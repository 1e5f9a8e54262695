"""The first stage: know every image by the digest of its bytes and by its header.

A million images are known by about 150 MB, so they are listed, looked up and put together some
thousands at a time.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .counts import counted
from .engine import Crash, Workers, engine_of, in_workers
from .progress import Progress
from .reader import ImageError, Reader
from .sources import LISTING, Source, SourceError
from .store.index import FOUND, ImageIndex, Keys, image_keys

__all__ = ["IMAGES", "digest_of", "scan"]

IMAGES_PER_TASK = 256
TASKS_REMEMBERED = 64  # a scan that is killed has lost no more
LISTED = [name for name in LISTING.names if name != "signature"]

# What is known of each image after the scan.
IMAGES = pa.schema([*(LISTING.field(name) for name in LISTED), *FOUND])


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
        batches = list(_batches(source, index))
        n_new = sum(len(batch.new) for batch in batches)
        stage.total = sum(batch.images.num_rows for batch in batches)
        if not stage.total:
            raise SourceError(f"{source.name}: no images in it; name a place that holds some")
        stage.advance(stage.total - n_new)
        fresh: list[tuple[Keys, pa.Table]] = []  # that the index does not hold yet
        try:
            for task, seen in in_workers(_look, _tasks(source, reader, batches, n_jobs), n_jobs):
                if isinstance(seen, Crash):
                    raise SourceError(f"{task.locations[0]}: {seen.reason}")
                batch = batches[task.batch]
                batch.seen[task.start] = seen
                fresh.append((batch.keys[task.start : task.start + len(seen)], seen))
                if len(fresh) == TASKS_REMEMBERED:
                    _remember(index, fresh)
                stage.advance(len(seen))
        finally:
            _remember(index, fresh)
        table = _together(batches)
        n_failed = len(table) - table["kind"].null_count
        empty = source.empty_folders()
        nothing = f"; nothing in {', '.join(empty)}" if empty else ""
        stage.summary = f"{counted(len(table), 'image')}, {n_new} read, {n_failed} refused{nothing}"
    return table


@dataclass
class _Batch:
    """Some images of the listing.

    Attributes
    ----------
    images : pyarrow.Table
        As the source lists them, without the signature.
    found : pyarrow.Table
        What the index knows; the rows of new images are arbitrary.
    new : ndarray of int
        The numbers of the images that are to be read.
    keys : ndarray
        Of the new images.
    seen : dict of int to pyarrow.Table
        What was found of new images, by the number of the first of them.
    """

    images: pa.Table
    found: pa.Table
    new: npt.NDArray[np.intp]
    keys: Keys
    seen: dict[int, pa.Table]

    def whole(self) -> pa.Table:
        """Return the images with all that is known of them."""
        found = self.found
        if self.seen:
            seen = [self.seen[start] for start in sorted(self.seen)]
            place = np.arange(len(found))
            place[self.new] = len(found) + np.arange(len(self.new))
            found = pa.concat_tables([found, *seen]).combine_chunks().take(place)
        return pa.table([*self.images.columns, *found.columns], schema=IMAGES)


def _batches(source: Source, index: ImageIndex) -> Iterator[_Batch]:
    for listed in source.listed(index.listings):
        keys = image_keys(
            source.index_keys(listed["location"].combine_chunks()),
            listed["signature"].combine_chunks(),
        )
        found, is_known = index.find(keys)
        new = np.flatnonzero(~is_known)
        yield _Batch(listed.select(LISTED), found, new, keys[new], {})


def _remember(index: ImageIndex, fresh: list[tuple[Keys, pa.Table]]) -> None:
    """Move what was found into the index."""
    if fresh:
        keys, seen = zip(*fresh, strict=True)
        fresh.clear()
        index.append(np.concatenate(keys), pa.concat_tables(seen))


def _together(batches: list[_Batch]) -> pa.Table:
    """Return one table of all images; what it is made from is freed a column at a time."""
    parts = []
    while batches:
        parts.append(batches.pop().whole())
    table = pa.concat_tables(reversed(parts))
    parts.clear()
    columns = table.columns
    del table
    for i, column in enumerate(columns):
        columns[i] = column.combine_chunks()
        del column
    return pa.table(columns, schema=IMAGES)


@dataclass(frozen=True)
class _Look:
    batch: int
    start: int
    source: Source
    reader: Reader
    locations: Sequence[str]


def _tasks(
    source: Source, reader: Reader, batches: Sequence[_Batch], n_jobs: Workers | int | None
) -> Iterator[_Look]:
    is_here = engine_of(n_jobs) == "threads"
    for number, batch in enumerate(batches):
        for start in range(0, len(batch.new), IMAGES_PER_TASK):
            some = batch.new[start : start + IMAGES_PER_TASK]
            locations = batch.images["location"].take(some).to_pylist()
            there = source if is_here else source.only(locations)
            yield _Look(number, start, there, reader, locations)


def _look(task: _Look) -> pa.Table:
    found = [_look_at(task.source, location, task.reader) for location in task.locations]
    columns = zip(*found, strict=True)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, FOUND, strict=True)], FOUND)


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
