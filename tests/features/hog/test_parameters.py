"""What HOG takes as parameters, and what its numbers are called."""

import re

import numpy as np
import pytest
import skimage.data
from sklearn.exceptions import NotFittedError

from visualwords.features import HOG, hog, hog_cells, hog_image

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")
CAMERA = skimage.data.camera()[100:132, 200:240]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"convention": "lowe"}, "convention must be one of"),
        ({"orientations": 0}, "orientations must be a whole number from 1 to 256, got 0"),
        ({"orientations": 10**6}, "orientations must be a whole number from 1 to 256, got 1000000"),
        ({"pixels_per_cell": (8, 0)}, "pixels_per_cell must be two whole numbers"),
        ({"cells_per_block": (2, 2, 2)}, "cells_per_block must be two whole numbers"),
        ({"block_stride": (0, 8)}, "block_stride must be two whole numbers"),
        ({"block_norm": "L3"}, "block_norm must be one of"),
        ({"signed": "no"}, "signed must be True or False, got 'no'"),
        ({"transform_sqrt": "auto"}, "transform_sqrt must be True or False, got 'auto'"),
        ({"convention": "opencv", "block_norm": "L1"}, "block_norm"),
        ({"convention": "skimage", "signed": True}, "signed=True is for"),
        ({"convention": "skimage", "block_stride": (4, 8)}, "multiple of pixels_per_cell"),
        ({"convention": "uoctti", "cells_per_block": (3, 3)}, "no blocks of its own"),
        ({"convention": "cs231n", "transform_sqrt": True}, "not for"),
        (
            {"pixels_per_cell": (17, 8)},
            "an image of 33x40 pixels is too small: a block needs 34x16",
        ),
    ],
)
def test_errors_name_the_parameter(parameters, message):
    with pytest.raises(ValueError, match=message):
        hog(np.full((33, 40), 200, np.uint8), **parameters)


@pytest.mark.parametrize("name", ["pixels_per_cell", "cells_per_block", "block_stride"])
def test_one_number_is_not_enough_for_rows_and_columns(name):
    message = re.escape(f"{name} must be two whole numbers (rows, columns) of at least 1, got 8")
    functions = [hog, hog_cells, hog_image] if name == "pixels_per_cell" else [hog]
    for function in functions:
        with pytest.raises(ValueError, match=message):
            function(CAMERA, **{name: 8})
    with pytest.raises(ValueError, match=message):
        HOG(**{name: 8}).fit([CAMERA])


@pytest.mark.parametrize("size", [32, (32,), (32, 32, 3), (32.5, 32), (0, 32), "ab"])
def test_a_size_is_two_whole_numbers(size):
    message = f"image_size must be two whole numbers (rows, columns) of at least 1, got {size!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        HOG(image_size=size).fit([CAMERA])


@pytest.mark.parametrize(
    ("parameters", "plain"),
    [
        ({"orientations": 8.0}, {"orientations": 8}),
        ({"pixels_per_cell": (8.0, np.float32(4))}, {"pixels_per_cell": (8, 4)}),
        (
            {"orientations": np.uint8(200), "cells_per_block": np.array([2, 2], np.uint8)},
            {"orientations": 200, "cells_per_block": (2, 2)},
        ),
        ({"pixels_per_cell": (np.int8(16), np.int8(16))}, {"pixels_per_cell": (16, 16)}),
    ],
)
def test_whole_numbers_of_any_type_and_size_do(parameters, plain):
    first = hog(CAMERA, **parameters)
    np.testing.assert_array_equal(first, hog(CAMERA, **plain))


def test_truth_is_no_number():
    with pytest.raises(ValueError, match=r"cells_per_block must be two whole numbers .*True"):
        hog(CAMERA, cells_per_block=(3, True))


def test_lists_do_as_parameters():
    image = CAMERA[:, :32]
    as_lists = HOG(pixels_per_cell=[4, 4], block_stride=[8, 8], image_size=[32, 32])
    expected = hog(image, pixels_per_cell=(4, 4), block_stride=(8, 8))
    np.testing.assert_array_equal(as_lists.fit_transform([image])[0], expected)
    as_arrays = hog(image, pixels_per_cell=np.array([4, 4]), block_stride=np.array([8, 8]))
    np.testing.assert_array_equal(as_arrays, expected)


def test_image_size_makes_mixed_images_alike():
    mixed = [CAMERA, CAMERA[:, :33], CAMERA[:20]]
    assert HOG(image_size=(32, 32)).fit_transform(mixed).shape == (3, 324)
    with pytest.raises(
        ValueError, match=r"image 1: expected 32x40 pixels as in the first image, got"
    ):
        HOG().fit_transform(mixed)


def test_images_set_the_size_without_fit():
    images = np.stack([CAMERA, CAMERA[::-1]])
    expected = HOG().fit(images).transform(images)
    np.testing.assert_array_equal(HOG().transform(images), expected)
    np.testing.assert_array_equal(HOG().describe(CAMERA), expected[0])
    np.testing.assert_array_equal(HOG(image_size=(32, 40)).transform(images), expected)
    feature = HOG()
    assert feature.transform([CAMERA.T]).shape == (1, expected.shape[1])
    assert feature.transform(images).shape == expected.shape
    with pytest.raises(ValueError, match=r"image 1: expected 32x40 .*give image_size=\(rows"):
        feature.transform([CAMERA, CAMERA.T])
    for call in (lambda: feature.transform([]), feature.get_feature_names_out):
        with pytest.raises(NotFittedError, match="size of the images is not known: give HOG im"):
            call()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_names_say_where_a_number_is_from(convention):
    """A gradient in one place only shows in the numbers whose names say so."""
    image = np.zeros((32, 48), np.uint8)
    image[18:22, 34:38] = 200
    feature = HOG(convention=convention).fit([image])
    names = feature.get_feature_names_out()
    named = set(names[feature.transform([image])[0] > 0])
    assert len(set(names)) == len(names) == feature.n_features_out_
    if convention in ("uoctti", "cs231n"):
        assert any(name.startswith("hog_cell2_4") for name in named)
        assert not any(name.startswith(("hog_cell0", "hog_cell2_1")) for name in named)
    else:
        assert any(name.startswith("hog_block1_3_cell1_1_angle") for name in named)
        assert not any(name.startswith(("hog_block0_", "hog_block1_0")) for name in named)


def test_descriptor_shape_gives_axes():
    feature = HOG().fit([np.zeros((32, 48), np.uint8)])
    assert feature.descriptor_shape_ == (3, 5, 2, 2, 9)
    assert feature.image_size_ == (32, 48)
