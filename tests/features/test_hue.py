"""Hue histograms against colorsys."""

import colorsys

import numpy as np

from visualwords.features import hue_histogram


def test_hues_are_those_of_colorsys():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    hues = [colorsys.rgb_to_hsv(*(p / 255))[0] for p in image.reshape(-1, 3)]
    expected = np.bincount((np.array(hues) * 7).astype(int), minlength=7) / len(hues)
    np.testing.assert_allclose(hue_histogram(image, n_bins=7), expected, atol=1e-6)
