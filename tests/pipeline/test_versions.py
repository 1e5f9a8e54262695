"""Runs that each version wrote: a later version reads them, or names the version that it refuses.

A folder of ``versions`` is what that version made of 18 training crops of three photographs, with
``visualwords run TRAIN --test images --out run --set words.n_words=6 --set hue.n_bins=4 --set
hog.image_size=[16,16]``, without the store, and what ``predict run images --top 3`` said.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest

import visualwords as vw
from visualwords.features import HOG
from visualwords.pipeline import run_folder
from visualwords.pipeline.store.files import LocalFolder

FOLDERS = sorted(path for path in (Path(__file__).parent / "versions").iterdir() if path.is_dir())


def predictions(folder, classifier):
    run = vw.Run.open(folder / "run")
    found = list(run.predict(folder / "images", classifier=classifier, top=3))
    assert len(found) == 6
    return {"/".join(Path(p.image).parts[-2:]): p for p in found}


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_a_run_of_an_earlier_version_predicts_the_same_or_is_refused_by_name(kept, tmp_path):
    folder = shutil.copytree(kept, tmp_path / kept.name)
    try:
        svm, softmax = (predictions(folder, name) for name in ("LinearSVM", "Softmax"))
    except ValueError as refusal:
        assert f"visualwords {folder.name} wrote it" in str(refusal)  # noqa: PT017
        return
    table = csv.DictReader((folder / "run" / "predictions.csv").read_text().splitlines())
    labels = {"/".join(Path(row["path"]).parts[-2:]): row for row in table}
    assert len(labels) == 6
    for image, expected in json.loads((folder / "softmax.json").read_bytes()).items():
        found = dict(zip(softmax[image].labels, softmax[image].probabilities, strict=True))
        assert found == pytest.approx(expected, abs=1e-5)
        assert softmax[image].labels[0] == labels[image]["Softmax"]
        assert svm[image].labels[0] == labels[image]["LinearSVM"]


def test_there_is_a_run_of_this_version_or_of_one_before():
    assert FOLDERS
    assert all((folder / "run" / "run.json").exists() for folder in FOLDERS)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(FOLDERS[0], tmp_path / "kept")


@pytest.fixture
def next_version(monkeypatch):
    monkeypatch.setattr(run_folder, "__version__", "0.99.0")


WROTE = f"visualwords {FOLDERS[0].name} wrote it, this is 0.99.0; `visualwords run` makes it again"


@pytest.mark.usefixtures("next_version")
def test_a_feature_whose_numbers_have_changed_is_refused_by_version(folder, monkeypatch):
    monkeypatch.setattr(HOG, "kernel_version", HOG.kernel_version + 1)
    with pytest.raises(ValueError, match=WROTE) as refused:
        predictions(folder, "Softmax")
    assert "hog.npz: not the feature that the models were trained on" in str(refused.value)


@pytest.mark.usefixtures("next_version")
def test_a_record_of_another_shape_is_refused_by_version(folder):
    files = LocalFolder(folder / "run")
    record = json.loads(files.read("run.json"))
    del record["crc32"], record["hashes"]
    files.write_record("run.json", record)
    with pytest.raises(ValueError, match=WROTE):
        predictions(folder, "Softmax")


def test_a_damaged_file_of_the_same_version_names_no_version(folder, monkeypatch):
    monkeypatch.setattr(run_folder, "__version__", FOLDERS[0].name)
    (folder / "run" / "models" / "hog.npz").write_bytes(b"hello")
    with pytest.raises(ValueError, match="visualwords run") as refused:
        predictions(folder, "Softmax")
    assert "wrote it" not in str(refused.value)
