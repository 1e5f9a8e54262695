import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from visualwords.features import (
    DensePatches,
    DescribedImages,
    KeypointPatches,
)

# --- the definition, written down naively in float64 -------------------------------------------


def halve(gray):
    gray = np.pad(gray, [(0, gray.shape[0] % 2), (0, gray.shape[1] % 2)], mode="edge")
    return (gray[::2, ::2] + gray[::2, 1::2] + gray[1::2, ::2] + gray[1::2, 1::2]) / 4


def bilinear(gray, rows, columns):
    rows = np.clip(rows - 0.5, 0, gray.shape[0] - 1)
    columns = np.clip(columns - 0.5, 0, gray.shape[1] - 1)
    padded = np.pad(gray, [(0, 1), (0, 1)], mode="edge")
    i, j = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, across = rows - i, columns - j
    above = padded[i, j] * (1 - across) + padded[i, j + 1] * across
    below = padded[i + 1, j] * (1 - across) + padded[i + 1, j + 1] * across
    return above * (1 - down) + below * down


def window(gray, row, column, size, angle, margin):
    """Samples of one patch with a margin around it."""
    pixel = 1
    while size / pixel > 32:
        gray, pixel = halve(gray), pixel * 2
    steps = (np.arange(-margin, 32 + margin) + 0.5 - 16) * size / 32
    down, across = np.meshgrid(steps, steps, indexing="ij")
    rows = row + np.sin(angle) * across + np.cos(angle) * down
    columns = column + np.cos(angle) * across - np.sin(angle) * down
    return bilinear(gray, rows / pixel, columns / pixel)


def naive_descriptor(gray, row, column, size, angle=0.0):
    samples = window(gray, row, column, size, angle, margin=5)
    across = samples[1:-1, 2:] - samples[1:-1, :-2]
    down = samples[2:, 1:-1] - samples[:-2, 1:-1]
    magnitude = np.hypot(across, down)
    turn = np.degrees(np.arctan2(down, across)) % 180 / 20 - 0.5
    halves = np.zeros((10, 10, 9))
    i, j = np.indices((40, 40)) // 4
    first = np.floor(turn).astype(int)
    np.add.at(halves, (i, j, first % 9), magnitude * (first + 1 - turn))
    np.add.at(halves, (i, j, (first + 1) % 9), magnitude * (turn - first))
    tent = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25])
    cells = [
        np.tensordot(tent, halves[2 * m : 2 * m + 4, 2 * n : 2 * n + 4])
        for m in range(4)
        for n in range(4)
    ]
    values = np.concatenate(cells)
    values = np.minimum(values / np.sqrt(values @ values + 0.1**2), 0.2)
    return values / max(np.linalg.norm(values), 1e-30)


def gray_of(image):
    scale = 255 if image.dtype == np.uint8 else 1
    image = image.astype(float) / scale
    return image if image.ndim == 2 else image @ [0.299, 0.587, 0.114]


def assert_as_naive(image, values, positions, atol=2e-6):
    expected = [naive_descriptor(gray_of(image), *place) for place in positions.astype(float)]
    assert_allclose(values, expected, atol=atol, rtol=0)


