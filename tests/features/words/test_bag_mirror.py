"""Bags of words of images and their mirror images."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.features import (
    BagOfVisualWords,
    DensePatches,
    KeypointPatches,
    PixelPatches,
)
from visualwords.features.patches.kernels import describe_windows
from visualwords.features.words.codings import CODINGS
from visualwords.tests.features.words.samples import PATCHES

KINDS = {
    "grid": DensePatches([12, 17], 5),
    "keypoints": KeypointPatches("corners", 20, patch_size=10),
    "pixels": PixelPatches(5, 1),
}


@pytest.mark.parametrize("patches", KINDS.values(), ids=KINDS)
def test_descriptors_of_mirror_images_are_those_of_the_image_in_another_order(images, patches):
    values, positions = patches.describe(images[0])
    if isinstance(patches, KeypointPatches):  # The detector finds others in the mirror image.
        turned = KeypointPatches(oriented=True, detector="orb")
        for kind, angle in ((patches, 0.0), (turned, 0.7)):
            places = np.array([(20.0, 17.0, 12.0, angle), (25.5, 24.0, 9.0, -angle)])
            some, others = np.empty((2, 2, 144), np.float32)
            gray = np.ascontiguousarray(images[0], np.float32) / 255
            describe_windows(gray, places, some)
            places[:, 1] = gray.shape[1] - places[:, 1]
            places[:, 3] = np.pi - angle if kind.oriented else 0.0
            places[1, 3] = np.pi + angle if kind.oriented else 0.0
            describe_windows(gray[:, ::-1].copy(), places, others)
            assert_allclose(others, some[:, kind.mirrored], atol=1e-5)
        return
    others, places = patches.describe(images[0][:, ::-1])
    places[:, 1] = images[0].shape[1] - places[:, 1]
    order, others_order = np.lexsort(positions.T), np.lexsort(places.T)
    assert_allclose(places[others_order], positions[order])
    assert_allclose(others[others_order], values[order][:, patches.mirrored], atol=1e-5)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", ["grid", "pixels"])
def test_with_mirror_an_image_and_its_mirror_image_have_the_same_numbers(images, coding, kind):
    bag = BagOfVisualWords(
        12, patches=KINDS[kind], coding=coding, pyramid=(1, 2), mirror=True, norm=None
    )
    images = images[::3]
    bag.set_params(n_components=9).fit(images)
    rows = bag.transform(images)
    others = bag.transform([image[:, ::-1] for image in images])
    # Rounding may give a patch between two words to the other one.
    difference = np.abs(others - rows).sum(axis=1) / np.abs(rows).sum(axis=1)
    assert np.median(difference) < 1e-5
    assert difference.max() < 0.01


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    ("kind", "n_components"), [("grid", None), ("grid", 1), ("grid", 9), ("pixels", 9)]
)
def test_patches_that_are_their_own_mirror_images_count_on_both_sides(
    images, coding, kind, n_components
):
    """Such as those of a background or of stripes."""
    images = [image.copy() for image in images[::3]]
    for i, image in enumerate(images):
        image[:, : 24 + i % 5] = 200
        image[::6, : 20 + i % 5] = 90
    bag = BagOfVisualWords(
        12,
        patches=KINDS[kind],
        coding=coding,
        pyramid=(2,),
        mirror=True,
        norm=None,
        n_components=n_components,
    ).fit(images)
    rows = bag.transform(images)
    others = bag.transform([image[:, ::-1] for image in images])
    difference = np.abs(others - rows).sum(axis=1) / np.abs(rows).sum(axis=1)
    assert np.median(difference) < 1e-5
    assert difference.max() < 0.01
    if coding in ("hard", "localized"):
        assert_allclose(rows.sum(axis=1), [len(KINDS[kind].describe(x)[0]) for x in images], 1e-6)
    for image, row in zip(images, rows, strict=True):
        assert_array_equal(bag.transform([image])[0], row)


def test_with_mirror_the_words_of_image_and_mirror_image_are_counted(images):
    bag = BagOfVisualWords(12, patches=PATCHES, pyramid=(1, 2), mirror=True, norm=None).fit(images)
    axes = bag.components_
    assert_allclose(axes.T @ axes, np.eye(144), atol=1e-10)
    words = bag.vocabulary_.words_.astype(float) @ axes.T + bag.mean_
    words = np.concatenate([words, words[:, PATCHES.mirrored]])
    expected = np.zeros((5, 12))
    for image in (images[3], images[3][:, ::-1]):
        values, positions = PATCHES.describe(image)
        nearest = ((values[:, None] - words) ** 2).sum(axis=2).argmin(axis=1)
        cells = (positions[:, :2] >= np.array(image.shape[:2]) / 2) @ [2, 1]
        for word, cell in zip(nearest, cells, strict=True):
            if word < 12:
                expected[[0, 1 + cell], word] += 1
    assert_array_equal(bag.transform(images[3:4])[0].reshape(5, 12), expected)


def test_with_mirror_triangle_votes_are_relative_to_words_and_their_mirror_images(images):
    bag = BagOfVisualWords(
        12, patches=PATCHES, coding="triangle", mirror=True, whitening=0.01, norm=None
    ).fit(images)
    words = bag.vocabulary_.words_.astype(float)
    words = np.concatenate([words, words * bag.signs_])
    expected = np.zeros(12)
    for image in (images[5], images[5][:, ::-1]):
        values = (PATCHES.describe(image)[0] - bag.mean_) @ bag.components_
        distances = np.sqrt(((values[:, None] - words) ** 2).sum(axis=2))
        votes = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)
        expected += votes[:, :12].sum(axis=0)
    assert_allclose(bag.transform(images)[5], expected, rtol=1e-4)
