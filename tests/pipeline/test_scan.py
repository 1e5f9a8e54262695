import hashlib
import io
import os

import numpy as np
import pytest
from rich.console import Console

from visualwords.pipeline.dataset import Dataset
from visualwords.pipeline.reader import Reader
from visualwords.pipeline.scan import ScanIndex, scan
from visualwords.pipeline.stages import Stages


def scan_folder(folder, cache, **reader):
    settings = Reader(**reader)
    return scan(Dataset.from_folder(folder), settings, ScanIndex(cache, settings), Stages(), 2)


@pytest.fixture
def folder(crops, tmp_path):
    """A copy of some crops that a test may change."""
    for name in ("brick/00.jpg", "brick/01.png", "rocket/00.jpg"):
        target = tmp_path / "images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((crops / name).read_bytes())
    return tmp_path / "images"


def test_digests_shapes_and_failures(folder, tmp_path):
    (folder / "rocket" / "bad.jpg").write_bytes(b"not an image")
    found = scan_folder(folder, tmp_path / "cache")
    assert found.read == 4
    for source, digest in zip(found.dataset.sources, found.digests, strict=True):
        assert digest == hashlib.blake2b(source.read_bytes(), digest_size=16).hexdigest()
    assert list(found.failures) == [3]
    assert "not an image" in found.failures[3]
    for i in range(3):
        pixels = Reader().decode(found.dataset.sources[i].read_bytes())
        assert found.shapes[i].tolist() == list(pixels.shape[:2])


def test_a_class_folder_without_files_is_told(folder, tmp_path):
    (folder / "owl").mkdir()
    output = io.StringIO()
    stages = Stages(Console(file=output, width=100))
    scan(Dataset.from_folder(folder), Reader(), ScanIndex(tmp_path, Reader()), stages, 1)
    assert "refused; nothing in owl " in output.getvalue()


def test_a_second_scan_reads_nothing_and_finds_the_same(folder, tmp_path):
    (folder / "rocket" / "bad.jpg").write_bytes(b"not an image")
    first = scan_folder(folder, tmp_path / "cache")
    second = scan_folder(folder, tmp_path / "cache")
    assert second.read == 0
    assert second.digests == first.digests
    assert second.failures == first.failures
    np.testing.assert_array_equal(second.shapes, first.shapes)


def test_a_changed_file_is_read_again_even_if_its_size_and_time_are_the_same(folder, tmp_path):
    first = scan_folder(folder, tmp_path / "cache")
    file = folder / "brick" / "01.png"
    status, data = file.stat(), bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = scan_folder(folder, tmp_path / "cache")
    assert second.read == 1
    assert [a == b for a, b in zip(first.digests, second.digests, strict=True)] == [
        True,
        False,
        True,
    ]


def test_a_file_that_changes_while_it_is_scanned_is_read_again_the_next_time(folder, tmp_path):
    file = folder / "brick" / "01.png"

    class Overtaken(Reader):
        """Whenever it looks at bytes, the file has others already."""

        def header(self, data):
            file.write_bytes(file.read_bytes() + b"more")
            return super().header(data)

    reader = Overtaken()
    scan(Dataset.from_folder(folder), reader, ScanIndex(tmp_path, reader), Stages(), 1)
    second = scan(Dataset.from_folder(folder), Reader(), ScanIndex(tmp_path, reader), Stages(), 1)
    for source, digest in zip(second.dataset.sources, second.digests, strict=True):
        assert digest == hashlib.blake2b(source.read_bytes(), digest_size=16).hexdigest()


def test_an_unreadable_file_is_tried_again(folder, tmp_path):
    file = folder / "brick" / "00.jpg"
    target = tmp_path / "later.jpg"
    file.unlink()
    file.symlink_to(target)
    assert "No such file" in scan_folder(folder, tmp_path / "cache").failures[0]
    target.write_bytes((folder / "rocket" / "00.jpg").read_bytes())
    assert scan_folder(folder, tmp_path / "cache").failures == {}


def test_an_index_cut_off_by_a_kill_is_still_used(folder, tmp_path):
    scan_folder(folder, tmp_path / "cache")
    (index,) = (tmp_path / "cache").glob("index-*")
    index.write_bytes(index.read_bytes()[:-20])
    assert scan_folder(folder, tmp_path / "cache").read == 1
    assert scan_folder(folder, tmp_path / "cache").read == 0


def test_a_damaged_index_is_not_believed(folder, tmp_path):
    """Wherever a byte is another one: in digests, shapes, times, or between the lines."""
    first = scan_folder(folder, tmp_path / "cache")
    (index,) = (tmp_path / "cache").glob("index-*")
    data = index.read_bytes()
    for place in range(0, len(data), 3):
        index.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        second = scan_folder(folder, tmp_path / "cache")
        assert second.digests == first.digests
        np.testing.assert_array_equal(second.shapes, first.shapes)
    index.write_bytes(b"7\n\xff\n[]\n" + data)
    assert scan_folder(folder, tmp_path / "cache").read == 0


def test_the_pixel_cap_is_part_of_what_an_index_knows(folder, tmp_path):
    assert scan_folder(folder, tmp_path / "cache").failures == {}
    assert len(scan_folder(folder, tmp_path / "cache", max_pixels=10).failures) == 3


def test_arrays_are_known_by_their_values_and_shape(tmp_path):
    images = [np.zeros((4, 6), np.uint8), np.zeros((6, 4), np.uint8), np.zeros((4, 6), np.uint8)]
    dataset = Dataset.from_arrays(images, [0, 1, 1])
    found = scan(dataset, Reader(), ScanIndex(tmp_path, Reader()), Stages(), 1)
    assert found.digests[0] == found.digests[2] != found.digests[1]
    assert found.shapes.tolist() == [[4, 6], [6, 4], [4, 6]]
