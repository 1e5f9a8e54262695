"""HOG as scikit-image has it, of images for which rounding decides the votes."""

import numpy as np
import pytest
import skimage.data
from skimage.feature import hog as skimage_hog

from visualwords.features import HOG, hog, hog_cells

PICTURES = [getattr(skimage.data, n)() for n in ("camera", "coins", "astronaut", "chelsea")]
CROPS = [
    picture[at : at + 40 + at % 23, at : at + 33 + at % 31]
    for picture in PICTURES
    for at in range(20, 240, 34)
]
GREY, COLOUR = CROPS[0] / 255, CROPS[-1] / 255


def reference(image, **parameters):
    return skimage_hog(image, channel_axis=-1 if image.ndim == 3 else None, **parameters)


@pytest.mark.parametrize("orientations", [8, 9, 12])
@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_photographs_of_any_dtype(dtype, root, orientations):
    parameters = {"orientations": orientations, "cells_per_block": (2, 2), "transform_sqrt": root}
    differences = []
    for crop in CROPS:
        image = crop if dtype == np.uint8 else (crop / 255).astype(dtype)
        got = hog(image, convention="skimage", **parameters)
        differences.append(np.abs(got - reference(image, **parameters)).max())
    print(f"{dtype.__name__}: worst difference {max(differences):.2g} over {len(CROPS)} images")
    assert max(differences) < 2e-6


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize("image", [GREY, COLOUR, np.dstack([GREY] * 3)])
def test_other_norms_cells_blocks_and_strides(image, norm):
    geometry = {"orientations": 7, "pixels_per_cell": (5, 3), "cells_per_block": (3, 2)}
    expected = reference(image, block_norm=norm, **geometry)
    feature = HOG(convention="skimage", block_norm=norm, **geometry)
    np.testing.assert_allclose(feature.fit_transform([image] * 2), [expected] * 2, atol=1e-6)
    blocks = expected.reshape(feature.descriptor_shape_)[::2, ::2]
    feature.set_params(block_stride=(10, 6))
    np.testing.assert_allclose(feature.fit_transform([image])[0], blocks.ravel(), atol=1e-6)


@pytest.mark.parametrize("orientations", [1, 2, 4, 9, 26, 52])
def test_gradients_on_the_ends_of_bins(orientations):
    """Whole numbers, for which 8 bits are exact, as floats: right, down, left, up and askew."""
    down = np.arange(16.0)[:, np.newaxis] * np.ones(16)
    for image in (down, -down, down.T, -down.T, down + down.T, down - down.T, 0 * down):
        parameters = {"orientations": orientations, "cells_per_block": (2, 2)}
        got = hog(image, convention="skimage", **parameters)
        np.testing.assert_allclose(got, reference(image, **parameters), atol=1e-6)


def test_narrow_images_and_cells():
    for shape in ((1, 40), (40, 1), (1, 1), (2, 2), (3, 17)):
        image = np.random.default_rng(0).random(shape)
        cell = (min(shape[0], 8), min(shape[1], 8))
        one = {"pixels_per_cell": cell, "cells_per_block": (1, 1)}
        got = hog(image, convention="skimage", **one)
        np.testing.assert_allclose(got, reference(image, **one), atol=1e-6)
        cells = hog_cells(image, convention="skimage", pixels_per_cell=cell)
        sums = reference(image, block_norm="L1", **one).reshape(cells.shape)
        totals = cells.sum(axis=2, keepdims=True)
        np.testing.assert_allclose(cells, sums * (totals + 1e-5), atol=1e-6)


def test_resized_images_are_described_as_float32():
    feature = HOG(convention="skimage", image_size=(32, 32)).fit([COLOUR])
    given = feature.transform([COLOUR, np.float32(COLOUR)])
    np.testing.assert_array_equal(given[0], given[1])


def test_8_bit_colours_of_equally_long_gradients():
    """Rounding of the lengths decides which channel counts: (20, 48) and (52, 0) are as long."""
    squares = {}
    for a, b in np.ndindex(256, 256):
        squares.setdefault(a * a + b * b, []).append((a, b))
    images = np.full((400, 3, 3, 3), 100, np.uint8)
    rng = np.random.default_rng(0)
    alike = [pairs for pairs in squares.values() if len(pairs) > 2]
    for image in images:
        pairs = alike[rng.integers(len(alike))]
        for channel, k in enumerate(rng.permutation(len(pairs))[:3]):
            image[:, :, channel] = 0
            image[2, 1, channel], image[1, 2, channel] = pairs[k]
    image = images.reshape(20, 20, 3, 3, 3).swapaxes(1, 2).reshape(60, 60, 3)
    geometry = {"orientations": 18, "pixels_per_cell": (3, 3), "cells_per_block": (1, 1)}
    got = hog(image, convention="skimage", **geometry)
    np.testing.assert_allclose(got, reference(image, **geometry), atol=1e-6)
