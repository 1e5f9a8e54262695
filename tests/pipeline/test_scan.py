"""The scan knows each image by the digest of its bytes and reads what is new or changed."""

import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from visualwords.pipeline.features import reader_name
from visualwords.pipeline.progress import Progress
from visualwords.pipeline.reader import Reader
from visualwords.pipeline.scan import digest_of, scan
from visualwords.pipeline.sources import ArraySource, FolderSource
from visualwords.pipeline.store.files import open_folder
from visualwords.pipeline.store.index import ImageIndex


class Counting(FolderSource):
    """A folder that counts the files that are read."""

    n_read = 0

    def read(self, location):
        self.n_read += 1
        return super().read(location)


def scan_folder(folder, store, reader=None, progress=None):
    """Return the table of the images and how many were read."""
    reader = reader or Reader()
    source = Counting(folder)
    index = ImageIndex(open_folder(store), reader_name(reader))
    return scan(source, reader, index, progress or Progress(), 1), source.n_read


@pytest.fixture
def folder(crops, tmp_path):
    """A copy of some crops that a test may change."""
    for name in ("brick/00.jpg", "brick/01.png", "rocket/00.jpg"):
        target = tmp_path / "images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((crops / name).read_bytes())
    return tmp_path / "images"


def test_digests_sizes_and_failures(folder, tmp_path):
    (folder / "rocket" / "bad.jpg").write_bytes(b"not an image")
    table, n_read = scan_folder(folder, tmp_path / "store")
    assert n_read == 4
    for row in table.to_pylist():
        data = (folder / row["path"]).read_bytes()
        assert row["digest"] == hashlib.blake2b(data, digest_size=16).digest()
        if row["path"] == "rocket/bad.jpg":
            assert row["kind"] == "not an image"
        else:
            assert row["kind"] is None
            assert (row["rows"], row["columns"]) == Reader().decode(data).shape[:2]
    assert table["kind"].null_count == 3


def test_a_second_scan_reads_nothing_and_finds_the_same(folder, tmp_path):
    (folder / "rocket" / "bad.jpg").write_bytes(b"not an image")
    first, _ = scan_folder(folder, tmp_path / "store")
    second, n_read = scan_folder(folder, tmp_path / "store")
    assert n_read == 0
    assert second.equals(first)


def test_a_changed_file_is_read_again_even_if_its_size_and_time_are_the_same(folder, tmp_path):
    first, _ = scan_folder(folder, tmp_path / "store")
    file = folder / "brick" / "01.png"
    status, data = file.stat(), bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    second, n_read = scan_folder(folder, tmp_path / "store")
    assert n_read == 1
    changed = [a != b for a, b in zip(first["digest"], second["digest"], strict=True)]
    assert changed == [False, True, False]


def test_a_file_that_changes_while_it_is_scanned_is_read_again_the_next_time(folder, tmp_path):
    file = folder / "brick" / "01.png"

    class Overtaken(Reader):
        """Whenever it looks at bytes, the file has others already."""

        def header(self, data):
            file.write_bytes(file.read_bytes() + b"more")
            return super().header(data)

    scan_folder(folder, tmp_path / "store", Overtaken())
    second, _ = scan_folder(folder, tmp_path / "store")
    for row in second.to_pylist():
        data = (folder / row["path"]).read_bytes()
        assert row["digest"] == hashlib.blake2b(data, digest_size=16).digest()


def test_an_unreadable_file_is_tried_again(folder, tmp_path):
    file = folder / "brick" / "00.jpg"
    target = tmp_path / "later.jpg"
    file.unlink()
    file.symlink_to(target)
    first, _ = scan_folder(folder, tmp_path / "store")
    assert first["kind"][0].as_py() == "unreadable"
    assert first["digest"][0].as_py() is None
    target.write_bytes((folder / "rocket" / "00.jpg").read_bytes())
    second, _ = scan_folder(folder, tmp_path / "store")
    assert second["kind"].null_count == 3


def test_a_damaged_index_is_not_believed(folder, tmp_path):
    first, _ = scan_folder(folder, tmp_path / "store")
    (index,) = (tmp_path / "store").rglob("index/*/*.parquet")
    data = index.read_bytes()
    for place in range(0, len(data), len(data) // 50):
        for file in index.parent.iterdir():
            file.unlink()
        index.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert scan_folder(folder, tmp_path / "store")[0].equals(first)
    index.write_bytes(data[:-20])
    assert scan_folder(folder, tmp_path / "store")[0].equals(first)
    assert scan_folder(folder, tmp_path / "store")[1] == 0


KILLED = """
import os, pathlib, sys, time
from visualwords.pipeline import scan
from visualwords.pipeline.job import Options, scan_source
from visualwords.pipeline.reader import Reader
from visualwords.pipeline.sources import FolderSource
from visualwords.pipeline.store.files import open_folder

class Killed(FolderSource):
    def read(self, location):
        if location == "rocket/00.jpg":
            while not list(pathlib.Path(sys.argv[2]).rglob("*.parquet")):
                time.sleep(0.01)
            os._exit(9)
        return super().read(location)

scan.IMAGES_PER_TASK, scan.TASKS_REMEMBERED = 1, 2
scan_source(Killed(sys.argv[1]), open_folder(sys.argv[2]), Reader(), Options(n_jobs=1))
"""


def test_a_scan_that_is_killed_keeps_what_it_read(folder, tmp_path):
    command = [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "store")]
    assert subprocess.run(command, timeout=60).returncode == 9
    assert scan_folder(folder, tmp_path / "store")[1] == 1


def test_the_limits_of_the_reader_are_part_of_what_an_index_knows(folder, tmp_path):
    assert scan_folder(folder, tmp_path / "store")[0]["kind"].null_count == 3
    table, n_read = scan_folder(folder, tmp_path / "store", Reader(max_pixels=10))
    assert n_read == 3
    assert table["kind"].to_pylist() == ["too large"] * 3


def test_two_names_of_one_folder_are_the_same_images_to_the_index(folder, tmp_path):
    scan_folder(folder, tmp_path / "store")
    (tmp_path / "link").symlink_to(folder)
    assert scan_folder(tmp_path / "link", tmp_path / "store")[1] == 0


def test_a_class_folder_without_files_is_told(folder, tmp_path):
    (folder / "owl").mkdir()
    output = io.StringIO()
    scan_folder(folder, tmp_path, progress=Progress(Console(file=output, width=100)))
    assert "nothing in owl" in output.getvalue()


def test_arrays_are_known_by_their_values_and_shape(tmp_path):
    images = [np.zeros((4, 6), np.uint8), np.zeros((6, 4), np.uint8), np.zeros((4, 6), np.uint8)]
    reader = Reader()
    index = ImageIndex(open_folder(tmp_path), reader_name(reader))
    table = scan(ArraySource(images, [0, 1, 1]), reader, index, Progress(), 1)
    digests = table["digest"].to_pylist()
    assert digests[0] == digests[2] == digest_of(images[0]) != digests[1]
    assert list(zip(*table.select(["rows", "columns"]).to_pydict().values(), strict=True)) == [
        (4, 6),
        (6, 4),
        (4, 6),
    ]
