"""PPM and PGM, as GTSRB has them, against Pillow and against the definition."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from visualwords.pipeline.reader import ImageError, Reader

PHOTO = astronaut()[40:103, 180:275]


@pytest.mark.parametrize("image", [PHOTO, PHOTO[:, :, 0]])
def test_pixels_are_those_that_were_written(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PPM")
    np.testing.assert_array_equal(Reader().decode(file.getvalue()), image)


def test_comments_and_any_white_space():
    data = b"P6 # by hand\n#two\n2\t1 # wide\r\n255\n" + bytes([1, 2, 3, 4, 5, 6]) + b"more"
    np.testing.assert_array_equal(Reader().decode(data), [[[1, 2, 3], [4, 5, 6]]])


@pytest.mark.parametrize("largest", [1, 15, 100, 255, 256, 1023, 65535])
def test_samples_of_any_depth_are_scaled_to_8_bits(largest):
    samples = np.unique(np.linspace(0, largest, 40).round()).astype(">u2")
    kind = np.uint8 if largest < 256 else ">u2"
    data = b"P5 %d 1 %d\n" % (len(samples), largest) + samples.astype(kind).tobytes()
    exact = 255 * samples.astype(float) / largest
    assert np.abs(Reader().decode(data)[0] - exact).max() <= 0.51


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P6\n2 2\n255\n" + bytes(11), "truncated PPM: rows are missing"),
        (b"P6\n2 2\n", "damaged PPM: its header"),
        (b"P6\n2 x\n255\n" + bytes(40), "damaged PPM: its header"),
        (b"P6\n0 2\n255\n", "damaged PPM: 0 x 2 pixels"),
        (b"P6\n1 1\n65536\n" + bytes(12), "damaged PPM: 1 x 1 pixels up to 65536"),
        (b"P5\n1 1\n100\n\xff", "damaged PPM: a sample of 255, above 100"),
        (b"P5\n999999999 999999999\n255\n", "pixels"),
    ],
)
def test_damage_is_named(data, message):
    with pytest.raises(ImageError, match=message):
        Reader().decode(data)
