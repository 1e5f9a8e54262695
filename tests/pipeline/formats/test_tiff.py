"""Every layout of TIFF gives the pixels that its tags mean, or is refused by name."""

import io
import itertools
import struct

import numpy as np
import pytest
import tifffile

from visualwords.pipeline.reader import ImageError, Reader

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (21, 35)).astype(np.uint8)
RGB = RNG.integers(0, 256, (21, 35, 3)).astype(np.uint8)
ALPHA = RNG.integers(0, 256, (21, 35)).astype(np.uint8)


def write(pixels, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


def to_16_bits(pixels):
    """Return 16-bit pixels that round to the 8-bit ones."""
    noise = RNG.integers(-128, 129, pixels.shape)
    return np.clip(pixels.astype(int) * 257 + noise, 0, 65535).astype(np.uint16)


COMPRESSIONS = [None, "zlib", "lzw", "packbits"]
LAYOUTS = [
    dict(zip(("compression", "tile", "byteorder", "bigtiff"), values, strict=True))
    for values in itertools.product(COMPRESSIONS, [None, (16, 32)], "<>", [False, True])
]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_grey_and_rgb_in_every_layout(bits, layout):
    if bits == 16 and layout["compression"] == "packbits":
        layout = layout | {"compression": "zlib", "predictor": True}
    prepare = to_16_bits if bits == 16 else np.array
    for image, photometric in ((GREY, "minisblack"), (GREY, "miniswhite")):
        stored = 255 - image if photometric == "miniswhite" else image
        data = write(prepare(stored), photometric=photometric, **layout)
        np.testing.assert_array_equal(Reader().decode(data), image)
    data = write(prepare(RGB), photometric="rgb", planarconfig="contig", **layout)
    np.testing.assert_array_equal(Reader().decode(data), RGB)
    planes = np.moveaxis(prepare(RGB), 2, 0)
    data = write(planes, photometric="rgb", planarconfig="separate", **layout)
    np.testing.assert_array_equal(Reader().decode(data), RGB)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("extra", ["unspecified", "assocalpha", "unassalpha"])
def test_a_fourth_sample(bits, planar, extra):
    colour = RGB
    if extra == "assocalpha":  # a colour is at most its alpha
        colour = np.rint(RGB * (ALPHA[:, :, None] / 255)).astype(np.uint8)
    stored = np.dstack([colour, ALPHA])
    stored = stored.astype(np.uint16) * 257 if bits == 16 else stored
    stored = np.moveaxis(stored, 2, 0) if planar == "separate" else stored
    data = write(stored, photometric="rgb", planarconfig=planar, extrasamples=[extra])
    a = ALPHA[:, :, None] / 255
    expected = {
        "unspecified": RGB,
        "assocalpha": np.rint(colour + 255 * (1 - a)),
        "unassalpha": np.rint(RGB * a + 255 * (1 - a)),
    }[extra]
    np.testing.assert_array_equal(Reader().decode(data), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_packed_grey(bits):
    largest = 2**bits - 1
    values = RNG.integers(0, largest + 1, GREY.shape)
    values[0, :2] = 0, largest
    packed = _pack(values, bits)
    for photometric in (0, 1):
        data = _bare_tiff(packed, GREY.shape, bits, photometric)
        expected = np.rint(values * 255 / largest)
        expected = 255 - expected if photometric == 0 else expected
        difference = Reader().decode(data) - expected
        assert np.abs(difference).max() <= (bits > 8)  # rounded once to 16 bits, once to 8


def test_a_palette():
    palette = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    data = write(GREY, photometric="palette", colormap=palette)
    expected = np.rint(palette.T[GREY] / 257)
    np.testing.assert_array_equal(Reader().decode(data), expected)


def test_inks():
    inks = np.dstack([RGB, ALPHA])
    data = write(inks, photometric="separated", planarconfig="contig")
    c, k = 255 - inks[:, :, :3].astype(float), 255 - inks[:, :, 3:].astype(float)
    np.testing.assert_array_equal(Reader().decode(data), np.rint(c * k / 255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation):
    data = write(RGB, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    expected = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.swapaxes(0, 1),
        6: RGB.swapaxes(0, 1)[:, ::-1],
        7: RGB.swapaxes(0, 1)[::-1, ::-1],
        8: RGB.swapaxes(0, 1)[::-1],
    }[orientation]
    np.testing.assert_array_equal(Reader().decode(data), expected)
    header = Reader().header(data)
    assert (header.rows, header.columns) == expected.shape[:2]


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (GREY.astype(np.float32), {}, "floating-point"),
        (GREY.astype(np.int8), {}, "signed integer"),
        (GREY.astype(np.int16), {}, "signed integer"),
        (GREY.astype(np.uint32), {}, "32 bits a channel"),
        (GREY.astype(np.complex64), {}, "scale is unknown"),
        (RGB, {"photometric": "cielab"}, "CIELAB"),
        (GREY, {"compression": "zstd"}, "ZSTD"),
    ],
)
def test_what_has_no_one_meaning_is_refused_by_name(pixels, options, reason):
    with pytest.raises(ImageError, match=reason):
        Reader().decode(write(pixels, **options))


@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_damage_in_deflated_strips_is_noticed(layout):
    image = RNG.integers(0, 256, (3, 96, 96) if layout == "separate" else (96, 96, 3), np.uint8)
    data = write(image, photometric="rgb", planarconfig=layout, compression="zlib", rowsperstrip=16)
    n_refused = 0
    for start in range(1000, len(data) - 1600, 600):
        damaged = bytearray(data)
        damaged[start : start + 512] = bytes(512)
        with pytest.raises(ImageError, match="TIFF"):
            Reader().decode(bytes(damaged))
        n_refused += 1
    assert n_refused > 20


def test_truncation_is_refused():
    data = write(RGB, photometric="rgb")
    for end in range(8, len(data), 97):
        with pytest.raises(ImageError, match="TIFF"):
            Reader().decode(data[:end])


def test_the_same_bytes_give_the_same_pixels():
    planes = np.moveaxis(to_16_bits(RGB), 2, 0)
    data = write(planes, photometric="rgb", planarconfig="separate", compression="zlib")
    first = Reader().decode(data)
    assert all((Reader().decode(data) == first).all() for _ in range(20))


def _pack(values, bits):
    """Pack rows of numbers into bits, the most significant first."""
    rows = (values[:, :, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(rows.reshape(len(values), -1), axis=1).tobytes()


def _bare_tiff(strip, shape, bits, photometric):
    """Write an uncompressed grey TIFF by the letter of TIFF 6.0, section 2."""
    tags = [
        (256, 3, shape[1]),
        (257, 3, shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, shape[0]),
        (279, 4, len(strip)),
    ]
    strip += bytes(len(strip) % 2)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(strip))
    entries = b"".join(
        struct.pack("<HHIHxx" if t == 3 else "<HHII", n, t, 1, v) for n, t, v in tags
    )
    return head + strip + struct.pack("<H", len(tags)) + entries + bytes(4)
