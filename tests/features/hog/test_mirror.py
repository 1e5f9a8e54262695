"""HOG of images and their mirror images."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.data import astronaut

from visualwords.classifiers import PrimalDual, Softmax
from visualwords.features import HOG, hog
from visualwords.features.hog.mirror import mirrored_numbers

PHOTOGRAPH = astronaut()
CONVENTIONS = ["dalal", "skimage", "opencv", "uoctti", "cs231n"]


def crops(n, rows=32, columns=32, seed=0):
    starts = np.random.default_rng(seed).integers(0, 512 - max(rows, columns), (n, 2))
    return np.stack([PHOTOGRAPH[y : y + rows, x : x + columns] for y, x in starts])


@pytest.mark.parametrize("kind", ["uint8", "float64", "list"])
@pytest.mark.parametrize("size", [(32, 32), (33, 45)])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_an_image_and_its_mirror_image_have_the_same_bits(convention, size, kind):
    images = crops(12, *size)
    if kind == "float64":
        images = images / 255
    flipped = images[:, :, ::-1]
    if kind == "list":
        images, flipped = list(images), list(flipped)
    feature = HOG(convention=convention, mirror=True, image_size=size)
    assert_array_equal(feature.transform(images), feature.transform(flipped))
    assert_array_equal(feature.describe(images[3]), feature.transform(images)[3])


@pytest.mark.parametrize(
    "options",
    [
        {"convention": "dalal"},
        {"convention": "dalal", "signed": True, "orientations": 18},
        {"convention": "dalal", "cells_per_block": (3, 2), "pixels_per_cell": (4, 8)},
        {"convention": "dalal", "orientations": 6, "block_norm": "L1-sqrt"},
        {"convention": "uoctti"},
        {"convention": "uoctti", "orientations": 6, "pixels_per_cell": (4, 4)},
    ],
    ids=str,
)
def test_the_numbers_of_the_mirror_image_are_those_of_the_image_in_another_order(options):
    rng = np.random.default_rng(0)
    image = rng.random((32, 48))  # no two directions are equally near to a gradient
    feature = HOG(**options).fit([image])
    order = mirrored_numbers(feature._parameters(), feature.descriptor_shape_)
    assert_array_equal(np.sort(order), np.arange(len(order)))
    flipped = hog(image[:, ::-1], **options)
    assert_allclose(flipped, hog(image, **options)[order], atol=2e-3)
    assert np.abs(flipped - hog(image, **options)).max() > 0.05
    halved = HOG(**options, mirror=True).fit_transform([image])[0]
    assert len(order) / 2 <= len(halved) <= 0.6 * len(order)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_it_is_the_mean_of_both_descriptors_by_name(convention):
    image = crops(1)[0]
    mean = (hog(image, convention=convention) + hog(image[:, ::-1], convention=convention)) / 2
    plain = HOG(convention=convention).fit([image])
    by_name = dict(zip(plain.get_feature_names_out(), mean, strict=True))
    feature = HOG(convention=convention, mirror=True).fit([image])
    names = feature.get_feature_names_out()
    assert len(names) == feature.n_features_out_ < plain.n_features_out_
    assert_array_equal(feature.transform([image])[0], [by_name[name] for name in names])


def test_a_classifier_is_that_of_images_and_mirror_images():
    images, labels = crops(160), np.arange(160) // 40
    plain, half = HOG(), HOG(mirror=True)
    both = np.concatenate([images, images[:, :, ::-1]])
    solver = PrimalDual(tol=1e-8)
    doubled = Softmax(0.001, solver=solver).fit(
        plain.transform(both).astype(np.float64), np.tile(labels, 2)
    )
    # A number that stands for two counts twice in the penalty: its column is longer by sqrt(2).
    plain.fit(images)
    order = mirrored_numbers(plain._parameters(), plain.descriptor_shape_)
    numbers = np.arange(len(order))
    stretch = np.where(order == numbers, 1, np.sqrt(2))[order >= numbers]
    rows = half.transform(images).astype(np.float64) * stretch
    single = Softmax(0.001, solver=solver).fit(rows, labels)
    new = crops(50, seed=1)
    of_both = [doubled.predict_proba(plain.transform(n)) for n in (new, new[:, :, ::-1])]
    assert_allclose(of_both[0], of_both[1], atol=1e-3)
    mean = np.mean(of_both, axis=0)
    assert_allclose(single.predict_proba(half.transform(new) * stretch), mean, atol=1e-3)


def test_mirror_is_yes_or_no():
    with pytest.raises(ValueError, match="mirror must be True or False, got 2"):
        HOG(mirror=2, image_size=(32, 32)).transform(crops(1))
