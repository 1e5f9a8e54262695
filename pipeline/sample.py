"""Sample data: a folder of image crops, cut from photographs that the dependencies carry.

A class is a photograph. Each is divided into 2 x 3 tiles; the crops for testing come from two of
the tiles, those for training from the other four, so no pixel is in both. The same version of the
photographs gives the same crops.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from .store.files import LocalFolder

__all__ = ["write_sample_images"]

ByteImage = npt.NDArray[np.uint8]

CROPS = {"train": 42, "test": 18}
SIDES = (64, 160)
TILES = {
    "train": [(0, 0), (0, 1), (1, 1), (1, 2)],
    "test": [(0, 2), (1, 0)],
}
SKIMAGE_PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "cell",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "retina",
    "rocket",
)
SKLEARN_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
VERSION = 1


def write_sample_images(folder: Path) -> Path:
    """Write ``folder/{train,test}/CLASS/*.{jpg,png}``, unless they are there already.

    16 classes of 60 crops, 64 to 160 pixels a side, JPEG and PNG by turns.

    Returns
    -------
    Path
        ``folder``, which holds an ordinary data set from here on.
    """
    marker = folder / "sample.json"
    version = json.dumps({"version": VERSION}).encode()
    if marker.exists() and marker.read_bytes() == version:
        return folder
    for label, photograph in _photographs():
        for split in CROPS:
            for number, crop in enumerate(_crops(photograph, split)):
                _write(folder / split / label, number, crop)
    LocalFolder(folder).write(marker.name, version)
    return folder


def _photographs() -> Iterator[tuple[str, ByteImage]]:
    from skimage import data
    from sklearn.datasets import load_sample_image

    for name in SKIMAGE_PHOTOGRAPHS:
        yield name, getattr(data, name)()
    for name in SKLEARN_PHOTOGRAPHS:
        yield Path(name).stem, load_sample_image(name)


def _crops(photograph: ByteImage, split: str) -> Iterator[ByteImage]:
    """Cut random rectangles, each within one tile of the split."""
    rng = np.random.default_rng([VERSION, len(TILES[split])])
    tile = np.array(photograph.shape[:2]) // (2, 3)
    for _ in range(CROPS[split]):
        corner = rng.choice(TILES[split]) * tile
        rows, columns = rng.integers(SIDES[0], np.minimum(SIDES[1], tile) + 1).tolist()
        row = corner[0] + rng.integers(0, tile[0] - rows + 1)
        column = corner[1] + rng.integers(0, tile[1] - columns + 1)
        yield photograph[row : row + rows, column : column + columns]


def _write(folder: Path, number: int, crop: ByteImage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = (".jpg", ".png")[number % 2]
    Image.fromarray(crop).save(folder / f"{number:02d}{suffix}", quality=92, compress_level=1)
