"""Formats that Pillow decodes, 16-bit BMP, and files that are known and not read."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from visualwords.pipeline.reader import ImageError, Reader

PHOTO = astronaut()[40:103, 180:275]
MASKS = {"565": (0xF800, 0x7E0, 0x1F), "555": (0x7C00, 0x3E0, 0x1F), "444": (0xF00, 0xF0, 0xF)}


def write(image, format, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "options", "off"),
    [
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 4),
        ("JPEG2000", {}, 0),
        ("WEBP", {"lossless": True}, 0),
    ],
)
def test_formats_of_pillow(format, options, off):
    data = write(Image.fromarray(PHOTO), format, **options)
    assert np.abs(Reader().decode(data).astype(int) - PHOTO).max() <= off


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_bmp_of_16_bits(name, down):
    masks = MASKS[name]
    rng = np.random.default_rng(0)
    words = rng.integers(0, sum(masks) + 1, (9, 7)).astype("<u2")
    words[0, 0], words[0, 1] = 0, sum(masks)
    lowest = [m & -m for m in masks]
    channels = [(words & m) // low / (m // low) for m, low in zip(masks, lowest, strict=True)]
    expected = np.rint(255 * np.stack(channels, axis=2))
    lines = np.pad(words if down else words[::-1], ((0, 0), (0, 1)))
    head = struct.pack("<IiiHHIIiiII", 40, 7, -9 if down else 9, 1, 16, 3, 0, 0, 0, 0, 0)
    body = head + struct.pack("<III", *masks)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + len(body)) + body + lines.tobytes()
    if name == "444":
        with pytest.raises(ImageError, match="BMP"):
            Reader().decode(data)
    else:
        np.testing.assert_array_equal(Reader().decode(data), expected)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"DDS " + bytes(40), "DDS"),
        (b"8BPS" + bytes(40), "Photoshop"),
        (b"\0\0\1\0" + bytes(40), "ICO"),
        (b"P3\n1 1\n255\n1 2 3\n", "PBM, PAM or plain PPM"),
        (b"%PDF-1.7" + bytes(40), "PDF"),
        (b"<?xml version='1.0'?><svg></svg>", "SVG"),
        (bytes(40) + b"TRUEVISION-XFILE.\0", "TGA"),
        (b"icns" + bytes(40), "ICNS"),
        (b"II\xbc\x01" + bytes(40), "JPEG XR"),
    ],
)
def test_known_formats_are_named(data, name):
    with pytest.raises(ImageError, match=f"the format {name}, which is not read; save it as PNG"):
        Reader().decode(data)


@pytest.mark.parametrize("format", ["TGA", "ICO", "DDS", "PCX", "SGI", "PDF", "XBM", "ICNS"])
def test_files_of_other_programs_are_named(format):
    image = Image.fromarray(PHOTO).resize((32, 32))
    data = write(image.convert("1") if format == "XBM" else image, format)
    with pytest.raises(ImageError, match=f"the format {format}, which is not read"):
        Reader().decode(data)
    if format == "TGA":
        with pytest.raises(ImageError, match="the format TGA"):
            Reader().decode(data[:-26])  # before 1989 it had no footer


def test_deep_jpeg_2000_is_named():
    deep = Image.fromarray(np.arange(0, 60000, 100, dtype=np.uint16).reshape(20, 30))
    with pytest.raises(ImageError, match="JPEG2000 image of more than 8 bits a channel"):
        Reader().decode(write(deep, "JPEG2000"))
