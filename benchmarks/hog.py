"""HOG beside scikit-image and OpenCV 4 (``cv2.HOGDescriptor``, which OpenCV 5 lacks)."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from skimage.data import astronaut, camera
from skimage.feature import hog as skimage_hog

from visualwords.features import HOG, hog

from .harness import race, row

OFTEN = 20  # calls of a fast function for each call of scikit-image

# How many times as fast as the peer: in a batch, by side of the image for OpenCV, and one by one.
SKIMAGE_FLOOR = 80
OPENCV_FLOORS = {32: 2.5, 256: 1.5}
CALL_FLOOR = 3


def repeated(run: Callable[[], object], times: int) -> Callable[[], None]:
    def several() -> None:
        for _ in range(times):
            run()

    return several


def report() -> None:
    cv2.setNumThreads(1)
    for size, calls, images in ((32, 100, 10_000), (256, 5, 200)):
        image = cv2.resize(camera(), (size, size), interpolation=cv2.INTER_AREA)
        print_rows(measured(image, calls, images), size)
    for name, image in (("32x32 RGB", astronaut()), ("64x64 grey", camera())):
        size = int(name[:2])
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        print_batch_rows(image, name)


def print_batch_rows(image: np.ndarray, name: str, images: int = 2_000) -> None:
    """Print the seconds of an image in a batch, beside OpenCV."""
    stack = np.stack([np.roll(image, i, axis=1) for i in range(images)])
    contestants: dict[str, Callable[[], object]] = {
        convention: partial(HOG(convention=convention).fit(stack[:1]).transform, stack)
        for convention in ("skimage", "opencv", "dalal")
    }
    if hasattr(cv2, "HOGDescriptor"):
        descriptor = cv2.HOGDescriptor(image.shape[1::-1], (16, 16), (8, 8), (8, 8), 9)
        contestants["peer"] = lambda: [descriptor.compute(image) for image in stack]
    seconds = {name: s / images for name, s in race(contestants).items()}
    if "peer" in seconds:
        for convention in ("skimage", "opencv", "dalal"):
            what = f"HOG, {convention}, {name}, an image of HOG.transform"
            print(row(what, seconds[convention], "opencv", seconds["peer"]))


def measured(image: np.ndarray, calls: int, images: int) -> dict[str, float]:
    """Return the seconds of an image for each function; call fast functions more often."""
    stack = np.stack([np.roll(image, i, axis=1) for i in range(images)])
    contestants = {
        "skimage": repeated(lambda: skimage_hog(image, cells_per_block=(2, 2)), calls),
    }
    if hasattr(cv2, "HOGDescriptor"):
        descriptor = cv2.HOGDescriptor(image.shape[::-1], (16, 16), (8, 8), (8, 8), 9)
        contestants["opencv"] = repeated(lambda: descriptor.compute(image), OFTEN * calls)
    for convention in ("skimage", "opencv", "dalal"):
        one = partial(hog, image, convention=convention)
        contestants[f"hog {convention}"] = repeated(one, OFTEN * calls)
        many = HOG(convention=convention).fit(stack[:1])
        contestants[f"HOG {convention}"] = partial(many.transform, stack)
    seconds = race(contestants)

    def described(name: str) -> int:
        return images if name.startswith("HOG") else calls if name == "skimage" else OFTEN * calls

    return {name: s / described(name) for name, s in seconds.items()}


def print_rows(seconds: dict[str, float], size: int) -> None:
    for convention in ("skimage", "opencv", "dalal"):
        peer = "skimage" if convention == "skimage" else "opencv"
        if peer not in seconds:
            print(f"{convention}: no cv2.HOGDescriptor in OpenCV {cv2.__version__}")
            continue
        what = f"HOG, {convention}, {size}x{size} grey"
        batch = SKIMAGE_FLOOR if convention == "skimage" else OPENCV_FLOORS[size]
        one_by_one = ("hog()", "hog", CALL_FLOOR)
        for way, name, floor in (one_by_one, ("an image of HOG.transform", "HOG", batch)):
            ours = seconds[f"{name} {convention}"]
            print(row(f"{what}, {way}", ours, peer, seconds[peer], floor))
