"""Several processes on one store: nothing is lost, and little is computed twice."""

import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from visualwords.pipeline.job import extract

from .common import FEATURES, small_shards, write_images

N_JOBS = 8


def _one_of_eight(folder: str, store: str) -> tuple[int, int, int]:
    with small_shards(64):
        result = extract(folder, store, FEATURES, n_jobs=1)
    ok = int(result.is_ok.sum())
    return ok, len(result.is_ok) - ok, result.work.computed["hog"]


def report(rounds: int = 20) -> None:
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
