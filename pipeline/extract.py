"""Extraction: plan which rows are missing, compute them in workers, and view them as matrices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..classifiers import ColumnStack
from .dispatch import compute_shards
from .engine import Workers, engine_of
from .failures import CRASHED, REFUSED
from .features import FeatureRef
from .progress import Progress
from .reader import Reader
from .sources import Source
from .store.claims import open_claims
from .store.files import Folder
from .store.rows import (
    DIGEST_BYTES,
    SHARD_ROWS,
    Digests,
    FeatureRows,
    RowFailure,
    RowMatrix,
    shard_name,
)
from .workers import Receipt, ShardTask

__all__ = [
    "Extraction",
    "Plan",
    "TooManyFailuresError",
    "Work",
    "compute",
    "digests_of",
    "ledger",
    "plan",
]

# A shard ends at whichever comes first, SHARD_ROWS rows or so many pixels, so that some hundred
# photographs are work for more than one worker.
PIXELS_PER_SHARD = 1 << 24


class TooManyFailuresError(ValueError):
    """More images failed than the job was allowed to leave out."""


@dataclass
class Plan:
    """What there is to compute.

    Attributes
    ----------
    source : Source
    images : pyarrow.Table
        With the columns of :data:`.scan.IMAGES`.
    features : dict of str to FeatureRows
    refs : dict of str to FeatureRef
    missing : dict of str to ndarray of bool
        By feature: whether an image has neither a row nor a reason why it has none.
    retried : dict of str to ndarray of bool
        Which of the missing failed before.
    """

    source: Source
    images: pa.Table
    features: dict[str, FeatureRows]
    refs: dict[str, FeatureRef]
    missing: dict[str, npt.NDArray[np.bool_]]
    retried: dict[str, npt.NDArray[np.bool_]]

    @property
    def n_missing(self) -> int:
        """Images that lack something."""
        return int(np.logical_or.reduce(list(self.missing.values())).sum())


def digests_of(images: pa.Table) -> tuple[Digests, npt.NDArray[np.bool_]]:
    """Return the digests of images, and which of the images are sound as far as is known.

    A file that could not be read has a digest of zeros.
    """
    column = images["digest"].combine_chunks()
    has_one = column.is_valid().to_numpy(zero_copy_only=False)
    raw = b"".join(pc.fill_null(column, bytes(DIGEST_BYTES)).to_pylist())
    is_sound = has_one & images["kind"].combine_chunks().is_null().to_numpy(zero_copy_only=False)
    return np.frombuffer(raw, f"V{DIGEST_BYTES}"), is_sound


def plan(
    source: Source,
    images: pa.Table,
    refs: Mapping[str, FeatureRef],
    store: Folder,
    retry: Sequence[str] = (),
) -> Plan:
    """Find which rows are missing.

    Parameters
    ----------
    source : Source
    images : pyarrow.Table
        With the columns of :data:`.scan.IMAGES`.
    refs : mapping of str to FeatureRef
    store : Folder
    retry : sequence of str
        Kinds of failure to try again; "all" is all kinds.
    """
    digests, is_sound = digests_of(images)
    features, missing, retried = {}, {}, {}
    for name, ref in refs.items():
        rows = FeatureRows(store, name, ref.folder.removeprefix(f"{name}-"))
        lacks = is_sound & ~rows.find(digests).found
        again = np.zeros(len(lacks), bool)
        places = np.flatnonzero(lacks)
        for k, failure in rows.failures(digests[places]).items():
            if failure.kind in retry or "all" in retry:
                again[places[k]] = True
            else:
                lacks[places[k]] = False
        features[name], missing[name], retried[name] = rows, lacks, again
    return Plan(source, images, features, dict(refs), missing, retried)


def compute(
    plan: Plan,
    store: Folder,
    reader: Reader,
    progress: Progress,
    *,
    n_jobs: Workers | int | None = None,
    max_failures: float | None = None,
    time_limit: float | None = None,
) -> "Extraction":
    """Compute what is missing.

    Parameters
    ----------
    plan : Plan
    store : Folder
    reader : Reader
    progress : Progress
    n_jobs : Workers or int or None
        An int as in joblib.
    max_failures : float, optional
        The job ends when more images fail: below 1 a share of all images, else a number.
    time_limit : float, optional
        Seconds for reading and decoding one image.
    """
    work = Work(computed=dict.fromkeys(plan.refs, 0))
    passing: dict[bytes, RowFailure] = {}
    n_images, todo = plan.images.num_rows, _wanted(plan)
    allowed = np.inf if max_failures is None else max_failures
    allowed = allowed * n_images if allowed < 1 else allowed
    n_failed = n_images - int(_is_sound(plan).sum())
    is_here = engine_of(n_jobs) == "threads"
    if store.url.startswith("memory://") and not is_here:
        raise ValueError(
            f"{store.url}: a store in memory is of one process; use the engine threads"
        )
    known = {rows.folder: rows.shards_seen for rows in plan.features.values()}
    with progress.stage("extract", n_images) as stage, open_claims(store, known) as claims:
        stage.advance(n_images - len(todo), n_failed)
        _check_failures(n_failed, allowed, n_images)
        tasks = _tasks(plan, todo, store, reader, time_limit, is_here=is_here)
        for task, receipt in compute_shards(tasks, claims, n_jobs, stage.advance):
            work.add(receipt)
            for i, failure in receipt.failures.items():
                passing[task.digests[i]] = failure
            n_failed += receipt.failed
            stage.advance(len(task.locations), receipt.failed)
            _check_failures(n_failed, allowed, n_images)
        computed = ", ".join(name for name, n_rows in work.computed.items() if n_rows)
        stage.summary = f"{computed or 'nothing new'}: {work.decoded} images decoded"
    for rows in plan.features.values():
        rows.refresh()
    return Extraction(ledger(plan, passing), plan.features, work)


def _is_sound(plan: Plan) -> npt.NDArray[np.bool_]:
    return digests_of(plan.images)[1]


def _check_failures(n_failed: int, allowed: float, n_images: int) -> None:
    if n_failed > allowed:
        raise TooManyFailuresError(
            f"{n_failed} of {n_images} images failed, more than --max-failures allows; what was "
            "computed is kept: mend the images or raise --max-failures, and run the job again"
        )


def _wanted(plan: Plan) -> npt.NDArray[np.intp]:
    """Return the images that lack something; one that is there twice is computed once."""
    digests, _ = digests_of(plan.images)
    wanted = np.flatnonzero(np.logical_or.reduce(list(plan.missing.values())))
    _, first = np.unique(digests[wanted].view(f"S{DIGEST_BYTES}"), return_index=True)
    return wanted[np.sort(first)]


def _tasks(
    plan: Plan,
    wanted: npt.NDArray[np.intp],
    store: Folder,
    reader: Reader,
    time_limit: float | None,
    *,
    is_here: bool,
) -> Iterator[ShardTask]:
    """Cut the images into shards, those together that lack the same features."""
    if not len(wanted):
        return
    digests, _ = digests_of(plan.images)
    lacks, url = np.stack(list(plan.missing.values())), store.absolute_url
    kinds, which = np.unique(lacks[:, wanted], axis=1, return_inverse=True)
    for k in range(kinds.shape[1]):
        refs = [
            ref
            for ref, is_missing in zip(plan.refs.values(), kinds[:, k], strict=True)
            if is_missing
        ]
        for images in _shards(plan.images, wanted[which.ravel() == k], reader):
            name = shard_name(digests[images])
            locations = plan.images["location"].take(images).to_pylist()
            attempts = _attempts(plan, refs, digests[images])
            raw = [digest.tobytes() for digest in digests[images]]
            source = plan.source if is_here else plan.source.only(locations)
            yield ShardTask(name, source, locations, raw, attempts, refs, url, reader, time_limit)


def _attempts(plan: Plan, refs: Sequence[FeatureRef], digests: Digests) -> list[int]:
    attempts = [0] * len(digests)
    for ref in refs:
        for i, failure in plan.features[ref.name].failures(digests).items():
            attempts[i] = max(attempts[i], failure.attempts)
    return attempts


def _shards(
    table: pa.Table, images: npt.NDArray[np.intp], reader: Reader
) -> Iterator[npt.NDArray[np.intp]]:
    """Cut images that follow each other into shards."""
    sides = [table[name].take(images).to_numpy().astype(float) for name in ("rows", "columns")]
    scale = np.minimum(1, reader.max_side / np.maximum(np.maximum(*sides), 1))
    pixels = sides[0] * sides[1] * scale**2
    start, room = 0, float(PIXELS_PER_SHARD)
    for i, n_pixels in enumerate(pixels):
        if i > start and (i - start == SHARD_ROWS or n_pixels > room):
            yield images[start:i]
            start, room = i, float(PIXELS_PER_SHARD)
        room -= n_pixels
    yield images[start:]


@dataclass
class Work:
    """What was done for an extraction.

    Attributes
    ----------
    decoded : int
        Images that were decoded.
    computed : dict of str to int
        Rows that were computed, by feature.
    worker_seconds : dict of str to float
        Time that workers spent reading and decoding ("decode") and in each feature.
    """

    decoded: int = 0
    computed: dict[str, int] = field(default_factory=dict)
    worker_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, receipt: Receipt) -> None:
        """Add what a worker did."""
        self.decoded += receipt.decoded
        for name, n_rows in receipt.rows.items():
            self.computed[name] += n_rows
        for name, seconds in receipt.seconds.items():
            self.worker_seconds[name] = self.worker_seconds.get(name, 0.0) + seconds


def ledger(plan: Plan, passing: Mapping[bytes, RowFailure]) -> pa.Table:
    """Return what became of each image.

    Parameters
    ----------
    plan : Plan
    passing : mapping of digest to RowFailure
        Failures that the store does not keep.

    Returns
    -------
    pyarrow.Table
        With the columns path, label, split, digest, rows, columns, status ("ok" or "failed"),
        kind, reason and attempts.
    """
    images = plan.images
    kinds, reasons = images["kind"].to_pylist(), images["reason"].to_pylist()
    attempts = np.ones(len(kinds), np.int32)
    digests, is_sound = digests_of(images)
    has_rows = np.logical_and.reduce([r.find(digests).found for r in plan.features.values()])
    for i in np.flatnonzero(is_sound & ~has_rows).tolist():
        kinds[i], reasons[i], attempts[i] = _why(digests[i].tobytes(), plan.features, passing)
    status = ["ok" if kind is None else "failed" for kind in kinds]
    named = {name: images[name] for name in ("path", "label", "split", "digest", "rows", "columns")}
    columns = {
        **named,
        "status": pa.array(status, pa.string()),
        "kind": pa.array(kinds, pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "attempts": pa.array(attempts, pa.int32()),
    }
    return pa.table(columns)


def _why(
    digest: bytes, features: Mapping[str, FeatureRows], passing: Mapping[bytes, RowFailure]
) -> tuple[str, str, int]:
    """Return kind, reason and attempts of an image that lacks a row."""
    kinds, reasons, attempts = [], [], 1
    for name, rows in features.items():
        failure = rows.failure(digest)
        if failure is None:
            continue
        is_refused = failure.kind == REFUSED
        kinds.append(f"{REFUSED} by {name}" if is_refused else failure.kind)
        reason = f"{name}: {failure.reason}" if is_refused else failure.reason
        reasons += [reason] if reason not in reasons else []
        attempts = max(attempts, failure.attempts)
    if not kinds and digest in passing:
        failure = passing[digest]
        return failure.kind, failure.reason, failure.attempts
    if not kinds:
        return CRASHED, "no row and no reason were kept; run the job again", 1
    return kinds[0], "; ".join(reasons), attempts


class Extraction:
    """The rows of some images, by feature.

    Parameters
    ----------
    images : pyarrow.Table
        As :func:`ledger` returns them.
    rows : mapping of str to FeatureRows
    work : Work, optional

    Attributes
    ----------
    features : list of str
    images : pyarrow.Table
        A row for each image: what it is, and what became of it. For each feature there are
        ``<feature>_shard`` and ``<feature>_row``, the file in the store and the row in it.
    refs : dict of str to FeatureRef
        The features in the store.
    work : Work
        What was done to make it.
    """

    def __init__(
        self, images: pa.Table, rows: Mapping[str, FeatureRows], work: Work | None = None
    ) -> None:
        digests, _ = digests_of(images)
        self._rows = dict(rows)
        self._places = {name: r.find(digests) for name, r in self._rows.items()}
        self.features = list(self._rows)
        self.images = images
        for name in self.features:
            self._add_places(name)
        self.refs: dict[str, FeatureRef] = {}
        self.work = work or Work(computed=dict.fromkeys(self.features, 0))

    def _add_places(self, name: str) -> None:
        """Write into the table where the rows of a feature lie."""
        places, rows = self._places[name], self._rows[name]
        absent = ~places.found
        files = pa.array(rows.shard_files, pa.string())
        shards = files.take(pa.array(np.maximum(places.shard, 0), mask=absent))
        numbers = pa.array(places.row.astype(np.int32), mask=absent)
        for column, values in ((f"{name}_shard", shards), (f"{name}_row", numbers)):
            if column in self.images.column_names:
                self.images = self.images.drop_columns(column)
            self.images = self.images.append_column(column, values)

    @property
    def is_ok(self) -> npt.NDArray[np.bool_]:
        """Whether an image has a row of every feature."""
        status = self.images["status"].to_numpy(zero_copy_only=False) == "ok"
        return np.logical_and.reduce([status, *(p.found for p in self._places.values())])

    def chosen(self, split: str | None = None) -> npt.NDArray[np.intp]:
        """Return the numbers of the images that are ok and, where one is named, of a split."""
        wanted = self.is_ok
        if split is not None:
            wanted &= self.images["split"].to_numpy(zero_copy_only=False) == split
        return np.flatnonzero(wanted)

    def matrix(
        self, features: str | Sequence[str] | None = None, *, split: str | None = None
    ) -> RowMatrix | ColumnStack:
        """Return the rows of the images that are ok.

        Parameters
        ----------
        features : str or sequence of str, optional
            All where it is left out. Several stand side by side.
        split : str, optional
            Such as "train".

        Returns
        -------
        array-like of shape (n, columns), float32
            It is read by slices, ``np.asarray`` reads all of it.
        """
        names = [features] if isinstance(features, str) else list(features or self.features)
        for name in names:
            if name not in self._rows:
                raise ValueError(f"no feature {name!r} here; there are {', '.join(self.features)}")
        chosen = self.chosen(split)
        parts = [self._rows[name].matrix(self._places[name][chosen]) for name in names]
        return parts[0] if isinstance(features, str) else ColumnStack(parts)

    def labels(self, split: str | None = None) -> npt.NDArray[np.str_]:
        """Return the labels of the images that are ok, in the order of the rows of a matrix."""
        chosen = self.chosen(split)
        labels = self.images["label"].take(chosen)
        if labels.null_count:
            first = self.images["path"].take(chosen).filter(pc.is_null(labels))[0].as_py()
            raise ValueError(f"{labels.null_count} images have no label, such as {first}")
        return np.array(labels.to_pylist(), dtype=str)
