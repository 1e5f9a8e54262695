"""Bags of visual words, by their definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from visualwords.features import (
    BagOfVisualWords,
    DescribedImages,
    KeypointPatches,
    PatchDescriptors,
)
from visualwords.features.words.codings import CODINGS
from visualwords.tests.features.words.samples import PATCHES, normal, squared_distances

EPS = np.finfo(np.float32).eps


def brute_force_counts(bag, values):
    nearest = squared_distances(bag, values).argmin(axis=1)
    return np.bincount(nearest, minlength=bag.n_words)


def test_counts_the_nearest_word_of_every_patch(bag, images):
    plain = BagOfVisualWords(n_words=30, patches=PATCHES, norm=None).fit(images)
    histograms = plain.transform(images)
    assert histograms.dtype == np.float32
    for image, histogram in zip(images, histograms, strict=True):
        values, _ = PATCHES.describe(image)
        assert_array_equal(histogram, brute_force_counts(plain, values))


@pytest.mark.parametrize(
    ("norm", "definition"),
    [
        ("l1", lambda counts: counts / counts.sum()),
        ("l2", lambda counts: counts / np.sqrt((counts**2).sum())),
        ("sqrt", lambda counts: np.sqrt(counts / counts.sum())),
    ],
)
def test_norms(images, norm, definition):
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, norm=norm).fit(images)
    counts = brute_force_counts(bag, PATCHES.describe(images[3])[0])
    assert_allclose(bag.transform(images)[3], definition(counts), rtol=1e-6)


@pytest.mark.parametrize("chosen", [slice(None), slice(11, 14)], ids=["many", "few"])
def test_tfidf_weighs_words_by_how_few_images_have_them(images, chosen):
    images = images[chosen]
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, norm="tfidf").fit(images)
    counts = np.array([brute_force_counts(bag, PATCHES.describe(image)[0]) for image in images])
    found = (counts > 0).sum(axis=0)
    assert found.min() < found.max()
    assert (found.min() == 1) == (len(images) == 3)
    idf = np.log(len(images) / np.maximum(found, 1))
    expected = counts / counts.sum(axis=1, keepdims=True) * idf
    assert_allclose(bag.transform(images), expected, rtol=1e-6)


def test_localized_votes(images):
    bag = BagOfVisualWords(
        n_words=30, patches=PATCHES, coding="localized", n_neighbors=4, beta=3.0, norm=None
    ).fit(images)
    expected = np.zeros((len(images), 30))
    for image, histogram in zip(images, expected, strict=True):
        for squared in squared_distances(bag, PATCHES.describe(image)[0]):
            nearest = np.argsort(squared, kind="stable")[:4]
            shares = np.exp(-3.0 * squared[nearest])
            histogram[nearest] += shares / shares.sum()
    assert_allclose(bag.transform(images), expected, rtol=1e-5, atol=1e-6)


def test_localized_with_one_neighbour_is_hard(images):
    localized = BagOfVisualWords(n_words=9, coding="localized", n_neighbors=1)
    hard = BagOfVisualWords(n_words=9)
    assert_array_equal(localized.fit(images).transform(images), hard.fit(images).transform(images))


def test_triangle_votes(images):
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, coding="triangle", norm=None)
    bag.fit(images)
    distances = np.sqrt(squared_distances(bag, PATCHES.describe(images[5])[0]))
    expected = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances).sum(axis=0)
    assert_allclose(bag.transform(images)[5], expected, rtol=1e-4)


@pytest.mark.parametrize("projection", [{}, {"n_components": 6}, {"whitening": 0.01}])
def test_numbers_far_from_zero_lose_no_digits(projection):
    """A shift of all columns changes no vote; float32 has 2e-5 of a deviation left of it."""
    near = normal(600, 10) @ normal(10, 10, seed=1)
    values = (near + 300 * np.arange(10)).astype(np.float32)
    patches = PatchDescriptors(values, np.arange(0, 601, 100), np.zeros((600, 4)), [(9, 9)] * 6)
    bag = BagOfVisualWords(12, coding="triangle", norm=None, **projection).fit(patches)
    coded = values.astype(float)
    if projection:
        coded = (coded - bag.mean_) @ bag.components_
    distances = np.sqrt(squared_distances(bag, coded))
    votes = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)
    assert_allclose(bag.transform(patches), votes.reshape(6, 100, 12).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_pyramid_is_the_histograms_of_the_regions(images, coding):
    """Codes are summed in float64. Then float32 rounds each number, by at most half of EPS of it.

    Positive and negative numbers may cancel, so their sizes are summed for the bound. Patches are
    projected in float32, in other company with other bits, which each patch adds to a number.
    """
    parameters = {"n_words": 12, "patches": PATCHES, "coding": coding, "n_components": 9}
    parameters["norm"] = None
    bag = BagOfVisualWords(pyramid=(1, 2, 4), **parameters).fit(images)
    whole = BagOfVisualWords(**parameters).fit(images)
    pyramid = bag.transform(images).reshape(len(images), 21, -1)
    assert_allclose(pyramid[:, 0], whole.transform(images), rtol=1e-6)
    for cells in (pyramid[:, 1:5], pyramid[:, 5:]):
        cells = cells.astype(float)
        assert (np.abs(cells.sum(axis=1) - pyramid[:, 0]) <= EPS * np.abs(cells).sum(axis=1)).all()
    values, positions = PATCHES.describe(images[0])
    lower_right = (positions[:, 0] >= 24) & (positions[:, 1] >= images[0].shape[1] / 2)
    part = PatchDescriptors(
        values[lower_right], [0, lower_right.sum()], positions[lower_right], [(48, 48)]
    )
    bound = lower_right.sum() * EPS * np.abs(pyramid[0, 5:]).sum(axis=0)
    assert (np.abs(pyramid[0, 4] - whole.transform(part)[0]) <= bound).all()


def test_a_pyramid_may_have_any_grids(images):
    parameters = {"n_words": 12, "patches": PATCHES, "norm": None}
    bag = BagOfVisualWords(pyramid=(3, 1), **parameters).fit(images)
    regions = bag.transform(images[:1]).reshape(10, 12)
    values, positions = PATCHES.describe(images[0])
    middle = np.floor(positions[:, 0] / 16) == 1
    right = positions[:, 1] * 3 >= 2 * images[0].shape[1]
    assert_array_equal(regions[5], brute_force_counts(bag, values[middle & right]))
    assert_array_equal(regions[9], brute_force_counts(bag, values))
    assert bag.get_feature_names_out()[5 * 12] == "grid3_row1_column2_word0000"


@pytest.mark.parametrize(("n_components", "whitening"), [(20, None), (None, 0.01), (20, 0.01)])
def test_projected_descriptors_are_principal_components(images, n_components, whitening):
    bag = BagOfVisualWords(
        15, patches=PATCHES, norm=None, n_components=n_components, whitening=whitening
    ).fit(images)
    sample = bag.sample(images).astype(float)
    pca = PCA(n_components).fit(sample)
    projected = pca.transform(PATCHES.describe(images[2])[0].astype(float))
    if whitening is not None:
        projected /= np.sqrt(pca.explained_variance_ * (1 - 1 / len(sample)) + whitening)
    words = bag.vocabulary_.words_.astype(float)
    signs = np.sign((pca.components_.T * bag.components_).sum(axis=0))
    nearest = ((projected * signs)[:, None] - words) ** 2
    expected = np.bincount(nearest.sum(axis=2).argmin(axis=1), minlength=15)
    assert_array_equal(bag.transform(images)[2], expected)


def test_keypoints_and_images_without_any(images):
    bag = BagOfVisualWords(n_words=10, patches=KeypointPatches("corners")).fit(images)
    histograms = bag.transform([np.full((40, 40), 0.5), images[0]])
    assert_array_equal(histograms[0], 0)
    assert histograms[1].any()


@pytest.mark.parametrize("norm", ["sqrt", "l1", "l2", "tfidf", None])
def test_an_image_without_descriptors_is_zero(images, norm):
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, norm=norm).fit(images)
    histograms = bag.transform([np.zeros((5, 5), np.uint8), images[0]])
    assert_array_equal(histograms[0], 0)
    assert histograms[1].any()


@pytest.mark.parametrize("projection", [{}, {"n_components": 9, "mirror": True}])
@pytest.mark.parametrize("coding", CODINGS)
def test_any_batch_any_threads_same_bits(images, coding, projection):
    images = images[::2]
    parameters = {"n_words": 30, "coding": coding, "pyramid": (1, 2), **projection}
    bag = BagOfVisualWords(patches=PATCHES, **parameters).fit(images)
    together = bag.transform(images)
    assert_array_equal(together, np.stack([bag.describe(image) for image in images]))
    assert_array_equal(together, np.concatenate([bag.transform([image]) for image in images]))
    assert_array_equal(together[::-1], bag.transform(images[::-1]))
    threaded = BagOfVisualWords(patches=PATCHES, n_jobs=3, **parameters).fit(images)
    assert_array_equal(threaded.vocabulary_.words_, bag.vocabulary_.words_)
    assert_array_equal(threaded.transform(images), together)


def test_descriptors_computed_before_give_the_same(bag, images):
    descriptors = PATCHES.transform(images)
    for given_before in (descriptors, DescribedImages(images, descriptors)):
        again = BagOfVisualWords(n_words=30).fit(given_before)
        assert_array_equal(again.vocabulary_.words_, bag.vocabulary_.words_)
        assert_array_equal(again.transform(given_before), bag.transform(images))


def test_the_sample_is_shared_out_among_the_images(images):
    descriptors = PATCHES.transform(images)
    bag = BagOfVisualWords(n_words=10, max_descriptors=50)
    sample = bag.sample(descriptors)
    owners = [
        np.flatnonzero([(image == row).all(axis=1).any() for image in descriptors])[0]
        for row in sample
    ]
    assert len(sample) == 50
    assert set(np.bincount(owners, minlength=len(images))) == {2, 3}
    assert len(np.unique(sample, axis=0)) == 50
    other = BagOfVisualWords(n_words=10, max_descriptors=50, random_state=1)
    assert not np.array_equal(other.sample(descriptors), sample)


def test_more_images_than_descriptors_in_the_sample(images):
    bag = BagOfVisualWords(n_words=5, patches=PATCHES, max_descriptors=10)
    assert bag.sample(images).shape == (10, 144)


def test_all_descriptors_are_taken_when_they_are_few(images):
    descriptors = PATCHES.transform(images)
    sample = BagOfVisualWords(n_words=10).sample(descriptors)
    assert_array_equal(np.sort(sample, axis=0), np.sort(descriptors.values, axis=0))


def test_fewer_patches_than_words_are_refused(images):
    n_patches = sum(len(PATCHES.describe(image)[0]) for image in images[:2])
    message = f"n_words={n_patches + 1} needs as many patches, but the sample has {n_patches}"
    with pytest.raises(ValueError, match=message):
        BagOfVisualWords(n_words=n_patches + 1, patches=PATCHES).fit(images[:2])
    BagOfVisualWords(n_words=n_patches, patches=PATCHES).fit(images[:2])
