"""Descriptors for the benchmarks of the vocabulary: dense 16-pixel patches, stride 2."""

import os
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from visualwords.features import DensePatches

PATCHES = DensePatches(16, 2, n_jobs=2)
PER_IMAGE = 81  # In an image of 32 x 32 pixels.


def descriptors(n: int) -> np.ndarray:
    """Describe images of CIFAR-10, or as many 32 x 32 crops of a few photographs, at random."""
    n_images = -(-n // PER_IMAGE)
    random = np.random.default_rng(0)
    root = os.environ.get("VISUALWORDS_DATA")
    if root is None:
        print("VISUALWORDS_DATA is unset: crops of photographs that scikit-image carries")
        images = crops(n_images, random)
    else:
        files = sorted(Path(root, "cifar10", "train").rglob("*.png"))
        chosen = random.choice(len(files), n_images, replace=False)
        images = [cv2.imread(str(files[i]), cv2.IMREAD_GRAYSCALE) for i in chosen]
        print(f"descriptors of {n_images} images of CIFAR-10")
    values = PATCHES.transform(images).values
    return values[np.sort(random.choice(len(values), n, replace=False))]


def crops(n: int, random: np.random.Generator) -> list[np.ndarray]:
    photographs = [data.camera(), *(image[:, :, 1] for image in (data.astronaut(), data.coffee()))]
    images = []
    for number in range(n):
        photograph = photographs[number % len(photographs)]
        row, column = random.integers(np.array(photograph.shape) - 32)
        images.append(photograph[row : row + 32, column : column + 32])
    return images
