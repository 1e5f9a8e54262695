import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from visualwords.features import HOG, HueHistogram
from visualwords.pipeline.reader import Reader
from visualwords.pipeline.store import (
    SHARD_ROWS,
    StoredMatrix,
    key_of,
    remove_leftovers,
    write_atomically,
)

N_IMAGES = 2 * SHARD_ROWS + 10


@pytest.fixture
def matrix(tmp_path):
    """A stored matrix whose row for image i is (i, -i); images 3 and the whole last shard fail."""
    stored = StoredMatrix(tmp_path / "hue" / "key", N_IMAGES)
    for shard, images in enumerate(StoredMatrix.shards(N_IMAGES)):
        failures = {i: "why" for i in images if i == 3 or shard == 2}
        kept = [i for i in images if i not in failures]
        rows = np.array([(i, -i) for i in kept], np.float32).reshape(-1, 2)
        stored.write(shard, rows, failures)
    stored.commit(HueHistogram(), Reader())
    return stored


def test_rows_come_back_by_any_slice(matrix):
    loaded = matrix.load()
    expected = np.array([(i, -i) for i in range(2 * SHARD_ROWS) if i != 3], np.float32)
    assert loaded.shape == expected.shape
    assert loaded.failures == {3: "why", **dict.fromkeys(range(2 * SHARD_ROWS, N_IMAGES), "why")}
    np.testing.assert_array_equal(loaded.kept, expected[:, 0])
    for rows in (slice(0, 5), slice(SHARD_ROWS - 3, SHARD_ROWS + 3), slice(None), slice(7, 7)):
        np.testing.assert_array_equal(loaded[rows], expected[rows])


def test_rows_are_read_by_contiguous_slices_alone(matrix):
    with pytest.raises(IndexError, match="got step 2"):
        matrix.load()[::2]


def test_a_matrix_may_be_of_failures_alone(tmp_path):
    stored = StoredMatrix(tmp_path / "hue" / "key", 2)
    stored.write(0, np.empty((0, 0), np.float32), {0: "why", 1: "why"})
    loaded = stored.load()
    assert loaded.shape == (0, 0)
    assert loaded[:].shape == (0, 0)
    assert loaded.failures == {0: "why", 1: "why"}


def test_rows_within_a_shard_are_read_from_the_map_not_copied(matrix):
    assert isinstance(matrix.load()[10:20].base, np.memmap | np.ndarray)
    assert not matrix.load()[10:20].flags.owndata
    assert not matrix.load()[10:20].flags.writeable


def test_rows_can_be_selected_by_number(matrix):
    loaded = matrix.load()
    assert loaded.take(np.arange(len(loaded))) is loaded
    np.testing.assert_array_equal(loaded.take(np.array([0, 5])), [[0, 0], [6, -6]])


def test_every_image_must_be_a_row_or_a_failure(matrix):
    with pytest.raises(ValueError, match="a row or a failure"):
        matrix.write(0, np.zeros((5, 2), np.float32), {})


def flip(file, place):
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def replace(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def swap(folder, *suffixes):
    for suffix in suffixes:
        first, second = folder / f"00000{suffix}", folder / f"00001{suffix}"
        first.rename(folder / "aside")
        second.rename(first)
        (folder / "aside").rename(second)


# What happens to the files, and the shards that are no more what was written.
DAMAGES = {
    "flipped": (lambda folder: flip(folder / "00001.npy", -1), [1]),
    "flipped header": (lambda folder: flip(folder / "00001.npy", 20), [1]),
    "truncated": (lambda folder: os.truncate(folder / "00001.npy", 5000), [1]),
    "emptied": (lambda folder: os.truncate(folder / "00001.npy", 0), [1]),
    "removed": (lambda folder: (folder / "00001.npy").unlink(), [1]),
    "rows swapped": (lambda folder: swap(folder, ".npy"), [0, 1]),
    "shards swapped": (lambda folder: swap(folder, ".npy", ".json"), [0, 1]),
    "record truncated": (lambda folder: os.truncate(folder / "00001.json", 1), [1]),
    "record of another kind": (lambda folder: (folder / "00001.json").write_text("7"), [1]),
    "another image failed": (lambda folder: replace(folder / "00000.json", '"3"', '"7"'), [0]),
    "another matrix's": (lambda folder: folder.rename(folder.with_name("other")), [0, 1, 2]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_counts_as_missing_and_is_never_read(matrix, damage):
    assert matrix.missing() == []
    do, missing = DAMAGES[damage]
    do(matrix.folder)
    if not matrix.folder.exists():
        matrix = StoredMatrix(matrix.folder.with_name("other"), N_IMAGES)
    assert matrix.missing() == missing
    with pytest.raises(ValueError, match=r"missing or damaged .*`visualwords extract` makes it"):
        matrix.load()


def test_the_manifest_says_what_the_matrix_is(matrix):
    manifest = json.loads((matrix.folder / "manifest.json").read_bytes())
    assert manifest["feature"]["estimator"]["class"] == "features.HueHistogram"
    assert manifest["images"] == N_IMAGES
    assert [shard["rows"] for shard in manifest["shards"]] == [SHARD_ROWS - 1, SHARD_ROWS, 0]


def test_leftovers_of_a_killed_process_are_removed_and_others_are_not(tmp_path):
    host = os.uname().nodename
    dead, alive = (tmp_path / "hue" / f".00000.npy.{host}-{pid}.tmp" for pid in (2**22 + 1, 1))
    foreign = tmp_path / ".00000.npy.another-host-77.tmp"
    dead.parent.mkdir()
    for file in (dead, alive, foreign):
        file.touch()
    remove_leftovers(tmp_path)
    assert not dead.exists()
    assert alive.exists()
    assert foreign.exists()


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    def write(number):
        write_atomically(tmp_path / "x", bytes([number]) * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    (file,) = tmp_path.iterdir()
    assert len(set(file.read_bytes())) == 1
    assert file.stat().st_size == 10_000


@contextmanager
def small_files():
    """No file of more than 1,000 bytes can be written: the disk is full, to a process.

    That goes for what pytest prints too, so it is for the writing alone.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_the_old_file_and_names_it(tmp_path):
    file = tmp_path / "x"
    write_atomically(file, b"old")
    with pytest.raises(OSError, match="File too large") as failure, small_files():
        write_atomically(file, bytes(2000))
    assert failure.value.filename == str(file)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_key_changes_with_whatever_changes_the_numbers_and_with_nothing_else():
    images = ["aa", "bb"]
    key = key_of(HueHistogram(), images, Reader())
    assert key == key_of(HueHistogram(n_jobs=2), images, Reader())
    others = [
        key_of(HueHistogram(n_bins=11), images, Reader()),
        key_of(HOG(), images, Reader()),
        key_of(HueHistogram(), ["bb", "aa"], Reader()),
        key_of(HueHistogram(), ["aa"], Reader()),
        key_of(HueHistogram(), images, Reader(max_side=100)),
    ]
    assert len({key, *others}) == 6


def test_the_key_changes_with_the_kernel_version(monkeypatch):
    key = key_of(HueHistogram(), ["aa"], Reader())
    monkeypatch.setattr(HueHistogram, "kernel_version", HueHistogram.kernel_version + 1)
    assert key_of(HueHistogram(), ["aa"], Reader()) != key