# --- the descriptor ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "patch_size", "stride"),
    [
        (data.camera()[100:132, 200:232], 8, 3),
        (data.astronaut()[:40, 200:251], 16, 2),
        (data.camera()[:200:2, ::5], 32, 8),
        (data.coins() / 255.0, 100, 50),
        (data.rocket()[:90, :131], [12, 20.5, 64], [5, 7, 13]),
        (data.text(), 171, 40),
    ],
    ids=["upsampled", "colour", "native", "halved-float", "three-sizes", "halved-thrice"],
)
def test_values_are_those_of_windows_cut_out_one_by_one(image, patch_size, stride):
    values, positions = DensePatches(patch_size, stride).describe(image)
    assert values.dtype == positions.dtype == np.float32
    assert values.shape == (len(positions), 144)
    assert_as_naive(image, values, positions)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.floats(2, 40),
    stride=st.floats(2, 20),
    seed=st.integers(0, 999),
)
def test_values_are_naive_for_any_size(shape, size, stride, seed):
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    values, positions = DensePatches(size, stride).describe(image)
    assert bool(len(values)) == (size <= min(shape))
    few = slice(None, None, max(1, len(values) // 5))
    if len(values):
        # Enlarged n times, neighbouring samples differ n times less: float32 rounds them off.
        assert_as_naive(image, values[few], positions[few], atol=1e-6 + 1e-5 / size)


def test_float_and_8_bit_pixels_give_the_same():
    image = data.camera()[:64, :64]
    as_bytes, _ = DensePatches(16, 8).describe(image)
    as_floats, _ = DensePatches(16, 8).describe(image / 255)
    assert_allclose(as_bytes, as_floats, atol=2e-5)


def test_lengths_are_one_and_flat_patches_zero():
    image = np.full((32, 64), 77, np.uint8)
    image[:, 32:] = data.camera()[100:132, 100:132]
    values, positions = DensePatches(8, 8).describe(image)
    lengths = np.linalg.norm(values, axis=1)
    # A patch sees half a cell (1 px) and a sample's gradient beyond its edge.
    flat = positions[:, 1] + 4 + 2 < 32
    assert flat.any()
    assert_array_equal(lengths[flat], 0)
    assert_allclose(lengths[~flat], 1, atol=1e-6)


def test_a_vertical_edge_votes_for_the_two_bins_beside_angle_zero():
    image = np.zeros((32, 32))
    image[:, 16:] = 1
    values, _ = DensePatches(32, 32).describe(image)
    per_orientation = values.reshape(16, 9).sum(axis=0)
    assert per_orientation[0] == per_orientation[8] > 0
    assert_array_equal(per_orientation[1:8], 0)


@pytest.mark.parametrize("size", [12.0, 32.0, 47.5, 130.0])
def test_a_window_anywhere_is_described_by_the_same_definition(size):
    image = data.camera()[:200, :260]
    values, positions = KeypointPatches("fast", 20, patch_size=size).describe(image)
    assert_as_naive(image, values, positions, atol=5e-6)


# --- keypoints ---------------------------------------------------------------------------------

DETECTORS = ("sift", "orb", "fast", "corners")


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("detector", ["sift", "orb"])
def test_keypoints_are_windows_of_their_scale_and_angle(detector, oriented):
    image = data.astronaut()[:200, 100:350]
    patches = KeypointPatches(detector, n_keypoints=60, oriented=oriented)
    values, positions = patches.describe(image)
    assert 40 < len(values) <= 60
    assert len(np.unique(positions[:, 2])) > 3
    assert (len(np.unique(positions[:, 3])) > 20) == oriented
    assert_as_naive(image, values, positions, atol=2e-5)


@pytest.mark.parametrize("detector", ["sift", "orb"])
def test_oriented_descriptors_turn_with_the_image(detector):
    image = data.camera()[100:356, 100:356]
    patches = KeypointPatches(detector, oriented=True)
    values, positions = patches.describe(image)
    turned_values, turned = patches.describe(np.rot90(image))
    # A quarter turn takes the point (r, c) to (256 - c, r).
    expected = np.stack([256 - positions[:, 1], positions[:, 0]], axis=1)
    same = ((expected[:, None] - turned[None, :, :2]) ** 2).sum(axis=2)
    partner, found = same.argmin(axis=1), same.min(axis=1) < 1
    assert found.mean() > 0.5
    distances = np.linalg.norm(values - turned_values[partner], axis=1)[found]
    assert np.median(distances) < 0.2
    upright, _ = KeypointPatches(detector).describe(np.rot90(image))
    strangers = np.linalg.norm(values[:100, None] - upright[None, :100], axis=2)
    assert np.median(distances) < np.median(strangers) / 3


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_strongest_keypoints_are_kept(detector):
    image = data.camera()[100:300, 150:350]
    _, many = KeypointPatches(detector, n_keypoints=60).describe(image)
    _, few = KeypointPatches(detector, n_keypoints=5).describe(image)
    assert len(few) == 5
    # ORB shares its number out among its levels, so fewer are not the first of more.
    if detector != "orb":
        assert_array_equal(few, many[:5])


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (3, 2), (70, 70)])
def test_where_nothing_is_found_there_are_no_rows(detector, shape):
    patches = KeypointPatches(detector)
    result = patches.transform([np.full(shape, 0.5), data.camera()[100:200, 150:250]])
    assert result[0].shape == (0, 144)
    assert_array_equal(result.without_patches, [0])
    assert len(result[1]) > 0


