from dataclasses import replace

import joblib
import numpy as np
import pytest

from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.pipeline import extract
from visualwords.pipeline.dataset import Dataset, DatasetError
from visualwords.pipeline.extract import Extractor
from visualwords.pipeline.reader import Reader, read_bytes
from visualwords.pipeline.scan import Scan, ScanIndex, scan
from visualwords.pipeline.stages import Stages
from visualwords.pipeline.store import SHARD_ROWS


def features():
    return {
        "hue": HueHistogram(),
        "hog": HOG(image_size=(32, 32)),
        "words": BagOfVisualWords(n_words=8),
    }


def scanned(dataset, cache):
    return scan(dataset, Reader(), ScanIndex(cache, Reader()), Stages(), 1)


def work(dataset, cache, wanted=None, n_jobs=2):
    """Fit and transform; give the extraction and the number of images decoded."""
    found = scanned(dataset, cache)
    extractor = Extractor(cache, Reader(), Stages(), n_jobs)
    fitted = extractor.fit(wanted or features(), found, seed=0)
    return extractor.transform(fitted, found), extractor


@pytest.fixture(scope="module")
def extraction(crops, tmp_path_factory):
    return work(Dataset.from_folder(crops), tmp_path_factory.mktemp("cache"))[0]


def test_rows_are_those_of_the_features_themselves(crops, extraction):
    dataset = Dataset.from_folder(crops)
    images = [Reader().decode(read_bytes(source)) for source in dataset.sources]
    assert extraction.kept.tolist() == list(range(len(dataset)))
    for name, feature in features().items():
        expected = feature.fit(images).transform(images)
        np.testing.assert_array_equal(extraction.matrices[name][:], expected)


def test_a_second_run_decodes_nothing(crops, tmp_path):
    dataset = Dataset.from_folder(crops)
    work(dataset, tmp_path)
    again, extractor = work(dataset, tmp_path)
    assert extractor.decoded == 0
    assert again.matrices["words"].shape == (len(dataset), 8)


def test_other_hue_bins_recompute_the_hue_matrix_alone(crops, tmp_path):
    dataset = Dataset.from_folder(crops)
    work(dataset, tmp_path)
    files = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.npy") if "hue" not in str(f)}
    wanted = features() | {"hue": HueHistogram(n_bins=5)}
    again, extractor = work(dataset, tmp_path, wanted)
    assert set(extractor.worker_seconds) == {"decode", "hue"}
    assert again.matrices["hue"].shape == (len(dataset), 5)
    assert {f: f.stat().st_mtime_ns for f in files} == files


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_bytes_do_not_depend_on_n_jobs_chunks_or_backend(
    crops, extraction, tmp_path, monkeypatch, n_jobs
):
    monkeypatch.setattr(extract, "IMAGES_PER_CHUNK", 5)
    again, _ = work(Dataset.from_folder(crops), tmp_path, n_jobs=n_jobs)
    for name, folder in extraction.folders.items():
        assert again.folders[name].name == folder.name
        for file in folder.iterdir():
            assert (again.folders[name] / file.name).read_bytes() == file.read_bytes()


def test_workers_can_be_processes(crops, extraction, tmp_path):
    with joblib.parallel_config(backend="loky"):
        again, _ = work(Dataset.from_folder(crops), tmp_path, n_jobs=2)
    for name in extraction.matrices:
        np.testing.assert_array_equal(again.matrices[name][:], extraction.matrices[name][:])


def test_many_shards_with_failures_in_each_equal_one_call(tmp_path):
    rng = np.random.default_rng(0)
    n = 2 * SHARD_ROWS + 100
    images = list(rng.integers(0, 256, (n, 16, 16, 3), np.uint8))
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for place, path in zip((0, SHARD_ROWS + 5, n - 1), paths, strict=True):
        images[place] = path
    dataset = Dataset.from_arrays([np.zeros((1, 1), np.uint8)] * n, np.arange(n) % 2)
    dataset = replace(dataset, sources=tuple(images))
    result, _ = work(dataset, tmp_path / "cache", {"hue": HueHistogram()})
    assert list(result.failures) == [0, SHARD_ROWS + 5, n - 1]
    sound = [image for image in images if isinstance(image, np.ndarray)]
    np.testing.assert_array_equal(
        result.matrices["hue"][:], HueHistogram().fit(sound[:1]).transform(sound)
    )


IMAGES = [np.full((side, side, 3), 10 * i, np.uint8) for i, side in enumerate((20, 20, 3, 20, 9))]
# Without image_size HOG refuses an image that is not as large as the first.
REFUSING = {"hue": HueHistogram(), "hog": HOG(), "fine": HOG(orientations=18)}


def images_of(*numbers):
    return Dataset.from_arrays([IMAGES[i] for i in numbers], np.arange(len(numbers)) % 2)


