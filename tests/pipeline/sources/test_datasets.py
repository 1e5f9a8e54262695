"""STL-10, GTSRB, Oxford-IIIT Pet, EuroSAT and Fashion-MNIST as their authors publish them."""

import gzip

import numpy as np
import pytest
from PIL import Image

from visualwords.features import HueHistogram
from visualwords.pipeline.job import Options, extract
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import (
    FolderSource,
    GtsrbSource,
    IdxSource,
    PetsSource,
    SourceError,
    Stl10Source,
    open_source,
)

COLOURS = np.array([[220, 40, 40], [40, 200, 60]])  # of the two classes, red and green


def picture(number, rows, columns):
    """Make a noisy picture of the class ``number % 2``."""
    noise = np.random.default_rng(number).integers(-30, 30, (rows, columns, 3))
    return np.clip(COLOURS[number % 2] + noise, 0, 255).astype(np.uint8)


def write_stl10(folder):
    folder.mkdir()
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    for split, numbers in (("train", range(8)), ("test", range(8, 12))):
        # As MATLAB writes them: the columns of the red plane, then those of the others.
        images = [picture(n, 96, 96).transpose(2, 1, 0).tobytes() for n in numbers]
        (folder / f"{split}_X.bin").write_bytes(b"".join(images))
        (folder / f"{split}_y.bin").write_bytes(bytes(n % 2 + 1 for n in numbers))
    (folder / "unlabeled_X.bin").write_bytes(images[0])
    return folder


def write_gtsrb(folder):
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n"
    for number in (0, 1):
        images = folder / f"Final_Training/Images/{number:05d}"
        images.mkdir(parents=True)
        lines = []
        for k in range(4):
            Image.fromarray(picture(2 * k + number, 30, 29)).save(images / f"00000_{k:05d}.ppm")
            lines.append(f"00000_{k:05d}.ppm;29;30;5;6;24;25;{number}\r\n")
        (images / f"GT-{number:05d}.csv").write_text(head + "".join(lines), newline="")
    test = folder / "Final_Test/Images"
    test.mkdir(parents=True)
    for n in range(8, 12):
        Image.fromarray(picture(n, 30, 29)).save(test / f"{n - 8:05d}.ppm")
    (test / "GT-final_test.test.csv").write_text("Filename;Width\r\n00000.ppm;29\r\n")
    lines = [f"{n - 8:05d}.ppm;29;30;5;6;24;25;{n % 2}\r\n" for n in range(8, 12)]
    (folder / "GT-final_test.csv").write_text(head + "".join(lines), newline="")
    return folder


def write_pets(folder):
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    breeds = ("Abyssinian", "english_setter")
    for file, numbers in (("trainval", range(8)), ("test", range(8, 12))):
        lines = []
        for n in numbers:
            name = f"{breeds[n % 2]}_{n}"
            Image.fromarray(picture(n, 40, 50)).save(folder / f"images/{name}.jpg")
            lines.append(f"{name} {n % 2 + 1} {n % 2 + 1} 1\n")
        (folder / f"annotations/{file}.txt").write_text("".join(lines))
    (folder / "annotations/list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n")
    return folder


def write_eurosat(folder):
    for n in range(12):
        images = folder / "2750" / ("Forest", "River")[n % 2]
        images.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(n, 64, 64)).save(images / f"{images.name}_{n}.jpg")
    return folder / "2750"


def write_fashion(folder):
    folder.mkdir()
    for start, numbers in (("train", range(8)), ("t10k", range(8, 12))):
        images = np.stack([picture(n, 28, 28)[:, :, 0] for n in numbers])
        for what, array in (("images-idx3", images), ("labels-idx1", np.array(numbers) % 2)):
            shape = b"".join(side.to_bytes(4, "big") for side in array.shape)
            data = bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()
            (folder / f"{start}-{what}-ubyte.gz").write_bytes(gzip.compress(data))
    return folder


@pytest.mark.parametrize(
    ("write", "kind", "classes"),
    [
        (write_stl10, Stl10Source, ["airplane", "bird"]),
        (write_gtsrb, GtsrbSource, ["00000", "00001"]),
        (write_pets, PetsSource, ["Abyssinian", "english_setter"]),
        (write_eurosat, FolderSource, ["Forest", "River"]),
        (write_fashion, IdxSource, ["0", "1"]),
    ],
)
def test_a_run_learns_from_the_files_as_they_come(tmp_path, write, kind, classes):
    folder = write(tmp_path / "data")
    assert isinstance(open_source(folder), kind)
    recipe = Recipe().with_features(["hog" if kind is IdxSource else "hue"])
    run = Run(tmp_path / "run", options=Options(n_jobs=1))
    metrics = run.run(folder, recipe=recipe.with_setting("test_size=0.4"))
    assert metrics["images"]["ok"] == 12
    assert metrics["images"]["failed"] == 0
    assert sorted(set(run.labels())) == classes
    if kind is not FolderSource:
        assert len(run.labels("train")) == 8
        assert len(run.labels("test")) == 4
    if kind is not IdxSource:
        assert metrics["classifiers"]["LinearSVM"]["test_accuracy"] == 1


def test_rows_of_stl10_and_gtsrb_are_those_of_the_pictures(tmp_path):
    hue = HueHistogram()
    expected = hue.transform([picture(n, 96, 96) for n in range(12)])
    stl10 = extract(write_stl10(tmp_path / "stl10"), tmp_path / "store", [hue], n_jobs=1)
    np.testing.assert_array_equal(stl10.matrix()[:], expected)
    order = [0, 2, 4, 6, 1, 3, 5, 7, 8, 9, 10, 11]
    expected = hue.transform([picture(n, 30, 29) for n in order])
    gtsrb = extract(write_gtsrb(tmp_path / "gtsrb"), tmp_path / "store", [hue], n_jobs=1)
    np.testing.assert_array_equal(gtsrb.matrix()[:], expected)


def test_stl10_is_stored_column_by_column(tmp_path):
    source = Stl10Source(write_stl10(tmp_path / "stl10"))
    np.testing.assert_array_equal(source.read("3:train_X.bin"), picture(3, 96, 96))


def test_an_image_that_is_cut_off_fails_alone(tmp_path):
    folder = write_stl10(tmp_path / "stl10")
    whole = (folder / "test_X.bin").read_bytes()
    (folder / "test_X.bin").write_bytes(whole[:-1])
    result = extract(folder, tmp_path / "store", [HueHistogram()], n_jobs=1)
    assert result.is_ok.sum() == 11
    assert result.images["reason"][11].as_py() == "test_X.bin ends within this image"


@pytest.mark.parametrize(
    ("write", "file", "data", "message"),
    [
        (write_stl10, "test_y.bin", b"\x00\x01\x02\x01", "labels from 0 to 2, expected 1 to 2"),
        (write_stl10, "test_y.bin", b"\x01", "4 images in test_X.bin but 1 label in test_y.bin"),
        (
            write_gtsrb,
            "GT-final_test.csv",
            b"Filename,ClassId\r\na.ppm,1\r\n",
            "line 2: expected columns Filename and ClassId and a semicolon",
        ),
        (write_pets, "annotations/test.txt", b"cat 1 1 1\n", "line 1: expected BREED_NUMBER"),
    ],
)
def test_a_wrong_label_file_is_named(tmp_path, listed, write, file, data, message):
    folder = write(tmp_path / "data")
    (folder / file).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        listed(open_source(folder))
