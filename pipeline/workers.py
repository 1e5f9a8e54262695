"""What a worker does: read and decode some images, describe each, and write their shards.

A worker is told names and gets no array. It writes the shards itself and sends back a receipt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from .counts import counted
from .failures import CHANGED, CRASHED, REFUSED, TIMEOUT, UNREADABLE
from .features import FeatureRef, load_feature
from .own_code import OwnCodeError, what_failed
from .parts import OWN_FAULTS
from .persist import is_ours
from .reader import ImageError, Reader
from .scan import digest_of
from .sources import Source
from .store.files import open_folder
from .store.shards import DIGEST_BYTES, RowFailure, write_shard
from .timelimit import TooManyStuckError, run_each

__all__ = ["Receipt", "ShardTask", "compute_shard", "decode", "describe_images"]

# Images that are decoded at a time: what lies between is in memory.
IMAGES_AT_A_TIME = 256
PIXELS_AT_A_TIME = 4_000_000

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ShardTask:
    """Some images and the features of which they lack rows.

    Attributes
    ----------
    name : str
        Of the shard.
    source : Source
    locations : sequence of str
    digests : sequence of bytes
    attempts : sequence of int
        How often each image was tried before.
    features : sequence of FeatureRef
    store : str
        Path or URL.
    reader : Reader
    time_limit : float or None
        Seconds for reading, decoding and describing one image.
    """

    name: str
    source: Source
    locations: Sequence[str]
    digests: Sequence[bytes]
    attempts: Sequence[int]
    features: Sequence[FeatureRef]
    store: str
    reader: Reader
    time_limit: float | None = None


@dataclass
class Receipt:
    """What became of a task.

    Attributes
    ----------
    rows : dict of str to int
        By feature.
    failures : dict of int to RowFailure
        By the number of the image in the task: those that are not kept in the store.
    decoded : int
    failed : set of int
        Numbers of all images that some feature has no row of.
    seconds : dict of str to float
        Time for reading and decoding ("decode") and in each feature.
    """

    rows: dict[str, int] = field(default_factory=dict)
    failures: dict[int, RowFailure] = field(default_factory=dict)
    decoded: int = 0
    failed: set[int] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)

    def took(self, what: str, seconds: float) -> None:
        """Add to the time of a feature, or of "decode"."""
        self.seconds[what] = self.seconds.get(what, 0) + seconds


def decode(source: Source, location: str, digest: bytes, reader: Reader) -> Image:
    """Return the pixels of an image, whose bytes must still be those of its digest."""
    image = source.read(location)
    if digest_of(image) != digest:  # its row would be kept under the digest of other bytes
        raise ImageError("the file was changed while the job ran; run the job again", CHANGED)
    return reader.decode(image) if isinstance(image, bytes) else reader.reduce(image)


@lru_cache(maxsize=16)
def _feature(store: str, ref: FeatureRef, reader: Reader) -> Any:
    """Load a feature once in each process."""
    return load_feature(open_folder(store), ref, reader)


@dataclass
class _Rows:
    """What became of the images of a task by one feature.

    Attributes
    ----------
    blocks : list of ndarray of shape (n, columns), float32
    numbers : list of int
        The images of these rows.
    refused : dict of int to RowFailure
    """

    blocks: list[npt.NDArray[np.float32]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    refused: dict[int, RowFailure] = field(default_factory=dict)


def compute_shard(task: ShardTask) -> Receipt:
    """Describe the images of a task by each feature and write a shard for each feature."""
    receipt = Receipt()
    failures: dict[int, RowFailure] = {}
    rows = {ref.name: _Rows() for ref in task.features}
    stuck: TooManyStuckError | None = None
    try:
        for images in _decoded(task, receipt, failures):
            for ref in task.features:
                start = perf_counter()
                _describe(task, ref, images, rows[ref.name])
                receipt.took(ref.name, perf_counter() - start)
    except TooManyStuckError as error:  # what is done is kept
        stuck = error
    _write(task, receipt, rows, failures)
    if stuck is not None:
        raise stuck
    return receipt


def _decoded(
    task: ShardTask, receipt: Receipt, failures: dict[int, RowFailure]
) -> Iterator[dict[int, Image]]:
    """Yield the images by their numbers, so many at a time; note those that cannot be decoded."""
    images: dict[int, Image] = {}
    n_pixels, start = 0, perf_counter()
    stuck: TooManyStuckError | None = None
    try:
        for i, image, error in run_each(
            lambda k: decode(task.source, task.locations[k], task.digests[k], task.reader),
            len(task.locations),
            task.time_limit,
        ):
            receipt.decoded += 1
            if error is not None:
                failures[i] = _failure(task, i, *_kind_and_reason(error, task.time_limit))
                continue
            images[i] = image
            n_pixels += image.shape[0] * image.shape[1]
            if len(images) >= IMAGES_AT_A_TIME or n_pixels >= PIXELS_AT_A_TIME:
                receipt.took("decode", perf_counter() - start)
                yield images
                images.clear()
                n_pixels, start = 0, perf_counter()
    except TooManyStuckError as error:
        stuck = error
    receipt.took("decode", perf_counter() - start)
    yield images
    if stuck is not None:
        raise stuck


def _describe(task: ShardTask, ref: FeatureRef, images: dict[int, Image], rows: _Rows) -> None:
    """Add the rows of some images by a feature."""
    feature = ref.estimator
    if feature is None:
        feature = _feature(task.store, replace(ref, estimator=None), task.reader)
    numbers = list(images)
    named = [task.locations[i] for i in numbers]
    block, refused = describe_images(feature, list(images.values()), ref.name, named)
    for k, reason in refused.items():
        rows.refused[numbers[k]] = _failure(task, numbers[k], REFUSED, reason)
    rows.numbers += [i for k, i in enumerate(numbers) if k not in refused]
    rows.blocks.append(block)


def _write(
    task: ShardTask, receipt: Receipt, rows: dict[str, _Rows], failures: dict[int, RowFailure]
) -> None:
    """Write the shards. A file that was changed is no property of the bytes: it is not kept."""
    store = open_folder(task.store)
    receipt.failures = {i: f for i, f in failures.items() if f.kind in (CHANGED, UNREADABLE)}
    receipt.failed = set(failures)
    kept = {i: f for i, f in failures.items() if i not in receipt.failures}
    for ref in task.features:
        found = rows[ref.name]
        matrix = _stacked(found.blocks, ref.name)
        raw = b"".join(task.digests[i] for i in found.numbers)
        digests = np.frombuffer(raw, f"V{DIGEST_BYTES}")
        failed = {task.digests[i]: f for i, f in (kept | found.refused).items()}
        write_shard(store, ref.folder, task.name, digests, matrix, failed)
        receipt.rows[ref.name] = len(matrix)
        receipt.failed |= set(found.refused)


def _failure(task: ShardTask, number: int, kind: str, reason: str) -> RowFailure:
    return RowFailure(kind, reason, task.attempts[number] + 1)


def _kind_and_reason(error: BaseException, time_limit: float | None) -> tuple[str, str]:
    if isinstance(error, ImageError):
        return error.kind, str(error)
    if isinstance(error, TimeoutError):
        return TIMEOUT, f"not decoded within {time_limit:g} s"
    return CRASHED, f"{type(error).__name__}: {error}"


def describe_images(
    feature: Any, images: Sequence[Image], name: str, named: Sequence[str]
) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Return the rows of the images that a feature can describe, and why it refuses the others.

    Parameters
    ----------
    feature : estimator
    images : sequence of ndarray
    name : str
        Of the feature, and ``named`` the names of the images, for messages.
    named : sequence of str

    Raises
    ------
    OwnCodeError
        If a class of the user's own fails on each of several images, other than by a ValueError.
    """
    try:
        return _transform(feature, images), {}
    except OWN_FAULTS:  # of some image: find which
        pass
    parts, refused, fault = [], {}, None
    for i, image in enumerate(images):
        try:
            parts.append(_transform(feature, [image]))
        except ValueError as error:
            refused[i] = str(error).removeprefix("image 0: ")
        except OWN_FAULTS as error:
            if is_ours(feature):
                raise
            fault = fault or error
            refused[i] = what_failed(error, feature)
    if fault is not None and len(refused) == len(images) > 1:
        raise OwnCodeError(
            f"{name}: {what_failed(fault, feature)}, on {named[0]} and each of the {len(images)} "
            f"images tried with it; mend {type(feature).__name__} and run the job again"
        ) from fault
    return _stacked(parts, name), refused


def _stacked(blocks: Sequence[npt.NDArray[np.float32]], name: str) -> npt.NDArray[np.float32]:
    """Return the rows of a feature under one another; their lengths must be the same."""
    blocks = [block for block in blocks if len(block)]
    widths = sorted({block.shape[1] for block in blocks})
    if len(widths) > 1:
        raise OwnCodeError(
            f"{name}: its rows have lengths {widths[0]} and {widths[-1]}; expected the same for "
            "all images"
        )
    return np.concatenate(blocks) if blocks else np.empty((0, 0), np.float32)


def _transform(feature: Any, images: Sequence[Image]) -> npt.NDArray[np.float32]:
    if not images:
        return np.empty((0, 0), np.float32)
    with np.errstate(over="ignore"):  # beyond float32 is refused below
        rows = np.asarray(feature.transform(images), np.float32)
    if rows.ndim != 2 or len(rows) != len(images):
        raise TypeError(
            f"{type(feature).__name__}.transform returned shape {rows.shape} for "
            f"{counted(len(images), 'image')}; expected one row for each"
        )
    if not np.isfinite(rows).all():
        raise ValueError("a number of the row is infinite or NaN")
    return rows
