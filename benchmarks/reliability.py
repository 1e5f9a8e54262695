"""Jobs under bad conditions: each check prints how often what was asked for happened.

``python -m benchmarks reliability`` runs all checks.
"""

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from visualwords.features import HOG, HueHistogram
from visualwords.pipeline import extract as extraction
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import FolderSource

N_JOBS = 8
FEATURES = [HueHistogram(), HOG(image_size=(32, 32))]


def write_images(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """Write n small images of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 24, 24, 3), np.uint8)
    files = [folder / f"{i:05d}.png" for i in range(n)]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file, compress_level=1)
    return files


def rows_of(store: Path) -> dict[str, bytes]:
    """Return the files of all shards and features in a store."""
    found = (file for file in sorted(store.glob("*-*/*")) if file.is_file())
    return {str(f.relative_to(store)): f.read_bytes() for f in found if f.name[0] != "."}


@contextmanager
def small_shards(n_rows: int) -> Iterator[None]:
    before, extraction.SHARD_ROWS = extraction.SHARD_ROWS, n_rows
    try:
        yield
    finally:
        extraction.SHARD_ROWS = before


def _one_of_eight(folder: str, store: str) -> tuple[int, int, int]:
    with small_shards(64):
        result = extract(folder, store, FEATURES, n_jobs=1)
    ok = int(result.is_ok.sum())
    return ok, len(result.is_ok) - ok, result.work.computed["hog"]


def eight_jobs(rounds: int = 20) -> None:
    """Run 8 processes on one store, on folders of 600 images that share two thirds."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as root, ProcessPoolExecutor(N_JOBS, context) as pool:
        files = write_images(Path(root) / "all", 200 * (N_JOBS + 2))
        for job in range(N_JOBS):
            (Path(root) / f"images-{job}").mkdir()
            for file in files[200 * job : 200 * job + 600]:
                os.link(file, Path(root) / f"images-{job}" / file.name)
        lost = computed = 0
        for number in range(rounds):
            store = str(Path(root) / f"store-{number}")
            jobs = [
                pool.submit(_one_of_eight, str(Path(root) / f"images-{job}"), store)
                for job in range(N_JOBS)
            ]
            results = np.array([job.result() for job in jobs])
            lost += int(results[:, 1].sum())
            computed += int(results[:, 2].sum())
        once = rounds * len(files)
        print(
            f"8 jobs on one store   {rounds} rounds: 0 errors, {lost} images lost, {computed} rows "
            f"computed for {once} images ({computed / once - 1:.1%} twice)"
        )


class _Slow(FolderSource):
    """A folder on a slow disk."""

    def read(self, location: str) -> bytes:
        time.sleep(0.01)
        return super().read(location)


def _same_bytes(rounds: int, compute: Callable[[Path, Path], Any]) -> int:
    """Return how many stores have the same bytes as one that a thread filled."""
    n_same = 0
    with tempfile.TemporaryDirectory() as root, small_shards(16):
        images = Path(root) / "images"
        write_images(images, 300)
        extract(images, Path(root) / "expected", FEATURES, n_jobs=1)
        for number in range(rounds):
            store = Path(root) / f"store-{number}"
            compute(images, store)
            n_same += rows_of(store) == rows_of(Path(root) / "expected")
    return n_same


def dask_kills(rounds: int = 10) -> None:
    """Kill one of two Dask workers in the middle of a job."""
    from distributed import LocalCluster

    n_killed = 0

    def kill(pid: int, store: Path) -> None:
        nonlocal n_killed
        while not list(store.glob("hog-*/*.npy")):
            time.sleep(0.01)
        n_killed += len(list(store.glob("hog-*/*.npy"))) < 18
        psutil.Process(pid).kill()

    def compute(images: Path, store: Path) -> None:
        with cluster.get_client() as client:
            client.wait_for_workers(2)
            pid = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(target=kill, args=(pid, store))
        killer.start()
        extract(_Slow(images), store, FEATURES, engine="dask", scheduler=cluster.scheduler_address)
        killer.join()

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        n_same = _same_bytes(rounds, compute)
    print(f"Dask, a worker killed {rounds} rounds: {n_killed} in the middle, {n_same} same bytes")


def ray_jobs(rounds: int = 3) -> None:
    """Run jobs on Ray."""
    if find_spec("ray") is None:
        print("Ray                   not installed: pip install ray")
        return
    n_same = _same_bytes(rounds, lambda images, s: extract(images, s, FEATURES, engine="ray"))
    print(f"Ray                   {rounds} rounds: {n_same} same bytes")


CHECKS = (eight_jobs, dask_kills, ray_jobs)


def report() -> None:
    for check in CHECKS:
        check()
