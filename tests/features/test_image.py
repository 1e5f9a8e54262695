"""The checks and conversions of images."""

import math
from collections import deque

import cv2
import numpy as np
import PIL.Image
import pytest

from visualwords.features.image import (
    check_image,
    check_images,
    resize,
    resize_stack,
    stacks,
    to_gray,
)


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
        (np.array([[-2e10, 0.0]]), ValueError, "beyond 1e.10.*scale them"),
        (np.array([[2e10, 0.0]])[:, ::-1], ValueError, "beyond 1e.10.*scale them"),
        (np.ma.masked_equal(np.zeros((4, 5)), 0), ValueError, "masked pixels"),
        (PIL.Image.new("P", (4, 5)), TypeError, "mode 'P'.*convert"),
        (PIL.Image.new("YCbCr", (4, 5)), TypeError, "mode 'YCbCr'.*convert"),
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
    assert len(check_images(deque(array))[1:]) == 1
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


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1), (4, 3, 3)])
def test_images_that_are_alike_are_one_stack(dtype, shape):
    images = np.arange(5 * math.prod(shape)).reshape(5, *shape).astype(dtype)
    images[2] += 1
    for collection in (images, list(images)):
        ((rows, stack),) = stacks(collection, 0)
        assert rows == slice(0, 5)
        assert stack.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
        np.testing.assert_array_equal(stack, images.reshape(5, 4, 3, -1))


@pytest.mark.parametrize("shape", [(4, 5), (9, 5)])
def test_a_stack_is_resized_as_its_images_are(shape):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)
    expected = [resize(image, shape) for image in images]
    np.testing.assert_array_equal(resize_stack(images, shape), expected)


def test_large_images_are_not_copied():
    images = [np.zeros((300, 500), np.uint8) for _ in range(3)]
    for image, (rows, stack) in zip(images, stacks(images, 0), strict=True):
        assert rows.stop - rows.start == 1
        assert np.shares_memory(stack, image)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((4, 3, 3), np.nan, np.float32), "image 12: .*not finite"),
        (np.zeros((4, 3, 3), bool), "image 12: .*got bool"),
        (np.zeros((4, 3, 4), np.float32), "image 12: .*alpha"),
        ([[[0.0, 1.0]]], "image 12: expected an image of shape"),
    ],
)
def test_the_one_wrong_image_is_named(wrong, message):
    right = np.zeros((4, 3, 3), np.float32)
    with pytest.raises((ValueError, TypeError), match=message):
        list(stacks([right, right, wrong, right], 10))


def test_an_array_of_8_bit_images_is_not_copied():
    images = np.zeros((5, 4, 3, 3), np.uint8)
    ((rows, stack),) = stacks(images, 0)
    assert rows == slice(0, 5)
    assert np.shares_memory(stack, images)


def test_gray_is_luma():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 10, 10]]], np.uint8)
    np.testing.assert_allclose(to_gray(pixels), [[76.245, 149.685, 29.07, 10]], rtol=1e-5)


def means_over_areas(image, shape):
    """The definition of area averaging, in float64: overlaps of every old and new pixel."""
    overlaps = []
    for n, m in zip(image.shape[:2], shape, strict=True):
        ends, new = np.arange(n + 1) * m, np.arange(m + 1) * n
        common = np.minimum(ends[1:], new[1:, None]) - np.maximum(ends[:-1], new[:-1, None])
        overlaps.append(np.maximum(common, 0))
    sums = np.einsum("yi,xj,ij...->yx...", *overlaps, image.astype(np.float64))
    return sums / (image.shape[0] * image.shape[1])


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((125, 150), (32, 32)),
        ((61, 67), (61, 10)),
        ((40, 30), (20, 10)),
        ((9, 5), (1, 1)),
        ((3, 1), (2, 1)),
        ((1, 700), (1, 512)),
        ((11, 12), (10, 11)),
    ],
)
def test_smaller_images_are_means_over_areas(before, after, channels):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, before + channels, dtype=np.uint8)
    expected = means_over_areas(image, after)
    found = resize(image, after)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.floor(expected + 0.5))
    opencv = cv2.resize(image, after[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - opencv).max() <= 1
    scaled = resize(image / np.float32(255), after)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected / 255, rtol=1e-5)


def test_resize():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert resize(image, (8, 8)) is image
    assert resize(image, (16, 9)).shape == (16, 9)
    turned = image[::-1, ::-1]
    turned.flags.writeable = False
    np.testing.assert_array_equal(resize(turned, (4, 3)), resize(turned.copy(), (4, 3)))
    for value in (3e38, 1e-30, -5.0):
        plain = np.full((50, 70), value, np.float32)
        np.testing.assert_allclose(resize(plain, (7, 9)), plain[:7, :9], rtol=1e-6)
