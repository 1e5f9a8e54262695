"""What the trials share: images, features, and what is in a store."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visualwords.features import HOG, HueHistogram
from visualwords.pipeline import extract as extraction
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import FolderSource

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
    """Let a shard end after so many rows."""
    before, extraction.SHARD_ROWS = extraction.SHARD_ROWS, n_rows
    try:
        yield
    finally:
        extraction.SHARD_ROWS = before


class SlowFolder(FolderSource):
    """A folder on a slow disk."""

    def read(self, location: str) -> bytes:
        time.sleep(0.01)
        return super().read(location)


def same_bytes(rounds: int, compute: Callable[[Path, Path], Any]) -> int:
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
