"""Run a job of 300,000 images again, with everything cached."""

import tempfile
from pathlib import Path

from . import changes
from .common import measure

N_IMAGES = 300_000
STAGES = ("start", "scan", "split", "plan", "extract", "write")


def report() -> None:
    with tempfile.TemporaryDirectory() as root:
        images = Path(root) / "images"
        changes.write_images(images, range(N_IMAGES))
        command = ("run", str(images), "--out", str(Path(root) / "run"), "--no-report")
        for name in ("first", "again"):
            job = measure(*command, "--features", "hue,hog")
            stages = [f"{name} {job.metrics['seconds'][name]:.1f} s" for name in STAGES]
            print(
                f"{name:<6} {job.metrics['images']['decoded']:>6} of {N_IMAGES} decoded: "
                f"{job.seconds:.1f} s, {job.cpu_seconds:.1f} s of CPU, {job.peak_bytes >> 20} MiB; "
                f"{', '.join(stages)}",
                flush=True,
            )
