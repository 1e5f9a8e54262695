"""The peak memory of ``Run.train`` on a store, and on one with four times the rows."""

import subprocess
import sys
import tempfile
from pathlib import Path

N_IMAGES = 25_000
# Rows are read from the store in each pass, and few stay mapped, as with a much larger store.
PREPARE = """
import sys
import numpy as np
from visualwords.pipeline.parts import Part
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import ArraySource

n = int(sys.argv[2])
rng = np.random.default_rng(0)
labels = rng.integers(0, 3, n)
pixels = rng.integers(0, 120, (n, 32, 32, 3), np.uint8)
for image, label in zip(pixels, labels, strict=True):
    image[8 * label : 8 * label + 12, ::4] += 60
features = {"hue": Part("HueHistogram"), "hog": Part("HOG", {"image_size": [32, 32]})}
Run(sys.argv[1]).extract(ArraySource(pixels, labels.astype(str)), None, Recipe(features))
"""
TRAIN = """
import sys
from visualwords.pipeline import train
from visualwords.pipeline.memory import peak_bytes
from visualwords.pipeline.run import Run
from visualwords.pipeline.store import rows

train.IN_MEMORY_BYTES, rows.OPEN_BYTES = 0, 1 << 23
Run.open(sys.argv[1]).train()
print(peak_bytes())
"""


def _run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def report() -> None:
    """Train on 25,000 and 100,000 images, by hue and HOG."""
    peaks = []
    with tempfile.TemporaryDirectory() as root:
        for n in (N_IMAGES, 4 * N_IMAGES):
            folder = Path(root) / str(n)
            _run(PREPARE, folder, n)
            peaks.append(int(_run(TRAIN, folder)))
            print(f"{n:>7} images   peak {peaks[-1] / 2**20:.0f} MB", flush=True)
    print(f"4 times the rows take {peaks[1] / peaks[0] - 1:+.1%} memory")
