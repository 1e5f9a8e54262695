"""Typical mistakes on the command line: one line each says what is wrong and what to do."""

import shutil

import pytest

from visualwords.pipeline.cli import main

TRANSCRIPT = [
    # command, exit code, what the line says
    ("run nowhere --out o", 1, "nowhere: no such folder; expected a folder of images"),
    ("run photo.jpg --out o", 1, "photo.jpg: not a folder; expected a folder of images"),
    ("run empty --out o", 1, "empty: no images in it; name a place that holds some"),
    ("run flat --out o", 1, "training needs images of at least two classes, in a folder for each"),
    ("run splits --out o", 1, "give them apart: splits/train --test splits/test"),
    (
        "run tiny --out o",
        1,
        "got 'train'; name these in the manifest, give test images (--test), or",
    ),
    ("run train --out train/o", 1, "train/o lies in train, where its files would be taken for im"),
    ("run train --test nowhere --out o", 1, "nowhere: no such folder"),
    ("run train --test other --out o", 1, "class 'owl' has no training images"),
    ("run bad.csv --out o", 1, "bad.csv: no column 'path', got file,label"),
    ("run train", 2, "Missing option '--out'; see `visualwords run --help`"),
    ("runn train --out o", 2, "No such command 'runn'. Did you mean 'run'?"),
    ("run train --out o --sed 8", 2, "No such option: --sed"),
    ("run train --test test --test-size 0.2 --out o", 2, "give either --test or --test-size"),
    ("run train --out o --test-size 0", 1, "expected a number above 0 and below 1, got 0.0"),
    ("run train --out o --test-size -1", 1, "expected a number above 0 and below 1, got -1.0"),
    ("run train --out o --jobs 0", 2, "--jobs: expected a number of workers, or -1 for all cores"),
    ("run train --out o --features hug", 1, "no feature 'hug'; did you mean 'hue'?"),
    ("run train --out o --set hue.bins=3", 1, "hue has no parameter 'bins'; did you mean 'n_bins'"),
    ("run train --out o --set hue.n_bins=0", 1, "hue: n_bins must be a whole number from 1"),
    (
        "run train --out o --set LinearSVM.alpha=-1",
        1,
        "LinearSVM: alpha must be a finite number",
    ),
    ("run train --out o --set hue", 1, "expected NAME.PARAMETER=VALUE, such as hue.n_bins=20"),
    ("run train --out o --recipe bad.toml", 1, "bad.toml, line 2: hue has no parameter 'n_bin'"),
    (
        "run train --out o --recipe none.toml",
        1,
        "none.toml: no such file; `visualwords init",
    ),
    ("run train --out o --retry-failed damagd", 2, "no kind of failure 'damagd'; there are all, "),
    (
        "extract photo.jpg train/brick/00.jpg",
        2,
        "unexpected extra argument(s) (train/brick/00.jpg); a",
    ),
    ("run train --out o --set hog.image_size=64", 1, "hog: image_size must be two whole numbers"),
    ("run train --out o --set hog.image_size=6,6", 1, "of at least 1, got '6,6'"),
    ("extract train", 2, "give --store STORE, or --out RUN"),
    ("train nowhere", 1, "nowhere/run.json: no such file; `visualwords run` or `extract` makes it"),
    ("train extracted --set Softmx.alpha=1", 1, "'Softmx'; did you mean 'Softmax'?"),
    ("train extracted --set hue.n_bins=9", 2, "--set: train takes the options of classifiers al"),
    ("train extracted --set seed=9", 2, "--set: train takes the options of classifiers alone; `v"),
    ("evaluate extracted", 1, "no such file; `visualwords train` makes it"),
    ("predict extracted photo.jpg", 1, "no such file; `visualwords train` makes it"),
    ("predict photo.jpg extracted", 1, "photo.jpg: a file; expected the folder of a run"),
    ("evaluate photo.jpg", 1, "photo.jpg: a file; expected the folder of a run"),
    ("predict extracted photo.jpg --out x.xlsx", 1, "expected a name that ends in .csv or .parq"),
    ("extract train --store o --log empty", 1, "empty: Is a directory"),
    ("extract train --store o --log photo.jpg/log", 1, "photo.jpg: File exists"),
    ("store ls extracted", 1, "extracted: a run, whose store is extracted/store"),
    ("store ls nowhere", 1, "nowhere: no such store, or an empty one; `visualwords extract` fills"),
    ("store verify train", 1, "train: not a store: it has neither features nor an index of images"),
    ("store gc train --max-size 1k", 1, "train: not a store"),
    (
        "store export extracted/store hug --to a.csv",
        1,
        "no feature is named 'hug'; there are hue, ",
    ),
    ("store gc extracted/store", 2, "give --max-size or --older-than"),
    ("store gc extracted/store --max-size big", 2, "'big': expected a number and a unit of k, m"),
    ("why extracted/store hug", 1, "no feature 'hug'; there are hue"),
    ("init bad.toml", 1, "bad.toml is there already; remove it, or name another file"),
]


def call(*arguments) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.fixture(scope="module")
def folder(crops, test_crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    shutil.copytree(crops, folder / "train")
    shutil.copytree(test_crops, folder / "test")
    shutil.copytree(test_crops / "brick", folder / "other" / "owl")
    shutil.copytree(test_crops / "brick", folder / "flat")
    shutil.copytree(crops, folder / "splits" / "train")
    shutil.copytree(test_crops, folder / "splits" / "test")
    shutil.copy(test_crops / "brick" / "00.jpg", folder / "photo.jpg")
    (folder / "empty").mkdir()
    for name in ("brick", "coffee"):
        (folder / "tiny" / name).mkdir(parents=True)
        shutil.copy(crops / name / "00.jpg", folder / "tiny" / name)
    (folder / "bad.csv").write_text("file,label\nx.jpg,a\n")
    (folder / "bad.toml").write_text("[features.hue]\nn_bin = 3\n")
    options = ("--out", folder / "extracted", "--features", "hue", "--jobs", 1)
    assert call("extract", crops, "--test", test_crops, *options) == 0
    return folder


@pytest.mark.parametrize(("command", "code", "message"), TRANSCRIPT, ids=[x[0] for x in TRANSCRIPT])
def test_a_mistake_is_answered_by_one_line(folder, monkeypatch, capsys, command, code, message):
    monkeypatch.chdir(folder)
    assert call(*command.split()) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (folder / "o" / "metrics.json").exists()
