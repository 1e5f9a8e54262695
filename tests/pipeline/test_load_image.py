import cv2
import numpy as np
import pytest

import visualwords as vw
from visualwords.pipeline.reader import ImageError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    from skimage.data import coffee

    return coffee()[100:160, 200:280].copy()


@pytest.fixture
def file(photo, tmp_path):
    path = tmp_path / "Gebäude.png"
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))[1].tobytes())
    return path


def test_a_path_a_url_and_bytes_give_the_same_rgb_pixels(photo, file):
    for image in (file, str(file), f"file://{file}", file.read_bytes()):
        np.testing.assert_array_equal(vw.load_image(image), photo)


def test_a_file_system_of_fsspec_is_read(photo, file):
    import fsspec

    with fsspec.open("memory://photos/a.png", "wb") as copy:
        copy.write(file.read_bytes())
    np.testing.assert_array_equal(vw.load_image("memory://photos/a.png"), photo)


def test_hues_are_those_of_the_photograph_and_not_of_cv2_imread(photo, file):
    hues = vw.hue_histogram(vw.load_image(file))
    swapped = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(hues, vw.hue_histogram(photo))
    assert not np.allclose(hues, vw.hue_histogram(swapped), atol=0.1)
    turned = cv2.cvtColor(swapped, cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(hues, vw.hue_histogram(turned))


def test_pixels_are_those_that_a_job_reads(file, tmp_path):
    extracted = vw.extract([file], tmp_path / "store", [vw.HueHistogram()])
    expected = vw.hue_histogram(vw.load_image(file))
    np.testing.assert_array_equal(extracted.matrix()[0:1][0], expected)


def test_limits_are_those_of_the_caller(file):
    assert vw.load_image(file, max_side=40).shape == (30, 40, 3)
    with pytest.raises(ImageError, match=r"Gebäude.png: 80 x 60 pixels are more than the limit"):
        vw.load_image(file, max_pixels=100)


def test_a_file_that_is_missing_or_no_image_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"none.png: cannot be read: No such file"):
        vw.load_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ImageError, match=r"text.png: not an image"):
        vw.load_image(tmp_path / "text.png")
