"""What HOG's numbers have in common, whatever the convention."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visualwords.features import HOG, hog, hog_cells, hog_image

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")
CAMERA = skimage.data.camera()[100:132, 200:232]
COINS = skimage.data.coins()[20:57, 40:91]


def test_how_an_image_lies_in_memory_does_not_count():
    image = COINS
    for convention in CONVENTIONS:
        expected = hog(image, convention=convention)
        read_only = image.copy()
        read_only.flags.writeable = False
        turned = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
        of_colour = np.dstack([image] * 3)[..., 1]
        for same in (read_only, turned, of_colour, np.asfortranarray(image)):
            np.testing.assert_array_equal(hog(same, convention=convention), expected)


def test_square_roots_of_negative_pixels_are_refused():
    with pytest.raises(ValueError, match="not negative"):
        hog(np.full((16, 16), -1.0), transform_sqrt=True)


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize("size", [(24, 40), (24, 7)])
def test_pixels_as_large_as_1e10_are_described(norm, size):
    image = np.random.default_rng(0).random(size, np.float32)
    for convention in ("dalal", "skimage"):
        parameters = {"convention": convention, "block_norm": norm, "pixels_per_cell": (3, 3)}
        small, large = (hog(image * np.float32(2**k), **parameters) for k in (13, 33))
        np.testing.assert_allclose(large, small, atol=1e-5)


def test_an_image_with_negative_pixels_is_named():
    images = np.random.default_rng(0).random((5, 24, 40), np.float32)
    images[3] = -1
    with pytest.raises(ValueError, match="image 3: transform_sqrt needs pixels that are not neg"):
        HOG(transform_sqrt=True).fit(images).transform(images)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_constant_image_has_no_gradients(convention):
    assert not hog(np.full((24, 40), 7, np.uint8), convention=convention).any()


@settings(deadline=None, max_examples=30)
@given(arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40))))
def test_the_negative_of_an_image_has_the_same_edges(image):
    for convention in ("dalal", "skimage"):
        negative = hog(255 - image, convention=convention)
        np.testing.assert_array_equal(negative, hog(image, convention=convention))


@settings(deadline=None, max_examples=30)
@given(arrays(np.uint8, (24, 40)))
def test_turning_an_image_by_half_turns_its_blocks(image):
    upright = hog(image).reshape(2, 4, 2, 2, 9)
    turned = hog(image[::-1, ::-1]).reshape(2, 4, 2, 2, 9)
    np.testing.assert_allclose(turned[::-1, ::-1, ::-1, ::-1], upright, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(arrays(np.uint8, st.tuples(st.integers(8, 30), st.integers(8, 30), st.just(3))))
def test_numbers_are_finite_and_within_the_norm(image):
    for convention in ("dalal", "skimage", "opencv", "uoctti"):
        parameters = {} if convention == "uoctti" else {"cells_per_block": (1, 1)}
        got = hog(image, convention=convention, **parameters)
        assert np.isfinite(got).all()
        assert got.min() >= 0
        assert got.max() <= (1.0001 if parameters else 0.2 * 9 / 18**0.5 + 1e-4)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_one_cell_is_enough_where_there_are_no_blocks(convention):
    image = CAMERA
    whole = hog_cells(image, convention=convention)
    assert hog_cells(image[:8, :16], convention=convention).shape == (1, 2, whole.shape[2])
    assert hog_image(image[:15, :16], convention=convention).shape[0] >= 8
    if convention == "skimage":
        np.testing.assert_allclose(hog_cells(image[:9], convention=convention)[0], whole[0])
    with pytest.raises(ValueError, match="7x32 pixels is too small: a cell needs 8x8"):
        hog_cells(image[:7], convention=convention)


def test_opencv_cells_are_by_rows():
    cells = hog_cells(COINS, convention="opencv")
    assert cells.shape == (*(n // 8 for n in COINS.shape[:2]), 9)
    upper = COINS.copy()
    upper[16:] = upper[15]
    assert not hog_cells(upper, convention="opencv")[3:, :, 4].any()
