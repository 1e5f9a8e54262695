from collections import Counter

import numpy as np
import pytest
from PIL import Image

from visualwords.pipeline import sample
from visualwords.pipeline.sample import write_sample_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_sample_images(tmp_path_factory.mktemp("sample"))


def read_size(source) -> tuple[int, int]:
    with Image.open(source) as image:
        return image.size


def test_at_least_twelve_classes_of_sixty_crops_of_mixed_sizes_and_formats(images):
    sources = sorted(file for file in images.rglob("*/*/*") if file.is_file())
    classes = [{f.name for f in (images / split).iterdir()} for split in ("train", "test")]
    assert classes[0] == classes[1]
    counts = Counter(source.parent.name for source in sources)
    assert len(counts) >= 12
    assert set(counts.values()) == {60}
    sizes = np.array([read_size(source) for source in sources])
    assert sizes.min() >= 64
    assert sizes.max() <= 160
    assert len(np.unique(sizes)) > 50
    assert {source.suffix for source in sources} == {".jpg", ".png"}


def test_training_and_test_crops_share_no_pixel():
    photograph = np.arange(300 * 450).reshape(300, 450)
    seen = {s: {v for c in sample._crops(photograph, s) for v in c.ravel()} for s in sample.CROPS}
    assert not seen["train"] & seen["test"]


def test_what_a_kill_left_half_written_is_written_again(images, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "CROPS", {"train": 2, "test": 1})
    again = write_sample_images(tmp_path)
    crop = again / "train" / "cat" / "00.jpg"
    crop.unlink()
    (again / "sample.json").write_text('{"ver')
    write_sample_images(tmp_path)
    assert crop.read_bytes() == (images / "train" / "cat" / "00.jpg").read_bytes()


def test_crops_are_the_same_every_time_and_written_once(images, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "CROPS", {"train": 4, "test": 2})
    again = write_sample_images(tmp_path)
    files = sorted(f.relative_to(again) for f in again.rglob("*.*"))
    assert len(files) == 16 * 6 + 1
    assert all((images / f).read_bytes() == (again / f).read_bytes() for f in files)
    times = {f: (again / f).stat().st_mtime_ns for f in files}
    write_sample_images(tmp_path)
    assert {f: (again / f).stat().st_mtime_ns for f in files} == times