def test_patch_size_replaces_the_scale_and_upright_patches_are_not_repeated():
    image = data.camera()[100:300, 150:350]
    values, positions = KeypointPatches("sift", patch_size=20).describe(image)
    assert_array_equal(positions[:, 2], 20)
    assert len(np.unique(positions, axis=0)) == len(values)


@pytest.mark.parametrize("detector", DETECTORS)
def test_keypoints_of_float_and_8_bit_pixels_are_the_same(detector):
    image = data.camera()[100:200, 150:250]
    values, positions = KeypointPatches(detector).describe(image)
    as_floats, places = KeypointPatches(detector).describe(image / 255)
    assert_array_equal(places, positions)
    assert_allclose(as_floats, values, atol=2e-5)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"detector": "surf"}, "detector must be one of .*'sift'"),
        ({"n_keypoints": 0}, "n_keypoints must be a whole number from 1 to 1000000, got 0"),
        ({"n_keypoints": 2.5}, "n_keypoints must be a whole number from 1 to 1000000, got 2.5"),
        ({"patch_size": 0}, "patch_size must be a finite number of at least 1 and .*, got 0"),
        ({"patch_size": "a"}, "patch_size must be a finite number .*, got 'a'"),
        ({"n_keypoints": 10**7}, "n_keypoints must be a whole number from 1 to 1000000, got 1"),
        ({"oriented": "yes"}, "oriented must be True or False, got 'yes'"),
        (
            {"detector": "fast", "oriented": True},
            "oriented must be False for detector='fast', which finds no angles",
        ),
    ],
)
def test_wrong_keypoint_parameters_are_named(parameters, words):
    with pytest.raises(ValueError, match=words):
        KeypointPatches(**parameters).transform([np.zeros((40, 40))])


@pytest.mark.parametrize("patches", [DensePatches(16, 8), KeypointPatches("fast")], ids=repr)
@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.full((40, 40), 1e11), ValueError, "beyond 1e.10"),
        (np.full((40, 40), np.nan), ValueError, "not finite"),
        (np.zeros((40, 40), int), TypeError, "expected uint8"),
        (np.zeros((40, 40, 4), np.uint8), ValueError, "alpha"),
    ],
)
def test_a_bad_image_is_refused_by_each_way(patches, image, error, words):
    with pytest.raises(error, match=words):
        patches.describe(image)
    with pytest.raises(error, match=f"image 0: .*{words}"):
        patches.transform([image])


def test_a_pil_image_is_an_image():
    image = data.camera()[:40, :40]
    expected, _ = DensePatches(16, 8).describe(image)
    assert_array_equal(DensePatches(16, 8).describe(PIL.Image.fromarray(image))[0], expected)


@pytest.mark.parametrize("detector", DETECTORS)
def test_keypoints_of_floats_of_another_scale_are_found(detector):
    image = data.camera()[100:200, 150:250].astype(np.float32)
    image[0, :2] = 0, 255
    patches = KeypointPatches(detector)
    _, expected = patches.describe(image.astype(np.uint8))
    assert_array_equal(patches.describe(image)[1], expected)
    less_mean = (image / 255 - 0.5) * 2  # From -1 to 1, in twice the scale.
    assert_array_equal(patches.describe(less_mean)[1], expected)


# --- the grid ----------------------------------------------------------------------------------


