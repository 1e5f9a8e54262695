"""Compare the time of all three features with the time of decoding the same files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import race
from visualwords.features import HOG, BagOfVisualWords, HueHistogram, ImageFeature
from visualwords.threads import row_blocks, worker_threads

THREADS = 2
N_CIFAR, N_SCENES = 4000, 300


def report() -> None:
    root = os.environ.get("VISUALWORDS_DATA")
    if root is None:
        print("skipped: set VISUALWORDS_DATA to the folder that holds cifar10 and scenes15")
        return
    small = sorted(Path(root, "cifar10", "train").rglob("*.png"))[:: 50_000 // N_CIFAR]
    report_files("CIFAR-10 as JPEG, 32x32", [as_jpeg(path) for path in small], side=32)
    large = sorted(Path(root, "scenes15").rglob("*.jpg"))[:: 1500 // N_SCENES]
    report_files("scenes15, 250x300", [path.read_bytes() for path in large], side=64)


def as_jpeg(path: Path) -> bytes:
    return cv2.imencode(".jpg", cv2.imread(str(path)))[1].tobytes()


def report_files(title: str, files: Sequence[bytes], side: int) -> None:
    images = [decode(data) for data in files]
    features: dict[str, ImageFeature] = {
        "hue": HueHistogram(n_jobs=THREADS),
        "HOG": HOG(image_size=(side, side), n_jobs=THREADS),
        "words": BagOfVisualWords(n_jobs=THREADS),
    }
    for feature in features.values():
        feature.fit(images)
    contestants: dict[str, Callable[[], object]] = {"decoding": lambda: decode_all(files)}
    for name, feature in features.items():
        contestants[name] = lambda feature=feature: feature.transform(images)
    seconds = race(contestants, repeats=5)
    total = sum(seconds.values())
    print(f"{title}: {len(files)} images, {THREADS} threads; cv2.imdecode, then all features")
    for name, spent in seconds.items():
        print(
            f"  {name:<10} {len(files) / spent:10,.0f} images/s   {spent / total:6.1%} of the time"
        )
    print(f"  {'all':<10} {len(files) / total:10,.0f} images/s")
    share = (seconds["hue"] + seconds["HOG"]) / seconds["decoding"]
    print(
        f"  hue + HOG cost {share:.3f} of decoding; <= 0.333 {'ok' if share < 1 / 3 else 'MISSED'}"
    )


def decode(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else np.ascontiguousarray(image[:, :, ::-1])


def decode_all(files: Sequence[bytes]) -> None:
    def decode_block(rows: slice) -> None:
        for data in files[rows]:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)

    with worker_threads(THREADS) as map_:
        list(map_(decode_block, row_blocks(len(files), 64)))
