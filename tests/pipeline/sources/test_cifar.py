import pickle
import struct

import numpy as np
import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import ImageError
from visualwords.pipeline.sources import CifarSource, SourceError, open_source

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture
def pictures():
    """30 images as CIFAR holds them, planes of red, green and blue, and their labels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (30, 3, 32, 32), np.uint8), rng.integers(0, 10, 30)


def python2_pickle(values):
    """Write a dict as Python 2's cPickle wrote CIFAR's files, opcode by opcode."""
    out = [b"\x80\x02}("]
    for key, value in values.items():
        out.append(text(key))
        if isinstance(value, np.ndarray):
            out.append(
                b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
            )
            shape = b"".join(b"M" + struct.pack("<H", side) for side in value.shape)
            out.append(
                b"(K\x01" + shape + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
            )
            out.append(b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T")
            out.append(struct.pack("<I", value.size) + value.tobytes() + b"tb")
        elif isinstance(value, list):
            items = [text(v) if isinstance(v, str) else b"K" + bytes([v]) for v in value]
            out.append(b"](" + b"".join(items) + b"e")
        else:
            out.append(text(value))
    return b"".join([*out, b"u."])


def text(value):
    return b"U" + bytes([len(value)]) + value.encode()


def write_cifar10(folder, pictures, version, pack=python2_pickle):
    images, labels = pictures
    folder.mkdir(exist_ok=True)
    if version == "binary":
        records = [
            bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True)
        ]
        (folder / "data_batch_1.bin").write_bytes(b"".join(records[:10]))
        (folder / "data_batch_2.bin").write_bytes(b"".join(records[10:20]))
        (folder / "test_batch.bin").write_bytes(b"".join(records[20:]))
        (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
        return folder
    for k, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        part = slice(10 * k, 10 * k + 10)
        batch = {
            "batch_label": f"batch {k}",
            "labels": labels[part].tolist(),
            "data": images[part].reshape(10, 3072),
            "filenames": [f"{i}.png" for i in range(10)],
        }
        (folder / name).write_bytes(pack(batch))
    meta = {"num_cases_per_batch": [10], "label_names": NAMES, "num_vis": [12]}
    (folder / "batches.meta").write_bytes(pack(meta))
    return folder


def check(source, pictures, listed):
    images, labels = pictures
    found = listed(source)
    assert found["label"] == [NAMES[label] for label in labels]
    assert found["split"] == ["train"] * 20 + ["test"] * 10
    read = np.stack([source.read(location) for location in found["location"]])
    np.testing.assert_array_equal(read, images.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("version", ["binary", "python"])
def test_pixels_labels_and_splits_are_those_of_the_files(tmp_path, pictures, listed, version):
    source = open_source(write_cifar10(tmp_path / "cifar", pictures, version))
    assert isinstance(source, CifarSource)
    check(source, pictures, listed)


@pytest.mark.filterwarnings("ignore")  # of numpy, on names of its modules
def test_the_pickles_of_these_tests_are_those_that_python_reads(tmp_path, pictures):
    folder = write_cifar10(tmp_path / "cifar", pictures, "python")
    batch = pickle.loads((folder / "test_batch").read_bytes(), encoding="latin1")
    np.testing.assert_array_equal(batch["data"], pictures[0][20:].reshape(10, 3072))
    assert batch["labels"] == pictures[1][20:].tolist()


@pytest.mark.parametrize("protocol", [3, 4])
def test_pickles_of_python_3_are_read(tmp_path, pictures, listed, protocol):
    def pack(values):
        return pickle.dumps(values, protocol)

    check(
        open_source(write_cifar10(tmp_path / "cifar", pictures, "python", pack)), pictures, listed
    )


def test_rows_are_those_of_the_arrays(tmp_path, pictures):
    images = pictures[0].transpose(0, 2, 3, 1)
    folder = write_cifar10(tmp_path / "cifar", pictures, "binary")
    from_files = extract(folder, tmp_path / "store", [HueHistogram()], n_jobs=1)
    assert from_files.work.decoded == 30
    from_arrays = extract(list(images), tmp_path / "store", [HueHistogram()], n_jobs=1)
    assert from_arrays.work.decoded == 0
    np.testing.assert_array_equal(from_files.matrix()[:], from_arrays.matrix()[:])
    np.testing.assert_array_equal(from_files.matrix()[:], HueHistogram().transform(images))
    python = write_cifar10(tmp_path / "python", pictures, "python")
    assert extract(python, tmp_path / "store", [HueHistogram()], n_jobs=1).work.decoded == 0


@pytest.mark.parametrize("version", ["binary", "python"])
def test_cifar_100_has_its_fine_labels(tmp_path, pictures, listed, version):
    images, labels = pictures
    fine = [f"class{k:02d}" for k in range(100)]
    coarse, fine_labels = [1] * 30, (labels + 50).tolist()
    if version == "binary":
        records = [
            bytes([c, f]) + image.tobytes()
            for c, f, image in zip(coarse, fine_labels, images, strict=True)
        ]
        (tmp_path / "train.bin").write_bytes(b"".join(records[:20]))
        (tmp_path / "test.bin").write_bytes(b"".join(records[20:]))
        (tmp_path / "fine_label_names.txt").write_text("\n".join(fine))
    else:
        for name, part in (("train", slice(20)), ("test", slice(20, 30))):
            batch = {
                "filenames": ["a.png"] * 10,
                "fine_labels": fine_labels[part],
                "coarse_labels": coarse[part],
                "data": images[part].reshape(-1, 3072),
            }
            (tmp_path / name).write_bytes(python2_pickle(batch))
        meta = {"fine_label_names": fine, "coarse_label_names": ["x", "y"]}
        (tmp_path / "meta").write_bytes(python2_pickle(meta))
    source = open_source(tmp_path)
    found = listed(source)
    assert found["label"] == [fine[label] for label in fine_labels]
    assert found["split"] == ["train"] * 20 + ["test"] * 10
    read = np.stack([source.read(location) for location in found["location"]])
    np.testing.assert_array_equal(read, images.transpose(0, 2, 3, 1))


class Hostile:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_a_hostile_pickle_runs_nothing(tmp_path, pictures, listed):
    folder = write_cifar10(tmp_path / "cifar", pictures, "python")
    (folder / "data_batch_1").write_bytes(pickle.dumps({"labels": Hostile(tmp_path / "harm")}))
    with pytest.raises(SourceError, match="data_batch_1: no 'data' in it"):
        listed(open_source(folder))
    values = {"data": b"1" * 3072, "labels": [3], "more": Hostile(tmp_path / "harm")}
    (folder / "data_batch_1").write_bytes(pickle.dumps(values))
    assert listed(open_source(folder))["label"][0] == "cat"
    (folder / "batches.meta").write_bytes(pickle.dumps(Hostile(tmp_path / "harm")))
    with pytest.raises(SourceError, match=r"batches\.meta: no 'label_names' in it"):
        open_source(folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-9000], "damaged pickle"),
        (lambda data: b"\x80\x02" + bytes(100), "damaged pickle"),
        (lambda data: b"", "damaged pickle"),
        (lambda data: data.replace(b"K\x00tb\x89T", b"K\x00tb\x88T"), "row by row"),
        (lambda data: data.replace(b"](K", b"](K\x01K"), "30720 bytes of pixels for 11 labels"),
        (lambda data: pickle.dumps({"data": b"1" * 3072, "labels": [200]}), "label 200, but"),
        (lambda data: pickle.dumps({"data": b"1" * 3072, "labels": [-1]}), "label -1, but"),
    ],
)
def test_a_damaged_pickle_is_named(tmp_path, pictures, listed, change, message):
    folder = write_cifar10(tmp_path / "cifar", pictures, "python")
    whole = (folder / "data_batch_2").read_bytes()
    (folder / "data_batch_2").write_bytes(change(whole))
    with pytest.raises(SourceError, match=message) as caught:
        listed(open_source(folder))
    assert "data_batch_2" in str(caught.value)


def test_a_truncated_binary_file_loses_one_image_and_names_it(tmp_path, pictures):
    folder = write_cifar10(tmp_path / "cifar", pictures, "binary")
    whole = (folder / "data_batch_2.bin").read_bytes()
    (folder / "data_batch_2.bin").write_bytes(whole[:-100])
    result = extract(folder, tmp_path / "store", [HueHistogram()], n_jobs=1)
    failed = [row for row in result.images.to_pylist() if row["status"] == "failed"]
    assert [(row["path"], row["kind"]) for row in failed] == [("data_batch_2.bin/00009", "damaged")]
    assert result.is_ok.sum() == 29


def test_a_vanished_file_is_unreadable(tmp_path, pictures, listed):
    source = open_source(write_cifar10(tmp_path / "cifar", pictures, "binary"))
    location = listed(source)["location"][0]
    (tmp_path / "cifar" / "data_batch_1.bin").unlink()
    with pytest.raises(ImageError) as caught:
        source.read(location)
    assert caught.value.kind == "unreadable"
