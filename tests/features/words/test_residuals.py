"""VLAD and Fisher vectors against their formulas in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage import data

from visualwords.features import BagOfVisualWords, DensePatches

PATCHES = DensePatches(12, 5)
IMAGES = [
    photo[r : r + 48, c : c + 40]
    for photo in (data.brick(), data.grass())
    for r, c in np.ndindex(2, 3)
]


def fitted(coding, **parameters):
    return BagOfVisualWords(9, patches=PATCHES, coding=coding, **parameters).fit(IMAGES)


def projected(bag, image):
    values = PATCHES.describe(image)[0].astype(float)
    return values if bag.mean_ is None else (values - bag.mean_) @ bag.components_


def vlad(words, values):
    nearest = ((values[:, None] - words) ** 2).sum(axis=2).argmin(axis=1)
    sums = np.zeros(words.shape)
    np.add.at(sums, nearest, values - words[nearest])
    return sums


def fisher(weights, means, variances, values):
    """Return the vectors of the means and of the deviations, one word after the other."""
    z = (values[:, None] - means) / np.sqrt(variances)
    logs = np.log(weights) - 0.5 * (z**2 + np.log(2 * np.pi * variances)).sum(axis=2)
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares = (shares / shares.sum(axis=1, keepdims=True))[:, :, None]
    by_mean = (shares * z).sum(axis=0) / np.sqrt(weights)[:, None]
    by_deviation = (shares * (z**2 - 1)).sum(axis=0) / np.sqrt(2 * weights)[:, None]
    return np.stack([by_mean, by_deviation])


def power_normalised(numbers):
    """Return signed square roots of unit length."""
    roots = np.sign(numbers) * np.sqrt(np.abs(numbers))
    return (roots / np.linalg.norm(roots)).reshape(-1)


def parameters_of(bag):
    vocabulary = bag.vocabulary_
    return [
        a.astype(float) for a in (vocabulary.weights_, vocabulary.words_, vocabulary.variances_)
    ]


@pytest.mark.parametrize("n_components", [None, 20])
def test_vlad(n_components):
    bag = fitted("vlad", n_components=n_components)
    words = bag.vocabulary_.words_.astype(float)
    for image, row in zip(IMAGES, bag.transform(IMAGES), strict=True):
        assert_allclose(row, power_normalised(vlad(words, projected(bag, image))), atol=1e-5)


@pytest.mark.parametrize("n_components", [None, 20])
def test_fisher_vectors(n_components):
    bag = fitted("fisher", n_components=n_components)
    for image, row in zip(IMAGES, bag.transform(IMAGES), strict=True):
        expected = fisher(*parameters_of(bag), projected(bag, image))
        assert_allclose(row, power_normalised(expected), atol=1e-5)


def test_with_mirror_the_vectors_of_image_and_mirror_image_are_added():
    for coding in ("vlad", "fisher"):
        bag = fitted(coding, n_components=20, mirror=True)
        expected = 0
        for image in (IMAGES[0], IMAGES[0][:, ::-1]):
            values = projected(bag, image)
            if coding == "vlad":
                words = bag.vocabulary_.words_.astype(float)
                expected += vlad(np.concatenate([words, words * bag.signs_]), values)[:9]
            else:
                weights, means, variances = parameters_of(bag)
                both = np.concatenate([means, means * bag.signs_])
                vectors = fisher(np.tile(weights / 2, 2), both, np.tile(variances, (2, 1)), values)
                expected += vectors[:, :9] / np.sqrt(2)
        assert_allclose(bag.transform(IMAGES[:1])[0], power_normalised(expected), atol=1e-5)


def test_names_and_widths():
    bag = fitted("vlad", n_components=7, pyramid=(1, 2))
    names = bag.get_feature_names_out()
    assert len(names) == bag.n_features_out_ == 5 * 9 * 7
    assert names[63 + 8] == "grid2_row0_column0_word0001_number1"
    bag = fitted("fisher", n_components=7)
    names = bag.get_feature_names_out()
    assert len(names) == bag.n_features_out_ == 2 * 9 * 7
    assert names[[1, 63 + 8]].tolist() == ["mean_word0000_number1", "deviation_word0001_number1"]


def test_descriptors_that_are_not_finite_are_refused():
    for coding in ("vlad", "fisher"):
        bag = fitted(coding)
        described = PATCHES.transform(IMAGES[:2])
        described.values[3, 5] = np.nan
        with pytest.raises(ValueError, match="row 3 of the descriptors has NaN or infinity"):
            bag.transform(described)
