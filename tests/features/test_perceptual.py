"""Perceptual hashes against the DCT of SciPy, and what they are for."""

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from scipy.fft import dctn
from skimage import data

from visualwords.features import PerceptualHash, perceptual_hash


def bits_of(words):
    return (words[:, np.newaxis] >> np.arange(16, dtype=np.uint16) & 1).ravel()


def expected_bits(small, size):
    """Bits of a grey picture of 32 x 32 pixels, by definition, one by one."""
    coefficients = dctn(small.astype(float), norm="ortho")
    order = sorted(
        ((row, column) for row in range(size) for column in range(size)),
        key=lambda place: (max(place), place[1], place[0]),
    )
    values = [coefficients[place] for place in order]
    median = np.median(values[1:])
    return [0, *(int(value > median) for value in values[1:])]


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_bits_are_those_of_the_dct_of_the_grey_picture(size):
    camera = data.camera()
    small = camera.reshape(32, 16, 32, 16).mean(axis=(1, 3))
    words = perceptual_hash(camera, size)
    assert words.dtype == np.uint16
    assert words.shape == (size * size // 16,)
    assert_array_equal(bits_of(words), expected_bits(small, size))


def test_colour_counts_by_its_luma():
    photograph = data.astronaut()
    gray = photograph @ np.array([0.299, 0.587, 0.114])
    small = gray.reshape(32, 16, 32, 16).mean(axis=(1, 3))
    assert_array_equal(bits_of(perceptual_hash(photograph)), expected_bits(small, 16))


def stored_again(photograph, scale=1.0, brightness=1.0, quality=75):
    picture = Image.fromarray(photograph)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    picture = picture.point(lambda value: min(255, round(value * brightness)))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def distance(a, b):
    return int(np.bitwise_count(perceptual_hash(a) ^ perceptual_hash(b)).sum())


@pytest.mark.parametrize(
    "change", [{"quality": 40}, {"scale": 0.9}, {"scale": 1.1}, {"brightness": 1.3}]
)
@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera", "rocket", "moon", "brick"])
def test_a_photograph_stored_again_differs_by_few_bits(name, change):
    photograph = getattr(data, name)()
    assert distance(photograph, stored_again(photograph, **change)) <= 40


def test_different_photographs_differ_by_many_bits():
    names = ["astronaut", "coffee", "camera", "rocket", "moon", "brick", "chelsea", "grass"]
    photographs = [getattr(data, name)() for name in names]
    distances = [distance(a, b) for i, a in enumerate(photographs) for b in photographs[:i]]
    assert min(distances) > 80


@pytest.mark.parametrize("scale", [1, 255])
def test_pictures_that_show_nothing_have_no_hash(scale):
    dtype = np.uint8 if scale == 255 else np.float32
    flat = np.full((40, 50), 0.5 * scale, dtype)
    noisy = flat.copy()
    noisy[::16, ::16] += dtype(scale / 100 * 2)
    assert not perceptual_hash(flat).any()
    assert not perceptual_hash(noisy).any()
    assert perceptual_hash(np.tile(np.linspace(0, scale, 50).astype(dtype), (40, 1))).any()


def test_a_whole_float_is_a_size():
    photograph = data.astronaut()[:40, 200:248]
    expected = perceptual_hash(photograph, 8)
    assert_array_equal(perceptual_hash(photograph, 8.0), expected)
    assert_array_equal(PerceptualHash(8.0).transform([photograph])[0], expected)


def test_rows_of_the_transformer_are_the_words_of_the_function():
    images = [data.astronaut(), data.camera(), data.coffee()]
    expected = [perceptual_hash(image, 8) for image in images]
    assert_array_equal(PerceptualHash(size=8).transform(images), expected)


@pytest.mark.parametrize("size", [0, 6, 36, 8.5])
def test_sizes_that_fill_no_word_are_refused(size):
    with pytest.raises((ValueError, TypeError), match="size must be"):
        perceptual_hash(data.camera(), size)
