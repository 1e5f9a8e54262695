import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from visualwords.features.image import to_gray
from visualwords.pipeline.reader import ImageError, Reader, read_bytes


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    from skimage.data import astronaut

    return astronaut()[40:100, 180:260].copy()


def encode(pixels: np.ndarray | Image.Image, format: str, **options) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize(("format", "options"), LOSSLESS)
def test_lossless_formats_give_the_pixels_that_were_stored(photo, format, options):
    data = encode(photo, format, **options)
    np.testing.assert_array_equal(Reader().decode(data), photo)
    header = Reader().header(data)
    assert (header.rows, header.columns, header.format) == (60, 80, format)


def test_jpeg_equals_pillow(photo):
    data = encode(photo, "JPEG", quality=80)
    np.testing.assert_array_equal(Reader().decode(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_grey_stays_one_channel(photo, format):
    assert Reader().decode(encode(photo[:, :, 1], format)).shape == (60, 80)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(photo, format, orientation):
    image = Image.fromarray(photo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(image, format, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(Reader().decode(data), expected)
    header = Reader().header(data)
    assert (header.rows, header.columns) == expected.shape[:2]


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bits_are_scaled_not_cut(shape, extension):
    values = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    values[0, 0], values[0, 1] = 0, 65535
    data = cv2.imencode(extension, values)[1].tobytes()
    expected = np.rint(values / 65535 * 255)
    if len(shape) == 3:
        expected = expected[:, :, ::-1]
    np.testing.assert_array_equal(Reader().decode(data), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_over_white(photo, mode):
    alpha = np.linspace(0, 255, photo[:, :, 0].size).reshape(60, 80).astype(np.uint8)
    image = Image.fromarray(photo).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    stored = np.asarray(image).astype(float)
    weight = stored[:, :, -1:] / 255
    expected = np.squeeze(np.rint(stored[:, :, :-1] * weight + 255 * (1 - weight)))
    difference = np.abs(Reader().decode(encode(image, "PNG")).astype(float) - expected)
    assert difference.max() <= 1


def test_transparent_palette_colour_is_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    data = encode(image, "PNG", transparency=1)
    assert Reader().decode(data).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_one_bit_cmyk_and_animation(photo):
    bits = Image.fromarray(photo[:, :, 0] > 100)
    assert set(np.unique(Reader().decode(encode(bits, "PNG")))) == {0, 255}
    cmyk = Image.fromarray(photo).convert("CMYK")
    decoded = Reader().decode(encode(cmyk, "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - photo).mean() < 8
    frames = [Image.fromarray(np.full((5, 6, 3), v, np.uint8)) for v in (10, 200)]
    animated = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.abs(Reader().decode(animated).astype(int) - 10).max() <= 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_a_truncated_file_is_refused(photo, format, share):
    data = encode(photo, format)
    with pytest.raises(ImageError):
        Reader().decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("cut", [1, 2, 4, 12])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_missing_last_byte_is_noticed(photo, format, cut):
    with pytest.raises(ImageError, match=r"(?i)truncated|premature|damaged"):
        Reader().decode(encode(photo, format)[:-cut])


def test_a_flipped_bit_in_a_png_is_noticed(photo):
    data = bytearray(encode(photo, "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match="checksum"):
        Reader().decode(bytes(data))


def test_corrupt_jpeg_data_is_noticed(photo):
    data = bytearray(encode(photo, "JPEG"))
    data[-300:-100] = b"\xff\xd9" * 100
    with pytest.raises(ImageError, match="damaged JPEG"):
        Reader().decode(bytes(data))


def test_a_bomb_is_refused_from_its_header():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="60000 x 60000 pixels are more than the limit"):
        Reader().header(bomb)
    with pytest.raises(ImageError, match="more than the limit"):
        Reader().decode(bomb)


def test_32_bit_pixels_are_refused():
    data = encode(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(ImageError, match="scale is unknown"):
        Reader().decode(data)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"])
)
def test_arbitrary_bytes_are_refused_with_a_reason(data, start):
    with pytest.raises(ImageError, match=r"."):
        Reader().decode(start + data)


def test_large_images_are_reduced_and_small_ones_are_not(photo):
    data = encode(photo, "PNG")
    reduced = Reader(max_side=40).decode(data)
    assert reduced.shape == (30, 40, 3)
    blocks = photo.reshape(30, 2, 40, 2, 3).mean((1, 3))
    assert np.abs(reduced - blocks).max() <= 1
    assert Reader(max_side=80).decode(data).shape == photo.shape


def test_the_way_to_grey_is_luma(photo):
    expected = photo.astype(np.float64) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(to_gray(photo), expected, rtol=1e-6)


def test_what_is_not_a_readable_file_is_named(tmp_path):
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "video.mp4").touch()
    os.truncate(tmp_path / "video.mp4", 2**30 + 1)
    for name, reason in [
        ("empty.jpg", "empty"),
        ("pipe.jpg", "regular file"),
        ("broken.jpg", "No such file"),
        (".", "a folder, expected an image file"),
        ("video.mp4", "1073741825 bytes are more than the limit of 1073741824"),
    ]:
        with pytest.raises(ImageError, match=reason):
            read_bytes(tmp_path / name)
