"""Choose the options of the recipes lecture and best, on training images of CIFAR-10 alone.

Rows are a quarter of the training images; the accuracy is that on 10,000 other training images. One
feature after the other tries each of its candidates beside the others as they are, and keeps the
best. Then each feature gets a penalty of its own. Words of pixels are tried by themselves, because
they need whitened columns. What was tried is printed and written to ``recognition-search.csv`` in
the current folder.
"""

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.harness import cifar_folder
from visualwords.classifiers import ColumnStack, SoftmaxCV
from visualwords.features import (
    HOG,
    BagOfVisualWords,
    DensePatches,
    HueHistogram,
    PixelPatches,
)
from visualwords.pipeline.reader import Reader, read_bytes

N_TRAIN, N_TEST = 12_500, 10_000
N_JOBS = 2
ALPHAS = (0.01, 0.02, 0.05, 0.1, 0.2)
ALPHAS_OF_WHITENED = (0.1, 0.2, 0.4, 0.7)
RESULT = Path("recognition-search.csv")

CANDIDATES: dict[str, list[Any]] = {
    "hue": [
        HueHistogram(),
        HueHistogram(n_bins=36, weight="chroma", soft=True),
        HueHistogram(n_bins=12, saturation_bins=3, value_bins=3, achromatic="bin"),
        HueHistogram(n_bins=24, saturation_bins=4, value_bins=4, achromatic="bin"),
        HueHistogram(n_bins=18, saturation_bins=4, value_bins=4, achromatic="bin", soft=True),
    ],
    "hog": [
        HOG(),
        HOG(signed=True, orientations=18),
        HOG(pixels_per_cell=(4, 4)),
        HOG(convention="uoctti"),
        HOG(convention="uoctti", pixels_per_cell=(4, 4)),
    ],
    "words": [
        BagOfVisualWords(),
        BagOfVisualWords(coding="localized"),
        BagOfVisualWords(coding="localized", beta=5.0),
        BagOfVisualWords(coding="localized", beta=20.0),
        BagOfVisualWords(mirror=True),
        BagOfVisualWords(coding="localized", mirror=True),
        BagOfVisualWords(patches=DensePatches(16, 2)),
        BagOfVisualWords(patches=DensePatches(8, 2)),
        BagOfVisualWords(patches=DensePatches(8, 1)),
        BagOfVisualWords(norm="l1"),
        BagOfVisualWords(coding="triangle"),
    ],
}


def words_of_pixels(n_words: int, patch_size: int, regions: int = 2) -> BagOfVisualWords:
    return BagOfVisualWords(
        n_words=n_words,
        coding="triangle",
        pyramid=[regions],
        whitening=0.1,
        mirror=True,
        norm=None,
        patches=PixelPatches(patch_size),
    )


WORDS_OF_PIXELS = [
    {"words": words_of_pixels(400, 6)},
    {"words": words_of_pixels(800, 6)},
    {"words": words_of_pixels(400, 6), "large words": words_of_pixels(400, 8)},
    {"words": words_of_pixels(400, 6), "large words": words_of_pixels(400, 10)},
    {"words": words_of_pixels(200, 6, regions=4)},
]


class Search:
    """Features of some training images, each computed once, and what was tried with them."""

    def __init__(self) -> None:
        files = sorted((cifar_folder() / "train").glob("*/*"))
        chosen = np.random.default_rng(0).permutation(len(files))[: N_TRAIN + N_TEST]
        reader = Reader()
        with ThreadPoolExecutor(N_JOBS) as pool:
            images = pool.map(lambda k: reader.decode(read_bytes(files[k])), chosen)
            self.images = np.stack(list(images))
        self.labels = np.array([files[k].parent.name for k in chosen])
        self.rows: dict[str, Any] = {}
        self.tried: list[dict[str, Any]] = []

    def matrix(self, features: dict[str, Any], part: slice) -> ColumnStack:
        for feature in features.values():
            if repr(feature) not in self.rows:
                feature.set_params(n_jobs=N_JOBS).fit(self.images[:N_TRAIN])
                self.rows[repr(feature)] = feature.transform(self.images)
        return ColumnStack({name: self.rows[repr(f)][part] for name, f in features.items()})

    def score(
        self,
        features: dict[str, Any],
        changed: str,
        alphas: tuple[float, ...] = ALPHAS,
        standardize: str = "parts",
        *,
        per_part: bool = False,
    ) -> float:
        """Return the accuracy on the images that are not learned from, and note it."""
        start = perf_counter()
        for feature in features.values():
            feature.set_params(n_jobs=N_JOBS)
        train, test = slice(N_TRAIN), slice(N_TRAIN, None)
        model = SoftmaxCV(alphas, standardize=standardize, per_part=per_part, n_jobs=N_JOBS)
        model.fit(self.matrix(features, train).in_memory(), self.labels[train])
        accuracy = model.score(self.matrix(features, test), self.labels[test])
        self.tried.append(
            {
                "changed": changed,
                "accuracy": accuracy,
                "alpha": model.alpha_,
                "columns": model.n_features_in_,
                "seconds": round(perf_counter() - start, 1),
                **features,
            }
        )
        shown = ", ".join(str(features[name]) for name in features if name.endswith(changed))
        print(f"{accuracy:.4f}  {changed:<6} {shown or model.alpha_}", flush=True)
        return accuracy


def report() -> None:
    search, best = Search(), {name: some[0] for name, some in CANDIDATES.items()}
    try:
        for name, features in steps(best):
            scores = [search.score(candidate, name) for candidate in features]
            best[name] = features[int(np.argmax(scores))][name]
        search.score(best, "alphas", per_part=True)
        for features in WORDS_OF_PIXELS:
            search.score(features, "words", ALPHAS_OF_WHITENED, "whiten")
    finally:
        with RESULT.open("w", newline="") as file:
            rows = csv.DictWriter(file, list(dict.fromkeys(chain(*search.tried))))
            rows.writeheader()
            rows.writerows(search.tried)
    print(f"what was tried is in {RESULT}")


def steps(best: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield, for each feature, the sets of features with each of its candidates."""
    for name, candidates in CANDIDATES.items():
        yield name, [best | {name: candidate} for candidate in candidates]
