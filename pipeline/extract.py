"""Extraction: find which rows are missing and compute them in workers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .counts import counted
from .dispatch import compute_shards
from .duplicates import HASH
from .engine import Workers, engine_of
from .extraction import Extraction, Work
from .failures import EVERY_KIND, REFUSED, refused_by
from .features import FeatureRef
from .ledger import digests_of, ledger
from .progress import Progress
from .reader import Reader
from .sources import Source
from .store.claims import open_claims
from .store.files import Folder
from .store.matrix import Places
from .store.rows import FeatureRows
from .store.shards import DIGEST_BYTES, SHARD_ROWS, Digests, RowFailure, shard_name
from .workers import ShardTask

__all__ = ["Plan", "TooManyFailuresError", "compute", "plan"]

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
    places : dict of str to Places
        By feature: where the rows of the images lie.
    missing : dict of str to ndarray of bool
        By feature: whether an image has neither a row nor a reason why it has none.
    retried : dict of str to ndarray of bool
        Which of the missing failed before.
    """

    source: Source
    images: pa.Table
    features: dict[str, FeatureRows]
    refs: dict[str, FeatureRef]
    places: dict[str, Places]
    missing: dict[str, npt.NDArray[np.bool_]]
    retried: dict[str, npt.NDArray[np.bool_]]

    @property
    def n_missing(self) -> int:
        """Images that lack something."""
        return int(np.logical_or.reduce(list(self.missing.values())).sum())


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
    order = np.argsort(digests.view(f"S{DIGEST_BYTES}"), kind="stable")
    in_order = digests[order]  # is found in less time, in every feature
    features, places, missing, retried = {}, {}, {}, {}
    for name, ref in refs.items():
        rows = FeatureRows(store, name, ref.folder.removeprefix(f"{name}-"))
        found = rows.find(in_order).put_back(order)
        lacks = is_sound & ~found.found
        again = np.zeros(len(lacks), bool)
        lacking = np.flatnonzero(lacks)
        for k, failure in rows.failures(digests[lacking]).items():
            told = refused_by(name) if failure.kind == REFUSED else failure.kind
            if not {EVERY_KIND, failure.kind, told}.isdisjoint(retry):
                again[lacking[k]] = True
            else:
                lacks[lacking[k]] = False
        features[name], places[name], missing[name], retried[name] = rows, found, lacks, again
    return Plan(source, images, features, dict(refs), places, missing, retried)


def compute(
    plan: Plan,
    store: Folder,
    reader: Reader,
    progress: Progress,
    *,
    n_jobs: Workers | int | None = None,
    max_failures: float | None = None,
    time_limit: float | None = None,
) -> Extraction:
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
    digests, is_sound = digests_of(plan.images)
    n_images, todo = plan.images.num_rows, _wanted(plan, digests)
    failures = _Failures(n_images, n_images - int(is_sound.sum()), max_failures)
    is_here = engine_of(n_jobs) == "threads"
    if store.url.startswith("memory://") and not is_here:
        raise ValueError(
            f"{store.url}: a store in memory is of one process; use the engine threads"
        )
    known = {rows.folder: rows.shards_seen for rows in plan.features.values()}
    # Where nothing is missing, nothing is written: the store may be one that others look after.
    guard = open_claims(store, known) if len(todo) else nullcontext()
    with progress.stage("extract", n_images) as stage, guard as claims:

        def count(done: int, failed: list[bytes]) -> None:
            stage.advance(done, failures.add(failed))
            failures.check()

        stage.advance(0, failures.n)
        count(n_images - len(todo), _failed_before(plan, digests, is_sound))
        tasks = _tasks(plan, todo, digests, store, reader, time_limit, is_here=is_here)
        for task, receipt in compute_shards(tasks, claims, n_jobs, count):
            work.add(receipt)
            for i, failure in receipt.failures.items():
                passing[task.digests[i]] = failure
            count(len(task.locations), [task.digests[i] for i in receipt.failed])
        computed = [name for name, n_rows in work.computed.items() if n_rows]
        if work.computed.pop(HASH, None) and computed != [HASH]:
            computed.remove(HASH)  # is computed beside any other feature
        stage.summary = (
            f"{', '.join(computed) or 'nothing new'}: {counted(work.decoded, 'image')} decoded"
        )
    places = {
        name: rows.find(digests) if rows.refresh() else plan.places[name]
        for name, rows in plan.features.items()
    }
    places.pop(HASH, None)
    features = {name: plan.features[name] for name in places}
    table = ledger(plan.images, features, places, passing)
    return Extraction(table, features, places, work, plan.features.get(HASH))


