"""Hand out shards to workers: what other jobs compute is left to them, what kills is cut out."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from .engine import Crash, Workers, in_workers
from .failures import CRASHED
from .features import FeatureRef
from .store.claims import Claims
from .store.files import open_folder
from .store.shards import DIGEST_BYTES, RowFailure, shard_name, write_shard
from .workers import Receipt, ShardTask, compute_shard

__all__ = ["compute_shards"]

WAIT_SECONDS = 0.2  # between two looks at what other jobs compute


def compute_shards(
    tasks: Iterable[ShardTask],
    claims: Claims | None,
    workers: Workers | int | None,
    skip: Callable[[int, list[bytes]], None],
) -> Iterator[tuple[ShardTask, Receipt]]:
    """Compute shards and yield each with its receipt.

    Images that another job is computing come last: when that job has computed them they are
    skipped, and when it died they are computed here.

    Parameters
    ----------
    tasks : iterable of ShardTask
    claims : Claims or None
        None where the store has no locks.
    workers : Workers or int or None
    skip : callable
        Is told how many images other jobs computed, and the digests of images that failed there.
    """
    while True:
        taken: list[ShardTask] = []
        crashed: list[tuple[ShardTask, Crash]] = []
        is_idle = True
        mine = _free(tasks, claims, taken, skip)
        for task, receipt in in_workers(compute_shard, mine, workers):
            if isinstance(receipt, Crash):
                crashed.append((task, receipt))
                continue
            is_idle = False
            _release(claims, task)
            yield task, receipt
        for task, crash in crashed:
            for part, receipt in _cut_out(task, crash, workers):
                _release(claims, part)
                yield part, receipt
        if claims is None or not taken:
            return
        claims.publish()
        if is_idle:
            time.sleep(WAIT_SECONDS)
        tasks = taken


def _free(
    tasks: Iterable[ShardTask],
    claims: Claims | None,
    taken: list[ShardTask],
    skip: Callable[[int, list[bytes]], None],
) -> Iterator[ShardTask]:
    """Claim the images of each task; those that another job works on go into ``taken``."""
    for task in tasks:
        if claims is None:
            yield task
            continue
        share = claims.share([ref.folder for ref in task.features], task.digests)
        skip(len(share.done), [task.digests[i] for i in share.failed])
        if share.taken:
            taken.append(_part(task, share.taken, task.features))
        for folders, images in share.free.items():
            yield _part(task, images, [ref for ref in task.features if ref.folder in folders])


def _release(claims: Claims | None, task: ShardTask) -> None:
    if claims is not None:
        claims.release([ref.folder for ref in task.features], task.digests, task.name)


def _part(task: ShardTask, images: Sequence[int], features: Sequence[FeatureRef]) -> ShardTask:
    """Return the task of some images of a task and some of its features."""
    if len(images) == len(task.locations):
        return replace(task, features=features)
    digests = [task.digests[i] for i in images]
    return replace(
        task,
        name=shard_name(np.frombuffer(b"".join(digests), f"V{DIGEST_BYTES}")),
        locations=[task.locations[i] for i in images],
        digests=digests,
        attempts=[task.attempts[i] for i in images],
        features=features,
    )


def _cut_out(
    task: ShardTask, crash: Crash, workers: Workers | int | None
) -> Iterator[tuple[ShardTask, Receipt]]:
    """Compute a task whose worker died by halves, down to the image that kills a process."""
    n = len(task.locations)
    if n == 1:
        yield task, _crashed(task, crash)
        return
    numbers = range(n)
    halves = [_part(task, half, task.features) for half in (numbers[: n // 2], numbers[n // 2 :])]
    for half, receipt in in_workers(compute_shard, halves, workers, alone=True):
        if isinstance(receipt, Crash):
            yield from _cut_out(half, receipt, workers)
        else:
            yield half, receipt


def _crashed(task: ShardTask, crash: Crash) -> Receipt:
    """Keep in the store that an image kills the process that decodes it."""
    failure = RowFailure(CRASHED, f"its worker died: {crash.reason}", task.attempts[0] + 1)
    store = open_folder(task.store)
    nothing = np.empty(0, f"V{DIGEST_BYTES}")
    for ref in task.features:
        rows = np.empty((0, 0), np.float32)
        write_shard(store, ref.folder, task.name, nothing, rows, {task.digests[0]: failure})
    return Receipt(rows={ref.name: 0 for ref in task.features}, decoded=1, failed={0})
