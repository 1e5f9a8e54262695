"""The extraction stages: learn what features learn, then compute every missing shard.

An image is decoded once for all the features that miss it. Chunks of images go to workers through
joblib, so ``joblib.parallel_config`` chooses threads (the default), processes or a cluster; what a
worker is sent are paths, and what comes back are rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, overload

import joblib
import numpy as np
import numpy.typing as npt

from ..features.base import ImageFeature
from .dataset import DatasetError, Source
from .persist import decode_estimator, save_estimator
from .reader import ImageError, Reader, read_bytes
from .scan import Scan, digest_of
from .stages import Stage, Stages
from .store import FeatureMatrix, StoredMatrix, key_of, read_sealed, write_sealed

__all__ = ["Extraction", "Extractor"]

# A chunk, the unit of work, ends at whichever comes first: what it holds is in memory at a time,
# and features prepare themselves once for each.
IMAGES_PER_CHUNK = 256
PIXELS_PER_CHUNK = 4_000_000

# The training images that a vocabulary is learned from: at most so many, and so many pixels.
SAMPLE_IMAGES = 10_000
SAMPLE_PIXELS = 100_000_000

Image = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


class ChangedError(ImageError):
    """The file is not what the scan saw: no property of those bytes, so nothing to keep."""


@dataclass(frozen=True)
class Extraction:
    """The matrices of one data set, their rows aligned.

    In the store each feature has a row for every image that it can describe. Here they have the
    rows of the images that all of them can, so that rows can be joined and scores compared.

    Attributes
    ----------
    folders : dict of str to Path
        Where each feature's matrix is kept.
    matrices : dict of str to FeatureMatrix or ndarray
    kept : ndarray of int
        The images that have a row in every matrix.
    failures : dict of int to str
        The others, and why; what a feature refuses begins with the feature's name.
    """

    folders: dict[str, Path]
    matrices: dict[str, FeatureMatrix | FloatArray]
    kept: npt.NDArray[np.int64]
    failures: dict[int, str]

    @classmethod
    def load(cls, folders: Mapping[str, Path], n_images: int) -> "Extraction":
        """Map complete matrices into memory and keep the images that have a row in every one."""
        loaded = {name: StoredMatrix(folder, n_images).load() for name, folder in folders.items()}
        reasons: defaultdict[int, list[str]] = defaultdict(list)
        for matrix in loaded.values():
            for i, why in matrix.failures.items():
                if why not in reasons[i]:
                    reasons[i].append(why)
        kept = np.setdiff1d(np.arange(n_images), np.fromiter(reasons, np.int64))
        aligned = {name: m.take(np.searchsorted(m.kept, kept)) for name, m in loaded.items()}
        failures = {i: "; ".join(why) for i, why in sorted(reasons.items())}
        return cls(dict(folders), aligned, kept, failures)


class Sample(Sequence[Image]):
    """Training images that features learn from, decoded when they are asked for.

    The place of an image that proves damaged is taken by the next sound one; that it is damaged
    is reported by extraction, which decodes them all. A file that is not what the scan saw ends the
    job: what is learned without it would be kept as learned from it.
    """

    def __init__(self, scan: Scan, reader: Reader, seed: int) -> None:
        numbers = _draw_sample(scan, reader.max_side, seed)
        _, self._sources, self.digests = _arguments(scan, numbers)
        self._reader = reader
        self._opened: list[int] = []  # append is atomic: features may learn in threads

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | list[Image]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        for place in (*range(index, len(self)), *range(index)):
            self._opened.append(place)
            try:
                return _decode_one(self._sources[place], self.digests[place], self._reader)
            except ChangedError as error:
                raise DatasetError(f"{self._sources[place]}: {error}") from error
            except ImageError as error:
                failure = str(error)
        raise DatasetError(_none_usable(self._sources[0], failure))

    @property
    def decoded(self) -> int:
        """Images decoded so far."""
        return len(self._opened)


def _draw_sample(scan: Scan, max_side: int, seed: int) -> list[int]:
    """Number the images that learning uses, in the order of the data set."""
    sound = [i for i in range(len(scan.dataset)) if i not in scan.failures]
    if not sound:
        first, why = next(iter(scan.failures.items()))
        raise DatasetError(_none_usable(scan.dataset.names[first], why))
    drawn = np.random.default_rng(seed).permutation(sound)[:SAMPLE_IMAGES]
    shapes = scan.shapes[drawn].astype(float)
    shapes *= np.minimum(1, max_side / shapes.max(axis=1))[:, None]
    affordable = np.cumsum(shapes.prod(axis=1)) <= SAMPLE_PIXELS
    affordable[0] = True
    return sorted(drawn[affordable].tolist())


def _none_usable(image: Source | str, why: str) -> str:
    return f"none of the training images can be used; {image}: {why}"


@dataclass
class Chunk:
    """What a worker made of some images: by feature, rows and the failures' reasons by number."""

    rows: dict[str, FloatArray] = field(default_factory=dict)
    failures: dict[str, dict[int, str]] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    decoded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Extractor:
    """Features over data sets, through the cache.

    Parameters
    ----------
    folder : Path
        The feature store.
    reader : Reader
    stages : Stages
    n_jobs : int or None
        As in joblib.

    Attributes
    ----------
    decoded : int
        Images decoded so far.
    worker_seconds : dict of str to float
        Time that workers spent reading and decoding (``decode``) and in each feature.
    """

    def __init__(self, folder: Path, reader: Reader, stages: Stages, n_jobs: int | None) -> None:
        self.folder = folder
        self.reader = reader
        self.stages = stages
        self.n_jobs = n_jobs
        self.decoded = 0
        self.worker_seconds: defaultdict[str, float] = defaultdict(float)

    def fit(
        self, features: Mapping[str, ImageFeature], train: Scan, seed: int
    ) -> dict[str, ImageFeature]:
        """Fit the features on a sample of the training images, or load what was learned before.

        The sample: the sound training images in a random order drawn by ``seed``, as many of the
        first ``SAMPLE_IMAGES`` as have no more than ``SAMPLE_PIXELS`` pixels together.
        """
        sample = Sample(train, self.reader, seed)
        files = {
            name: self.folder / "learned" / f"{key_of(feature, sample.digests, self.reader)}.npz"
            for name, feature in features.items()
        }
        learned = {name: _learned_before(file) for name, file in files.items()}
        new = [name for name, feature in learned.items() if feature is None]
        with self.stages.stage("learn", len(new)) as stage:
            for name in new:
                feature = features[name].set_params(n_jobs=self.n_jobs).fit(sample)
                data = save_estimator(feature.set_params(n_jobs=None))
                write_sealed(files[name], data)
                learned[name] = decode_estimator(data)
                stage.advance(1)
            stage.summary = f"{', '.join(new) or 'nothing new'}: {sample.decoded} images decoded"
        self.decoded += sample.decoded
        return learned

    def transform(self, features: Mapping[str, ImageFeature], scan: Scan) -> Extraction:
        """Compute the shards that are missing and load the matrices."""
        n_images = len(scan.dataset)
        stored = {
            name: StoredMatrix(
                self.folder / name / key_of(feature, scan.digests, self.reader), n_images
            )
            for name, feature in features.items()
        }
        missing = {name: set(matrix.missing()) for name, matrix in stored.items()}
        with self.stages.stage("extract", n_images) as stage:
            decoded_before = self.decoded
            self._fill(stored, missing, features, scan, stage)
            computed = ", ".join(name for name in missing if missing[name]) or "nothing new"
            stage.summary = f"{computed}: {self.decoded - decoded_before} images decoded"
        return Extraction.load({name: m.folder for name, m in stored.items()}, n_images)

    def _fill(
        self,
        stored: Mapping[str, StoredMatrix],
        missing: Mapping[str, set[int]],
        features: Mapping[str, ImageFeature],
        scan: Scan,
        stage: Stage,
    ) -> None:
        """Write the missing shards, in order, while workers describe the images to come."""
        shards = StoredMatrix.shards(len(scan.dataset))
        wanted = sorted(set().union(*missing.values()))
        tasks = [(shard, chunk) for shard in wanted for chunk in _chunks(scan, shards[shard])]
        stage.advance(len(scan.dataset) - sum(len(chunk) for _, chunk in tasks))
        for shard, chunks in self._describe(tasks, missing, features, scan, stage):
            for name, matrix in stored.items():
                if shard in missing[name]:
                    failures = {i: w for chunk in chunks for i, w in chunk.failures[name].items()}
                    parts = [chunk.rows[name] for chunk in chunks if len(chunk.rows[name])]
                    rows = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
                    matrix.write(shard, rows, failures, set().union(*(c.changed for c in chunks)))
        for name, matrix in stored.items():
            matrix.commit(features[name], self.reader)

    def _describe(
        self,
        tasks: Sequence[tuple[int, range]],
        missing: Mapping[str, set[int]],
        features: Mapping[str, ImageFeature],
        scan: Scan,
        stage: Stage,
    ) -> Iterator[tuple[int, list[Chunk]]]:
        """Describe chunks of images in workers; give the chunks of one shard after the other."""
        jobs = (
            joblib.delayed(_describe_chunk)(
                *_arguments(scan, numbers),
                self.reader,
                {name: feature for name, feature in features.items() if shard in missing[name]},
            )
            for shard, numbers in tasks
        )
        run = joblib.Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")
        results = zip(tasks, run(jobs), strict=True)
        for shard, group in groupby(results, key=lambda result: result[0][0]):
            chunks = []
            for (_, numbers), chunk in group:
                self.decoded += chunk.decoded
                for part, seconds in chunk.seconds.items():
                    self.worker_seconds[part] += seconds
                known = {i: scan.failures[i] for i in numbers if i in scan.failures}
                for failures in chunk.failures.values():
                    failures |= known
                chunks.append(chunk)
                stage.advance(len(numbers))
            yield shard, chunks