class _Failures:
    """The images that failed, in this job or in others, against the number that may fail.

    Parameters
    ----------
    n_images : int
    n : int
        Images that failed before extraction.
    limit : float or None
        Below 1 a share of all images, else a number.
    """

    def __init__(self, n_images: int, n: int, limit: float | None) -> None:
        self.n = n
        self._n_images = n_images
        limit = np.inf if limit is None else limit
        self._allowed = limit * n_images if limit < 1 else limit
        self._digests: set[bytes] = set()

    def add(self, digests: Sequence[bytes]) -> int:
        """Return how many of these images were not known to have failed."""
        new = set(digests) - self._digests
        self._digests |= new
        self.n += len(new)
        return len(new)

    def check(self) -> None:
        """End the job where too many images failed."""
        if self.n > self._allowed:
            raise TooManyFailuresError(
                f"{self.n} of {self._n_images} images failed, more than --max-failures allows; "
                "what was computed is kept: mend the images or raise --max-failures, and run the "
                "job again"
            )


def _failed_before(plan: Plan, digests: Digests, is_sound: npt.NDArray[np.bool_]) -> list[bytes]:
    """Return the digests of images whose failures are in the store and are not tried again."""
    lacks = [~p.found & ~plan.missing[name] for name, p in plan.places.items()]
    failed = is_sound & np.logical_or.reduce(lacks)
    return [digest.tobytes() for digest in digests[failed]]


def _wanted(plan: Plan, digests: Digests) -> npt.NDArray[np.intp]:
    """Return the images that lack something; one that is there twice is computed once."""
    wanted = np.flatnonzero(np.logical_or.reduce(list(plan.missing.values())))
    _, first = np.unique(digests[wanted].view(f"S{DIGEST_BYTES}"), return_index=True)
    return wanted[np.sort(first)]


def _tasks(
    plan: Plan,
    wanted: npt.NDArray[np.intp],
    digests: Digests,
    store: Folder,
    reader: Reader,
    time_limit: float | None,
    *,
    is_here: bool,
) -> Iterator[ShardTask]:
    """Cut the images into shards, those together that lack the same features."""
    url = store.absolute_url
    for lacking, chosen in _by_what_they_lack(plan, wanted):
        refs = [plan.refs[name] for name in lacking]
        for images in _shards(plan.images, chosen, reader):
            name = shard_name(digests[images])
            locations = plan.images["location"].take(images).to_pylist()
            attempts = _attempts(plan, refs, digests[images])
            raw = [digest.tobytes() for digest in digests[images]]
            source = plan.source if is_here else plan.source.only(locations)
            yield ShardTask(name, source, locations, raw, attempts, refs, url, reader, time_limit)


def _by_what_they_lack(
    plan: Plan, wanted: npt.NDArray[np.intp]
) -> list[tuple[list[str], npt.NDArray[np.intp]]]:
    """Return sets of features and the images that lack just these."""
    groups: list[tuple[list[str], npt.NDArray[np.intp]]] = [([], wanted)]
    for name, lacks in plan.missing.items():
        groups = [
            group
            for names, images in groups
            for group in (
                ([*names, name], images[lacks[images]]),
                (names, images[~lacks[images]]),
            )
            if len(group[1])
        ]
    return groups


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
