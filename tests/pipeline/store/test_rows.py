"""Rows are found under their images' digests, whatever the order, and never when damaged."""

import sys

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visualwords.pipeline.store import rows
from visualwords.pipeline.store.files import DamagedError, open_folder
from visualwords.pipeline.store.rows import FeatureRows
from visualwords.pipeline.store.shards import RowFailure, shard_name, write_shard

KEY = "0" * 32
FOLDER = f"hog-{KEY}"


def images(numbers):
    """Return digests of 16 bytes; some end in zeros."""
    return np.frombuffer(
        b"".join(int(n).to_bytes(4, "big") + bytes([int(n) % 3]) + bytes(11) for n in numbers),
        "V16",
    )


def rows_of(numbers):
    return np.stack([[n, 2 * n, -n] for n in numbers]).astype(np.float32)


def write(store, numbers, failures=None):
    digests = images(numbers)
    write_shard(store, FOLDER, shard_name(digests), digests, rows_of(numbers), failures or {})


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    url = tmp_path if request.param == "local" else f"memory://{tmp_path.name}"
    store = open_folder(url)
    yield store
    if request.param == "memory":
        store.remove("")


@settings(deadline=None)
@given(st.data())
def test_any_images_are_found_in_any_order(data):
    numbers = data.draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True))
    store = open_folder(f"memory://rows{data.draw(st.integers(0, 10**9))}")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(numbers)), max_size=3)))
    for start, stop in zip([0, *cuts], [*cuts, len(numbers)], strict=True):
        if start < stop:
            write(store, numbers[start:stop])
    wanted = data.draw(st.permutations(numbers))
    absent = [n for n in data.draw(st.lists(st.integers(0, 10**6))) if n not in numbers]
    features = FeatureRows(store, "hog", KEY)
    places = features.find(images([*wanted, *absent]))
    assert places.found.tolist() == [True] * len(wanted) + [False] * len(absent)
    matrix = features.matrix(places[: len(wanted)])
    np.testing.assert_array_equal(np.asarray(matrix), rows_of(wanted))
    start = data.draw(st.integers(0, len(wanted)))
    np.testing.assert_array_equal(matrix[start : start + 7], rows_of(wanted)[start : start + 7])
    store.remove("")


@pytest.mark.parametrize(
    "wanted",
    [
        slice(None, None, 3),
        slice(9, 2),
        [5, 0, -1, 5],
        np.arange(10) % 4 == 1,
        np.zeros(0, int),
        np.zeros(10, bool),
        4,
        np.int64(-2),
    ],
    ids=str,
)
def test_a_matrix_is_indexed_like_an_array(tmp_path, wanted):
    store, numbers = open_folder(tmp_path), [9, 3, 4, 5, 8, 0, 7, 1, 2, 6]
    write(store, numbers[:4])
    write(store, numbers[4:])
    features = FeatureRows(store, "hog", KEY)
    matrix = features.matrix(features.find(images(numbers)))
    np.testing.assert_array_equal(matrix[wanted], rows_of(numbers)[wanted])
    np.testing.assert_array_equal(matrix[wanted, ...], rows_of(numbers)[wanted])
    for index in [(0, 1), (slice(2), 1), (wanted, wanted), (0,), (0, 1, ...)]:
        with pytest.raises(TypeError, match=r"whole rows: X\[rows\]; X\[rows\]\[:, columns\] has"):
            matrix[index]


