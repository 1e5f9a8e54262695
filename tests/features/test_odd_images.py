"""Odd images: every feature describes them in finite numbers or refuses them in a sentence."""

import re
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from visualwords.features import (
    HOG,
    BagOfVisualWords,
    DensePatches,
    HueHistogram,
    KeypointPatches,
    hog,
    hog_cells,
    hog_image,
    hue_histogram,
)

PHOTOGRAPH = data.astronaut()[:40, 200:248]


@cache
def bag():
    """Return a fitted bag of words. Tests that do not ask for it compile nothing for it."""
    return BagOfVisualWords(8, patches=DensePatches(8, 4)).fit([PHOTOGRAPH])


def joined(patches, image):
    """Describe an image by patches; give the values and the places in one array."""
    return np.hstack(patches.describe(image))


# Functions from an image to an array.
FEATURES = {
    "hue": hue_histogram,
    "hue, 360 bins": partial(hue_histogram, n_bins=360, achromatic="bin"),
    "hue, soft": partial(hue_histogram, soft=True),
    "hue, weighted": partial(hue_histogram, n_bins=12, value_bins=3, weight="chroma", soft=True),
    "hue, cells": partial(hue_histogram, saturation_bins=5, value_bins=3),
    "hues of a stack": lambda image: HueHistogram().transform([image] * 2),
    "dalal": hog,
    "dalal, signed": partial(hog, signed=True, block_norm="L1-sqrt"),
    "square roots": partial(hog, transform_sqrt=True),
    "skimage": partial(hog, convention="skimage"),
    "opencv": partial(hog, convention="opencv"),
    "uoctti": partial(hog, convention="uoctti"),
    "cs231n": partial(hog, convention="cs231n"),
    "cells": hog_cells,
    "picture": hog_image,
    "hog of a stack": lambda image: HOG().transform([image] * 2),
    "resized hog": lambda image: HOG(image_size=(24, 16)).transform([image]),
    "enlarged hog": lambda image: HOG(image_size=(100, 90)).transform([image]),
    "grid": partial(joined, DensePatches()),
    "grids": partial(joined, DensePatches([4.5, 33], [3, 8])),
    "sift": partial(joined, KeypointPatches("sift", 20, oriented=True)),
    "orb": partial(joined, KeypointPatches("orb", 20, patch_size=9)),
    "fast": partial(joined, KeypointPatches("fast", 20)),
    "corners": partial(joined, KeypointPatches("corners", 20)),
    "words": lambda image: bag().describe(image),
}


def odd_images():
    """Return odd images by name."""
    rng = np.random.default_rng(0)
    noise = rng.random((33, 41, 3))
    images = {
        "negative": noise - 0.5,
        "all negative": -noise,
        "up to 255": noise * 255,
        "huge": (noise - 0.5) * 2e10,
        "too large": noise * 1e30,
        "denormal": noise * 1e-40,
        "denormal in 64 bits": noise * 1e-310,
        "NaN": np.where(noise > 0.9, np.nan, noise),
        "infinite": np.where(noise > 0.9, -np.inf, noise),
        "zeros": np.zeros((33, 41, 3)),
        "minus zeros": -np.zeros((33, 41, 3)),
        "ones": np.ones((33, 41)),
        "one pixel": noise[:1, :1],
        "one grey pixel": noise[:1, :1, 0],
        "one row": noise[:1],
        "one column": noise[:, :1],
        "one of a kind": np.eye(33) * 1e10,
        "steps": np.linspace(0, 1e10, 33 * 41).reshape(33, 41),
    }
    odd = {}
    for name, image in images.items():
        odd[f"{name}, float64"] = image
        with np.errstate(over="ignore"):
            odd[f"{name}, float32"] = image.astype(np.float32)
    for name in ("one pixel", "one row", "zeros", "ones"):
        odd[f"{name}, uint8"] = (images[name] * 255).astype(np.uint8)
    odd["half precision"] = noise.astype(np.float16)
    odd["noise, uint8"] = (noise * 255).astype(np.uint8)
    return odd


ODD_IMAGES = odd_images()


def outcome(feature, image):
    """Return what a feature gives for an image, or the message with which it refuses it."""
    try:
        return feature(image)
    except ValueError as error:
        return str(error)


def check_outcome(feature, image):
    before = image.tobytes()
    found, again = outcome(feature, image), outcome(feature, image.copy())
    assert image.tobytes() == before
    if isinstance(found, str):
        assert found == again
        assert len(re.findall(r"[a-z]{2,}", found)) >= 5, found
    else:
        assert np.isfinite(found).all()
        assert_array_equal(found, again)


@pytest.mark.parametrize("name", FEATURES)
def test_an_odd_image_is_described_in_finite_numbers_or_refused(name):
    for image in ODD_IMAGES.values():
        check_outcome(FEATURES[name], image)


FLOATS = {
    width: arrays(
        np.dtype(f"f{width // 8}"),
        st.one_of(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.just((16, 17, 3))),
        elements=st.floats(width=width),
    )
    for width in (32, 64)
}


@pytest.mark.parametrize("name", FEATURES)
def test_any_floats_are_described_in_finite_numbers_or_refused(name):
    @settings(max_examples=10, deadline=None, database=None, derandomize=True)
    @given(st.one_of(*FLOATS.values()))
    def check(image):
        check_outcome(FEATURES[name], image)
        check_outcome(FEATURES[name], np.clip(np.nan_to_num(image), -1e10, 1e10))

    check()


LAYOUTS = {
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
    "fortran": np.asfortranarray,
    "reversed": lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    "every other": lambda image: image.repeat(2, axis=0).repeat(2, axis=1)[::2, ::2],
    "other byte order": lambda image: image.astype(image.dtype.newbyteorder()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FEATURES)
def test_the_layout_in_memory_does_not_count(name, layout):
    feature = FEATURES[name]
    for image in (PHOTOGRAPH, (PHOTOGRAPH / 255).astype(np.float32), PHOTOGRAPH[:, :, 0] / 255):
        assert_array_equal(feature(LAYOUTS[layout](image)), feature(image))


def is_refused(name, image):
    """Whether the rule for float pixels refuses an image."""
    not_negative = "hue" in name or name in ("square roots", "opencv")
    at_most_one = name in ("hue, weighted", "hue, cells")
    return (not_negative and image.min() < 0) or (at_most_one and image.max() > 1)


@pytest.mark.parametrize("name", FEATURES)
def test_one_rule_for_the_scale_of_float_pixels(name):
    """Only hues and square roots refuse negative pixels; only cells of value need white to be 1."""
    image = (PHOTOGRAPH / 255).astype(np.float32)
    for odd in (image * 255, image * 1000, image - image.mean(), image * 255 - 128):
        found = outcome(FEATURES[name], odd)
        assert isinstance(found, str) == is_refused(name, odd), found
        if isinstance(found, str):
            assert re.search(r"pixels (from 0 .*, got .* to .*; clip|that are not negative)", found)


SCALE_FREE = ("hue", "hue, 360 bins", "hue, soft", "hues of a stack", "skimage", "dalal")


@pytest.mark.parametrize("name", SCALE_FREE)
def test_floats_up_to_255_are_described_as_8_bit_pixels_are(name):
    expected = FEATURES[name](PHOTOGRAPH)
    found = FEATURES[name](PHOTOGRAPH.astype(np.float32))
    assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