def test_an_image_that_a_feature_refuses_has_no_row_and_the_reason_names_the_feature(tmp_path):
    result, _ = work(images_of(*range(5)), tmp_path, REFUSING)
    assert result.kept.tolist() == [0, 1, 3]
    images = [IMAGES[i] for i in result.kept]
    for name, feature in REFUSING.items():
        expected = feature.fit(images).transform(images)
        np.testing.assert_array_equal(result.matrices[name][:], expected)
    assert list(result.failures) == [2, 4]
    for reason in result.failures.values():
        assert reason.startswith("hog: expected 20x20 pixels")
        assert reason.count("; fine: expected 20x20 pixels") == 1


def test_a_matrix_is_the_same_bytes_whatever_features_beside_it_refuse(tmp_path):
    images = images_of(*range(5))
    together, _ = work(images, tmp_path / "together", REFUSING)
    for name, feature in REFUSING.items():
        alone, _ = work(images, tmp_path / "alone", {name: feature})
        assert len(alone.kept) == (5 if name == "hue" else 3)
        for file in together.folders[name].iterdir():
            assert (alone.folders[name] / file.name).read_bytes() == file.read_bytes()


def test_matrices_of_different_runs_keep_their_rows_aligned(tmp_path):
    images = images_of(0, 2, 1, 3)
    assert len(work(images, tmp_path, {"hue": HueHistogram()})[0].matrices["hue"]) == 4
    both, _ = work(images, tmp_path, {"hue": HueHistogram(), "hog": HOG()})
    assert both.kept.tolist() == [0, 2, 3]
    assert len(both.matrices["hue"]) == len(both.matrices["hog"]) == 3


def test_a_file_that_changes_between_scan_and_extraction_is_a_failure(crops, tmp_path):
    file = tmp_path / "images" / "a" / "x.png"
    file.parent.mkdir(parents=True)
    (file.parent / "y.png").write_bytes((crops / "rocket" / "01.png").read_bytes())
    file.write_bytes((crops / "brick" / "01.png").read_bytes())
    found = scanned(Dataset.from_folder(tmp_path / "images"), tmp_path)
    file.write_bytes((crops / "coffee" / "01.png").read_bytes())
    extractor = Extractor(tmp_path, Reader(), Stages(), 1)
    fitted = {"hue": HueHistogram().fit([np.zeros((2, 2, 3), np.uint8)])}
    result = extractor.transform(fitted, found)
    assert "changed while the job ran" in result.failures[0]
    assert result.kept.tolist() == [1]


@pytest.fixture(params=["changed", "gone"])
def troubled(request, crops, tmp_path):
    """A scan of three images of which the second is no longer there; how it comes back."""
    folder = tmp_path / "images" / "a"
    folder.mkdir(parents=True)
    for name in ("00.jpg", "01.png", "02.jpg"):
        (folder / name).write_bytes((crops / "brick" / name).read_bytes())
    found = scanned(Dataset.from_folder(folder.parent), tmp_path)
    (folder / "01.png").rename(tmp_path / "away")
    if request.param == "changed":
        (folder / "01.png").write_bytes(b"half a fi")
    return found, lambda: (tmp_path / "away").replace(folder / "01.png")


def test_an_image_that_could_not_be_had_is_tried_again_by_the_next_job(troubled, tmp_path):
    found, mend = troubled
    fitted = {"hue": HueHistogram().fit([np.zeros((2, 2, 3), np.uint8)])}
    result = Extractor(tmp_path, Reader(), Stages(), 1).transform(fitted, found)
    assert list(result.failures) == [1]
    mend()
    for decoded in (3, 0):
        extractor = Extractor(tmp_path, Reader(), Stages(), 1)
        again = extractor.transform(fitted, found)
        assert again.folders == result.folders
        assert again.kept.tolist() == [0, 1, 2]
        assert extractor.decoded == decoded


def test_nothing_is_learned_without_an_image_that_could_not_be_had(troubled, tmp_path):
    found, mend = troubled
    extractor = Extractor(tmp_path, Reader(), Stages(), 1)
    with pytest.raises(DatasetError, match=r"01\.png: "):
        extractor.fit({"words": BagOfVisualWords(n_words=8)}, found, seed=0)
    mend()
    learned = extractor.fit({"words": BagOfVisualWords(n_words=8)}, found, seed=0)
    images = [Reader().decode(read_bytes(source)) for source in found.dataset.sources]
    np.testing.assert_array_equal(
        learned["words"].vocabulary_.words_,
        BagOfVisualWords(n_words=8).fit(images).vocabulary_.words_,
    )


