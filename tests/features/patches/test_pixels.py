import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from visualwords.features import BagOfVisualWords, PatchDescriptors, PixelPatches

PHOTO = data.astronaut()
IMAGES = np.stack([PHOTO[y : y + 32, 3 * y : 3 * y + 32] for y in range(0, 120, 10)])


def naive_patches(image, size, stride, contrast=10.0):
    """The definition in float64: contrast-normalised patches and their centres."""
    rows, columns = image.shape[:2]
    first = [(side - size) % stride // 2 for side in (rows, columns)]
    values, centres = [], []
    for row in range(first[0], rows - size + 1, stride):
        for column in range(first[1], columns - size + 1, stride):
            patch = image[row : row + size, column : column + size].astype(float).reshape(-1)
            values.append((patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + contrast))
            centres.append((row + size / 2, column + size / 2, size, 0))
    return np.array(values), np.array(centres)


@pytest.mark.parametrize(("size", "stride"), [(6, 1), (5, 3), (8, 2), (32, 1)])
def test_patches_are_pixels_of_normalised_contrast(size, stride):
    image = PHOTO[100:140, 200:233]
    values, positions = PixelPatches(size, stride).describe(image)
    expected, centres = naive_patches(image, size, stride)
    assert_allclose(values, expected, atol=2e-5)
    assert_array_equal(positions, centres)
    assert values.shape[1] == PixelPatches(size).n_numbers


def test_floats_and_grey_pixels_are_described_as_colours_of_8_bits():
    values = PixelPatches().describe(IMAGES[0])[0]
    assert_allclose(PixelPatches().describe(IMAGES[0] / 255)[0], values, atol=2e-5)
    gray = IMAGES[0, :, :, 1]
    assert_array_equal(
        PixelPatches().describe(gray)[0], PixelPatches().describe(np.dstack([gray] * 3))[0]
    )


def test_an_even_patch_is_zero_whatever_the_contrast():
    for contrast in (10.0, 0.0):
        values, _ = PixelPatches(contrast=contrast).describe(np.full((8, 8), 7, np.uint8))
        assert_array_equal(values, np.zeros((9, 108)))


def test_the_stride_adapts_to_the_image():
    for side, stride in ((32, 1), (96, 3), (250, 8)):
        _, positions = PixelPatches().describe(np.zeros((side, side + 50), np.uint8))
        assert_array_equal(np.unique(np.diff(np.unique(positions[:, 1]))), [stride])


def test_images_of_any_shape_come_together_as_alone():
    mixed = [*IMAGES[:3], PHOTO[:40, :50], PHOTO[:3, :9], PHOTO[:20, :20, 0]]
    described = PixelPatches(n_jobs=2).transform(mixed)
    for i, image in enumerate(mixed):
        values, positions = PixelPatches().describe(image)
        assert_array_equal(described[i], values)
        assert_array_equal(described[i : i + 1].positions, positions)
    assert_array_equal(described.without_patches, [4])
    assert PixelPatches(4).transform([]).values.shape == (0, 48)
    again = PatchDescriptors.joined([described[:2], described[2:]])
    assert_array_equal(again.values, described.values)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"patch_size": 0}, "patch_size must be a whole number from 1 to 64, got 0"),
        ({"patch_size": 6.5}, "patch_size must be a whole number from 1 to 64, got 6.5"),
        ({"stride": 0}, "stride must be a whole number of at least 1, got 0"),
        ({"contrast": -1}, "contrast must be a finite number of at least 0, got -1"),
    ],
)
def test_wrong_parameters_are_named(parameters, words):
    with pytest.raises(ValueError, match=words):
        PixelPatches(**parameters).describe(IMAGES[0])


def test_learned_patches_are_those_of_coates_lee_and_ng():
    """Whitened by ZCA, triangle coding, summed over quadrants; all in float64."""
    bag = BagOfVisualWords(
        40, patches=PixelPatches(), whitening=0.1, coding="triangle", pyramid=(2,), norm=None
    ).fit(IMAGES)
    sample = bag.sample(IMAGES).astype(float)
    mean, covariance = sample.mean(axis=0), np.cov(sample.T, bias=True)
    variances, vectors = np.linalg.eigh(covariance)
    zca = vectors / np.sqrt(np.maximum(variances, 0) + 0.1) @ vectors.T
    # The words are known in the basis of the components: turn them into that of the pixels.
    axes = bag.components_ / np.linalg.norm(bag.components_, axis=0)
    words = bag.vocabulary_.words_ @ axes.T
    for image, row in zip(IMAGES[:4], bag.transform(IMAGES[:4]), strict=True):
        values, positions = naive_patches(image, 6, 1)
        whitened = (values - mean) @ zca
        distances = np.sqrt(((whitened[:, None] - words) ** 2).sum(axis=2))
        votes = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)
        quadrants = (positions[:, :2] >= 16) @ [2, 1]
        expected = [votes[quadrants == quadrant].sum(axis=0) for quadrant in range(4)]
        assert_allclose(row, np.concatenate(expected), rtol=2e-4)
