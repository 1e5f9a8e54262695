"""Hue histograms against whole-number arithmetic, fractions and scikit-image."""

import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from skimage import color, data

from visualwords.features import HueHistogram, hue_histogram

PIXELS = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
FEW = settings(max_examples=50, deadline=None)


def exact_bins(pixels, n_bins):
    """Bins of hue by the order of the channels, in whole numbers; ``n_bins`` where all are equal.

    ``pixels`` is (n, 3), int32.
    """
    red, green, blue = np.ascontiguousarray(pixels.T)
    least = np.minimum(np.minimum(red, green), blue)
    most = np.maximum(np.maximum(red, green), blue)
    chroma = most - least
    rising = red + green + blue - 2 * least - most
    cases = {
        "red, green, blue": ((red >= green) & (green >= blue), rising),
        "green, red, blue": ((green >= red) & (red >= blue), 2 * chroma - rising),
        "green, blue, red": ((green >= blue) & (blue >= red), 2 * chroma + rising),
        "blue, green, red": ((blue >= green) & (green >= red), 4 * chroma - rising),
        "blue, red, green": ((blue >= red) & (red >= green), 4 * chroma + rising),
        "red, blue, green": ((red >= blue) & (blue >= green), 6 * chroma - rising),
    }
    sixths = np.select(*zip(*cases.values(), strict=True))
    circle = 6 * np.maximum(chroma, 1)
    return np.where(chroma == 0, n_bins, sixths % circle * n_bins // circle)


def assert_bins(pixels, expected, n_bins):
    """Check every pixel: those that belong to one bin must all be counted there."""
    sizes = np.bincount(expected, minlength=n_bins + 1)
    ends = np.cumsum(sizes)
    by_bin = pixels[np.argsort(expected.astype(np.int16), kind="stable")]
    for cell in np.flatnonzero(sizes):
        image = by_bin[np.newaxis, ends[cell] - sizes[cell] : ends[cell]]
        counts = np.where(np.arange(n_bins + 1) == cell, sizes, 0)
        found = hue_histogram(image, n_bins=n_bins, achromatic="bin", norm=None)
        np.testing.assert_array_equal(found, counts)


def test_every_8_bit_colour_is_in_its_bin():
    green, blue = (channel.ravel() for channel in np.mgrid[:256, :256])
    for red in range(256):
        pixels = np.stack([np.full_like(green, red), green, blue], axis=1).astype(np.int32)
        bins = exact_bins(pixels, 10)
        for image in (pixels.astype(np.uint8), (pixels / 255).astype(np.float32)):
            assert_bins(image, bins, 10)


@pytest.mark.parametrize("n_bins", [1, 2, 3, 6, 7, 12, 36, 40, 41, 255, 360, 1024, 4096])
def test_any_number_of_bins_is_exact(n_bins):
    dark = np.stack(np.mgrid[:20, :20, :20], axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(n_bins)
    pixels = np.concatenate([dark, rng.integers(0, 256, (20_000, 3))]).astype(np.int32)
    expected = exact_bins(pixels, n_bins)
    for image in (pixels.astype(np.uint8), (pixels / 255).astype(np.float32), pixels / 255):
        found = hue_histogram(image[np.newaxis], n_bins=n_bins, achromatic="bin", norm=None)
        np.testing.assert_array_equal(found, np.bincount(expected, minlength=n_bins + 1))


def test_photographs_have_the_hues_of_skimage():
    for image in (data.astronaut(), data.chelsea()[:77, :81], data.coffee() / 255):
        hue, saturation, _ = color.rgb2hsv(image).reshape(-1, 3).T
        hue = hue[saturation > 0] + 1e-9  # Ends of bins belong to the bin above.
        expected = np.histogram(hue % 1, bins=10, range=(0, 1))[0] / len(saturation)
        np.testing.assert_allclose(hue_histogram(image), expected, rtol=0, atol=1e-7)


def exact_hsv(pixel):
    """Hue in 0..1 (None where there is none), saturation and value of an 8-bit pixel, exact."""
    red, green, blue = (Fraction(int(channel), 255) for channel in pixel)
    value = max(red, green, blue)
    chroma = value - min(red, green, blue)
    if chroma == 0:
        return None, Fraction(0), value
    if value == red:
        sixths = (green - blue) / chroma % 6
    elif value == green:
        sixths = (blue - red) / chroma + 2
    else:
        sixths = (red - green) / chroma + 4
    return sixths / 6, chroma / value, value


def exact_votes(image, n_bins, saturation_bins, value_bins, weight, soft):
    """Votes of the bins and of what is left over, pixel by pixel in fractions."""
    votes = np.zeros((n_bins, saturation_bins, value_bins), object)
    rest = Fraction(0)
    for pixel in image.reshape(-1, 3):
        hue, saturation, value = exact_hsv(pixel)
        if hue is None:
            rest += 1
            continue
        vote = {None: Fraction(1), "chroma": saturation * value, "saturation": saturation}[weight]
        rest += 1 - vote
        s = min(int(saturation * saturation_bins), saturation_bins - 1)
        v = min(int(value * value_bins), value_bins - 1)
        for b in range(n_bins):
            away = abs(hue * n_bins - b - Fraction(1, 2))
            near = max(0, 1 - min(away, n_bins - away)) if soft else int(hue * n_bins) == b
            votes[b, s, v] += vote * near
    return votes.ravel().astype(float), float(rest)


def exact_histogram(votes, rest, n_pixels, achromatic, norm):
    """All that ``hue_histogram`` does with the votes."""
    found = np.append(votes, rest if achromatic == "bin" else [])
    divisor = {
        "pixels": n_pixels,
        "l1": found.sum(),
        "l2": np.sqrt((found**2).sum()),
        None: 1,
    }[norm]
    return found / divisor


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("weight", [None, "chroma", "saturation"])
@pytest.mark.parametrize("soft", [False, True])
def test_every_parameter_is_exact(dtype, weight, soft):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image[0] = rng.integers(0, 3, (8, 3)) * 51  # Ends of bins, black and grey.
    image[1] = (image[1] > 128) * 255
    scaled = image if dtype == np.uint8 else (image / 255).astype(dtype)
    for n_bins, saturation_bins, value_bins in ((5, 1, 1), (6, 3, 1), (4, 1, 5), (3, 5, 2)):
        parameters = {
            "n_bins": n_bins,
            "saturation_bins": saturation_bins,
            "value_bins": value_bins,
            "weight": weight,
            "soft": soft,
        }
        exact = exact_votes(image, **parameters)
        for achromatic, norm in product(("ignore", "bin"), ("pixels", "l1", "l2", None)):
            found = hue_histogram(scaled, **parameters, achromatic=achromatic, norm=norm)
            expected = exact_histogram(*exact, 48, achromatic, norm)
            np.testing.assert_allclose(found, expected, 1e-6, 1e-5)


def test_soft_votes_of_one_pixel_go_around_the_circle():
    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    np.testing.assert_allclose(hue_histogram(red, n_bins=4, soft=True), [0.5, 0, 0, 0.5])
    assert hue_histogram(red, n_bins=1, soft=True) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 3), (1, 1, 3)])
