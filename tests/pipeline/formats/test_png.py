"""Every kind of PNG gives the pixels that its chunks mean, by a writer of the specification."""

import binascii
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from visualwords.pipeline.reader import ImageError, Reader

RNG = np.random.default_rng(0)
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
KINDS = [
    *[(GREY, bits) for bits in (1, 2, 4, 8, 16)],
    *[(kind, bits) for kind in (RGB, GREY_ALPHA, RGB_ALPHA) for bits in (8, 16)],
]


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write(values, kind, bits, *, before=(), after=(), palette=None):
    """Write a PNG of ``values`` of shape (rows, columns, channels), filter 0, no interlace."""
    rows, columns, channels = values.shape
    places = (values[..., None] >> np.arange(bits)[::-1]) & 1
    packed = np.packbits(places.reshape(rows, columns * channels * bits).astype(np.uint8), axis=1)
    lines = np.hstack([np.zeros((rows, 1), np.uint8), packed]).tobytes()
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, kind, 0, 0, 0)),
            *before,
            *([chunk(b"PLTE", palette.astype(np.uint8).tobytes())] if palette is not None else []),
            *after,
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def random_values(kind, bits):
    channels = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}[kind]
    values = RNG.integers(0, 2**bits, (13, 19, channels))
    values[0, 0], values[0, 1] = 0, 2**bits - 1
    return values


def over_white(colour, alpha):
    return np.rint(colour * alpha + 255 * (1 - alpha))


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_depths_and_alpha(kind, bits):
    values = random_values(kind, bits)
    share = values / (2**bits - 1)
    if kind in (GREY_ALPHA, RGB_ALPHA):
        colour, alpha = np.rint(share[..., :-1] * 255), np.rint(share[..., -1:] * 255) / 255
        expected = over_white(colour, alpha)
    else:
        expected = np.rint(share * 255)
    np.testing.assert_array_equal(
        Reader().decode(write(values, kind, bits)),
        np.squeeze(expected, 2) if kind in (0, 4) else expected,
    )


@pytest.mark.parametrize(("kind", "bits"), [k for k in KINDS if k[0] in (GREY, RGB)])
def test_the_transparent_colour_is_white_and_no_other(kind, bits):
    values = random_values(kind, bits)
    named = values[5, 7]
    data = write(values, kind, bits, after=[chunk(b"tRNS", named.astype(">u2").tobytes())])
    expected = np.rint(values / (2**bits - 1) * 255)
    expected[(values == named).all(axis=2)] = 255
    np.testing.assert_array_equal(
        Reader().decode(data), expected[:, :, 0] if kind == GREY else expected
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(bits):
    values = random_values(PALETTE, bits)
    palette = RNG.integers(0, 256, (2**bits, 3))
    data = write(values, PALETTE, bits, palette=palette)
    np.testing.assert_array_equal(Reader().decode(data), palette[values[:, :, 0]])
    alphas = RNG.integers(0, 256, 2**bits - 1)
    transparency = chunk(b"tRNS", alphas.astype(np.uint8).tobytes())
    data = write(values, PALETTE, bits, palette=palette, after=[transparency])
    alpha = np.append(alphas, 255)[values] / 255
    np.testing.assert_array_equal(
        Reader().decode(data), over_white(palette[values[:, :, 0]], alpha)
    )


def test_a_colour_beyond_the_palette_is_damage():
    data = write(random_values(PALETTE, 4), PALETTE, 4, palette=np.zeros((3, 3)))
    with pytest.raises(ImageError, match="beyond the palette's 3"):
        Reader().decode(data)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_still_image_of_an_animation(bits):
    values = random_values(RGB, bits)
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    frame = struct.pack(">IIIIIHHBB", 0, 19, 13, 0, 0, 1, 1, 0, 0)
    data = write(values, RGB, bits, before=[control, chunk(b"fcTL", frame)])
    np.testing.assert_array_equal(Reader().decode(data), np.rint(values / (2**bits - 1) * 255))


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


@pytest.mark.parametrize("form", ["eXIf", "tEXt", "zTXt"])
def test_orientation_in_any_chunk(form):
    values = random_values(RGB, 8)
    text = b"\nexif\n%8d\n" % len(exif(6)) + binascii.hexlify(exif(6)) + b"\n"
    keyword = b"Raw profile type exif\x00"
    body = {
        "eXIf": exif(6).removeprefix(b"Exif\x00\x00"),
        "tEXt": keyword + text,
        "zTXt": keyword + b"\x00" + zlib.compress(text),
    }[form]
    data = write(values, RGB, 8, after=[chunk(form.encode(), body)])
    np.testing.assert_array_equal(Reader().decode(data), values.swapaxes(0, 1)[:, ::-1])
    header = Reader().header(data)
    assert (header.rows, header.columns) == (19, 13)


def test_a_damaged_profile_is_ignored():
    values = random_values(RGB, 8)
    for body in (b"name\x00\x00not deflated", b"name\x00\x00" + zlib.compress(b"no profile")):
        data = write(values, RGB, 8, before=[chunk(b"iCCP", body)])
        np.testing.assert_array_equal(Reader().decode(data), values)


def test_srgb_is_left_as_it_is():
    values = random_values(RGB, 8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    body = b"sRGB\x00\x00" + zlib.compress(profile)
    data = write(values, RGB, 8, before=[chunk(b"iCCP", body)])
    np.testing.assert_array_equal(Reader().decode(data), values)


@pytest.mark.parametrize(
    ("columns", "rows", "bits", "kind"),
    [
        (67_108_864, 1, 8, GREY),
        (8192, 8192, 16, RGB_ALPHA),
        (8192, 8192, 8, RGB),
        (60_000, 60_000, 8, RGB),
    ],
)
def test_bombs_are_refused_by_their_headers(columns, rows, bits, kind):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, kind, 0, 0, 0))
    pixels = zlib.compress(bytes(1 << 24))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    started = time.process_time()
    with pytest.raises(ImageError, match=r"limit|bomb"):
        Reader().decode(data)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize("body", [b"", bytes(12), bytes(13)])
def test_a_header_of_nothing(body):
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="damaged PNG"):
        Reader().decode(data)


@pytest.mark.parametrize(("kind", "bits"), [(GREY, 1), (RGB, 8), (RGB_ALPHA, 16), (PALETTE, 8)])
def test_missing_pixels_are_noticed_behind_sound_checksums(kind, bits, capfd):
    data = write(random_values(kind, bits), kind, bits, palette=np.zeros((256, 3)))
    start = data.index(b"IDAT")
    (length,) = struct.unpack_from(">I", data, start - 4)
    pixels = zlib.decompress(data[start + 4 : start + 4 + length])
    for shorter in (zlib.compress(pixels[: len(pixels) // 2]), zlib.compress(pixels)[:-8], b""):
        cut = data[: start - 4] + chunk(b"IDAT", shorter) + chunk(b"IEND", b"")
        with pytest.raises(ImageError, match="damaged PNG"):
            Reader().decode(cut)
    assert capfd.readouterr() == ("", "")
