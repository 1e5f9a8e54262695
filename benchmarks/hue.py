"""Histograms of hue beside OpenCV's conversion to HSV and histogram, one thread."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from skimage import data

from visualwords.features import HueHistogram, hue_histogram

from .harness import race, row

BATCH = 4096


def report() -> None:
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, one thread; the public function, checks included")
    for side, target, calls in ((32, 1, 200), (256, 1.5, 10)):
        image = np.ascontiguousarray(data.astronaut()[:side, 100 : 100 + side])
        compare(f"hue histogram, {side}x{side}", image, {}, (0,), target, calls)
        grid = {"saturation_bins": 4}
        compare(f"hue x saturation, {side}x{side}", image, grid, (0, 1), None, calls)
        scaled = (image / 255).astype(np.float32)
        compare(f"hue histogram, {side}x{side}, float32", scaled, {}, (0,), None, calls)
    report_batch()


def compare(
    what: str,
    image: np.ndarray,
    parameters: dict[str, int],
    channels: tuple[int, ...],
    target: float | None,
    calls: int,
) -> None:
    """Print a row; call each side ``calls`` times in a row, as each empties the other's caches."""
    limits = ((0, 180), (0, 256)) if image.dtype == np.uint8 else ((0, 360), (0, 1.001))
    ranges = [end for channel in channels for end in limits[channel]]
    bins = [(10, 4)[channel] for channel in channels]

    peer = partial(opencv_histogram, image, channels, bins, ranges)
    contestants = {
        "ours": repeated(partial(hue_histogram, image, **parameters), calls),
        "peer": repeated(peer, calls),
    }
    seconds = race(contestants, repeats=101)
    ours, theirs = (spent / calls for spent in seconds.values())
    print(row(what, ours, "cv2.cvtColor + cv2.calcHist", theirs, target))


def opencv_histogram(
    image: np.ndarray, channels: tuple[int, ...], bins: list[int], ranges: list[float]
) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return cv2.calcHist([hsv], channels, None, bins, ranges)


def repeated(function: Callable[[], object], calls: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(calls):
            function()

    return run


def report_batch() -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 480, (BATCH, 2))
    photograph = data.astronaut()
    images = np.stack([photograph[y : y + 32, x : x + 32] for y, x in starts])
    feature = HueHistogram().fit(images)

    def peer() -> None:
        for image in images:
            opencv_histogram(image, (0,), [10], [0, 180])

    for what, collection in (("array", images), ("list", list(images))):
        ours = partial(feature.transform, collection)
        seconds = race({"ours": ours, "peer": peer}, repeats=21)
        ours_each, theirs = (spent / BATCH for spent in seconds.values())
        title = f"HueHistogram, {what} of {BATCH} of 32x32, an image"
        print(row(title, ours_each, "cv2.cvtColor + cv2.calcHist", theirs, 3))