def test_grey_images_have_no_hue(dtype, shape):
    for value in (0, 1):
        image = np.full(shape, value, dtype)
        for norm in ("pixels", "l1", "l2", None):
            assert not hue_histogram(image, norm=norm).any()
        np.testing.assert_array_equal(hue_histogram(image, n_bins=2, achromatic="bin"), [0, 0, 1])


def test_a_float_image_that_is_grey_but_for_rounding_is_grey():
    gray = np.random.default_rng(0).random((20, 20, 1), dtype=np.float32)
    image = np.concatenate([gray, np.nextafter(gray, 1), np.nextafter(gray, 0)], axis=2)
    assert not hue_histogram(image).any()


@FEW
@given(PIXELS, st.booleans(), st.sampled_from([None, "chroma", "saturation"]))
def test_rotating_the_channels_rotates_the_hue(image, is_float, weight):
    image = image / np.float32(255) if is_float else image
    parameters = {"n_bins": 12, "weight": weight, "saturation_bins": 2, "norm": None}
    turned = hue_histogram(image[:, :, [2, 0, 1]], **parameters)
    expected = np.roll(hue_histogram(image, **parameters).reshape(12, 2), 4, axis=0).ravel()
    np.testing.assert_allclose(turned, expected, rtol=1e-6)


@FEW
@given(PIXELS, st.randoms(use_true_random=False), st.sampled_from([None, "chroma"]))
def test_the_order_of_pixels_does_not_count(image, random, weight):
    pixels = list(image.reshape(-1, 3))
    random.shuffle(pixels)
    shuffled = np.array(pixels)[:, np.newaxis]
    np.testing.assert_array_equal(
        hue_histogram(shuffled, weight=weight), hue_histogram(image, weight=weight)
    )


@FEW
@given(PIXELS, st.floats(1e-30, 3e7), st.integers(1, 360))
def test_the_scale_of_a_float_image_does_not_count(image, scale, n_bins):
    scaled = (image * scale).astype(np.float32)
    np.testing.assert_array_equal(
        hue_histogram(scaled, n_bins=n_bins), hue_histogram(image, n_bins=n_bins)
    )