def _learned_before(file: Path) -> Any:
    try:
        return decode_estimator(read_sealed(file))
    except (OSError, ValueError):  # not there, or not what was written
        return None


def _chunks(scan: Scan, numbers: range) -> list[range]:
    """Cut images that follow each other into chunks."""
    pixels = scan.shapes[numbers.start : numbers.stop].prod(axis=1).cumsum()
    parts = np.stack([np.arange(len(numbers)) // IMAGES_PER_CHUNK, pixels // PIXELS_PER_CHUNK])
    cuts = np.flatnonzero(np.diff(parts).any(axis=0)) + 1
    edges = [0, *cuts.tolist(), len(numbers)]
    return [numbers[start:end] for start, end in pairwise(edges)]


def _arguments(scan: Scan, numbers: Sequence[int]) -> tuple[list[int], list[Source], list[str]]:
    """What a worker needs to know of some images: numbers, sources and digests of the sound."""
    sound = [i for i in numbers if i not in scan.failures]
    return sound, [scan.dataset.sources[i] for i in sound], [scan.digests[i] for i in sound]


def _decode_chunk(
    numbers: Sequence[int], sources: Sequence[Source], digests: Sequence[str], reader: Reader
) -> tuple[list[Image], dict[int, ImageError]]:
    images, failures = [], {}
    for number, source, digest in zip(numbers, sources, digests, strict=True):
        try:
            images.append(_decode_one(source, digest, reader))
        except ImageError as error:
            failures[number] = error
    return images, failures


def _decode_one(source: Source, digest: str, reader: Reader) -> Image:
    if not isinstance(source, Path):
        return source
    try:
        data = read_bytes(source)
    except ImageError as error:
        raise ChangedError(f"{error}; it was sound when the job began") from error
    if digest_of(data) != digest:  # its row would be kept under the digest of other bytes
        raise ChangedError("the file was changed while the job ran; run the job again")
    return reader.decode(data)


def _describe_chunk(
    numbers: Sequence[int],
    sources: Sequence[Source],
    digests: Sequence[str],
    reader: Reader,
    features: Mapping[str, ImageFeature],
) -> Chunk:
    """Decode some images and describe each by every feature: a row or a failure."""
    chunk = Chunk(decoded=len(numbers))
    start = perf_counter()
    images, errors = _decode_chunk(numbers, sources, digests, reader)
    damaged = {number: str(error) for number, error in errors.items()}
    chunk.changed = {i for i, error in errors.items() if isinstance(error, ChangedError)}
    decoded = [number for number in numbers if number not in damaged]
    chunk.seconds["decode"] = perf_counter() - start
    for name, feature in features.items():
        start = perf_counter()
        chunk.rows[name], refused = _describe(feature, decoded, images)
        chunk.failures[name] = damaged | {i: f"{name}: {why}" for i, why in refused.items()}
        chunk.seconds[name] = perf_counter() - start
    return chunk


def _describe(
    feature: ImageFeature, numbers: Sequence[int], images: Sequence[Image]
) -> tuple[FloatArray, dict[int, str]]:
    """Rows of the images that a feature can describe, and why it refuses the others."""
    refused: dict[int, str] = {}
    try:
        rows = _transform(feature, images)
    except ValueError:  # of some image: find which
        refusals = [_refusal(feature, image) for image in images]
        refused = {i: why for i, why in zip(numbers, refusals, strict=True) if why}
        kept = [image for image, why in zip(images, refusals, strict=True) if not why]
        rows = _transform(feature, kept)
    return rows, refused


def _transform(feature: ImageFeature, images: Sequence[Image]) -> FloatArray:
    return feature.transform(images) if images else np.empty((0, 0), np.float32)


def _refusal(feature: ImageFeature, image: Image) -> str | None:
    try:
        feature.describe(image)
    except ValueError as error:
        return str(error)
    return None
