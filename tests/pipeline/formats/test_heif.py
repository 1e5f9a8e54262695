"""HEIC by pillow-heif, and without it."""

import io
import sys

import numpy as np
import pyarrow.compute as pc
import pytest
from skimage.data import astronaut

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import ImageError, Reader

pillow_heif = pytest.importorskip("pillow_heif")

PHOTO = np.ascontiguousarray(astronaut()[40:104, 180:276])


def write(pixels=PHOTO, mode="RGB", **options) -> bytes:
    file = io.BytesIO()
    size = (pixels.shape[1], pixels.shape[0])
    image = pillow_heif.from_bytes(mode=mode, size=size, data=pixels.tobytes())
    image.save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "pixels"),
    [("RGB", PHOTO), ("L", PHOTO[:, :, 1].copy()), ("RGB;16", PHOTO.astype(np.uint16) * 257)],
)
def test_pixels_are_those_that_were_written(mode, pixels):
    data = write(pixels, mode)
    header = Reader().header(data)
    assert (header.format, header.rows, header.columns) == ("HEIC", 64, 96)
    decoded = Reader().decode(data).astype(int)
    expected = PHOTO if mode != "L" else PHOTO[:, :, [1, 1, 1]]
    assert decoded.shape in (expected.shape, expected.shape[:2])
    decoded = decoded if decoded.ndim == 3 else decoded[:, :, np.newaxis]
    assert np.abs(decoded - expected).max() <= 2  # YCbCr is rounded


def test_alpha_is_laid_over_white():
    alpha = np.full((64, 96, 1), 255, np.uint8)
    alpha[:, :48] = 0
    decoded = Reader().decode(write(np.concatenate([PHOTO, alpha], axis=2), "RGBA"))
    assert (decoded[:, :47] == 255).all()
    assert np.abs(decoded[:, 49:].astype(int) - PHOTO[:, 49:]).max() <= 2


def test_what_is_cut_off_is_refused():
    data = write()
    for n in range(20, len(data), len(data) // 40):
        with pytest.raises(ImageError, match="HEIC"):
            Reader().decode(data[:n])


def test_high_dynamic_range_is_refused_by_name():
    # BT.2020 with the PQ transfer curve, which 8-bit sRGB cannot hold.
    options = {"color_primaries": 9, "transfer_characteristics": 16, "save_nclx_profile": True}
    with pytest.raises(ImageError, match="primaries 9, transfer 16") as refused:
        Reader().header(write(**options))
    assert refused.value.kind == "unsupported"


def test_without_the_library_the_failure_says_what_to_install_and_passes(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.heic").write_bytes(write())
    (tmp_path / "images" / "b.heic").write_bytes(write(PHOTO[::-1].copy()))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif.as_plugin", None)
        for _ in range(2):
            failed = extract(tmp_path / "images", tmp_path / "store", [HueHistogram()]).images
            assert failed["kind"].to_pylist() == ["needs a library"] * 2
            assert 'pip install "visualwords[heic]"' in failed["reason"][0].as_py()
    result = extract(tmp_path / "images", tmp_path / "store", [HueHistogram()])
    assert pc.all(pc.equal(result.images["status"], "ok")).as_py()
    assert len(result.matrix()) == 2
