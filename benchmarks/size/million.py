"""Extract hue and HOG of 1,000,000 small images, in tar shards."""

import tempfile
from pathlib import Path

from .common import Measured, measure, write_tars

N_IMAGES = 1_000_000
QUARTER = 25  # tar shards
FEATURES = ("--features", "hue,hog")


def report() -> None:
    with tempfile.TemporaryDirectory() as root:
        run_trials(write_tars(Path(root) / "images", N_IMAGES), Path(root))


def run_trials(images: Path, root: Path) -> None:
    """Extract a quarter of the images, then all of them; plan and extract them again."""
    quarter = f"{images}/{{00000..{QUARTER - 1:05d}}}.tar"
    trials = {
        "a quarter": ("extract", quarter, "--store", str(root / "store-of-quarter"), *FEATURES),
        "all": ("extract", str(images), "--store", str(root / "store"), *FEATURES),
        "all again": ("extract", str(images), "--store", str(root / "store"), *FEATURES),
        "plan": ("plan", str(images), "--store", str(root / "store"), *FEATURES),
    }
    for name, arguments in trials.items():
        print(f"{name:<10} {_line(measure(*arguments))}", flush=True)


def _line(job: Measured) -> str:
    n = job.metrics["images"]["found"] if "images" in job.metrics else N_IMAGES
    decoded = job.metrics["images"]["decoded"] if "images" in job.metrics else 0
    return (
        f"{n:>9} images, {decoded:>7} decoded: {job.peak_bytes / 2**20:6.0f} MiB, "
        f"{job.cpu_seconds:7.1f} s of CPU, {job.seconds:7.1f} s, "
        f"{job.cpu_seconds / n * 1e6:6.1f} us of CPU an image"
    )
