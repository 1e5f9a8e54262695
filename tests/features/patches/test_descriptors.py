"""Images to a ragged result: ``PatchDescriptors`` and ``DescribedImages``."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from skimage import data
from sklearn.utils import _safe_indexing

from visualwords.features import DensePatches, DescribedImages, PatchDescriptors


@pytest.fixture(scope="module")
def images():
    photo = data.astronaut()
    shapes = [(40, 40), (33, 57), (6, 90), (80, 64), (40, 40)]
    return [photo[20 * i : 20 * i + h, 30 * i : 30 * i + w] for i, (h, w) in enumerate(shapes)]


@pytest.fixture(scope="module")
def described(images):
    return DensePatches(patch_size=16, stride=8).transform(images)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_transform_is_describe_of_each_image(images, n_jobs):
    many = images * 20
    patches = DensePatches(patch_size=16, stride=8, n_jobs=n_jobs)
    before = copy.deepcopy(many)
    result = patches.fit(many).transform(many)
    assert len(result) == len(many)
    for i, image in enumerate(many):
        values, positions = patches.describe(image)
        rows = slice(*result.offsets[i : i + 2])
        assert_array_equal(result[i], values)
        assert_array_equal(result.positions[rows], positions)
        assert_array_equal(result.image_shapes[i], image.shape[:2])
    assert all(np.array_equal(a, b) for a, b in zip(before, many, strict=True))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(32, 32, 3), (37, 53, 3), (33, 32)])
def test_images_of_one_shape_are_described_as_each_alone(shape, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (40, *shape))
    images = pixels.astype(np.uint8) if dtype == np.uint8 else (pixels / 255).astype(dtype)
    for patches in (DensePatches(), DensePatches([8, 34, 33], 5, n_jobs=2)):
        result = patches.transform(images)
        assert_array_equal(patches.transform(list(images)).values, result.values)
        for i, image in enumerate(images):
            values, positions = patches.describe(image)
            assert_array_equal(result[i], values)
            rows = slice(*result.offsets[i : i + 2])
            assert_array_equal(result.positions[rows], positions)


def test_an_image_without_patches_has_no_rows_and_is_listed(described):
    assert described[2].shape == (0, 144)
    assert_array_equal(described.without_patches, [2])


def test_no_images_give_no_descriptors():
    nothing = DensePatches().transform([])
    assert len(nothing) == 0
    assert nothing.values.shape == (0, 144)


@pytest.mark.parametrize(
    "key",
    [[3, 0, 0], np.array([1, 2]), slice(1, 4), slice(None, None, -2), [], np.arange(5) % 2 == 0],
    ids=str,
)
def test_part_of_the_descriptors(described, key):
    part, chosen = described[key], np.arange(5)[key if len(np.shape(key)) == 0 or len(key) else []]
    assert isinstance(part, PatchDescriptors)
    assert part.shape == (len(chosen),)
    for values, i in zip(part, chosen, strict=True):
        assert_array_equal(values, described[i])
    assert_array_equal(part.image_shapes, described.image_shapes[chosen])
    expected = [described.positions[slice(*described.offsets[i : i + 2])] for i in chosen]
    assert_array_equal(part.positions, np.concatenate([np.empty((0, 4)), *expected]))


def test_negative_numbers_count_from_the_end_and_wrong_ones_are_refused(described):
    assert_array_equal(described[-1], described[4])
    with pytest.raises(IndexError, match=r"images among 0\.\.4, got 5"):
        described[5]


def test_scikit_learn_splits_descriptors_and_described_images(images, described):
    chosen = np.array([4, 1])
    assert_array_equal(_safe_indexing(described, chosen)[0], described[4])
    both = _safe_indexing(DescribedImages(images, described), chosen)
    assert both[0] is images[4]
    assert_array_equal(both.descriptors[1], described[1])


def test_described_images_of_an_array_and_their_errors(described):
    images = np.zeros((5, 8, 8), np.uint8)
    both = DescribedImages(images, described)
    assert both[1:3].images.shape == (2, 8, 8)
    assert both.shape == (5,)
    with pytest.raises(ValueError, match="descriptors of 4 images, got 5"):
        DescribedImages(images[:4], described)


def test_descriptors_survive_pickling(described):
    again = pickle.loads(pickle.dumps(described))
    assert_array_equal(again.values, described.values)
    assert repr(again) == repr(described) == "PatchDescriptors(5 images, 113 patches)"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.zeros(3)}, "values of shape"),
        ({"positions": np.zeros((3, 3))}, "positions of shape"),
        ({"offsets": [0, 2]}, "offsets from 0 to 3"),
        ({"offsets": [0, 3, 1, 3]}, "offsets that never decrease"),
        ({"image_shapes": np.zeros((1, 2))}, "image_shapes of shape"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(change, words):
    arrays = {
        "values": np.zeros((3, 144)),
        "positions": np.zeros((3, 4)),
        "offsets": [0, 1, 1, 3],
        "image_shapes": np.zeros((3, 2)),
    }
    assert len(PatchDescriptors(**arrays)) == 3
    with pytest.raises(ValueError, match=words):
        PatchDescriptors(**(arrays | change))
