"""Images for bags of words."""

import numpy as np
import pytest
from skimage import data

from visualwords.features import BagOfVisualWords
from visualwords.tests.features.words.samples import PATCHES, crops


@pytest.fixture(scope="module")
def images():
    return [crop for photo in (data.brick(), data.grass()) for crop in crops(photo, 12)]


@pytest.fixture(scope="module")
def labels():
    return np.repeat(["brick", "grass"], 12)


@pytest.fixture(scope="module")
def bag(images):
    return BagOfVisualWords(n_words=30, patches=PATCHES).fit(images)
