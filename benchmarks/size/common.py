"""What the trials share: images in tar shards, and the memory of a job with all its processes."""

import io
import json
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

IMAGES_PER_TAR = 10_000
SIDE = 32
SAMPLE_SECONDS = 0.02


def write_tars(folder: Path, n: int) -> Path:
    """Write n small images of noise with labels, packed as tar shards."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for start in range(0, n, IMAGES_PER_TAR):
        count = min(IMAGES_PER_TAR, n - start)
        pixels = rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
        with tarfile.open(folder / f"{start // IMAGES_PER_TAR:05d}.tar", "w") as tar:
            for i, image in enumerate(pixels, start):
                png = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
                member = tarfile.TarInfo(f"class{i % 10}/{i:07d}.png")
                member.size = len(png)
                tar.addfile(member, io.BytesIO(png))
    return folder


@dataclass(frozen=True)
class Measured:
    """A command's end.

    Attributes
    ----------
    metrics : dict
        What it printed with ``--json``.
    peak_bytes : int
        Resident memory of all its processes together, at most.
    cpu_seconds, seconds : float
    """

    metrics: dict[str, Any]
    peak_bytes: int
    cpu_seconds: float
    seconds: float


def measure(*arguments: str) -> Measured:
    """Run ``visualwords ARGUMENTS --json`` in a process of its own and measure it."""
    command = [sys.executable, "-m", "visualwords", *arguments, "--json"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        sampler = _Sampler(job.pid)
        sampler.start()
        output, errors = job.communicate()
        sampler.join()
    if job.returncode:
        raise RuntimeError(errors.decode())
    seconds = time.perf_counter() - start
    return Measured(json.loads(output), sampler.peak_bytes, sampler.cpu_seconds, seconds)


class _Sampler(threading.Thread):
    """Look at a process and its children until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._process = psutil.Process(pid)
        self.peak_bytes = 0
        self.cpu_seconds = 0.0

    def run(self) -> None:
        while True:
            try:
                family = [self._process, *self._process.children(recursive=True)]
                times = self._process.cpu_times()
                used = [process.memory_info().rss for process in family]
            except psutil.NoSuchProcess:
                if not self._process.is_running():
                    return
                continue
            if self._process.status() == psutil.STATUS_ZOMBIE:
                return
            self.peak_bytes = max(self.peak_bytes, sum(used))
            self.cpu_seconds = sum(times[:4])
            time.sleep(SAMPLE_SECONDS)