def test_grid_fits_and_is_centred_and_sizes_follow_one_another():
    _, positions = DensePatches(patch_size=10, stride=5).describe(np.zeros((31, 20)))
    assert_array_equal(np.unique(positions[:, 0]), [5.5, 10.5, 15.5, 20.5, 25.5])
    assert_array_equal(np.unique(positions[:, 1]), [5, 10, 15])
    assert_array_equal(positions[:, 2:], np.tile([10, 0], (15, 1)))
    _, positions = DensePatches(patch_size=[8, 16], stride=8).describe(np.zeros((16, 16)))
    assert_array_equal(positions[:, 2], [8, 8, 8, 8, 16])


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 7), (32, 32), (64, 160), (250, 300)])
def test_default_grid_finds_some_patches_in_any_image(shape):
    values, positions = DensePatches().describe(np.zeros(shape))
    assert 1 <= len(values) <= 2000
    corners = positions[:, :2] - positions[:, 2:3] / 2
    assert (corners >= 0).all()
    assert (corners + positions[:, 2:3] <= np.array(shape) + 1e-4).all()


@pytest.mark.parametrize(
    ("patch_size", "stride", "words"),
    [
        (0, 1, "patch_size must be a finite number of at least 1 and at most 65536, got 0"),
        (8, -1, "stride must be a finite number above 0 .*, got -1"),
        (0.5, 1, "patch_size must be a finite number of at least 1 and .*, got 0.5"),
        (float("nan"), 1, "patch_size must be a finite number .*, got nan"),
        ([], 1, r"patch_size must be a finite number .*, got \[\]"),
        ("8", 1, "patch_size must be a finite number .*, got '8'"),
        ([8, 10**6], 1, r"patch_size\[1\] must be a finite number .*, got 1000000"),
        ([8, 16], [1, 2, 3], "stride must be one number or one for each of 2 patch sizes, got"),
    ],
)
def test_wrong_parameters_are_named(patch_size, stride, words):
    with pytest.raises(ValueError, match=words):
        DensePatches(patch_size, stride).transform([np.zeros((20, 20))])


@pytest.mark.parametrize("patches", [DensePatches(8, 8), KeypointPatches()])
def test_descriptors_are_not_described_again(patches):
    described = DensePatches(8, 8).transform(np.zeros((3, 16, 16)))
    for call in (patches.transform, patches.fit, lambda X: DescribedImages(X, described)):
        with pytest.raises(TypeError, match="expected images, got PatchDescriptors"):
            call(described)


def test_a_bad_image_is_named():
    with pytest.raises(ValueError, match=r"image 1: .*not finite"):
        DensePatches().transform([np.zeros((9, 9)), np.full((9, 9), np.nan)])


def test_a_bad_image_of_an_array_is_named():
    images = np.zeros((40, 9, 9))
    images[37, 2, 3] = np.inf
    with pytest.raises(ValueError, match=r"image 37: .*not finite"):
        DensePatches().transform(images)
    with pytest.raises(ValueError, match=r"image 0: .*with pixels"):
        DensePatches().transform(np.zeros((2, 0, 9)))


@pytest.mark.parametrize("sizes", [[[8, 16]], np.array([["8"]])], ids=["nested", "words"])
def test_sizes_that_are_no_numbers_are_refused(sizes):
    with pytest.raises(ValueError, match=r"patch_size\[0\] must be a finite number"):
        DensePatches(sizes, 4).describe(np.zeros((20, 20)))


@pytest.mark.parametrize("given", [np.float32, np.array, lambda size: [np.float32(size)]])
def test_numbers_of_any_kind_are_the_same_sizes(given):
    """To the last bit: a float32 would be computed with as one, and kept for the float as well."""
    size, stride = float(np.float32(12.3)), float(np.float32(4.1))
    alike = (size, stride) if isinstance(given(size), list) else ([size], [stride])
    values, positions = DensePatches(given(size), given(stride)).describe(np.eye(41))
    expected_values, expected_positions = DensePatches(*alike).describe(np.eye(41))
    assert_array_equal(values, expected_values)
    assert_array_equal(positions, expected_positions)


def test_positions_may_be_changed():
    patches, image = DensePatches(8, 8), np.zeros((16, 16))
    patches.describe(image)[1][:] = -1
    assert_array_equal(patches.describe(image)[1][0], [4, 4, 8, 0])
