"""A job that is killed at a random moment and started again: the same numbers, nothing lost."""

import multiprocessing
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .bed import Bed, write_classes
from .common import small_shards


def _job(bed: Bed) -> None:
    with small_shards(4):
        outcome = bed.do("small run", seconds=600)
    if outcome.code or outcome.fault:
        raise SystemExit(outcome.fault or outcome.err)


def files_in(run: Path) -> int:
    return sum(1 for _ in run.rglob("*"))


def shards_in(run: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of the files of the finished shards."""
    found = {}
    for record in run.glob("store/*-*/*.json"):
        for file in (record, record.with_suffix(".npy")):
            if record.name != "feature.json":
                status = file.stat()
                found[str(file)] = status.st_ino, status.st_mtime_ns
    return found


def trial(bed: Bed, context: Any, n_files: int, pause: float, expected: Any) -> tuple[str, int]:
    """Kill a job when it has written some files; return the outcome and the shards it had done."""
    process = context.Process(target=_job, args=(bed,))
    process.start()
    while process.is_alive() and files_in(bed.run) < n_files:
        time.sleep(0.001)
    process.join(pause)
    is_killed = process.is_alive()
    process.kill()
    process.join()
    if not is_killed and process.exitcode:
        return "failed undisturbed", 0
    before = shards_in(bed.run)
    with small_shards(4):
        outcome = bed.do("small run")
    if outcome.fault or outcome.code:
        return f"next run fails: {outcome.fault}{outcome.err}", 0
    after = shards_in(bed.run)
    if any(after.get(file) != status for file, status in before.items()):
        return "a finished shard was written again", 0
    if bed.numbers("run", outcome) != expected:
        return "other numbers", 0
    return "killed, same numbers" if is_killed else "not killed, same numbers", len(before) // 2


GOOD = ("killed, same numbers", "not killed, same numbers")


def trials(folder: Path, n: int) -> tuple[Counter[str], int]:
    """Return how often what became of jobs that were killed, and how many shards they had done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["visualwords.pipeline.cli", __name__])
    images = write_classes(folder / "images")
    whole = Bed(images, folder / "whole")
    with small_shards(4):
        expected = whole.numbers("run", whole.do("small run", seconds=600))
    draw, n_files = random.Random(0), files_in(whole.run)
    counts: Counter[str] = Counter()
    kept = 0
    for number in range(n):
        bed = Bed(images, folder / f"killed-{number}")
        wanted, pause = draw.randrange(n_files), draw.uniform(0, 0.02)
        found, n_shards = trial(bed, context, wanted, pause, expected)
        counts[found] += 1
        kept += n_shards
        shutil.rmtree(bed.run, ignore_errors=True)
    return counts, kept


def report(n: int = 100) -> None:
    with tempfile.TemporaryDirectory() as root:
        counts, kept = trials(Path(root), n)
    print(f"SIGKILL              {n} times: {dict(counts)}; {kept} finished shards kept")