def test_rows_in_order_are_a_view_of_the_file(tmp_path):
    store = open_folder(tmp_path)
    write(store, range(100))
    features = FeatureRows(store, "hog", KEY)
    part = features.matrix(features.find(images(range(100))))[10:20]
    assert isinstance(part.base, np.memmap) or isinstance(part, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        part[0, 0] = 1


def test_a_matrix_is_read_by_numpy_without_us(tmp_path):
    store = open_folder(tmp_path)
    write(store, range(5))
    features = FeatureRows(store, "hog", KEY)
    np.testing.assert_array_equal(np.load(tmp_path / features.shard_files[0]), rows_of(range(5)))


def test_failures_are_kept_with_reason_and_attempts(store):
    failure = RowFailure("damaged", "cut off", 3)
    write(store, range(3), {images([7]).tobytes(): failure})
    features = FeatureRows(store, "hog", KEY)
    assert features.failures(images([1, 7])) == {1: failure}
    assert not features.find(images([7])).found.any()


def test_what_others_write_is_seen_after_a_refresh(store):
    features = FeatureRows(store, "hog", KEY)
    write(store, [1, 2])
    assert not features.find(images([1])).found.any()
    features.refresh()
    assert features.find(images([1, 2, 3])).found.tolist() == [True, True, False]


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_any_flipped_bit_hides_the_shard_and_names_it(store, suffix):
    write(store, range(20), {images([50]).tobytes(): RowFailure("damaged", "x")})
    write(store, range(20, 40))
    name = shard_name(images(range(20)))
    file = f"{FOLDER}/{name}{suffix}"
    whole = store.read(file)
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(whole), 60, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        store.write(file, bytes(damaged))
        features = FeatureRows(store, "hog", KEY)
        found = features.find(images(range(40))).found
        assert found.tolist() == [False] * 20 + [True] * 20
        assert features.damaged == {name: file}


def test_a_shard_of_another_feature_is_not_taken(store):
    write(store, range(4))
    name = shard_name(images(range(4)))
    for suffix in (".npy", ".json"):
        store.write(f"hog-{'1' * 32}/{name}{suffix}", store.read(f"{FOLDER}/{name}{suffix}"))
    features = FeatureRows(store, "hog", "1" * 32)
    assert not features.find(images(range(4))).found.any()
    assert features.damaged == {name: f"hog-{'1' * 32}/{name}.json"}


def test_rows_that_vanish_while_they_are_read_are_an_error(tmp_path):
    store = open_folder(tmp_path)
    write(store, range(4))
    features = FeatureRows(store, "hog", KEY)
    matrix = features.matrix(features.find(images(range(4))))
    store.write(features.shard_files[0], b"something else")
    features._shards[0].is_checked = False
    with pytest.raises(DamagedError, match="the checksum is wrong"):
        matrix[:]


@pytest.mark.parametrize("limits", [{"OPEN_SHARDS": 2}, {"OPEN_BYTES": 300}, {"OPEN_BYTES": 0}])
def test_a_matrix_of_more_shards_than_stay_open_is_read_again_and_again(
    tmp_path, monkeypatch, limits
):
    for name, value in limits.items():
        monkeypatch.setattr(rows, name, value)
    store = open_folder(tmp_path)
    for start in range(0, 60, 10):
        write(store, range(start, start + 10))
    features = FeatureRows(store, "hog", KEY)
    order = np.random.default_rng(0).permutation(60)
    for numbers in (np.arange(60), order):
        matrix = features.matrix(features.find(images(numbers)))
        for _ in range(3):
            for start in range(0, 60, 7):
                np.testing.assert_array_equal(
                    matrix[start : start + 7], rows_of(numbers[start : start + 7])
                )


@pytest.mark.skipif(sys.platform != "linux", reason="maps are listed by Linux alone")
def test_shards_that_are_let_go_are_not_mapped_and_are_read_again(tmp_path):
    store = open_folder(tmp_path)
    write(store, range(9))
    features = FeatureRows(store, "hog", KEY)
    matrix = features.matrix(features.find(images(range(9))))

    def is_mapped():
        return any(FOLDER in file.path for file in psutil.Process().memory_maps())

    np.testing.assert_array_equal(matrix[:], rows_of(range(9)))
    assert is_mapped()
    features.let_go()
    assert not is_mapped()
    np.testing.assert_array_equal(matrix[:], rows_of(range(9)))
