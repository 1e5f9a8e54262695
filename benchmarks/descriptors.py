"""144-number descriptors of dense patches beside OpenCV 4's HOGDescriptor, one thread."""

from collections.abc import Callable

import cv2
import numpy as np
from skimage import data

from visualwords.features import DensePatches

from .harness import race, row

# Side of the image, side of the patches and stride, in pixels, and the least ratio wanted. The last
# row has the default patches of CIFAR-10.
GRIDS = ((32, 16, 2, 5), (256, 32, 8, 5), (32, 12, 2.25, None))

N_IMAGES = 256  # of a batch

RESAMPLED = "HOGDescriptor, resampled"


def report() -> None:
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, one thread")
    for side, patch, stride, owed in GRIDS:
        image = np.ascontiguousarray(data.camera()[100 : 100 + side, 150 : 150 + side])
        ours = DensePatches(patch, stride)
        peers = {RESAMPLED: resampled_hog(image, patch, stride)}
        if isinstance(stride, int):
            peers["HOGDescriptor, image as it is"] = native_hog(image, patch, stride)
        n = len(ours.describe(image)[0])
        what = f"{n} patches of {patch} px, stride {stride}, {side}x{side}"
        for peer in peers.values():
            assert peer().size == n * 144
        seconds = race({"ours": lambda o=ours, i=image: o.describe(i), **peers}, repeats=101)
        for name in peers:
            target = owed if name == RESAMPLED else None
            print(row(what, seconds["ours"], name, seconds[name], target))
    _report_batch(*GRIDS[0])


def _report_batch(side: int, patch: int, stride: int, owed: float) -> None:
    """Print the seconds of an image of a batch; the peer describes one image a call."""
    photo = data.camera()
    corners = np.random.default_rng(0).integers(0, len(photo) - side, (N_IMAGES, 2))
    images = np.stack([photo[i : i + side, j : j + side] for i, j in corners])
    ours = DensePatches(patch, stride)
    runs = [resampled_hog(image, patch, stride) for image in images]
    n = len(ours.describe(images[0])[0])
    assert ours.transform(images).values.size == sum(run().size for run in runs)
    seconds = race(
        {"ours": lambda: ours.transform(images), RESAMPLED: lambda: [run() for run in runs]}
    )
    what = f"{n} patches of {patch} px, stride {stride}, {side}x{side}, {N_IMAGES} images"
    print(row(what, seconds["ours"] / N_IMAGES, RESAMPLED, seconds[RESAMPLED] / N_IMAGES, owed))


def resampled_hog(image: np.ndarray, patch: int, stride: float) -> Callable[[], np.ndarray]:
    """Return a function that computes HOG of the same patches, resampled to 32 x 32 pixels."""
    scale = 32 / patch
    hog = cv2.HOGDescriptor((32, 32), (32, 32), (8, 8), (8, 8), 9)
    step = round(stride * scale)

    def run() -> np.ndarray:
        larger = image
        if scale != 1:
            larger = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        return hog.compute(larger, (step, step))

    return run


def native_hog(image: np.ndarray, patch: int, stride: int) -> Callable[[], np.ndarray]:
    """Return a function that computes HOG of windows of 4 x 4 cells, without resampling."""
    cell = patch // 4
    sides = ((patch, patch), (patch, patch), (cell, cell), (cell, cell))
    hog = cv2.HOGDescriptor(*sides, 9)
    return lambda: hog.compute(image, (stride, stride))
