"""Do the whole job on CIFAR-10: hue, HOG and words, two classifiers on each and on all."""

import tempfile

from visualwords.benchmarks.harness import cifar_folder

from .common import measure


def report() -> None:
    folder = cifar_folder()
    with tempfile.TemporaryDirectory() as root:
        images = (str(folder / "train"), "--test", str(folder / "test"))
        job = measure("run", *images, "--out", f"{root}/run", "--no-report")
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in job.metrics["seconds"].items())
    print(f"{job.peak_bytes >> 20} MiB, {job.cpu_seconds:.1f} s of CPU, {job.seconds:.1f} s")
    print(seconds)
