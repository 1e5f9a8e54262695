"""The checks and conversions of images."""

import numpy as np
import pytest

from visualwords.features.image import check_image, check_images, resize, stacks, to_gray


def test_checked_images_are_views():
    for image in (np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.float32)):
        assert check_image(image) is image
    assert check_image(np.zeros((4, 5, 1), np.uint8)).shape == (4, 5)
    assert check_image(np.zeros((4, 5))).dtype == np.float32
    assert check_image([[0.5, 1.0]]).shape == (1, 2)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((4, 5), int), TypeError, "img_as_ubyte"),
        (np.zeros((4, 5), bool), TypeError, "got bool"),
        (np.zeros((4, 5, 4), np.uint8), ValueError, "alpha"),
        (np.zeros((1, 4, 5, 3), np.uint8), ValueError, "collection"),
        (np.zeros((4, 5, 2), np.uint8), ValueError, "expected an image of shape"),
        (np.zeros((0, 5, 3), np.uint8), ValueError, "with pixels"),
        (np.array([[np.nan, 0.0]]), ValueError, "not finite"),
    ],
)
def test_refused_images(image, error, message):
    with pytest.raises(error, match=message):
        check_image(image)


def test_collections():
    array = np.zeros((2, 8, 9), np.uint8)
    assert check_images(array) is array
    objects = np.empty(2, object)
    objects[:] = [array[0], array[0][:3]]
    assert [image.shape for image in check_images(objects)] == [(8, 9), (3, 9)]
    with pytest.raises(TypeError, match="got generator"):
        check_images(image for image in array)


def test_stacks_keep_order_and_group_alike():
    images = [np.full(shape, i, np.uint8) for i, shape in enumerate([(2, 3), (2, 3), (4, 3, 3)])]
    images.append(np.full((4, 3, 3), 3.0))
    found = [(rows, stack.shape, stack.dtype) for rows, stack in stacks(images, 0)]
    assert found == [
        (slice(0, 2), (2, 2, 3, 1), np.uint8),
        (slice(2, 3), (1, 4, 3, 3), np.uint8),
        (slice(3, 4), (1, 4, 3, 3), np.float32),
    ]
    with pytest.raises(ValueError, match="image 12: "):
        list(stacks([images[0], images[0], images[0][:0]], 10))


def test_an_array_of_8_bit_images_is_not_copied():
    images = np.zeros((5, 4, 3, 3), np.uint8)
    ((rows, stack),) = stacks(images, 0)
    assert rows == slice(0, 5)
    assert np.shares_memory(stack, images)


def test_gray_is_luma():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 10, 10]]], np.uint8)
    np.testing.assert_allclose(to_gray(pixels), [[76.245, 149.685, 29.07, 10]], rtol=1e-5)


def test_resize():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert resize(image, (8, 8)) is image
    means = image.reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(resize(image, (4, 4)), means, atol=0.5)
    assert resize(image, (16, 9)).shape == (16, 9)
    assert resize(image.astype(np.float32), (4, 4)).dtype == np.float32