@FEW
@given(arrays(np.float32, (3, 5, 3), elements=st.floats(0, 2.0**33, width=32)))
def test_any_values_that_are_not_refused_give_shares(image):
    shares = hue_histogram(image, achromatic="bin")
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1)


def test_names_tell_where_the_bins_begin():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    names = HueHistogram(n_bins=4, achromatic="bin").fit(images).get_feature_names_out()
    assert list(names) == ["hue0", "hue90", "hue180", "hue270", "achromatic"]
    grid = HueHistogram(n_bins=2, saturation_bins=2, value_bins=2).fit(images)
    names = list(grid.get_feature_names_out())
    assert names[:3] == [
        "hue0_saturation0_value0",
        "hue0_saturation0_value0.5",
        "hue0_saturation0.5_value0",
    ]
    pale = np.full((1, 1, 3), (200, 255, 255), np.uint8)  # Hue 180, saturation 0.2, value 1.
    assert names[grid.describe(pale).argmax()] == "hue180_saturation0_value0.5"


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_bins": 0},
        {"n_bins": 10.5},
        {"n_bins": True},
        {"n_bins": 4097},
        {"n_bins": [10]},
        {"weight": ["chroma"]},
        {"saturation_bins": -1},
        {"value_bins": "2"},
        {"value_bins": 4097},
        {"weight": "value"},
        {"soft": "yes"},
        {"achromatic": None},
        {"norm": "L1"},
    ],
)
def test_errors_name_the_parameter_and_its_value(parameters):
    ((name, value),) = parameters.items()
    image = np.zeros((2, 2, 3), np.uint8)
    hue_histogram(image)
    message = f"{name} must be .*got {re.escape(repr(value))}"
    with pytest.raises(ValueError, match=message):
        hue_histogram(image, **parameters)
    with pytest.raises(ValueError, match=message):
        HueHistogram(**parameters).fit([image])


def test_the_largest_number_of_cells_is_named():
    image = np.full((1, 1, 3), (0, 1, 255), np.uint8)
    most = {"n_bins": 4096, "saturation_bins": 16, "value_bins": 16}
    (cell,) = np.flatnonzero(hue_histogram(image, **most))
    assert np.unravel_index(cell, (4096, 16, 16)) == (int((4 - 1 / 255) / 6 * 4096), 15, 15)
    message = (
        r"n_bins \* saturation_bins \* value_bins must be at most 1048576, got 4096 \* 16 \* 17 "
    )
    with pytest.raises(ValueError, match=message):
        hue_histogram(image, **most | {"value_bins": 17})


def test_the_length_may_be_more_than_its_factors_can_hold():
    parameters = {"n_bins": np.uint8(100), "saturation_bins": 4.0}
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    feature = HueHistogram(**parameters).fit([image])
    expected = hue_histogram(image, n_bins=100, saturation_bins=4)
    assert_array_equal(hue_histogram(image, **parameters), expected)
    assert_array_equal(feature.transform([image]), [expected])
    assert len(feature.get_feature_names_out()) == 400


@pytest.mark.parametrize(
    "parameters", [{"weight": "chroma"}, {"saturation_bins": 2}, {"value_bins": 2}]
)
def test_saturation_and_value_need_a_known_scale(parameters):
    image = np.full((2, 2, 3), (255.0, 0, 0))
    with pytest.raises(ValueError, match="from 0 to 1"):
        hue_histogram(image, **parameters)
    with pytest.raises(ValueError, match=r"image 1: .*from 0 to 1"):
        HueHistogram(**parameters).fit([image]).transform([image * 0, image])
    assert hue_histogram(image)[0] == 1
    with pytest.raises(ValueError, match=r"from 0 to 1, got 0\.5 to 1\.000001;"):
        hue_histogram(np.full((2, 2, 3), (1.000001, 0.5, 0.5)), **parameters)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"n_bins": 360}, {"soft": True}, {"n_bins": 4096, "weight": "saturation"}],
    ids=repr,
)
def test_negative_pixels_are_refused(parameters):
    """The hue of a negative colour is beyond the circle, and a count of it beyond the bins."""
    image = np.random.default_rng(0).random((64, 64, 3), np.float32) - np.float32(0.5)
    least, largest = re.escape(str(image.min())), re.escape(str(image.max()))
    message = f"hue needs float pixels from 0 on, got {least} to {largest};"
    feature = HueHistogram(**parameters).fit([image])
    for _ in range(100):
        with pytest.raises(ValueError, match=message):
            hue_histogram(image, **parameters)
        with pytest.raises(ValueError, match=f"image 1: {message}"):
            feature.transform([abs(image), image])
