"""What a run is asked to do, and what follows from it: data sets and features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..features import HOG, BagOfVisualWords, HueHistogram
from ..features.base import ImageFeature
from .dataset import Dataset, DatasetError
from .reader import Reader
from .scan import Scan

__all__ = ["Settings"]

DEFAULT_TEST_SIZE = 0.2
HOG_SIDES = (16, 64)

# What lies beside a folder ``train``. Taken for classes, splits would be learned and scored, too.
SPLITS = frozenset({"test", "val", "valid", "validation"})


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do.

    Attributes
    ----------
    train : str
        Folder of class folders, or a CSV manifest ``path,label[,split]``.
    test : str or None
        The same for testing. Without it the manifest's split or ``test_size`` decides.
    test_size : float or None
        Share of the images of ``train`` that is held out, class by class; 0.2 when nothing says
        otherwise.
    hue_bins, words : int
        Lengths of the hue histogram and of the histogram of visual words.
    image_size : int or None
        Side that images are resized to for HOG, whose length depends on it. None: the median of
        the training images' shorter sides, rounded down to a multiple of 8, within 16..64.
    alpha : float or None
        Strength of the L2 penalty; None is the classifiers' default.
    seed : int
        Decides the held-out images, the vocabulary's sample and its first centroids.
    max_pixels, max_side : int
        Limits of the :class:`~visualwords.pipeline.reader.Reader`.
    """

    train: str
    test: str | None = None
    test_size: float | None = None
    hue_bins: int = 10
    words: int = 1000
    image_size: int | None = None
    alpha: float | None = None
    seed: int = 0
    max_pixels: int = Reader.max_pixels
    max_side: int = Reader.max_side

    def datasets(self) -> dict[str, Dataset]:
        """Open the training and test images, with the classes of the training images."""
        source = Path(self.train)
        if source.suffix.lower() == ".csv":
            splits = Dataset.from_csv(source)
        else:
            splits = {"": Dataset.from_folder(source)}
            _check_no_splits(source, splits[""].classes)
        classes = next(iter(splits.values())).classes
        if len(classes) < 2:
            raise DatasetError(f"{source}: expected at least two classes, got only {classes[0]!r}")
        if set(splits) == {"train", "test"}:
            if self.test is not None or self.test_size is not None:
                raise DatasetError(f"{source} has a column split: leave out --test and --test-size")
            unseen = np.setdiff1d(splits["test"].labels, splits["train"].labels)
            if len(unseen):
                label = splits["test"].classes[unseen[0]]
                raise DatasetError(f"{source}: class {label!r} has no training images")
            return splits
        if set(splits) != {""}:
            raise DatasetError(
                f"{source}: expected the splits train and test, got {str(sorted(splits))[1:-1]}"
            )
        whole = splits[""]
        if self.test is None:
            share = DEFAULT_TEST_SIZE if self.test_size is None else self.test_size
            return dict(zip(("train", "test"), whole.split(share, self.seed), strict=True))
        if self.test_size is not None:
            raise DatasetError("give either --test or --test-size, not both")
        return {"train": whole, "test": Dataset.open(self.test, whole.classes)}

    def features(self, train: Scan) -> dict[str, ImageFeature]:
        """Make the features, sized for the training images."""
        side = self.image_size or _hog_side(train)
        return {
            "hue": HueHistogram(n_bins=self.hue_bins),
            "hog": HOG(image_size=(side, side)),
            "words": BagOfVisualWords(n_words=self.words, random_state=self.seed),
        }


def _check_no_splits(folder: Path, classes: Sequence[str]) -> None:
    """Refuse the parent of the folders that were meant."""
    tests = sorted(set(classes) - {"train"})
    if 0 < len(tests) < len(classes) and SPLITS.issuperset(tests):
        raise DatasetError(
            f"{folder}: its folders are splits, not classes; give them apart: "
            f"{folder / 'train'} --test {folder / tests[0]}"
        )


def _hog_side(train: Scan) -> int:
    shorter = train.shapes.min(axis=1)
    sound = shorter[shorter > 0]
    low, high = HOG_SIDES
    return int(np.clip(np.median(sound) // 8 * 8, low, high)) if len(sound) else low
