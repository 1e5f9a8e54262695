"""JPEG: layouts are decoded right or refused by name, and warnings of the decoder are errors."""

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from visualwords.pipeline.reader import ImageError, Reader

PHOTO = astronaut()[40:104, 180:276]


def write(image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_colour_equals_libjpeg_turbo_in_pillow(progressive, subsampling):
    data = write(Image.fromarray(PHOTO), progressive=progressive, subsampling=subsampling)
    np.testing.assert_array_equal(Reader().decode(data), np.asarray(Image.open(io.BytesIO(data))))


def test_inks_of_adobe_are_inverted():
    inks = Image.fromarray(PHOTO).convert("CMYK")
    data = write(inks)
    stored = np.asarray(Image.open(io.BytesIO(data))).astype(float)
    expected = np.rint((255 - stored[:, :, :3]) * (255 - stored[:, :, 3:]) / 255)
    decoded = Reader().decode(data)
    np.testing.assert_array_equal(decoded, expected)
    assert np.abs(decoded.astype(int) - PHOTO).mean() < 4


def test_inks_of_others_are_not_inverted():
    data = write(Image.fromarray(PHOTO).convert("CMYK"))
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    data = data[:start] + data[end:]  # without the segment by which a file says that it is Adobe's
    paper = np.asarray(Image.open(io.BytesIO(data))).astype(float)  # Pillow inverts any file's inks
    expected = np.rint(paper[:, :, :3] * paper[:, :, 3:] / 255)
    np.testing.assert_array_equal(Reader().decode(data), expected)


def test_damage_that_the_decoder_warns_of_is_refused_for_inks_too():
    for image in (Image.fromarray(PHOTO), Image.fromarray(PHOTO).convert("CMYK")):
        data = write(image)
        for end in range(len(data) // 2, len(data) - 2, len(data) // 20):
            with pytest.raises(ImageError, match="JPEG"):
                Reader().decode(data[:end])


@pytest.mark.parametrize(
    ("marker", "reason"),
    [(0xC3, "lossless"), (0xC9, "arithmetic-coded"), (0xC5, "hierarchical"), (0xF7, "JPEG-LS")],
)
def test_kinds_that_are_not_read_are_named(marker, reason):
    data = bytearray(write(Image.fromarray(PHOTO)))
    data[data.index(b"\xff\xc0") + 1] = marker
    with pytest.raises(ImageError, match=reason):
        Reader().decode(bytes(data))


def test_twelve_bits_and_no_rows_are_named():
    data = write(Image.fromarray(PHOTO))
    frame = data.index(b"\xff\xc0") + 4
    with pytest.raises(ImageError, match="12 bits a channel"):
        Reader().header(data[:frame] + b"\x0c" + data[frame + 1 :])
    with pytest.raises(ImageError, match="96 x 0 pixels"):
        Reader().header(data[: frame + 1] + b"\0\0" + data[frame + 3 :])


def test_repeated_scans_are_refused_in_no_time():
    data = write(Image.fromarray(PHOTO), progressive=True)
    last = data.rindex(b"\xff\xda")
    data = data[:last] + data[last:-2] * 5000 + data[-2:]
    started = time.process_time()
    with pytest.raises(ImageError, match="scans"):
        Reader().decode(data)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize("n_more", [0, 150_000])  # a JPEG holds 65,519 bytes of a profile in a part
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("JPEG", {"quality": 100, "subsampling": 0, "progressive": True}),
    ],
)
def test_a_colour_profile_is_converted_to_srgb(name, options, n_more):
    pytest.importorskip("PIL.ImageCms")
    profile = display_p3() + bytes(n_more)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    pixels = np.full((16, 16, 3), [200, 100, 50], np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, name, icc_profile=profile, **options)
    expected = srgb_of_display_p3(pixels[0, 0])
    assert np.abs(Reader().decode(file.getvalue())[0, 0] - expected).max() <= 1
    assert np.abs(expected - [200, 100, 50]).max() > 8  # the profile matters


P3 = np.array(  # Display P3 to XYZ (D65), SMPTE EG 432-1
    [[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]]
)
SRGB = np.array(  # XYZ (D65) to linear sRGB, IEC 61966-2-1
    [[3.24097, -1.53738, -0.49861], [-0.96924, 1.87597, 0.04156], [0.05563, -0.20398, 1.05697]]
)
BRADFORD = np.array(  # D65 to D50, as ICC profiles store primaries
    [[1.04788, 0.02292, -0.05022], [0.02959, 0.99048, -0.01707], [-0.00925, 0.01507, 0.75168]]
)


def srgb_of_display_p3(rgb):
    """Convert by the formulas of the two standards, in float64."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = np.clip(SRGB @ (P3 @ linear), 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def display_p3() -> bytes:
    """Write a matrix profile by the letter of ICC.1:2001."""

    def fixed(v):
        return struct.pack(">i", round(v * 65536))

    def xyz(v):
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, v))

    text = b"desc\0\0\0\0" + struct.pack(">I", 11) + b"Display P3\0" + bytes(78)
    curve = b"para\0\0\0\0\0\3\0\0" + b"".join(
        map(fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    )
    tags = {
        b"desc": text,
        b"wtpt": xyz([0.9642, 1, 0.8249]),
        **{n: xyz(v) for n, v in zip((b"rXYZ", b"gXYZ", b"bXYZ"), (BRADFORD @ P3).T, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", place + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", place + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ "
    )
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, (0.9642, 1, 0.8249))) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body