def test_damaged_shards_are_recomputed(crops, extraction, tmp_path):
    dataset = Dataset.from_folder(crops)
    first, _ = work(dataset, tmp_path)
    shard = first.folders["hog"] / "00000.npy"
    sound = shard.read_bytes()
    shard.write_bytes(sound[:-8] + b"12345678")
    again, extractor = work(dataset, tmp_path)
    assert extractor.decoded == len(dataset)
    assert shard.read_bytes() == sound
    np.testing.assert_array_equal(again.matrices["hog"][:], extraction.matrices["hog"][:])


def test_learning_passes_over_damaged_images_and_says_when_there_is_nothing_else(crops, tmp_path):
    folder = tmp_path / "images" / "a"
    folder.mkdir(parents=True)
    data = (crops / "brick" / "01.png").read_bytes()
    (folder / "bad.png").write_bytes(data[:-40])
    found = scanned(Dataset.from_folder(folder.parent), tmp_path)
    assert found.failures == {}, "the header alone is sound"
    with pytest.raises(DatasetError, match=r"none of the training .*bad\.png: truncated"):
        Extractor(tmp_path, Reader(), Stages(), 1).fit(features(), found, seed=0)
    (folder / "good.png").write_bytes(data)
    result, _ = work(Dataset.from_folder(folder.parent), tmp_path)
    assert list(result.failures) == [0]
    assert "truncated" in result.failures[0]


def test_nothing_to_learn_from_is_told_with_a_reason(tmp_path):
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "x.jpg").write_bytes(b"hello")
    found = scanned(Dataset.from_folder(tmp_path / "images"), tmp_path)
    with pytest.raises(
        DatasetError, match=r"none of the training images .* a/x\.jpg: not an image"
    ):
        Extractor(tmp_path, Reader(), Stages(), 1).fit(features(), found, seed=0)


def words_of_two_seeds():
    return {f"words{seed}": BagOfVisualWords(n_words=4, random_state=seed) for seed in (0, 1)}


def swap(first, second):
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def edit(file):
    """Save other words, in a file that is whole."""
    with np.load(file) as arrays:
        edited = {name: array + (array.dtype == np.float32) for name, array in arrays.items()}
    np.savez(file, **edited)


# What happens to what was learned for two seeds, and how many of the two are learned again.
DAMAGES = {
    "emptied": (lambda files, seals: files[0].write_bytes(b""), 1),
    "truncated": (lambda files, seals: files[0].write_bytes(files[0].read_bytes()[:-30]), 1),
    "edited": (lambda files, seals: edit(files[0]), 1),
    "removed": (lambda files, seals: files[0].unlink(), 1),
    "swapped": (lambda files, seals: swap(*files), 2),
    "swapped with their seals": (lambda files, seals: (swap(*files), swap(*seals)), 2),
    "seal truncated": (lambda files, seals: seals[0].write_bytes(b""), 1),
    "seal of another kind": (lambda files, seals: seals[0].write_text("[7]"), 1),
    "seal removed": (lambda files, seals: seals[0].unlink(), 1),
    "nothing": (lambda files, seals: None, 0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_learned_is_learned_again_unless_it_is_what_was_written(crops, tmp_path, damage):
    dataset = Dataset.from_folder(crops)
    first, _ = work(dataset, tmp_path, words_of_two_seeds())
    files, seals = (sorted((tmp_path / "learned").glob(f"*.{kind}")) for kind in ("npz", "json"))
    sound = [file.read_bytes() for file in (*files, *seals)]
    do, n_learned = DAMAGES[damage]
    do(files, seals)
    times = [file.stat().st_mtime_ns for file in files if file.exists()]
    again, extractor = work(dataset, tmp_path, words_of_two_seeds())
    assert [file.read_bytes() for file in (*files, *seals)] == sound
    assert len({file.stat().st_mtime_ns for file in files} - set(times)) == n_learned
    assert again.folders == first.folders
    assert set(extractor.worker_seconds) == set(), "the matrices are those of before"


def test_a_chunk_ends_at_its_number_of_images_or_of_pixels(monkeypatch):
    monkeypatch.setattr(extract, "IMAGES_PER_CHUNK", 4)
    monkeypatch.setattr(extract, "PIXELS_PER_CHUNK", 1000)
    dataset = Dataset.from_arrays([np.zeros((1, 1), np.uint8)] * 12, range(12))
    shapes = np.full((12, 2), 1)
    shapes[5] = shapes[6] = (40, 50)  # two images of 2,000 pixels
    scan = Scan(dataset, ("",) * 12, shapes, {}, 0)
    chunks = extract._chunks(scan, range(2, 12))
    assert [i for chunk in chunks for i in chunk] == list(range(2, 12))
    assert max(len(chunk) for chunk in chunks) <= 4
    assert not any({5, 6} <= set(chunk) for chunk in chunks)
